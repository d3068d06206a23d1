"""The grid of pictures with predicted and actual class: test.png."""

import math
import textwrap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.files import write_whole
from evaluation.predictions import Answers
from models.preprocessing import read_picture

# Blue and vermilion stay apart for every kind of colour blindness (Okabe & Ito, "Color universal design", 2008);
# the words, the sign and the frame say the same without any colour.
RIGHT = {"color": "#0072B2", "linewidth": 1.5, "linestyle": "solid", "capstyle": "butt"}
WRONG = {"color": "#D55E00", "linewidth": 4.0, "linestyle": (0, (2, 1)), "capstyle": "butt"}
CELL_INCHES = 2.6
LINE_LETTERS = 30
NAME_LETTERS = 52


def choose(answers: Answers, wanted: int, select: str, seed: int = 0) -> np.ndarray:
    """Choose `wanted` pictures, all of them where there are fewer; indices in taxonomic order of the actual classes.

    select: "random" (drawn with `seed`), "worst" (the actual class was given the least probability), "best" (the most),
    or "uncertain" (the two most probable classes lie closest together).
    """
    ranked = {
        "random": lambda: np.random.default_rng(seed).permutation(len(answers)),
        "worst": lambda: np.argsort(-answers.losses, kind="stable"),
        "best": lambda: np.argsort(answers.losses, kind="stable"),
        "uncertain": lambda: np.argsort(answers.margins, kind="stable"),
    }[select]()
    return in_taxonomic_order(answers, ranked[:wanted])


def in_taxonomic_order(answers: Answers, chosen: Iterable[int]) -> np.ndarray:
    """Sort indices of pictures by the place of their actual classes in the taxonomy, then by their own."""
    place = np.argsort(answers.taxonomy.order)
    return np.array(sorted(chosen, key=lambda index: (place[answers.actual[index]], index)), dtype=int)


def draw_grid(path: Path, answers: Answers, chosen: np.ndarray) -> None:
    """Draw the pictures at the indices `chosen`, and write them to `path`, whole or not at all.

    The picture format follows the file name's ending. Raises OSError or ValueError where it cannot be written.
    """
    columns = math.ceil(math.sqrt(len(chosen) * 4 / 3))
    rows = math.ceil(len(chosen) / columns)
    figure = Figure(figsize=(columns * CELL_INCHES, rows * (CELL_INCHES + 0.8)), layout="constrained")
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
    right = answers.right[index]
    cell.imshow(read_picture(answers.paths[index]))
    cell.set_frame_on(True)
    for side in cell.spines.values():
        side.set(**(RIGHT if right else WRONG))
    cell.set_title(verdict(answers, index), fontsize=9, color=RIGHT["color"] if right else WRONG["color"])
    below = wrap(f"actual: {answers.names[answers.actual[index]]}")
    cell.set_xlabel(below, fontsize=9)
    cell.annotate(
        shorten(answers.paths[index].name),
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


def verdict(answers: Answers, index: int) -> str:
    """Say what a picture was taken for, how surely, and whether that is right, in lines that fit a cell."""
    sign = "✓" if answers.right[index] else "✗ wrong:"
    return wrap(f"{sign} {answers.names[answers.predicted[index]]} ({answers.confidence[index]:.0%})")


def shorten(name: str) -> str:
    """Leave out the middle of a file name that is too long for a cell; its end tells shots of one specimen apart."""
    return name if len(name) <= NAME_LETTERS else f"{name[: NAME_LETTERS // 2]}…{name[-NAME_LETTERS // 2 + 1 :]}"


def wrap(text: str) -> str:
    """Break a text into lines that fit a cell; taxa can have very long names."""
    return textwrap.fill(text, LINE_LETTERS)
