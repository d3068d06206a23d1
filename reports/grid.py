"""The grid of images with predicted and actual class: test.png."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from common.files import write_whole
from evaluation.figures import frame_image, verdict, wrap
from evaluation.predictions import LabelledPredictions
from reports.image_files import escape_name

CELL_INCHES = 2.6
NAME_LETTERS = 52


def choose(predictions: LabelledPredictions, wanted: int, select: str, seed: int = 0) -> np.ndarray:
    """Choose `wanted` images, all of them where there are fewer; indices in taxonomic order of the actual classes.

    select: "random" (drawn with `seed`), "worst" (the actual class has the lowest probability), "best" (the highest),
    or "uncertain" (the two most probable classes lie closest together).
    """
    ranked = {
        "random": lambda: np.random.default_rng(seed).permutation(len(predictions)),
        "worst": lambda: np.argsort(-predictions.losses, kind="stable"),
        "best": lambda: np.argsort(predictions.losses, kind="stable"),
        "uncertain": lambda: np.argsort(predictions.margins, kind="stable"),
    }[select]()
    return in_taxonomic_order(predictions, ranked[:wanted])


def in_taxonomic_order(predictions: LabelledPredictions, chosen: Iterable[int]) -> np.ndarray:
    """Sort indices of images by their actual classes' place in the taxonomy, then by their own."""
    position = np.argsort(predictions.taxonomy.order)
    return np.array(sorted(chosen, key=lambda index: (position[predictions.actual[index]], index)), dtype=int)


def draw_grid(path: Path, predictions: LabelledPredictions, chosen: np.ndarray, kind: str = "png") -> None:
    """Draw the images at the indices `chosen`, and write them to `path`, whole or not at all.

    kind: the format, such as "png" or "pdf". Raises OSError where the disk refuses, ImageError for an unreadable image.
    """
    columns = math.ceil(math.sqrt(len(chosen) * 4 / 3))
    rows = math.ceil(len(chosen) / columns)
    size = (columns * CELL_INCHES, rows * (CELL_INCHES + 0.8))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for cell in cells:
        cell.set(xticks=[], yticks=[], frame_on=False)
    for cell, index in zip(cells, chosen, strict=False):
        draw_cell(cell, predictions, index)
    write_whole(path, lambda file: figure.savefig(file, format=kind, dpi=120))


def draw_cell(cell: Axes, predictions: LabelledPredictions, index: int) -> None:
    """Draw one image with the predicted class above it and the actual class below."""
    cell.imshow(predictions.image(index))
    colour = frame_image(cell, predictions.right[index])
    cell.set_title(verdict_of(predictions, index), fontsize=9, color=colour, parse_math=False)
    below = wrap(f"actual: {predictions.names[predictions.actual[index]]}")
    cell.set_xlabel(below, fontsize=9, parse_math=False)
    cell.annotate(
        shorten(predictions.paths[index].name),
        (0.5, 0),
        xycoords=cell.xaxis.label,
        xytext=(0, -2),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=5.5,
        color="0.35",
        parse_math=False,
    )


def verdict_of(predictions: LabelledPredictions, index: int) -> str:
    """Say which class was predicted for an image, how surely, and whether that is right, in lines that fit a cell."""
    name = predictions.names[predictions.predicted[index]]
    return verdict(name, predictions.confidence[index], predictions.right[index])


def shorten(name: str) -> str:
    """Leave out the middle of a file name that is too long for a cell; its end tells shots of one specimen apart."""
    name = escape_name(name)
    return name if len(name) <= NAME_LETTERS else f"{name[: NAME_LETTERS // 2]}…{name[-NAME_LETTERS // 2 + 1 :]}"
