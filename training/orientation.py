"""Are the images oriented, that is, are they all the same way up? Rotating such images only makes them harder."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from training.images import InMemoryImages

# How far an image is rotated at most, in radians.
FREE = math.pi
SLIGHT = math.radians(15)

# From so many images up to so many are compared, in grey and at so many pixels: enough to tell, within a second.
MIN_COMPARED, MAX_COMPARED = 50, 2000
PIXELS = 16
CHUNK = 100  # images that are shrunk together: as floating numbers they take four times their space

# By chance, images that are not oriented pass for such with one in three data sets of a thousand.
STANDARD_ERRORS = 3.0


def max_rotation(rotation: str, images: InMemoryImages) -> float:
    """Return the angle in radians by which images may be rotated, for rotation "free", "slight" or "auto"."""
    if rotation == "auto":
        rotation = "slight" if are_oriented(images) else "free"
    return FREE if rotation == "free" else SLIGHT


def are_oriented(images: InMemoryImages) -> bool:
    """Return whether any of `orientation_gains` is above STANDARD_ERRORS; False for fewer than MIN_COMPARED."""
    return len(images) >= MIN_COMPARED and bool((orientation_gains(images) > STANDARD_ERRORS).any())


def orientation_gains(images: InMemoryImages) -> Tensor:
    """Return how much better images are recognised from others as they are than from the same rotated.

    Half of the images are classified by their nearest neighbour in the other half, which is as it is, upside down, or
    on its left or right side. Returns the differences in standard errors of their means, (2,): against upside down, and
    against sideways. (One alone would not do: figures are reprinted sideways, and some shapes have an axis and no up.)
    """
    chosen = torch.randperm(len(images), generator=Generator().manual_seed(0))[:MAX_COMPARED]
    labels = images.labels[chosen]
    small = torch.cat([_shrink(images.pixels[part]) for part in chosen.split(CHUNK)])
    upright, left, down, right = (_recognised(small, small.rot90(quarters, (1, 2)), labels) for quarters in range(4))
    differences = torch.stack([upright - down, upright - (left + right) / 2])
    errors = differences.std(1, correction=0).clamp(min=1e-9) / math.sqrt(len(chosen))
    return differences.mean(1) / errors


def _recognised(images: Tensor, references: Tensor, labels: Tensor) -> Tensor:
    """Return which images (n, s, s) have the label of the nearest reference in the other half: 0 or 1, (n,)."""
    similarity = images.flatten(1) @ references.flatten(1).T
    half = torch.arange(len(labels)) % 2
    similarity[half[:, None] == half] = -math.inf
    return (labels[similarity.argmax(1)] == labels).float()


def _shrink(images: Tensor) -> Tensor:
    """Return images (n, 3, s, s) shrunk and grey, each of mean 0 and length 1: float32 (n, PIXELS, PIXELS)."""
    small = F.adaptive_avg_pool2d(images.float().mean(1), PIXELS)
    return F.normalize(small - small.mean((1, 2), keepdim=True), dim=(1, 2))  # type: ignore[arg-type]
