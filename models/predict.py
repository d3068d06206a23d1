"""What a network says of pictures."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from models.hardware import Hardware
from models.images import Normalisation, Store, batches

BATCH_SIZE = 64


@torch.inference_mode()
def predict(
    network: nn.Module,
    store: Store,
    normalisation: Normalisation,
    hardware: Hardware,
    progress: Callable[[Iterable], Iterable] = iter,
) -> Tensor:
    """Give the network's logits for a store, in its order: float32 (n, classes) on the CPU.

    `progress` wraps the loop over the batches (tqdm does).
    """
    network.eval()
    answers = []
    for pictures, _ in progress(batches(store, BATCH_SIZE)):
        pictures = hardware.place_pictures(normalisation.apply(pictures))
        with hardware.autocast():
            answers.append(network(pictures).float().cpu())
    return torch.cat(answers)
