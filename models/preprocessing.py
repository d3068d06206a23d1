"""Normalisation: what a network takes, made of an image's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Normalisation:
    """Shifts and scales each channel by its mean and standard deviation, in [0, 1]: (image / 255 - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, images: Tensor) -> Tensor:
        """Return images (n, 3, h, w) with values in [0, 255], of any type, as the network takes them (float32)."""
        scale = 255 * _channels(self.std, images.device)
        return (images.float() - 255 * _channels(self.mean, images.device)) / scale

    def undo(self, images: Tensor) -> Tensor:
        """Return what the network takes as images with values in [0, 1] again, to be shown."""
        return (images * _channels(self.std, images.device) + _channels(self.mean, images.device)).clamp(0, 1)


def _channels(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return a number for each channel, (1, channels, 1, 1); filled in on the device, since a GPU waits for a copy."""
    return torch.cat([torch.full((1, 1, 1, 1), value, device=device) for value in values], 1)


# What torchvision's weights were trained with, and as good as any other from scratch.
IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
