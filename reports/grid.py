"""The grid of pictures with predicted and actual class: test.png."""

import math
import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.files import write_whole
from models.images import read_picture
from reports.answers import Answers

# Blue and vermilion stay apart for every kind of colour blindness (Okabe & Ito, "Color universal design", 2008);
# the words, the sign and the frame say the same without any colour.
RIGHT = {"color": "#0072B2", "linewidth": 1.5, "linestyle": "solid", "capstyle": "butt"}
WRONG = {"color": "#D55E00", "linewidth": 4.0, "linestyle": (0, (2, 1)), "capstyle": "butt"}
CELL_INCHES = 2.6
LINE_LETTERS = 30


def choose(count: int, wanted: int, seed: int) -> np.ndarray:
    """Choose `wanted` of `count` pictures by chance, all of them where there are fewer; indices in rising order."""
    return np.sort(np.random.default_rng(seed).choice(count, size=min(wanted, count), replace=False))


def draw_grid(path: Path, answers: Answers, chosen: np.ndarray) -> None:
    """Draw the pictures at the indices `chosen`, and write them to `path`, whole or not at all.

    The picture format follows the file name's ending. Raises OSError or ValueError where it cannot be written.
    """
    columns = math.ceil(math.sqrt(len(chosen) * 4 / 3))
    rows = math.ceil(len(chosen) / columns)
    figure = Figure(figsize=(columns * CELL_INCHES, rows * (CELL_INCHES + 0.7)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for cell in cells:
        cell.set(xticks=[], yticks=[], frame_on=False)
    for cell, index in zip(cells, chosen, strict=False):
        draw_cell(cell, answers, index)
    kind = path.suffix.lstrip(".").lower() or "png"
    write_whole(path, lambda file: figure.savefig(file, format=kind, dpi=120))


def draw_cell(cell: Axes, answers: Answers, index: int) -> None:
    """Draw one picture with the model's answer above it and the actual class below."""
    actual, predicted = answers.actual[index], answers.predicted[index]
    right = actual == predicted
    cell.imshow(read_picture(answers.paths[index]))
    cell.set_frame_on(True)
    for side in cell.spines.values():
        side.set(**(RIGHT if right else WRONG))
    said = f"{'✓' if right else '✗ wrong:'} {answers.names[predicted]} ({answers.confidence[index]:.0%})"
    cell.set_title(wrap(said), fontsize=9, color=RIGHT["color"] if right else WRONG["color"])
    cell.set_xlabel(wrap(f"actual: {answers.names[actual]}"), fontsize=9)


def wrap(text: str) -> str:
    """Break a text into lines that fit a cell; taxa can have very long names."""
    return textwrap.fill(text, LINE_LETTERS)
