"""How far a picture lies from all that a network learnt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor
from torch.nn import functional as F

# What a model file keeps of each look at a training picture: so many numbers of 2 bytes.
DIRECTIONS = 256

# So many looks count as near. The spread around them is never less than this: near a copy, all else would be strange.
NEIGHBOURS, LEAST_SPREAD = 5, 1e-4


@dataclass(frozen=True)
class Familiarity:
    """How strange pictures are to a network, by the looks at training pictures that they come near to.

    What is near is measured on what the network's last layer reads, brought to length 1, so that only angles count. It
    is raised to a `power` before: to 0.5 where it is never negative, so that a few strong features do not outweigh all
    others (the Hellinger distance; Arandjelović & Zisserman 2012, CVPR), else to 1. Of these are kept the `directions`
    (d, k) in which training pictures differ most, and where each look at one lies in them, `looks` (m, k). What a new
    picture has in other directions adds to its distance, so that nothing is hidden by leaving them out. `spread` (m,):
    the mean squared distance from each look to the nearest looks at other pictures; `usual` (n,): the strangeness of
    the validation pictures.
    """

    power: float
    directions: Tensor
    looks: Tensor
    spread: Tensor
    usual: np.ndarray

    @classmethod
    def fit(cls, train: Tensor, validate: Tensor) -> Familiarity:
        """Learn from features of training pictures, (views, pictures, d), and of validation pictures, (n, d)."""
        picture = torch.arange(train.shape[1]).repeat(len(train))
        power = 0.5 if (train >= 0).all() else 1.0
        known = _raised(train.flatten(0, 1), power)
        count = min(DIRECTIONS, *known.shape)
        directions = torch.from_numpy(randomized_svd(known.numpy(), count, random_state=0)[2].T.copy())
        looks = (known @ directions).half()
        spread = torch.ones(len(looks))
        if train.shape[1] > 1:
            spread = _nearest(known, directions, looks, picture)[0].mean(1).clamp(min=LEAST_SPREAD)
        return cls(power, directions, looks, spread, np.empty(0)).measured_on(validate)

    def measured_on(self, validate: Tensor) -> Familiarity:
        """Return the same with other validation pictures, of features (n, d), to say how much strangeness is usual."""
        return replace(self, usual=self.strangeness(validate))

    def strangeness(self, features: Tensor) -> np.ndarray:
        """Measure how strange pictures of features (n, d) are, (n,), 0 or more.

        It is the geometric mean of how far the nearest looks are (mean squared distance; Sun et al. 2022, ICML) and of
        how many times farther that is than they are from their own nearest (a local outlier factor with plain means;
        Breunig et al. 2000, SIGMOD): a step aside says more where the known lie close together. Raises ValueError where
        the features are not of the network that the training pictures' came from.
        """
        if features.shape[1] != len(self.directions):
            raise ValueError("what the model knows of its training pictures does not fit its network; train it again")
        if not len(self.looks) or not len(features):
            return np.zeros(len(features))
        distances, near = _nearest(_raised(features, self.power), self.directions, self.looks)
        return (distances.mean(1) / self.spread[near].mean(1).sqrt()).double().numpy()

    def state(self) -> dict[str, Any]:
        """Return what a model file keeps: tensors and numbers only."""
        return {**vars(self), "usual": torch.from_numpy(self.usual)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Familiarity:
        """Read what `state` gave. Raises ValueError, KeyError or TypeError where it makes no sense."""
        power = float(state["power"])
        directions, looks, spread, usual = (state[name] for name in ("directions", "looks", "spread", "usual"))
        if not (
            0 < power <= 1
            and directions.ndim == looks.ndim == 2
            and directions.shape[1] == looks.shape[1]
            and spread.shape == (len(looks),)
            and usual.ndim == 1
            and all(torch.isfinite(each).all() for each in (directions, looks, spread, usual))
            and (spread > 0).all()
        ):
            raise ValueError("its distances make no sense")
        return cls(power, directions.float(), looks.half(), spread.float(), np.asarray(usual, dtype=np.float64))


def _raised(features: Tensor, power: float) -> Tensor:
    """Raise the amounts of features (n, d) to a power, signs left as they are, and bring each row to length 1."""
    return F.normalize(features.float().abs().pow_(power).copysign_(features), dim=1)


def _nearest(
    features: Tensor, directions: Tensor, looks: Tensor, picture: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the squared distances, in [0, 4], to the looks nearest to rows of length 1 (n, d), and which: both (n, k).

    picture (n,): the rows are the looks, at these pictures, and only looks at other pictures count.
    """
    looks = looks.float()
    lengths = looks.square().sum(1)
    allowed = len(looks) if picture is None else int((picture != picture[0]).sum())
    found = []
    for rows in torch.arange(len(features)).split(256):
        distances = 1 + lengths - 2 * features[rows] @ directions @ looks.T
        if picture is not None:
            distances[picture[rows, None] == picture] = torch.inf
        found.append(distances.clamp(min=0).topk(min(NEIGHBOURS, allowed), largest=False))
    values, indices = zip(*found, strict=True)
    return torch.cat(values), torch.cat(indices)
