"""The images of a split, decoded once and kept at hand for all epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common.errors import ToolkitError
from common.images import ImageError
from models.preprocessing import read_square
from training.memmap import allocate


@dataclass
class InMemoryImages:
    """Images of one split: pixels uint8 (n, 3, size, size), channels last, with label indices int64 (n,)."""

    pixels: Tensor
    labels: Tensor
    paths: list[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, part: slice) -> InMemoryImages:
        """Return a part of the images, without a copy."""
        return InMemoryImages(self.pixels[part], self.labels[part], self.paths[part])

    def to(self, device: torch.device) -> InMemoryImages:
        """Return the same images with their tensors on `device`."""
        return InMemoryImages(self.pixels.to(device), self.labels.to(device), self.paths)


def read_images(
    samples: Sequence[tuple[Path, int]], size: int, on_progress: Callable[[int], Any] = lambda _: None
) -> InMemoryImages:
    """Read images, given as (path, label), at `size` pixels, several at a time.

    They lie in memory or, where that is small, in a file beside them (`training.memmap`). `on_progress` is called with
    1 after each image. Raises ToolkitError where any cannot be read, all of which it names, or where there is no space.
    """
    pixels = allocate((len(samples), size, size, 3), torch.uint8, samples[0][0].parent)
    array = pixels.numpy()

    def read(index: int) -> str:
        path = samples[index][0]
        try:
            array[index] = read_square(path, size)
        except ImageError as error:
            return f"{path} ({error})"
        return ""

    faults = []
    with ThreadPoolExecutor() as pool:
        for fault in pool.map(read, range(len(samples))):
            faults += [fault] if fault else []
            on_progress(1)
    if faults:
        raise ToolkitError(f"{len(faults)} of {len(samples)} pictures cannot be read: {'; '.join(faults)}")
    labels = torch.tensor([label for _, label in samples], dtype=torch.int64)
    return InMemoryImages(pixels.permute(0, 3, 1, 2), labels, [path for path, _ in samples])
