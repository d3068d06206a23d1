"""Whether a row of a table would still come out the same: a fingerprint of all that it depends on."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from models.checkpoint import Checkpoint

# What of a model file decides about its predictions.
PARTS = (
    *("architecture", "image_size", "padded_first", "classes", "lineages", "mean", "std", "tta_views", "calibration"),
    "weights",
)


def fingerprint(checkpoint: Checkpoint, *options: Any) -> str:
    """Return "m" and 16 hexadecimal digits that differ wherever a model, or an option, might give another row.

    Without the letter, a spreadsheet would take some of them for numbers.
    """
    digest = hashlib.sha256()

    def feed(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        elif isinstance(value, Mapping):
            feed(sorted(value.items(), key=lambda item: str(item[0])))
        elif isinstance(value, list | tuple):
            digest.update(f"({len(value)}".encode())
            for each in value:
                feed(each)
        else:
            digest.update(f"{value!r};".encode())

    feed([getattr(checkpoint, part) for part in PARTS])
    feed(options)
    return f"m{digest.hexdigest()[:16]}"
