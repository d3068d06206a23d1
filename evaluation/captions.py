"""Images in a grid, each framed and with captions above and below it, none of which lies over another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from common.fonts import fonts_for
from common.text_layout import wrap_text
from evaluation.figures import RIGHT, WRONG, frame_image

LINES, SMALL_LINES = 3, 2  # of a caption at most
LINE = 1.35  # height of a line as a share of its letters' size
GAP = 0.12  # inches between captions and the next image
FINE = 10  # letters are measured so many times as large, since fonts are coarse at small sizes


@dataclass(frozen=True)
class CaptionedImage:
    """An image (what matplotlib shows), the caption above and that below it, a line in small print, and its verdict."""

    image: Any
    above: str
    below: str
    small: str = ""
    right: bool = True


@dataclass(frozen=True)
class GridStyle:
    """Columns, the size of a cell's image in inches, and the size of letters in points; small print has two thirds."""

    columns: int
    width: float
    height: float
    letters: float = 9

    @property
    def small(self) -> float:
        """The size of the small print in points."""
        return self.letters * 2 / 3


def draw_captioned(images: Sequence[CaptionedImage], style: GridStyle) -> Figure:
    """Draw images row by row; every row is as high as its captions need."""
    rows = [images[start : start + style.columns] for start in range(0, len(images), style.columns)]
    captions = [[_Captions.of(each, style) for each in row] for row in rows]
    heads = [max(_height(each.above, style.letters) for each in row) for row in captions]
    feet = [
        max(_height(each.below, style.letters) + _height(each.small, style.small) for each in row) for row in captions
    ]
    cell = style.width + GAP
    width = style.columns * cell + GAP
    height = sum(heads) + sum(feet) + len(rows) * (style.height + 3 * GAP) + GAP
    with fonts_for(text for each in images for text in (each.above, each.below, each.small)):
        figure = Figure(figsize=(width, height))
        top = height - GAP
        for row, texts, head, foot in zip(rows, captions, heads, feet, strict=True):
            top -= head + GAP
            for column, (image, written) in enumerate(zip(row, texts, strict=True)):
                _draw_cell(figure, (GAP + column * cell, top), image, written, style)
            top -= style.height + foot + 2 * GAP
    return figure


@dataclass(frozen=True)
class _Captions:
    """The lines of a cell's captions."""

    above: list[str]
    below: list[str]
    small: list[str]

    @classmethod
    def of(cls, image: CaptionedImage, style: GridStyle) -> "_Captions":
        return cls(
            _lines(image.above, style.width, style.letters, LINES),
            _lines(image.below, style.width, style.letters, LINES),
            _lines(image.small, style.width, style.small, SMALL_LINES),
        )


def _lines(text: str, width: float, letters: float, most: int) -> list[str]:
    return wrap_text(text, int(width * 72 * FINE), int(letters * FINE), most) if text else []


def _height(lines: list[str], letters: float) -> float:
    return len(lines) * letters * LINE / 72


def _draw_cell(
    figure: Figure, corner: tuple[float, float], image: CaptionedImage, written: _Captions, style: GridStyle
) -> None:
    """Draw one cell; corner: of its image, upper left, in inches from the figure's lower left."""
    left, top = corner
    width, height = figure.get_size_inches()
    place = (left / width, (top - style.height) / height, style.width / width, style.height / height)
    axes = figure.add_axes(place, xticks=[], yticks=[])
    axes.imshow(np.asarray(image.image))
    frame_image(axes, image.right)
    colour = (RIGHT if image.right else WRONG)["color"]
    middle = (left + style.width / 2) / width
    common: dict[str, Any] = {"ha": "center", "parse_math": False, "linespacing": 1.1}
    above = (top + GAP / 2) / height
    figure.text(middle, above, "\n".join(written.above), va="bottom", fontsize=style.letters, color=colour, **common)
    below = top - style.height - GAP / 2
    figure.text(middle, below / height, "\n".join(written.below), va="top", fontsize=style.letters, **common)
    below -= _height(written.below, style.letters)
    figure.text(
        middle, below / height, "\n".join(written.small), va="top", fontsize=style.small, color="0.35", **common
    )
