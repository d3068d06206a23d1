"""The training pictures that a network finds most like a picture, class by class."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation.cross_fit import PredictedSplit

DIRECTIONS = 256  # in which features are kept: enough to find the nearest, and small for 10,000 pictures


class Features:
    """Features of pictures by their names, brought to length 1, in DIRECTIONS directions of chance.

    Angles stay nearly what they were (Johnson & Lindenstrauss 1984, Contemporary Mathematics 26).
    """

    def __init__(self) -> None:
        self._rows: dict[str, np.ndarray] = {}

    def add(self, names: Iterable[str], features: Tensor) -> None:
        """Take note of the features (n, d) of n pictures, float32."""
        self._rows.update(zip(names, projected(features), strict=True))

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def get(self, name: str) -> np.ndarray | None:
        """Return what is kept of a picture, float16 (DIRECTIONS,) or fewer; None where it was not noted."""
        return self._rows.get(name)


def projected(features: Tensor) -> np.ndarray:
    """Return features (n, d) at length 1, in at most DIRECTIONS directions: float16."""
    features = F.normalize(features.float(), dim=1)
    if features.shape[1] > DIRECTIONS:
        random = torch.Generator().manual_seed(0)
        features = features @ (torch.randn(features.shape[1], DIRECTIONS, generator=random) / DIRECTIONS**0.5)
    return features.half().numpy()


class Training:
    """Training pictures that may be shown beside others: their paths, labels and features."""

    def __init__(self, split: PredictedSplit | None):
        """Take them from a split; None where there are none."""
        self.paths: list[Path] = split.paths if split else []
        self._features = projected(split.prediction.features).astype(np.float32) if split else np.empty((0, 0))
        labels = split.labels.numpy() if split else np.empty(0, dtype=int)
        self._of_class = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}

    def nearest(self, features: np.ndarray | None, classes: Sequence[int], most: int) -> list[list[int]]:
        """Return for each of some classes up to `most` of its pictures, by index, those most like a picture first.

        features: of the picture; without them the first pictures of the class.
        """
        found = []
        for label in classes:
            own = self._of_class.get(label, np.empty(0, dtype=int))
            if features is not None and len(own):
                own = own[np.argsort(-(self._features[own] @ features.astype(np.float32)), kind="stable")]
            found.append([int(index) for index in own[:most]])
        return found
