"""Room for large tensors: in memory, or in a file that the system keeps in memory as far as it can."""

import os
import shutil
import tempfile
import weakref
from contextlib import ExitStack
from functools import partial
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
import psutil
import torch
from torch import Tensor

# What stays free for the training itself, in bytes: VGG11 at 224 pixels, all layers, takes about as much. To map too
# early costs little, for a file that fits into memory stays there.
HEADROOM = 4 << 30
# Rows that take more bytes lie in a file though there is memory for them: the laptop has other things to do, too.
ROWS_IN_MEMORY = 256 << 20
PIECE = 1 << 20


def empty(shape: tuple[int, ...], dtype: torch.dtype, directory: Path) -> Tensor:
    """Return a tensor that is yet to be filled, on the CPU.

    Where memory would have less than HEADROOM left, it lies in a file without a name in `directory`, which is gone
    with the process, however that ends (on systems other than Linux it has a name, until it is opened or, on Windows,
    closed). All of its room is taken at once: a disk that filled up later would kill the process. Raises OSError, with
    a sentence for the user, where there is not as much.
    """
    size = prod(shape) * dtype.itemsize
    if _memory_has(size):
        return torch.empty(shape, dtype=dtype)
    with _nameless_file(size, directory) as file:
        return _mapped(file, shape, dtype)


class Rows:
    """A tensor on `device` that is filled and read a few rows at a time: `rows[2:9] = values`, `rows[indices]`.

    What takes more than ROWS_IN_MEMORY on a CPU lies in a file like that of `empty`. Of that the process's memory
    holds the rows that are being read or written only; the system keeps the others in what memory nobody else needs.
    Raises OSError, with a sentence for the user, where there is no room.
    """

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, directory: Path):
        size = prod(shape) * dtype.itemsize
        fits, file = device.type != "cpu" or _memory_has(size), None
        if not fits or (device.type == "cpu" and size > ROWS_IN_MEMORY):
            try:
                file = _nameless_file(size, directory)
            except OSError:
                if not fits:
                    raise
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
    """Return the content of a file as a tensor, which is part of the process's memory for as long as it is held."""
    content = np.memmap(file, np.uint8, "r+", shape=(prod(shape) * dtype.itemsize,))
    return torch.from_numpy(content).view(dtype).view(shape)


def _nameless_file(size: int, directory: Path) -> BinaryIO:
    """Open a file of `size` bytes that nobody else sees. Raises OSError where there is no room for it."""
    try:
        with ExitStack() as unless_done:
            file = unless_done.enter_context(tempfile.TemporaryFile(dir=directory))
            _take_room(file, size)
            unless_done.pop_all()
            return file
    except OSError as error:
        raise OSError(
            f"{size / 1e9:.2f} GB are needed for pictures or what frozen layers say of them: memory has "
            f"{psutil.virtual_memory().available / 1e9:.2f} GB free, too little beside the training, and the disk of "
            f"{directory} {_free(directory)} ({error.strerror}); make room, or take a smaller --image_size or fewer "
            f"--views"
        ) from error


def _take_room(file: BinaryIO, size: int) -> None:
    """Let a file have `size` bytes on the disk. Raises OSError where the disk has not as many."""
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
