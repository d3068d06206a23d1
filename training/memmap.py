"""Large tensors: in memory, or mapped from a file that the system keeps in memory as far as it can."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
import psutil
import torch
from torch import Tensor

from common.errors import ToolkitError

# What is left free for the training itself, in bytes: VGG11 at 224 pixels, all layers, takes about as much. Mapping too
# early costs little, for the system keeps a file that fits in memory.
HEADROOM = 4 << 30
# A MemmapTensor of more bytes lies in a file though there is memory for it: a laptop has other things to do, too.
MAX_IN_MEMORY = 256 << 20
PIECE = 1 << 20


def allocate(shape: tuple[int, ...], dtype: torch.dtype, directory: Path) -> Tensor:
    """Return a tensor on the CPU that is yet to be filled.

    Where memory would have less than HEADROOM left, it is mapped from a temporary file in `directory`, which is gone
    when the process ends, however that is (on Linux it has no name). All of its space is reserved at once: a disk that
    filled up later would kill the process. Raises ToolkitError where neither memory nor disk has the space.
    """
    size = prod(shape) * dtype.itemsize
    if _memory_has(size):
        return torch.empty(shape, dtype=dtype)
    with _unnamed_file(size, directory) as file:
        return _mapped(file, shape, dtype)


class MemmapTensor:
    """A tensor on `device` that is filled and read a few rows at a time: `tensor[2:9] = values`, `tensor[indices]`.

    One of more than MAX_IN_MEMORY on a CPU lies in a file like that of `allocate`, which is mapped for each access
    alone: so the process's memory holds the rows in use only, and the system keeps the others where nobody else needs
    the memory. Raises ToolkitError where neither memory nor disk has the space.
    """

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, directory: Path):
        size = prod(shape) * dtype.itemsize
        fits, file = device.type != "cpu" or _memory_has(size), None
        if not fits or (device.type == "cpu" and size > MAX_IN_MEMORY):
            try:
                file = _unnamed_file(size, directory)
            except ToolkitError:
                if not fits:
                    raise
        self._open: Callable[[], Tensor]
        if file:
            weakref.finalize(self, file.close)
            self._open = partial(_mapped, file, shape, dtype)
        else:
            tensor = torch.empty(shape, dtype=dtype, device=device)
            self._open = lambda: tensor

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        return self._open()[index]

    def __setitem__(self, index: Tensor | slice, values: Tensor) -> None:
        self._open()[index] = values

    def __len__(self) -> int:
        return len(self._open())


def _memory_has(size: int) -> bool:
    return size + HEADROOM <= psutil.virtual_memory().available


def _mapped(file: BinaryIO, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Map the content of a file as a tensor; it counts as the process's memory for as long as the tensor lives."""
    content = np.memmap(file, np.uint8, "r+", shape=(prod(shape) * dtype.itemsize,))
    return torch.from_numpy(content).view(dtype).view(shape)


def _unnamed_file(size: int, directory: Path) -> BinaryIO:
    """Open a file of `size` bytes that nobody else sees. Raises ToolkitError where there is no space for it."""
    try:
        with ExitStack() as unless_done:
            file = unless_done.enter_context(tempfile.TemporaryFile(dir=directory))
            _reserve(file, size)
            unless_done.pop_all()
            return file
    except OSError as error:
        raise ToolkitError(
            f"{size / 1e9:.2f} GB are needed for images or cached features: memory has "
            f"{psutil.virtual_memory().available / 1e9:.2f} GB free, too little beside the training, and the disk of "
            f"{directory} {_free(directory)} ({error.strerror})",
            "image_size",
            "augmented_copies",
        ) from error


def _reserve(file: BinaryIO, size: int) -> None:
    """Reserve `size` bytes on the disk for a file. Raises OSError where the disk has less."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    for start in range(0, size, PIECE):
        file.write(bytes(min(PIECE, size - start)))
    file.flush()


def _free(directory: Path) -> str:
    try:
        return f"{shutil.disk_usage(directory).free / 1e9:.2f} GB"
    except OSError:
        return "nothing"
