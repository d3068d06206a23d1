"""What a network predicts of images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from common.errors import ToolkitError
from common.fingerprints import stack
from common.images import ImageError
from common.squares import Preparation, Square, read_squares
from models.device import Device
from models.networks import head_name
from models.preprocessing import Normalisation

MAX_TTA_VIEWS = 8
IMAGES_TO_MEASURE, SECONDS_TO_MEASURE = 32, 1.0  # for `seconds_per_image`


class Prediction(NamedTuple):
    """Of n images: `logits` (n, classes), and `features` (n, d), the input of the last layer; float32 on the CPU.

    Where cross-validation predicted them, the logits are those of networks that had not seen them, while the features
    are those of the model, which has: then `ood_scores` float64 (n,) are what those networks said, else None.
    """

    logits: Tensor
    features: Tensor
    ood_scores: Tensor | None = None

    @classmethod
    def concatenate(cls, parts: Iterable[Prediction]) -> Prediction:
        """Return a network's predictions of several batches as one."""
        logits, features, _ = zip(*parts, strict=True)
        return cls(torch.cat(logits), torch.cat(features))

    def select(self, index: Tensor) -> Prediction:
        """Return the prediction of the images at `index`, int64 (k,)."""
        scores = None if self.ood_scores is None else self.ood_scores[index]
        return Prediction(self.logits[index], self.features[index], scores)


@dataclass(frozen=True)
class Predictor:
    """A network on its device, ready to predict.

    Test-time augmentation: with `tta_views` 8 a prediction is the mean over an image's four rotations by 90 degrees and
    their mirror images, with 2 over the image and its mirror image, with 1 it is that of the image alone.
    """

    network: nn.Module
    normalisation: Normalisation
    device: Device
    tta_views: int = 1

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Prediction:
        """Return the prediction of a batch of images (n, 3, size, size), with values in [0, 255] and of any type."""
        self.network.eval()
        head_inputs: list[Tensor] = []
        head = self.network.get_submodule(head_name(self.network))
        hook = head.register_forward_pre_hook(lambda _, inputs: head_inputs.append(inputs[0]))
        try:
            logits = [self._logits(view) for view in tta_views(images, self.tta_views)]
        finally:
            hook.remove()
        features = [each.flatten(2).mean(2) if each.ndim > 2 else each for each in head_inputs]
        return Prediction(_mean(logits), _mean(features))

    def _logits(self, images: Tensor) -> Tensor:
        with self.device.autocast():
            return self.network(self.device.place_images(self.normalisation.apply(images)))


def predict(predictor: Predictor, images: Tensor) -> Prediction:
    """Return predictions of images in memory, (n, 3, size, size), batch by batch."""
    return Prediction.concatenate(predictor(batch) for batch in torch.split(images, predictor.device.images_at_once))


def seconds_per_image(predictor: Predictor, images: Tensor) -> float:
    """Return how long it takes to predict one of a batch of images: the quickest try, after one to warm up.

    Whatever else the machine does meanwhile only makes a try slower. There is at least one, and no further one begins
    after SECONDS_TO_MEASURE.
    """
    predictor(images)
    tries: list[float] = []
    while not tries or sum(tries) < SECONDS_TO_MEASURE:
        start = time.monotonic()
        predictor(images)
        tries.append(time.monotonic() - start)
    return min(tries) / len(images)


@dataclass(frozen=True)
class PredictedFiles:
    """What is predicted of image files.

    read: which of them could be read, bool (n,), and of those, in order: prediction, and fingerprints uint8 (m, 16);
    faults: why the others cannot be read; pages: how many those have that have several; one_colour: those that show
    nothing.
    """

    read: np.ndarray
    prediction: Prediction
    fingerprints: np.ndarray
    faults: dict[Path, str]
    pages: dict[Path, int]
    one_colour: list[Path]


def predict_files(
    predictor: Predictor,
    paths: Sequence[Path],
    preparation: Preparation,
    on_progress: Callable[[int], Any] = lambda _: None,
) -> PredictedFiles:
    """Predict image files, in their order; only a few batches are in memory at a time.

    `on_progress` is called with the number of images after each batch. Raises ToolkitError, which names them, where
    none can be read.
    """
    squares = iter(zip(paths, read_squares(paths, preparation), strict=True))
    predictions, fingerprints, one_colour = [], [], []
    faults: dict[Path, str] = {}
    pages: dict[Path, int] = {}
    while batch := list(islice(squares, predictor.device.images_at_once)):
        whole = [(path, square) for path, square in batch if isinstance(square, Square)]
        faults |= {path: str(fault) for path, fault in batch if isinstance(fault, ImageError)}
        if whole:
            predictions.append(predictor(as_batch([square.pixels for _, square in whole])))
        fingerprints += [square.fingerprint for _, square in whole]
        pages |= {path: square.pages for path, square in whole if square.pages > 1}
        one_colour += [path for path, square in whole if square.one_colour]
        on_progress(len(batch))
    if not predictions:
        named = "; ".join(f"{path} ({fault})" for path, fault in faults.items())
        raise ToolkitError(f"none of {len(paths)} pictures can be read: {named}")
    read = np.array([path not in faults for path in paths])
    return PredictedFiles(read, Prediction.concatenate(predictions), stack(fingerprints), faults, pages, one_colour)


def as_batch(squares: Sequence[np.ndarray]) -> Tensor:
    """Return n squares, uint8 (size, size, 3) each, as a batch of images: uint8 (n, 3, size, size), channels last."""
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)


def tta_views(images: Tensor, count: int) -> Iterator[Tensor]:
    """Yield the first `count` of the eight ways in which square images (n, 3, s, s) can be rotated and mirrored."""
    for number in range(count):
        view = images.flip(3) if number % 2 else images
        yield view.rot90(number // 2, (2, 3)) if number >= 2 else view


def _mean(parts: list[Tensor]) -> Tensor:
    return torch.stack([part.float() for part in parts]).mean(0).cpu()
