"""Classes that a model takes for each other, and what the data say that tells them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from common.manifest import ManifestRow
from common.names import is_type
from common.records import read_records
from evaluation.cross_fit import EvaluatedSplit, PredictedSplit
from evaluation.predictions import LabelledPredictions
from evaluation.taxonomy import Node
from reports.gallery import Gallery, thumbnail
from reports.image_files import escape_name

PAIRS = 6
SHOWN = 2  # type specimens of a confused taxon, and training images


@dataclass(frozen=True)
class Pair:
    """An actual class, the class that was predicted in its place, and the indices of the images concerned."""

    actual: int
    predicted: int
    images: np.ndarray


@dataclass(frozen=True)
class References:
    """What can be shown beside the images of a class.

    classes: names of the classes' directories; manifest: the rows of manifest.csv by path, of all splits; features: the
    distinguishing features of taxa by lineage; train: training images, where there are some.
    """

    classes: list[str]
    manifest: Mapping[Path, ManifestRow]
    features: Mapping[Node, str]
    train: PredictedSplit | None


def confused_pairs(predictions: LabelledPredictions, most: int) -> list[Pair]:
    """Return up to `most` pairs of classes, the most often confused first."""
    wrong = np.flatnonzero(~predictions.right)
    pairs = np.stack([predictions.actual[wrong], predictions.predicted[wrong]], axis=1)
    found, which, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return [
        Pair(int(found[position][0]), int(found[position][1]), wrong[which.ravel() == position]) for position in order
    ]


def describe_pairs(evaluated: EvaluatedSplit, references: References, gallery: Gallery) -> list[dict[str, Any]]:
    """Return for each of the most confused pairs how often it is, and for both taxa names, features and images."""
    predictions = evaluated.predictions
    shown = []
    for pair in confused_pairs(predictions, PAIRS):
        sides = []
        for label in (pair.actual, pair.predicted):
            alike = most_similar(evaluated.split, pair.images, references.train, label) if references.train else []
            types = type_specimens(references.manifest, references.classes[label])
            features = references.features.get(predictions.taxonomy.lineages[label], "")
            sides.append(_side(gallery, types, alike) | {"name": predictions.names[label], "features": features})
        shown.append({"count": len(pair.images), "sides": sides})
    return shown


def _side(gallery: Gallery, types: list[tuple[Path, str]], alike: list[Path]) -> dict[str, Any]:
    """Return the images of one taxon of a pair: type specimens, and the training images most like the mistakes.

    `above` names the type specimens that the page has shown already.
    """
    first = gallery.take([path for path, _ in types], SHOWN)
    images = [
        {"image": thumbnail(path, gallery.page), "file": escape_name(path.name), "what": f"Type specimen ({status})"}
        for path, status in (types[position] for position in first)
    ]
    images += [
        {
            "image": thumbnail(alike[position], gallery.page),
            "file": escape_name(alike[position].name),
            "what": "Training picture",
        }
        for position in gallery.take(alike, SHOWN)
    ]
    # Where fewer were taken than wanted, the page shows all others further up.
    others = [escape_name(path.name) for position, (path, _) in enumerate(types) if position not in first]
    return {"images": images, "above": others if len(first) < SHOWN else [], "types": len(types)}


def most_similar(split: PredictedSplit, images: np.ndarray, train: PredictedSplit, label: int) -> list[Path]:
    """Return the training images of a class, first those most similar to the given ones, as the network sees them.

    Similarity is the cosine between features, as of `models.prediction.Prediction`, and the images' mean.
    """
    own = torch.nonzero(train.labels == label).ravel()
    features = F.normalize(train.prediction.features[own], dim=1)
    centre = F.normalize(split.prediction.features[torch.as_tensor(images)], dim=1).mean(0)
    return [train.paths[own[position]] for position in (features @ centre).argsort(descending=True)]


def type_specimens(manifest: Mapping[Path, ManifestRow], name: str) -> list[tuple[Path, str]]:
    """Return the images of a class that show type specimens, with their status ("holotype", …), holotypes first.

    manifest: the rows of manifest.csv by path, of all splits; name: of the class.
    """
    types = [
        (path, row.status.strip())
        for path, row in manifest.items()
        if row.label == name and is_type(row.status) and path.is_file()
    ]
    return sorted(types, key=lambda each: ("holotype" not in each[1].casefold(), each[0]))


def read_features(data: Path) -> dict[Node, str]:
    """Read the distinguishing features of taxa, by lineage, from the records below a directory such as data/.

    Records that cannot be read, are written by hand, or say nothing of features are passed over.
    """
    records, _ = read_records(data)
    features = {record.lineage: record.page.features.strip() for record in records.values() if record.page}
    return {lineage: text for lineage, text in features.items() if text}
