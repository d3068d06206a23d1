"""The candidates of an image: the fewest classes that hold the true one as often as is asked for.

The nonconformity of a class is 1 - its probability. Of all scores it makes the smallest sets on average (LAC: Sadinle,
Lei & Wasserman 2019, J. Am. Stat. Assoc. 114), on our images, too (NOTES.md). The tree's score (`evaluation.conformal`)
keeps whole taxa together, and so finds the lowest of them, but holds far more classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.conformal import class_quantiles


@dataclass(frozen=True)
class Candidates:
    """What validation images tell about which classes are few enough: their probability of the own class, (n,).

    labels: int64 (n,), their classes.
    """

    own_probability: np.ndarray
    labels: np.ndarray

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels: np.ndarray) -> Candidates:
        """Return candidates fitted to probabilities (n, classes) of validation images and their labels (n,)."""
        return cls(probabilities[np.arange(len(labels)), labels], labels)

    def sets(self, probabilities: np.ndarray, confidence: float) -> np.ndarray:
        """Return for each image, (n, classes), its candidates: bool (n, classes); the most probable class is one.

        They hold the true class of a share `confidence` in (0, 1) of images: for each class that has
        `conformal.MIN_CLASS_IMAGES` validation images, and for the rest together. A higher confidence only adds
        classes. Raises ValueError for a confidence that is not a share.
        """
        quantiles = class_quantiles(1 - self.own_probability, self.labels, probabilities.shape[1], confidence)
        return (1 - probabilities <= quantiles) | (probabilities == probabilities.max(1, keepdims=True))
