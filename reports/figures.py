"""The report's figures: confusion matrix, reliability diagram, and where the network looks."""

from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.sparse import coo_array

from common.files import write_whole
from evaluation.calibration import expected_calibration_error
from evaluation.cross_fit import Examined
from evaluation.metrics import wilson
from evaluation.predictions import Answers
from reports.grid import RIGHT, WRONG, shorten, verdict, wrap

BINS = 15
DOTS = 110
# A cell of the confusion matrix in inches, for few and for many classes: labels of 6.5 points still fit the smallest.
CELLS = (0.42, 0.16)
MANY = 30  # classes, from which names stand on all sides: those at the other end are too far away
LETTER = 0.58  # width of a letter as a share of its size
SIDE = 2.2  # inches of the matrix at least: the axes' names are as long


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=DOTS, bbox_inches="tight"))


def confusion(answers: Answers) -> tuple[list[int], np.ndarray]:
    """Count how often each class (rows) was answered as each (columns), int (k, k).

    Returns the k labels too: those that occur or are answered, in taxonomic order.
    """
    seen = np.union1d(answers.actual, answers.predicted)
    labels = [label for label in answers.taxonomy.order if label in seen]
    one, places = np.ones(len(answers), int), (answers.actual, answers.predicted)
    counts = coo_array((one, places), shape=(len(answers.names),) * 2).toarray()
    return labels, counts[np.ix_(labels, labels)]


def draw_confusion(path: Path, answers: Answers) -> None:
    """Draw the confusion matrix: shades are shares of the actual class, brackets join the classes of one parent.

    The figure grows with the number of classes; counts stand in all cells but the empty ones, as large as they fit.
    """
    labels, counts = confusion(answers)
    names = [answers.names[label] for label in labels]
    cell = float(np.clip(7 / len(labels), CELLS[1], max(CELLS[0], SIDE / len(labels))))
    letters = float(np.clip(cell * 72 * 0.62, 5.5, 10))
    side = cell * len(labels)
    figure = Figure(figsize=(side, side))
    axes = figure.add_axes((0, 0, 1, 1))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    digits = len(str(counts.max()))
    size = min(letters, cell * 72 * 0.85 / (0.62 * digits))
    for row, column in np.argwhere(counts):
        colour = "white" if shares[row, column] > 0.55 else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", fontsize=size, color=colour)
    ticks = range(len(labels))
    axes.set_xticks(ticks, names, rotation=90, fontsize=letters, parse_math=False)
    axes.set_yticks(ticks, names, fontsize=letters, parse_math=False)
    axes.set_xticks(np.arange(-0.5, len(labels)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(labels)), minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.4)
    many = len(labels) > MANY
    axes.tick_params(which="both", length=0, labeltop=many, labelright=many)
    axes.set_ylabel(f"actual class ({len(answers)} pictures)", fontsize=max(letters, 8))
    axes.set_xlabel("class that the model answers", fontsize=max(letters, 8))
    parents = [answers.taxonomy.lineages[label][:-1] for label in labels]
    _brackets(axes, parents, letters, many * max(map(len, names)) * letters * LETTER / 72 / cell)
    save(figure, path)


def _brackets(axes: Axes, parents: list[tuple[str, ...]], letters: float, away: float) -> None:
    """Draw a bracket over the columns and beside the rows of each run of classes with one parent, and name it.

    They stand `away` cells from the matrix, where its names end; `letters` is the size of theirs in points.
    """
    start, edge = 0, len(parents) - 0.5
    for parent, run in groupby(parents):
        count = len(list(run))
        if parent:
            first, last, middle = start - 0.4, start + count - 0.6, start + (count - 1) / 2
            gap, depth = away + 0.3, away + 0.6
            along, out = [first, first, last, last], [edge + gap, edge + depth, edge + depth, edge + gap]
            axes.plot(out, along, color="0.3", linewidth=1, clip_on=False)
            axes.plot(along, [len(parents) - 1 - value for value in out], color="0.3", linewidth=1, clip_on=False)
            name = {"fontsize": letters, "color": "0.2", "parse_math": False}
            axes.text(edge + depth + 0.3, middle, parent[-1], va="center", **name)
            axes.text(middle, -1 - depth + 0.2, parent[-1], ha="left", va="bottom", rotation=45, **name)
            axes.axhline(start - 0.5, color="0.3", linewidth=0.6)
            axes.axvline(start - 0.5, color="0.3", linewidth=0.6)
        start += count
    axes.set(xlim=(-0.5, edge), ylim=(edge, -0.5))


def draw_calibration(path: Path, examined: Examined) -> None:
    """Draw a reliability diagram before and after temperature scaling (Guo et al. 2017, ICML).

    Dots with Wilson intervals are the shares that are right in bins of confidence; below, how many pictures lie where.
    """
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 2, sharex=True, height_ratios=[3, 1])
    right = examined.answers.right
    for axes, below, title, probabilities in (
        (upper[0], lower[0], "as the network gives it", examined.raw),
        (upper[1], lower[1], "after temperature scaling", examined.answers.probabilities),
    ):
        confidence = probabilities.max(axis=1)
        bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
        axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="perfect")
        for number in np.unique(bins):
            inside = bins == number
            share, count = right[inside].mean(), int(inside.sum())
            low, high = wilson(int(right[inside].sum()), count)
            axes.vlines(confidence[inside].mean(), low, high, color=RIGHT["color"], linewidth=1)
            axes.plot(confidence[inside].mean(), share, "o", color=RIGHT["color"], markersize=5)
        error = expected_calibration_error(probabilities, examined.answers.actual, BINS)
        axes.set(title=f"{title}\nexpected calibration error {error:.3f}", xlim=(0, 1), ylim=(0, 1.02))
        axes.set_ylabel("share that is right")
        below.hist(confidence, bins=np.linspace(0, 1, BINS + 1), color="0.6")
        below.set(xlabel="confidence", ylabel="pictures")
    figure.suptitle(f"{len(right)} pictures; bars are 95 % intervals", fontsize=9)
    save(figure, path)


def draw_saliency(path: Path, answers: Answers, overlays: dict[int, tuple[np.ndarray, np.ndarray]]) -> None:
    """Draw pictures, and beside each where the network looked.

    overlays: for each picture's index the picture and the same with the map laid over it, both uint8 (s, s, 3).
    """
    columns = min(3, len(overlays))
    rows = -(-len(overlays) // columns)
    figure = Figure(figsize=(columns * 3.6, rows * 2.6), layout="constrained")
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for cell in cells:
        cell.set(xticks=[], yticks=[], frame_on=False)
    for cell, (index, pair) in zip(cells, overlays.items(), strict=False):
        style = RIGHT if answers.right[index] else WRONG
        cell.imshow(np.concatenate(pair, axis=1))
        cell.set_title(verdict(answers, index), fontsize=9, color=style["color"], parse_math=False)
        actual = wrap(f"actual: {answers.names[answers.actual[index]]}")
        cell.set_xlabel(f"{actual}\n{shorten(answers.paths[index].name)}", fontsize=7, parse_math=False)
    save(figure, path)
