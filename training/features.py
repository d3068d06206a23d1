"""The features of a split: what the last layer of a network reads of each image, as it is or augmented."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from models.prediction import BATCH_SIZE, Prediction, Predictor
from training.augmentation import Augmentation, augment
from training.images import InMemoryImages
from training.ranks import Ranks

OnProgress = Callable[[int], Any]


class Features:
    """Computes predictions and features of images on all ranks, each its slice of every batch."""

    def __init__(self, predictor: Predictor, ranks: Ranks, on_progress: OnProgress = lambda _: None):
        self._predictor, self._ranks, self._on_progress = predictor, ranks, on_progress

    def plain(self, images: InMemoryImages) -> Prediction:
        """Return the predictions of the images as they are, in their order."""
        return Prediction.concatenate(self._predict(batch, None) for batch in _batches(images))

    def augmented(self, images: InMemoryImages, augmentation: Augmentation, generator: Generator) -> Tensor:
        """Return the features of the images, each augmented by the next parameters of the generator: (n, d)."""
        parts = [self._predict(batch, augmentation.draw(len(batch), generator)) for batch in _batches(images)]
        return torch.cat([part.features for part in parts])

    def _predict(self, batch: Tensor, parameters: Tensor | None) -> Prediction:
        own = self._ranks.local_slice(len(batch))
        local = self._predictor(batch[own] if parameters is None else augment(batch[own], parameters[own]))
        self._on_progress(len(batch))
        return Prediction(*(self._ranks.gather(part, len(batch)) for part in local))


def _batches(images: InMemoryImages) -> Iterator[Tensor]:
    yield from images.pixels.split(BATCH_SIZE)
