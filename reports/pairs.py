"""Classes that a model takes for each other, and what the site says that tells them apart."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from common.names import is_type
from evaluation.cross_fit import Split
from evaluation.predictions import Answers
from evaluation.taxonomy import Node


@dataclass(frozen=True)
class Pair:
    """An actual class, the class that was answered in its place, and the indices of the pictures concerned."""

    actual: int
    answered: int
    pictures: np.ndarray


def confused_pairs(answers: Answers, most: int) -> list[Pair]:
    """List up to `most` pairs of classes, the most often confused first."""
    wrong = np.flatnonzero(~answers.right)
    pairs = np.stack([answers.actual[wrong], answers.predicted[wrong]], axis=1)
    found, which, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return [Pair(int(found[place][0]), int(found[place][1]), wrong[which.ravel() == place]) for place in order]


def nearest(asked: Split, pictures: np.ndarray, train: Split, label: int) -> list[Path]:
    """List the training pictures of a class, the most like the given pictures first, as the network sees them.

    Likeness is the cosine between features, as of `models.prediction.Prediction`, and the pictures' mean.
    """
    own = torch.nonzero(train.labels == label).ravel()
    features = F.normalize(train.prediction.features[own], dim=1)
    centre = F.normalize(asked.prediction.features[torch.as_tensor(pictures)], dim=1).mean(0)
    return [train.paths[own[place]] for place in (features @ centre).argsort(descending=True)]


def type_specimens(manifest: Mapping[Path, Mapping[str, str]], name: str) -> list[tuple[Path, str]]:
    """List the pictures of a class that show type specimens, with their status ("holotype", …), holotypes first.

    manifest: the rows of manifest.csv by path, of all splits; name: of the class.
    """
    types = [
        (path, row["status"].strip())
        for path, row in manifest.items()
        if row.get("class") == name and is_type(row.get("status") or "") and path.is_file()
    ]
    return sorted(types, key=lambda each: ("holotype" not in each[1].casefold(), each[0]))


def read_features(data: Path) -> dict[Node, str]:
    """Read the distinguishing features of taxa, by lineage, from the records below a directory such as data/.

    Records that cannot be read, are written by hand, or say nothing of features are passed over.
    """
    features = {}
    for path in sorted(data.rglob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            lineage, text = tuple(map(str, record["lineage"])), record["page"]["features"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(text, str) and text.strip():
            features[lineage] = text.strip()
    return features
