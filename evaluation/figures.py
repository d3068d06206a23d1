"""Figures that both the report and TensorBoard show: the confusion matrix, and frames of right and wrong images."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from common.fonts import fonts_for
from evaluation.metrics import confusion_counts, most_confused
from evaluation.taxonomy import Node, Taxonomy

# Blue and vermilion stay distinct for every kind of colour blindness (Okabe & Ito, "Color universal design", 2008);
# the words, the sign and the frame say the same without any colour.
RIGHT: dict[str, Any] = {"color": "#0072B2", "linewidth": 1.5, "linestyle": "solid", "capstyle": "butt"}
WRONG: dict[str, Any] = {"color": "#D55E00", "linewidth": 4.0, "linestyle": (0, (2, 1)), "capstyle": "butt"}
NAME_LETTERS, CAPTION_LETTERS = 40, 60  # of a class beside the confusion matrix, and in a caption

# A cell of the confusion matrix in inches, for few and for many classes: labels of 6.5 points still fit the smallest.
CELLS = (0.42, 0.16)
MANY = 30  # classes, from which names are on all sides: those at the other end are too far away
LETTER = 0.58  # width of a letter as a share of its size
SIDE = 2.2  # inches of the matrix at least: the axes' names are as long
LARGEST = 62.0  # inches of the matrix at most, so that a picture of any number of classes can be opened
SMALLEST_LETTERS = 2.5  # points; smaller names are left out
PAD = 0.1  # inches around a figure


def frame_image(cell: Axes, right: bool) -> str:
    """Frame the image in a cell by whether its prediction is right; return the colour for words that go with it."""
    style = RIGHT if right else WRONG
    cell.set_frame_on(True)
    for side in cell.spines.values():
        side.set(**style)
    return str(style["color"])


def verdict(name: str, confidence: float, right: bool) -> str:
    """Say which class was predicted, how surely, and whether that is right."""
    return f"{'✓' if right else '✗ wrong:'} {shorten(name, CAPTION_LETTERS)} ({confidence:.0%})"


def shorten(text: str, letters: int = NAME_LETTERS) -> str:
    """Leave out the middle of a text that is too long: its end tells names apart that begin alike."""
    return text if len(text) <= letters else f"{text[: letters // 2]}…{text[-(letters // 2) + 1 :]}"


def draw_confusion(
    taxonomy: Taxonomy,
    actual: np.ndarray,
    predicted: np.ndarray,
    cells: Literal["counts", "shares"] = "counts",
    most: int | None = None,
) -> Figure:
    """Draw the confusion matrix of labels (n,): rows are actual classes, columns predicted ones, in taxonomic order.

    Classes that neither occur nor are predicted are left out. Shades are shares of the actual class, and brackets join
    the classes of one parent. cells: what is written in them, numbers of images or percent of the actual class, whose
    number of images is then behind its name. most: draw no more than so many classes, those that are confused most
    often. The figure grows with the number of classes, so that all can be read, up to LARGEST inches.
    """
    labels, counts = confusion_counts(taxonomy, actual, predicted)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    totals = counts.sum(1)
    if most is not None and len(labels) > most:
        block = most_confused(counts, most)
        labels, counts, totals = [labels[place] for place in block], counts[np.ix_(block, block)], totals[block]
        shares = shares[np.ix_(block, block)]
    columns = rows = [shorten(taxonomy.names[label]) for label in labels]
    texts, in_percent = np.where(counts > 0, counts.astype(str), ""), ""
    if cells == "shares":
        texts = np.where(shares >= 0.005, np.char.mod("%.0f", 100 * shares), "")
        in_percent = "\n(in % of the actual class)"
        rows = [f"{name} ({count})" for name, count in zip(rows, totals, strict=True)]
    matrix = _Matrix(shares, texts, rows, columns, [taxonomy.lineages[label][:-1] for label in labels])
    of = f"actual class ({totals.sum()} pictures)", f"class that the model predicts{in_percent}"
    with fonts_for(name for label in labels for name in taxonomy.lineages[label]):
        return _draw(matrix, *of)


@dataclass(frozen=True)
class _Matrix:
    """What is drawn of k classes: shares and texts (k, k), names of rows and columns, and the classes' parents."""

    shares: np.ndarray
    texts: np.ndarray
    rows: list[str]
    columns: list[str]
    parents: list[Node]


def _draw(matrix: _Matrix, vertical: str, horizontal: str) -> Figure:
    count = len(matrix.rows)
    cell = float(np.clip(7 / count, CELLS[1], max(CELLS[0], SIDE / count)))
    cell = min(cell, LARGEST / count)
    letters = float(np.clip(cell * 72 * 0.62, 0, 10))
    figure = Figure(figsize=(cell * count,) * 2)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(matrix.shares, cmap="Blues", vmin=0, vmax=1)
    digits = max(map(len, matrix.texts.flat))
    legible = letters >= SMALLEST_LETTERS
    if legible:
        _write_cells(axes, matrix.texts, matrix.shares, min(letters, cell * 72 * 0.85 / (0.62 * digits)))
    _name_classes(axes, matrix.rows if legible else [], matrix.columns if legible else [], letters)
    axes.set_ylabel(vertical, fontsize=max(letters, 8))
    axes.set_xlabel(horizontal, fontsize=max(letters, 8))
    if legible:
        away = max(map(len, matrix.rows)) * letters * LETTER / 72 / cell if count > MANY else 0.0
        _draw_brackets(axes, matrix.parents, letters, away)
    _grow_to_content(figure, axes)
    return figure


def _write_cells(axes: Axes, texts: np.ndarray, shares: np.ndarray, size: float) -> None:
    for row, column in np.argwhere(texts != ""):
        colour = "white" if shares[row, column] > 0.55 else "black"
        text = axes.text(column, row, texts[row, column], ha="center", va="center", fontsize=size, color=colour)
        text.set_in_layout(False)  # it is inside the axes; asking it for its size would take long


def _name_classes(axes: Axes, rows: list[str], columns: list[str], letters: float) -> None:
    """Name the rows and columns, and draw lines between them."""
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=letters, parse_math=False)
    axes.set_yticks(range(len(rows)), rows, fontsize=letters, parse_math=False)
    axes.tick_params(length=0, labeltop=len(rows) > MANY, labelright=len(rows) > MANY)
    edge = axes.get_xlim()[1]
    between = np.arange(0.5, edge)
    for lines in (axes.hlines, axes.vlines):  # two artists, where a grid of minor ticks would be hundreds, and slow
        lines(between, -0.5, edge, color="0.9", linewidth=0.4)


def _draw_brackets(axes: Axes, parents: list[Node], letters: float, away: float) -> None:
    """Draw a bracket over the columns and beside the rows of each run of classes with one parent, and name it.

    They are `away` cells from the matrix, where its names end; `letters` is the size of theirs in points.
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
            name: dict[str, Any] = {"fontsize": letters, "color": "0.2", "parse_math": False}
            named = shorten(parent[-1])
            axes.text(edge + depth + 0.3, middle, named, va="center", **name)
            axes.text(middle, -1 - depth + 0.2, named, ha="left", va="bottom", rotation=45, **name)
            axes.axhline(start - 0.5, color="0.3", linewidth=0.6)
            axes.axvline(start - 0.5, color="0.3", linewidth=0.6)
        start += count
    axes.set(xlim=(-0.5, edge), ylim=(edge, -0.5))


def _grow_to_content(figure: Figure, axes: Axes) -> None:
    """Let a figure that is all axes be as large as what is around them needs; the axes keep their size.

    Matplotlib's own layouts would shrink the axes instead, and take several times as long.
    """
    width, height = figure.get_size_inches()
    box: Bbox = figure.get_tightbbox().padded(PAD)
    figure.set_size_inches(box.width, box.height)
    axes.set_position((-box.x0 / box.width, -box.y0 / box.height, width / box.width, height / box.height))
