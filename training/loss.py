"""The loss that training minimises, with what is done in it for classes with few images."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]


def make_loss(balance: str, labels: Tensor, num_classes: int, smoothing: float) -> Loss:
    """Return the loss that training minimises: logits (n, classes) and labels (n,) to each image's loss (n,).

    "weights": a class counts by the inverse of its number of images. "logit_adjusted": the logarithm of each class's
    share is added to its logit while training, so that the network need not learn which classes are common (Menon et
    al., "Long-tail learning via logit adjustment", ICLR 2021, https://arxiv.org/abs/2007.07314). `smoothing` of a label
    is spread over all classes (Szegedy et al., 2016, https://arxiv.org/abs/1512.00567).
    """
    counts = torch.bincount(labels, minlength=num_classes).clamp(min=1).float()
    weight = len(labels) / (num_classes * counts) if balance == "weights" else None
    adjusted = balance == "logit_adjusted"
    adjustment = (counts / counts.sum()).log() if adjusted else torch.zeros(1, device=labels.device)

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits + adjustment, labels, weight, label_smoothing=smoothing, reduction="none")

    return loss
