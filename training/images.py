"""The images of a split, decoded once and kept at hand for all epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.fingerprints import stack
from common.images import ImageError
from models.preprocessing import Preparation, Square, read_square
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


def read_images(
    samples: Sequence[tuple[Path, int]],
    preparation: Preparation,
    on_progress: Callable[[int], Any] = lambda _: None,
) -> ReadImages:
    """Return images, given as (path, label), several of which are read at a time.

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

    def read(index: int) -> Square | str:
        try:
            square = read_square(samples[index][0], preparation)
        except ImageError as error:
            return str(error)
        array[index] = square.pixels
        return replace(square, pixels=array[index])

    whole: list[int] = []
    with ThreadPoolExecutor() as pool:
        for index, square in enumerate(pool.map(read, range(len(samples)))):
            path = samples[index][0]
            on_progress(1)
            if isinstance(square, str):
                faults[path] = square
                continue
            array[len(whole)] = array[index]  # what follows an image that cannot be read moves up
            whole.append(index)
            fingerprints.append(square.fingerprint)
            one_colour += [path] if square.one_colour else []
            pages |= {path: square.pages} if square.pages > 1 else {}
    labels = torch.tensor([samples[index][1] for index in whole], dtype=torch.int64)
    images = InMemoryImages(pixels[: len(whole)].permute(0, 3, 1, 2), labels, [samples[index][0] for index in whole])
    return ReadImages(images, stack(fingerprints), faults, pages, one_colour)
