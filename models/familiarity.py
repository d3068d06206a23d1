"""How far a picture lies from all that a network learnt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor
from torch.nn import functional as F

# What a model file keeps of a training picture: so many numbers of 2 bytes.
DIRECTIONS = 64


@dataclass(frozen=True)
class Familiarity:
    """Distances to the nearest training picture in the space of what the network's last layer reads.

    Features are brought to length 1, of which only the angles count (Sun et al. 2022, ICML). Of the training pictures
    the `directions` (d, k) are kept in which they differ most, and where each lies in them, `pictures` (m, k). What a
    new picture has in other directions adds to its distance, so that nothing is hidden by leaving them out. `usual`
    (n,): the distances of the validation pictures.
    """

    directions: Tensor
    pictures: Tensor
    usual: np.ndarray

    @classmethod
    def fit(cls, train: Tensor, validate: Tensor) -> Familiarity:
        """Learn from the features of training (m, d) and validation pictures (n, d)."""
        train = _unit(train)
        count = min(DIRECTIONS, *train.shape)
        directions = torch.from_numpy(randomized_svd(train.numpy(), count, random_state=0)[2].T.copy())
        return cls(directions, (train @ directions).half(), np.empty(0)).measured_on(validate)

    def measured_on(self, validate: Tensor) -> Familiarity:
        """Give the same with other validation pictures, of features (n, d), to say which distances are usual."""
        return replace(self, usual=self.distances(validate))

    def distances(self, features: Tensor) -> np.ndarray:
        """Give the squared distance from pictures (n, d) to the nearest training picture, (n,), in [0, 4].

        Raises ValueError where the features are not of the network that the training pictures' came from.
        """
        if features.shape[1] != len(self.directions):
            raise ValueError("what the model knows of its training pictures does not fit its network; train it again")
        if not len(self.pictures):
            return np.zeros(len(features))
        pictures = self.pictures.float()
        lengths = pictures.square().sum(1)
        nearest = [
            1 - (2 * _unit(some) @ self.directions @ pictures.T - lengths).max(1).values for some in features.split(256)
        ]
        return torch.cat(nearest).clamp(min=0).double().numpy() if nearest else np.empty(0)

    def state(self) -> dict[str, Any]:
        """Give what a model file keeps: tensors only."""
        return {"directions": self.directions, "pictures": self.pictures, "usual": torch.from_numpy(self.usual)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Familiarity:
        """Read what `state` gave. Raises ValueError, KeyError or TypeError where it makes no sense."""
        directions, pictures, usual = state["directions"], state["pictures"], state["usual"]
        if not (
            directions.ndim == pictures.ndim == 2
            and directions.shape[1] == pictures.shape[1]
            and usual.ndim == 1
            and all(torch.isfinite(each).all() for each in (directions, pictures, usual))
        ):
            raise ValueError("its distances make no sense")
        return cls(directions.float(), pictures.half(), np.asarray(usual, dtype=np.float64))


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features.float(), dim=1)
