"""The report's figures: reliability diagram, and where the network looks."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.files import write_whole
from evaluation.captions import GridStyle, draw_captioned
from evaluation.cross_fit import EvaluatedSplit
from evaluation.figures import RIGHT
from evaluation.metrics import BINS, confidence_bins, expected_calibration_error, wilson
from evaluation.predictions import LabelledPredictions
from reports.grid import captioned
from reports.saliency import ImagePair

DOTS = 110


def save(figure: Figure, path: Path, crop: bool = True) -> None:
    """Write a figure as PNG, whole or not at all; without `crop` as large as it is, which takes half of the time."""
    bounds = "tight" if crop else None
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=DOTS, bbox_inches=bounds))


def draw_calibration(evaluated: EvaluatedSplit) -> Figure:
    """Draw a reliability diagram before and after temperature scaling (Guo et al. 2017, ICML).

    Dots with Wilson intervals are the shares that are right in bins of confidence; below, how many images lie where.
    """
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 2, sharex=True, height_ratios=[3, 1])
    actual = evaluated.predictions.actual
    for axes, below, title, probabilities in (
        (upper[0], lower[0], "as the network gives it", evaluated.uncalibrated),
        (upper[1], lower[1], "after temperature scaling", evaluated.predictions.probabilities),
    ):
        confidence = probabilities.max(axis=1)
        _draw_reliability(axes, confidence, evaluated.predictions.right)
        error = expected_calibration_error(probabilities, actual)
        axes.set(title=f"{title}\nexpected calibration error {error:.3f}", xlim=(0, 1), ylim=(0, 1.02))
        axes.set_ylabel("share that is right")
        below.hist(confidence, bins=np.linspace(0, 1, BINS + 1), color="0.6")
        below.set(xlabel="confidence", ylabel="pictures")
    figure.suptitle(f"{len(actual)} pictures; bars are 95 % intervals", fontsize=9)
    return figure


def _draw_reliability(axes: Axes, confidence: np.ndarray, right: np.ndarray) -> None:
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="perfect")
    bins = confidence_bins(confidence)
    for number in np.unique(bins):
        inside = bins == number
        low, high = wilson(int(right[inside].sum()), int(inside.sum()))
        axes.vlines(confidence[inside].mean(), low, high, color=RIGHT["color"], linewidth=1)
        axes.plot(confidence[inside].mean(), right[inside].mean(), "o", color=RIGHT["color"], markersize=5)


def draw_saliency(predictions: LabelledPredictions, overlays: dict[int, ImagePair]) -> Figure:
    """Draw images, and beside each where the network looked.

    overlays: for each image's index the image and the same with the map laid over it.
    """
    cells = [captioned(predictions, index, np.concatenate(pair, axis=1)) for index, pair in overlays.items()]
    return draw_captioned(cells, GridStyle(min(3, len(cells)), width=3.6, height=1.8))
