"""What a network says of pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from models.device import Hardware
from models.networks import head_name
from models.preprocessing import Normalisation, Store

BATCH_SIZE = 64
TURNS = 8


class Prediction(NamedTuple):
    """Of n pictures: `logits` (n, classes), and `features` (n, d), what the last layer reads; float32 on the CPU."""

    logits: Tensor
    features: Tensor


@dataclass(frozen=True)
class Predictor:
    """A network on its hardware, ready to name pictures.

    With `turns` 8 an answer is the mean of what the network says of a picture's four turns and their mirror images
    (test-time augmentation), with 2 of the picture and its mirror image, with 1 of the picture as it stands.
    """

    network: nn.Module
    normalisation: Normalisation
    hardware: Hardware
    turns: int = 1

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Prediction:
        """Name pictures: (n, 3, size, size), in [0, 255] and of any type."""
        self.network.eval()
        read: list[Tensor] = []
        last = self.network.get_submodule(head_name(self.network))
        hook = last.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
        try:
            logits = [self._logits(turned) for turned in turned_pictures(pictures, self.turns)]
        finally:
            hook.remove()
        features = [each.flatten(2).mean(2) if each.ndim > 2 else each for each in read]
        return Prediction(_mean(logits), _mean(features))

    def _logits(self, pictures: Tensor) -> Tensor:
        with self.hardware.autocast():
            return self.network(self.hardware.place_pictures(self.normalisation.apply(pictures)))


def predict(predictor: Predictor, store: Store, tick: Callable[[int], Any] = lambda _: None) -> Prediction:
    """Name a store's pictures, in its order. `tick` is called with the number of pictures after each batch."""
    answers = []
    for pictures in store.pictures.split(BATCH_SIZE):
        answers.append(predictor(pictures))
        tick(len(pictures))
    return Prediction(*(torch.cat(part) for part in zip(*answers, strict=True)))


def turned_pictures(pictures: Tensor, turns: int) -> list[Tensor]:
    """Return the first `turns` of the eight ways in which square pictures (n, 3, s, s) can be turned and mirrored."""
    ways = [pictures, pictures.flip(3)]
    return [way.rot90(quarter, (2, 3)) for quarter in range(TURNS // 2) for way in ways][:turns]


def _mean(answers: list[Tensor]) -> Tensor:
    return torch.stack([answer.float() for answer in answers]).mean(0).cpu()
