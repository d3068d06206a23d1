"""Features of training images, copy by copy: what the last layer of a network reads of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from models.prediction import Predictor
from training.augmentation import augment
from training.dataset import TrainingData
from training.ranks import Ranks


@dataclass(frozen=True)
class FrozenFeatures:
    """What the last layer of a network reads before any other layer has learnt.

    train: of the training images, (copies, n, d), as they are, then augmented; validate: of the others, (m, d).
    """

    train: Tensor
    validate: Tensor

    def fold(self, rows: Tensor, held_out: Tensor) -> FrozenFeatures:
        """Return the features of a fold, which learns from some of the training images and validates with others."""
        return FrozenFeatures(self.train[:, rows], self.train[0][held_out])


class FeatureCopies:
    """Computes the features of every `step`-th training image, first as they are, then augmented anew each time.

    All ranks compute together, each its slice of a batch. `on_progress` is called with the number of images after each
    batch.
    """

    def __init__(
        self,
        predictor: Predictor,
        dataset: TrainingData,
        ranks: Ranks,
        step: int = 1,
        on_progress: Callable[[int], Any] = lambda _: None,
    ):
        self._predictor, self._ranks, self._on_progress = predictor, ranks, on_progress
        self._images, self._augmentation = dataset.train[::step].pixels, dataset.augmentation
        self._generator: Generator | None = None

    def next(self) -> Tensor:
        """Return the features of the images' next copy: float32 (n, d) on the CPU."""
        copy = torch.cat([self._features(batch) for batch in self._images.split(self._predictor.device.images_at_once)])
        self._generator = self._generator or Generator().manual_seed(0)
        return copy

    def _features(self, batch: Tensor) -> Tensor:
        own = self._ranks.local_slice(len(batch))
        images = batch[own]
        if self._generator:
            images = augment(images, self._augmentation.draw(len(batch), self._generator)[own])
        features = self._ranks.gather(self._predictor(images).features, len(batch))
        self._on_progress(len(batch))
        return features
