"""What a network says of pictures."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from models.hardware import Hardware
from models.images import Normalisation, Store

BATCH_SIZE = 64


@torch.inference_mode()
def predict(
    network: nn.Module,
    store: Store,
    normalisation: Normalisation,
    hardware: Hardware,
    tick: Callable[[int], Any] = lambda _: None,
) -> Tensor:
    """Give the network's logits for a store, in its order: float32 (n, classes) on the CPU.

    `tick` is called with the number of pictures after each batch (tqdm.update).
    """
    network.eval()
    answers = []
    for pictures in store.pictures.split(BATCH_SIZE):
        with hardware.autocast():
            logits = network(hardware.place_pictures(normalisation.apply(pictures)))
        answers.append(logits.float().cpu())
        tick(len(pictures))
    return torch.cat(answers)
