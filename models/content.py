"""What may lie in a file of tensors: containers that end, and tensors that are as large as the file says.

torch.load with weights_only=True runs no code, but a file of a few bytes can still hold lists that contain themselves,
lists of lists that take for ever to go through, or a tensor whose one number stands for a million million.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

MOST_VALUES = 1_000_000  # in all containers of a file
DEEPEST = 30  # containers in each other
LARGEST_WHOLE = 2**63


def check_archive(path: Path) -> None:
    """Raise ValueError where a file is a compressed archive, which could unpack to any size; torch never writes one."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("it is compressed")


def check_content(content: Any) -> None:
    """Raise ValueError where a value is too deep, too long, or holds a tensor or number that is not what it seems."""
    waiting, seen = [(content, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > MOST_VALUES or depth > DEEPEST:
            raise ValueError("its lists hold themselves, or too much")
        if isinstance(value, Tensor):
            _check_tensor(value)
        elif isinstance(value, int) and abs(value) >= LARGEST_WHOLE:
            raise ValueError("it holds a number of too many digits")
        elif isinstance(value, Mapping):
            if seen + len(value) <= MOST_VALUES:
                waiting += [(each, depth + 1) for pair in value.items() for each in pair]
        elif isinstance(value, list | tuple | set) and seen + len(value) <= MOST_VALUES:
            waiting += [(each, depth + 1) for each in value]


def _check_tensor(tensor: Tensor) -> None:
    """Raise ValueError for a tensor that is not a plain array of its own numbers."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise ValueError("it holds a tensor that is no plain array")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError("it holds a tensor that is larger than the file")


def are_numbers(values: Any, count: int) -> bool:
    """Return whether values are a tuple or list of `count` finite numbers, none of them true or false."""
    if not isinstance(values, tuple | list) or len(values) != count:
        return False
    return all(type(value) in (int, float) and math.isfinite(value) for value in values)


def are_texts(values: Any) -> bool:
    """Return whether values are a list of texts."""
    return isinstance(values, list) and all(isinstance(each, str) for each in values)
