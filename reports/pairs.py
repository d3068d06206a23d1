"""Classes that a model takes for each other, and what the data say that tells them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from common.files import in_one_line
from common.manifest import ManifestRow
from common.names import is_type, shown_name
from common.records import Record, read_records
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


class TypeSpecimen(NamedTuple):
    """An image of a type specimen: where it is, its file's own name, and its status ("holotype", …)."""

    path: Path
    file: str
    status: str


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

    def most_similar(self, split: PredictedSplit, images: np.ndarray, label: int) -> list[tuple[Path, str]]:
        """Return the training images of a class with their names, first those most similar to the given ones.

        Similarity is the cosine between features, as of `models.prediction.Prediction`, and the images' mean.
        """
        if self.train is None:
            return []
        own = torch.nonzero(self.train.labels == label).ravel()
        features = F.normalize(self.train.prediction.features[own], dim=1)
        centre = F.normalize(split.prediction.features[torch.as_tensor(images)], dim=1).mean(0)
        places = [int(own[position]) for position in (features @ centre).argsort(descending=True)]
        return [(self.train.paths[place], self.train.captions[place]) for place in places]


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
            alike = references.most_similar(evaluated.split, pair.images, label)
            types = type_specimens(references.manifest, references.classes[label])
            features = references.features.get(predictions.taxonomy.lineages[label], "")
            sides.append(_side(gallery, types, alike) | {"name": predictions.names[label], "features": features})
        shown.append({"count": len(pair.images), "sides": sides})
    return shown


def _side(gallery: Gallery, types: list[TypeSpecimen], alike: list[tuple[Path, str]]) -> dict[str, Any]:
    """Return the images of one taxon of a pair: type specimens, and the training images most like the mistakes.

    `above` names the type specimens that the page has shown already.
    """
    first = gallery.take([each.path for each in types], SHOWN)
    images = [
        {
            "image": thumbnail(types[position].path, gallery.page),
            "file": escape_name(types[position].file),
            "what": f"Type specimen ({types[position].status})",
        }
        for position in first
    ]
    images += [
        {
            "image": thumbnail(alike[position][0], gallery.page),
            "file": escape_name(alike[position][1]),
            "what": "Training picture",
        }
        for position in gallery.take([path for path, _ in alike], SHOWN)
    ]
    # Where fewer were taken than wanted, the page shows all others further up.
    others = [escape_name(each.file) for position, each in enumerate(types) if position not in first]
    return {"images": images, "above": others if len(first) < SHOWN else [], "types": len(types)}


def type_specimens(manifest: Mapping[Path, ManifestRow], name: str) -> list[TypeSpecimen]:
    """Return the images of a class that show type specimens, holotypes first.

    manifest: the rows of manifest.csv by path, of all splits; name: of the class.
    """
    types = [
        TypeSpecimen(path, PurePosixPath(row.file).name or path.name, in_one_line(row.status.strip()))
        for path, row in manifest.items()
        if row.label == name and is_type(row.status) and path.is_file()
    ]
    return sorted(types, key=lambda each: ("holotype" not in each.status.casefold(), each.path))


def features_of(records: Iterable[Record]) -> dict[Node, str]:
    """Return the distinguishing features of taxa, by lineage, from the records that say something of them."""
    features = {record.lineage: record.page.features.strip() for record in records if record.page}
    return {tuple(map(shown_name, lineage)): text for lineage, text in features.items() if text}


def read_features(data: Path) -> dict[Node, str]:
    """Read the distinguishing features of taxa, by lineage, from the records below a directory such as data/.

    Records that cannot be read, are written by hand, or say nothing of features are passed over.
    """
    records, _ = read_records(data)
    return features_of(records.values())
