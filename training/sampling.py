"""Which images come in which batch of an epoch."""

import math

import torch
from torch import Generator, Tensor

# A small set is gone through several times in an epoch, each time augmented anew, until there have been so many steps:
# with one step an epoch nothing is learnt, and nothing is seen in the curves.
STEPS_PER_EPOCH = 20


def sample_order(balance: str, labels: Tensor, passes: int, generator: Generator) -> Tensor:
    """Return the order of images for an epoch, indices (len(labels) * passes,).

    Each image comes equally often; with "sampler" each class does, by chance.
    """
    if balance != "sampler":
        return torch.cat([torch.randperm(len(labels), generator=generator) for _ in range(passes)])
    labels = labels.cpu()
    probability = 1 / torch.bincount(labels)[labels].double()
    return torch.multinomial(probability, len(labels) * passes, replacement=True, generator=generator)


def epoch_batches(labels: Tensor, batch_size: int, generator: Generator, balance: str = "none") -> list[Tensor]:
    """Return the indices of images with these labels for one epoch, in batches of about `batch_size` of one size.

    Each image comes once, or, where that gives fewer than STEPS_PER_EPOCH batches, equally often several times.
    """
    count = len(labels)
    order = sample_order(balance, labels, epoch_length(count, batch_size) // count, generator)
    return list(order.tensor_split(round(len(order) / min(batch_size, count))))


def epoch_length(count: int, batch_size: int) -> int:
    """Return how many images pass in an epoch over a set of `count`."""
    return count * math.ceil(STEPS_PER_EPOCH * min(batch_size, count) / count)


def smallest_batch(count: int, batch_size: int) -> int:
    """Return how many images the smallest batch of `epoch_batches` holds, of a set of `count`."""
    length = epoch_length(count, batch_size)
    return length // round(length / min(batch_size, count))
