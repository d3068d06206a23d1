"""The grid of images with predicted and actual class: test.png."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from common.files import write_whole
from evaluation.captions import CaptionedImage, GridStyle, draw_captioned
from evaluation.figures import CAPTION_LETTERS, shorten, verdict
from evaluation.predictions import LabelledPredictions
from reports.image_files import escape_name

CELL_INCHES = 2.4
FILE_LETTERS = 52
DOTS = 120
MOST_COLUMNS, MOST_PIXELS = 40, 12_000  # of a grid: of any number of pictures it can still be opened


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
    columns = min(math.ceil(math.sqrt(len(chosen) * 4 / 3)), MOST_COLUMNS)
    cells = [captioned(predictions, int(index), predictions.image(index)) for index in chosen]
    figure = draw_captioned(cells, GridStyle(columns, CELL_INCHES, CELL_INCHES))
    dots = min(DOTS, MOST_PIXELS / max(figure.get_size_inches()))
    write_whole(path, lambda file: figure.savefig(file, format=kind, dpi=dots))


def captioned(predictions: LabelledPredictions, index: int, image: Any) -> CaptionedImage:
    """Return an image with the predicted class above it, and the actual class and the file's name below."""
    right = bool(predictions.right[index])
    name = predictions.names[predictions.predicted[index]]
    return CaptionedImage(
        image=image,
        above=verdict(name, float(predictions.confidence[index]), right),
        below=f"actual: {shorten(predictions.names[predictions.actual[index]], CAPTION_LETTERS)}",
        small=shorten(escape_name(predictions.caption(index)), FILE_LETTERS),
        right=right,
    )
