"""Figures that both the report and TensorBoard show: the confusion matrix, and frames of right and wrong images."""

import textwrap
from itertools import groupby
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from evaluation.metrics import confusion_counts
from evaluation.taxonomy import Node, Taxonomy

# Blue and vermilion stay distinct for every kind of colour blindness (Okabe & Ito, "Color universal design", 2008);
# the words, the sign and the frame say the same without any colour.
RIGHT: dict[str, Any] = {"color": "#0072B2", "linewidth": 1.5, "linestyle": "solid", "capstyle": "butt"}
WRONG: dict[str, Any] = {"color": "#D55E00", "linewidth": 4.0, "linestyle": (0, (2, 1)), "capstyle": "butt"}
LINE_LETTERS = 30

# A cell of the confusion matrix in inches, for few and for many classes: labels of 6.5 points still fit the smallest.
CELLS = (0.42, 0.16)
MANY = 30  # classes, from which names are on all sides: those at the other end are too far away
LETTER = 0.58  # width of a letter as a share of its size
SIDE = 2.2  # inches of the matrix at least: the axes' names are as long
PAD = 0.1  # inches around a figure


def frame_image(cell: Axes, right: bool) -> str:
    """Frame the image in a cell by whether its prediction is right; return the colour for words that go with it."""
    style = RIGHT if right else WRONG
    cell.set_frame_on(True)
    for side in cell.spines.values():
        side.set(**style)
    return str(style["color"])


def verdict(name: str, confidence: float, right: bool) -> str:
    """Return which class was predicted, how surely, and whether that is right, in lines that fit a cell."""
    return wrap(f"{'✓' if right else '✗ wrong:'} {name} ({confidence:.0%})")


def wrap(text: str) -> str:
    """Return a text in lines that fit a cell; taxa can have very long names."""
    return textwrap.fill(text, LINE_LETTERS)


def draw_confusion(
    taxonomy: Taxonomy, actual: np.ndarray, predicted: np.ndarray, cells: Literal["counts", "shares"] = "counts"
) -> Figure:
    """Draw the confusion matrix of labels (n,): rows are actual classes, columns predicted ones, in taxonomic order.

    Classes that neither occur nor are predicted are left out. Shades are shares of the actual class, and brackets join
    the classes of one parent. cells: what is written in them, numbers of images or percent of the actual class, whose
    number of images is then behind its name. The figure grows with the number of classes, so that all can be read.
    """
    labels, counts = confusion_counts(taxonomy, actual, predicted)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    columns = rows = [taxonomy.names[label] for label in labels]
    texts, in_percent = np.where(counts > 0, counts.astype(str), ""), ""
    if cells == "shares":
        texts = np.where(shares >= 0.005, np.char.mod("%.0f", 100 * shares), "")
        in_percent = "\n(in % of the actual class)"
        rows = [f"{name} ({count})" for name, count in zip(rows, counts.sum(1), strict=True)]
    cell = float(np.clip(7 / len(labels), CELLS[1], max(CELLS[0], SIDE / len(labels))))
    letters = float(np.clip(cell * 72 * 0.62, 5.5, 10))
    figure = Figure(figsize=(cell * len(labels),) * 2)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    digits = max(map(len, texts.flat))
    _write_cells(axes, texts, shares, min(letters, cell * 72 * 0.85 / (0.62 * digits)))
    _name_classes(axes, rows, columns, letters)
    axes.set_ylabel(f"actual class ({len(actual)} pictures)", fontsize=max(letters, 8))
    axes.set_xlabel(f"class that the model predicts{in_percent}", fontsize=max(letters, 8))
    away = max(map(len, rows)) * letters * LETTER / 72 / cell if len(labels) > MANY else 0.0
    _draw_brackets(axes, [taxonomy.lineages[label][:-1] for label in labels], letters, away)
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
    edge = len(rows) - 0.5
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
            axes.text(edge + depth + 0.3, middle, parent[-1], va="center", **name)
            axes.text(middle, -1 - depth + 0.2, parent[-1], ha="left", va="bottom", rotation=45, **name)
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
