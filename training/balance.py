"""What is done for classes with few pictures: nothing, a weight, more draws, or a handicap for the others."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


def make_loss(way: str, labels: Tensor, num_classes: int, smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function that training minimises: logits (n, classes) and labels (n,) to each picture's loss (n,).

    "weights": a class counts by the inverse of its number of pictures. "logit_adjusted": the log of each class's
    share is added to its logit while training, so that the network need not learn which classes are common (Menon et
    al., "Long-tail learning via logit adjustment", ICLR 2021, https://arxiv.org/abs/2007.07314). `smoothing` of a label
    is spread over all classes (Szegedy et al., 2016, https://arxiv.org/abs/1512.00567).
    """
    counts = torch.bincount(labels, minlength=num_classes).clamp(min=1).float()
    weight = len(labels) / (num_classes * counts) if way == "weights" else None
    handicap = (counts / counts.sum()).log() if way == "logit_adjusted" else torch.zeros(1, device=labels.device)

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits + handicap, labels, weight, label_smoothing=smoothing, reduction="none")

    return loss


def draw(way: str, labels: Tensor, passes: int, generator: Generator) -> Tensor:
    """Return the order of pictures for an epoch, indices (len(labels) * passes,).

    Each comes equally often; with "sampler" each class does, by chance.
    """
    if way != "sampler":
        return torch.cat([torch.randperm(len(labels), generator=generator) for _ in range(passes)])
    labels = labels.cpu()
    chance = 1 / torch.bincount(labels)[labels].double()
    return torch.multinomial(chance, len(labels) * passes, replacement=True, generator=generator)
