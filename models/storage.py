"""Room for large tensors: in memory, or in a file that the system keeps in memory as far as it can."""

import os
import shutil
import tempfile
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
PIECE = 1 << 20


def empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, directory: Path) -> Tensor:
    """Give a tensor that is yet to be filled, on `device`.

    On a CPU whose memory would have less than HEADROOM left, it lies in a file without a name in `directory`, which
    is gone with the process, however that ends (on systems other than Linux it has a name, until it is opened or, on
    Windows, closed). All of its room is taken at once: a disk that filled up later would kill the process. Raises
    OSError, with a sentence for the user, where there is not as much.
    """
    size, available = prod(shape) * dtype.itemsize, psutil.virtual_memory().available
    if device.type != "cpu" or size + HEADROOM <= available:
        return torch.empty(shape, dtype=dtype, device=device)
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            _take_room(file, size)
            return torch.from_numpy(np.memmap(file, np.uint8, "r+", shape=(size,))).view(dtype).view(shape)
    except OSError as error:
        raise OSError(
            f"{size / 1e9:.2f} GB are needed for pictures or what frozen layers say of them: memory has "
            f"{available / 1e9:.2f} GB free, too little beside the training, and the disk of {directory} "
            f"{_free(directory)} ({error.strerror}); make room, or take a smaller --image_size or fewer --views"
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
