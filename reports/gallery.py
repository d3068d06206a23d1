"""The images that the report's page shows: its worst mistakes, and where the network looks."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common.images import read_image
from common.pages import Page
from evaluation.predictions import LabelledPredictions
from reports.figures import draw_saliency, save
from reports.grid import draw_grid
from reports.image_files import content_hash, escape_name
from reports.model import LoadedModel
from reports.saliency import saliency

MISTAKES, EXPLAINED = 12, 4
THUMBNAIL = 200  # pixels


@dataclass(frozen=True)
class Card:
    """One image on the page, as a data URI, with what was predicted of it."""

    image: str
    file: str
    actual: str
    predicted: str
    confidence: float
    right: bool


class Gallery:
    """The images that the page of the report shows, each content once, however many files hold it.

    page: which one of files with several pages is shown.
    """

    def __init__(self, page: Page = 1) -> None:
        self.page = page
        self._shown: set[bytes] = set()

    def take(self, paths: Iterable[Path], wanted: int) -> list[int]:
        """Take the first `wanted` images of a list that are not shown yet; return their positions in it."""
        taken: list[int] = []
        for position, path in enumerate(paths):
            if len(taken) == wanted:
                break
            content = content_hash(read_image(path, self.page))
            if content not in self._shown:
                self._shown.add(content)
                taken.append(position)
        return taken

    def take_predicted(self, predictions: LabelledPredictions, indices: list[int], wanted: int) -> list[int]:
        """Take the first `wanted` images at these indices that are not shown yet; return their indices."""
        return [indices[position] for position in self.take([predictions.paths[index] for index in indices], wanted)]


def draw_gallery(
    directory: Path, model: LoadedModel, predictions: LabelledPredictions, gallery: Gallery
) -> dict[str, list[Card]]:
    """Draw mistakes.png and saliency.png, where there is something to draw; return the cards of the same images."""
    wrong = [int(index) for index in np.argsort(-predictions.losses, kind="stable") if not predictions.right[index]]
    # Of the worst mistakes every third is explained, so that both sections have some, and no image is shown twice.
    chosen = [wrong[1::3], _surest_of_each_class(predictions)]
    explained = [index for some in chosen for index in gallery.take_predicted(predictions, some, EXPLAINED)]
    mistakes = gallery.take_predicted(predictions, wrong, MISTAKES)
    overlays = saliency(model.predictor, predictions, explained, model.checkpoint.preparation(predictions.page))
    for name in ("mistakes.png", "saliency.png"):
        (directory / name).unlink(missing_ok=True)  # of an earlier report, if this one has nothing to draw
    if mistakes:
        draw_grid(directory / "mistakes.png", predictions, np.array(mistakes))
    if overlays:
        save(draw_saliency(predictions, overlays), directory / "saliency.png")
    pairs = {index: Image.fromarray(np.concatenate(pair, axis=1)) for index, pair in overlays.items()}
    return {
        "mistakes": [
            _card(predictions, index, thumbnail(predictions.paths[index], predictions.page)) for index in mistakes
        ],
        "saliency": [_card(predictions, index, jpeg_uri(pair)) for index, pair in pairs.items()],
    }


def _surest_of_each_class(predictions: LabelledPredictions) -> list[int]:
    """Return for each class the index of the right prediction with the lowest loss."""
    sure = [int(index) for index in np.argsort(predictions.losses, kind="stable") if predictions.right[index]]
    # A later entry of a class takes the place of an earlier one, so that the surest remains.
    return list({int(predictions.actual[index]): index for index in reversed(sure)}.values())[::-1]


def _card(predictions: LabelledPredictions, index: int, image: str) -> Card:
    return Card(
        image=image,
        file=escape_name(predictions.caption(index)),
        actual=predictions.names[predictions.actual[index]],
        predicted=predictions.names[predictions.predicted[index]],
        confidence=float(predictions.confidence[index]),
        right=bool(predictions.right[index]),
    )


def thumbnail(path: Path, page: Page = 1, side: int = THUMBNAIL) -> str:
    """Return an image as a data URI, small enough for a page with many: of at most `side` pixels."""
    image = read_image(path, page)
    image.thumbnail((side, side))
    return jpeg_uri(image)


def jpeg_uri(image: Image.Image) -> str:
    """Return an image as the data URI of a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def png_figure(path: Path) -> dict[str, Any]:
    """Return a PNG file as a data URI, with its width and height in pixels."""
    with Image.open(path) as image:
        width, height = image.size
    uri = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    return {"image": uri, "width": width, "height": height}
