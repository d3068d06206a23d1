"""Out-of-distribution detection: how far an image lies from all that a network learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor
from torch.nn import functional as F

from models.checkpoint import CheckpointError
from models.prediction import Prediction

# What a model file holds of each view of a training image: so many numbers of 2 bytes.
DIRECTIONS = 256

NEIGHBOURS = 5
BATCH = 256  # images whose distances to all references are in memory at a time

# The spread around a reference is never less than this: near copies of one image, all else would look far away.
MIN_SPREAD = 1e-4


@dataclass(frozen=True)
class OODDetector:
    """How far images lie from training images, in the features that the network's last layer reads.

    Features are brought to length 1, so that only angles count. Before that they are raised to a `power`: to 0.5 where
    they are never negative, so that a few strong features do not outweigh all others (the Hellinger distance;
    Arandjelović & Zisserman 2012, CVPR), else to 1. `directions` (d, k) are those in which training images differ most,
    and `reference_features` (m, k) those of m views of training images in these directions. What a new image has in
    other directions adds to its distance, so that leaving them out hides nothing. `spread` (m,): the mean squared
    distance from each reference view to the nearest views of other images; `validation_scores` (n,): the OOD scores of
    the validation images.
    """

    power: float
    directions: Tensor
    reference_features: Tensor
    spread: Tensor
    validation_scores: np.ndarray

    @classmethod
    def fit(cls, reference: Tensor, validation: Tensor) -> OODDetector:
        """Return a detector fitted to features of training images, (views, m, d), and of validation images, (n, d)."""
        image = torch.arange(reference.shape[1]).repeat(len(reference))
        power = 0.5 if (reference >= 0).all() else 1.0
        known = _normalised(reference.flatten(0, 1), power)
        count = min(DIRECTIONS, *known.shape)
        directions = torch.from_numpy(randomized_svd(known.numpy(), count, random_state=0)[2].T.copy())
        projected = (known @ directions).half()
        spread = torch.ones(len(projected))
        if reference.shape[1] > 1:
            spread = _nearest(known, directions, projected, image)[0].mean(1).clamp(min=MIN_SPREAD)
        fitted = cls(power, directions, projected, spread, np.empty(0))
        return fitted.calibrated_on(fitted.ood_score(validation))

    def calibrated_on(self, scores: np.ndarray) -> OODDetector:
        """Return the same with other validation images, whose OOD scores (n,) tell which are usual."""
        return replace(self, validation_scores=scores)

    def scores_of(self, prediction: Prediction) -> np.ndarray:
        """Return the OOD scores (n,) of predicted images: what cross-validation said, or else those of their features.

        Raises CheckpointError as `ood_score` does.
        """
        if prediction.ood_scores is not None:
            return prediction.ood_scores.numpy()
        return self.ood_score(prediction.features)

    def ood_score(self, features: Tensor) -> np.ndarray:
        """Return how far images of features (n, d) lie from the training images, (n,), 0 or more.

        It is the geometric mean of how far the nearest reference views are (mean squared distance; Sun et al. 2022,
        ICML) and of how many times farther that is than they are from their own nearest (a local outlier factor with
        plain means; Breunig et al. 2000, SIGMOD): a step aside says more where the references lie close together.
        Raises CheckpointError where the features are not of the network that the references came from.
        """
        if features.shape[1] != len(self.directions):
            raise CheckpointError("the model's reference features do not fit its network; train the model again")
        if not len(self.reference_features) or not len(features):
            return np.zeros(len(features))
        normalised = _normalised(features, self.power)
        distances, nearest = _nearest(normalised, self.directions, self.reference_features)
        return (distances.mean(1) / self.spread[nearest].mean(1).sqrt()).double().numpy()

    def state(self) -> dict[str, Any]:
        """Return what a model file holds: tensors and numbers only."""
        return {**vars(self), "validation_scores": torch.from_numpy(self.validation_scores)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> OODDetector:
        """Return what `state` saved. Raises ValueError, KeyError or TypeError where it is not valid."""
        power = float(state["power"])
        names = ("directions", "reference_features", "spread", "validation_scores")
        directions, reference, spread, scores = (state[name] for name in names)
        if not (
            0 < power <= 1
            and directions.ndim == reference.ndim == 2
            and directions.shape[1] == reference.shape[1]
            and spread.shape == (len(reference),)
            and scores.ndim == 1
            and all(torch.isfinite(each).all() for each in (directions, reference, spread, scores))
            and (spread > 0).all()
        ):
            raise ValueError("its distances are not valid")
        return cls(power, directions.float(), reference.half(), spread.float(), np.asarray(scores, dtype=np.float64))


def _normalised(features: Tensor, power: float) -> Tensor:
    """Raise the amounts of features (n, d) to a power, signs left as they are, and bring each row to length 1."""
    return F.normalize(features.float().abs().pow_(power).copysign_(features), dim=1)


def _nearest(
    features: Tensor, directions: Tensor, reference: Tensor, image: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the squared distances, in [0, 4], to the references nearest to rows of length 1 (n, d), and their indices.

    Both are (n, k). image (n,): the rows are the references themselves, views of these images, and only views of other
    images count.
    """
    reference = reference.float()
    lengths = reference.square().sum(1)
    allowed = len(reference) if image is None else int((image != image[0]).sum())
    found = []
    for start in range(0, len(features), BATCH):
        rows = slice(start, start + BATCH)
        distances = 1 + lengths - 2 * features[rows] @ directions @ reference.T
        if image is not None:
            distances[image[rows, None] == image] = torch.inf
        found.append(distances.clamp(min=0).topk(min(NEIGHBOURS, allowed), largest=False))
    values, indices = zip(*found, strict=True)
    return torch.cat(values), torch.cat(indices)
