"""The images of a split, decoded once and kept at hand for all epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.fingerprints import stack
from common.images import ImageError
from common.squares import Preparation, read_squares
from training.memmap import allocate

ROWS = 256  # images that are copied at a time


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

    @classmethod
    def together(cls, parts: Sequence[InMemoryImages]) -> InMemoryImages:
        """Return a copy of the images of several splits, one after the other."""
        pixels = _like(parts[0], sum(map(len, parts)))
        start = 0
        for part in parts:
            for rows in torch.arange(len(part)).split(ROWS):
                pixels[start + rows] = part.pixels[rows]
            start += len(part)
        paths = [path for part in parts for path in part.paths]
        return cls(pixels, torch.cat([part.labels for part in parts]), paths)

    def rows(self, index: Tensor) -> InMemoryImages:
        """Return a copy of the images at `index`, int64 (m,) on the CPU."""
        pixels = _like(self, len(index))
        for part in torch.arange(len(index)).split(ROWS):
            pixels[part] = self.pixels[index[part]]
        return InMemoryImages(pixels, self.labels[index], [self.paths[row] for row in index.tolist()])

    def to(self, device: torch.device) -> InMemoryImages:
        """Return the same images with their tensors on `device`."""
        return InMemoryImages(self.pixels.to(device), self.labels.to(device), self.paths)


@dataclass
class ReadImages:
    """What came of reading image files.

    images: those that can be read, in order; fingerprints: theirs, uint8 (n, 16); faults: why the others cannot be
    read; pages: how many those have that have several; one_colour: those that show nothing.
    """

    images: InMemoryImages
    fingerprints: np.ndarray
    faults: dict[Path, str]
    pages: dict[Path, int]
    one_colour: list[Path]


def _like(images: InMemoryImages, count: int) -> Tensor:
    """Return space for `count` images like others, (count, 3, size, size), where those lie. Raises ToolkitError."""
    shape = (count, *images.pixels.permute(0, 2, 3, 1).shape[1:])
    if images.pixels.device.type == "cpu":
        space = allocate(shape, images.pixels.dtype, images.paths[0].parent)
    else:
        space = torch.empty(shape, dtype=images.pixels.dtype, device=images.pixels.device)
    return space.permute(0, 3, 1, 2)


def read_images(
    samples: Sequence[tuple[Path, int]],
    preparation: Preparation,
    on_progress: Callable[[int], Any] = lambda _: None,
) -> ReadImages:
    """Return images, given as (path, label), read on all cores.

    They lie in memory or, where that is small, in a file beside them (`training.memmap`). `on_progress` is called with
    1 after each image. Raises ToolkitError where there is no space.
    """
    size = preparation.size
    pixels = allocate((len(samples), size, size, 3), torch.uint8, samples[0][0].parent)
    array = pixels.numpy()
    faults: dict[Path, str] = {}
    pages: dict[Path, int] = {}
    one_colour: list[Path] = []
    fingerprints: list[np.ndarray] = []

    whole: list[int] = []
    paths = [path for path, _ in samples]
    for index, (path, square) in enumerate(zip(paths, read_squares(paths, preparation), strict=True)):
        on_progress(1)
        if isinstance(square, ImageError):
            faults[path] = str(square)
            continue
        array[len(whole)] = square.pixels
        whole.append(index)
        fingerprints.append(square.fingerprint)
        one_colour += [path] if square.one_colour else []
        pages |= {path: square.pages} if square.pages > 1 else {}
    labels = torch.tensor([samples[index][1] for index in whole], dtype=torch.int64)
    images = InMemoryImages(pixels[: len(whole)].permute(0, 3, 1, 2), labels, [samples[index][0] for index in whole])
    return ReadImages(images, stack(fingerprints), faults, pages, one_colour)
