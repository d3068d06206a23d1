"""Do the pictures have an up? Where they do, to turn them freely makes them harder to learn than they are."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from models.preprocessing import Store

# How far a picture is turned at most, in radians.
FREELY = math.pi
SLIGHTLY = math.radians(15)

# From so many pictures up to so many are compared, in grey and at so many pixels: enough to tell, within a second.
LEAST, COMPARED = 50, 2000
PIXELS = 16
AT_ONCE = 100  # pictures that are shrunk together: as floating numbers they take four times their room

# By chance, pictures without an up pass for such with one in three data sets of a thousand.
STANDARD_ERRORS = 3.0


def largest_turn(rotation: str, store: Store) -> float:
    """Return the angle in radians up to which pictures may be turned, for rotation "free", "slight" or "auto"."""
    if rotation == "auto":
        rotation = "slight" if stands_upright(store) else "free"
    return FREELY if rotation == "free" else SLIGHTLY


def stands_upright(store: Store) -> bool:
    """Tell whether the pictures have an up: whether a gain is above STANDARD_ERRORS.

    Of fewer than LEAST pictures it is not known.
    """
    return len(store) >= LEAST and bool((gains(store) > STANDARD_ERRORS).any())


def gains(store: Store) -> Tensor:
    """Say how much better pictures are recognised from others as those stand than from the same others turned.

    Half of the pictures are named by their nearest neighbour in the other half, which stands as it is, or upside down,
    or on either side. Gives the differences in standard errors of their means, (2,): against upside down, and against
    sideways. (One alone would not do: figures are printed again sideways, and some shapes have an axis and no up.)
    """
    chosen = torch.randperm(len(store), generator=Generator().manual_seed(0))[:COMPARED]
    labels = store.labels[chosen]
    small = torch.cat([_small(store.pictures[part]) for part in chosen.split(AT_ONCE)])
    upright, left, down, right = (_recognised(small, small.rot90(quarters, (1, 2)), labels) for quarters in range(4))
    differences = torch.stack([upright - down, upright - (left + right) / 2])
    errors = differences.std(1, correction=0).clamp(min=1e-9) / math.sqrt(len(chosen))
    return differences.mean(1) / errors


def _recognised(pictures: Tensor, known: Tensor, labels: Tensor) -> Tensor:
    """Say which pictures (n, s, s) have a label that their nearest among `known`, in the other half, has: 0 or 1."""
    likeness = pictures.flatten(1) @ known.flatten(1).T
    half = torch.arange(len(labels)) % 2
    likeness[half[:, None] == half] = -math.inf
    return (labels[likeness.argmax(1)] == labels).float()


def _small(pictures: Tensor) -> Tensor:
    """Shrink pictures (n, 3, s, s) to grey ones, each of mean 0 and length 1: float32 (n, PIXELS, PIXELS)."""
    small = F.adaptive_avg_pool2d(pictures.float().mean(1), PIXELS)
    return F.normalize(small - small.mean((1, 2), keepdim=True), dim=(1, 2))
