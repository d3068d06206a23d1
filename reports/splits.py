"""The images of train/, validate/ and test/ as the model predicts them, with their rows of manifest.csv."""

from pathlib import Path

import torch
from tqdm import tqdm

from common.images import list_image_folder
from common.manifest import NAME as MANIFEST
from common.manifest import ManifestRow, read_manifest
from evaluation.cross_fit import PredictedSplit
from models.prediction import predict_files
from reports.image_files import escape_name
from reports.model import LoadedModel


def predict_split(model: LoadedModel, directory: Path, limit: int | None = None) -> PredictedSplit:
    """Predict the images of an ImageFolder, at most `limit` of a class, evenly spread over its files.

    Raises OSError or ToolkitError, with a sentence for the user, where they cannot be read.
    """
    samples, _ = list_image_folder(directory, model.checkpoint.classes)
    samples = thin_out(samples, limit)
    paths = [path for path, _ in samples]
    name = directory.resolve().name
    with tqdm(total=len(paths), desc=f"Classifying {name}/", unit=" pictures", leave=False) as bar:
        prediction = predict_files(model.predictor, paths, model.checkpoint.image_size, bar.update)
    manifest = manifest_beside(directory)
    return PredictedSplit(
        name=name,
        paths=paths,
        files=[f"{name}/{escape_name(path.relative_to(directory).as_posix())}" for path in paths],
        labels=torch.tensor([label for _, label in samples]),
        prediction=prediction,
        manifest=[manifest.get(path, ManifestRow(path="")) for path in paths],
    )


def manifest_beside(directory: Path) -> dict[Path, ManifestRow]:
    """Return the rows of the manifest.csv beside an ImageFolder by the images' paths, none where there is no file.

    Raises OSError or ToolkitError where it cannot be read as such.
    """
    try:
        rows = read_manifest(directory.parent / MANIFEST)
    except FileNotFoundError:
        return {}
    return {directory.parent / row.path: row for row in rows}


def thin_out(samples: list[tuple[Path, int]], limit: int | None) -> list[tuple[Path, int]]:
    """Choose at most `limit` images of each class from (path, label), evenly spread over its files."""
    if limit is None:
        return samples
    of_class: dict[int, list[tuple[Path, int]]] = {}
    for sample in samples:
        of_class.setdefault(sample[1], []).append(sample)
    return [each for members in of_class.values() for each in members[:: -(-len(members) // limit)]]
