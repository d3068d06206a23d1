"""The images of train/, validate/ and test/ as the model predicts them, with their rows of manifest.csv."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from common import dataset_info
from common.errors import ToolkitError
from common.fingerprints import are_known
from common.folders import LeftOut, comparable
from common.image_folder import ImageFolder, list_image_folder
from common.manifest import NAME as MANIFEST
from common.manifest import ManifestRow, read_manifest
from common.pages import Page
from common.progress import Progress
from common.remarks import remarks
from evaluation.cross_fit import PredictedSplit
from models.prediction import PredictedFiles, predict_files
from reports.image_files import escape_name
from reports.model import LoadedModel

LOG = logging.getLogger(__name__)


def predict_split(
    model: LoadedModel, directory: Path, limit: int | None = None, page: Page | None = None
) -> PredictedSplit:
    """Predict the images of an ImageFolder, at most `limit` of a class, evenly spread over its files.

    page: which one of files with several pages, None for that which the data set or the model was made from. Images
    that cannot be read are left out with a warning that names them. Raises OSError or ToolkitError, with a sentence for
    the user, where none is left.
    """
    folder = list_image_folder(directory, model.checkpoint.classes)
    samples = thin_out(folder.samples, limit)
    page = page_of(directory, model) if page is None else page
    name = directory.resolve().name
    with Progress(total=len(samples), desc=f"Classifying {name}/", unit=" pictures", leave=False) as bar:
        preparation = model.checkpoint.preparation(page)
        predicted = predict_files(model.predictor, [path for path, _ in samples], preparation, bar.update)
    samples = [sample for sample, read in zip(samples, predicted.read, strict=True) if read]
    manifest = manifest_beside(directory)
    known = model.checkpoint.fingerprints
    left_out = _left_out(name, directory, folder, predicted) if limit is None else []
    return PredictedSplit(
        name=name,
        paths=[path for path, _ in samples],
        files=[_table_name(name, directory, path) for path, _ in samples],
        labels=torch.tensor([label for _, label in samples]),
        prediction=predicted.prediction,
        manifest=[manifest.get(_key(path), ManifestRow(path="")) for path, _ in samples],
        learnt=None if known is None else are_known(predicted.fingerprints, known.numpy()),
        page=page,
        left_out=left_out,
        remarks=_remarks(name, directory, predicted, page) if limit is None else [],
    )


def page_of(directory: Path, model: LoadedModel) -> Page:
    """Return which page of files with several a split was made from: by dataset.json beside it, else by the model."""
    try:
        return dataset_info.read_dataset_info(directory.parent / dataset_info.NAME).page
    except (OSError, ToolkitError):
        return model.page


def manifest_beside(directory: Path) -> dict[Path, ManifestRow]:
    """Return the rows of the manifest.csv beside an ImageFolder by the images' paths, none where there is no file.

    Raises OSError or ToolkitError where it cannot be read as such.
    """
    try:
        rows = read_manifest(directory.parent / MANIFEST)
    except FileNotFoundError:
        return {}
    return {_key(directory.parent / row.path): row for row in rows}


def thin_out(samples: list[tuple[Path, int]], limit: int | None) -> list[tuple[Path, int]]:
    """Choose at most `limit` images of each class from (path, label), evenly spread over its files."""
    if limit is None:
        return samples
    of_class: dict[int, list[tuple[Path, int]]] = {}
    for sample in samples:
        of_class.setdefault(sample[1], []).append(sample)
    return [each for members in of_class.values() for each in members[:: -(-len(members) // limit)]]


def _key(path: Path) -> Path:
    return Path(comparable(str(path)))


def _table_name(name: str, directory: Path, path: Path) -> str:
    return f"{name}/{escape_name(path.relative_to(directory).as_posix())}"


def _left_out(name: str, directory: Path, folder: ImageFolder, predicted: PredictedFiles) -> list[LeftOut]:
    """Return all files of a split that are not used; a warning names those that are, or may be, pictures."""
    others = [replace(left, name=f"{name}/{escape_name(left.name)}") for left in folder.left_out]
    unread = [
        LeftOut(_table_name(name, directory, path), f"unreadable: {why}", True)
        for path, why in predicted.faults.items()
    ]
    if missed := [left for left in (*unread, *others) if left.unreadable]:
        named = "; ".join(f"{left.name} ({left.reason})" for left in missed)
        LOG.warning("%d files of %s/ that are, or may be, pictures are left out: %s", len(missed), name, named)
    if others:
        LOG.info("%d files of %s/ are no pictures, or cannot be used.", len(others), name)
    return [*unread, *others]


def _remarks(name: str, directory: Path, predicted: PredictedFiles, page: Page) -> list[str]:
    pages = {_table_name(name, directory, path): count for path, count in predicted.pages.items()}
    return remarks(pages, [_table_name(name, directory, path) for path in predicted.one_colour], page)


def learnt_count(split: PredictedSplit) -> int:
    """Return how many images of a split the model learnt from, as far as it knows."""
    return 0 if split.learnt is None else int(np.count_nonzero(split.learnt))
