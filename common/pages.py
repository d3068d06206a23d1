"""Files with several pages: which one is read."""

from collections.abc import Iterable

import numpy as np

Page = int | str  # from 1, or SHARPEST


def sharpest(pages: Iterable[np.ndarray]) -> int:
    """Return the place of the sharpest of several images (h, w), from 0: that with the most of the finest detail.

    Its measure is the variance of the Laplacian (Pech-Pacheco et al. 2000, ICPR), after each four pixels were made one,
    so that noise counts less.
    """
    measures = [_sharpness(page) for page in pages]
    return int(np.argmax(measures))


def _sharpness(page: np.ndarray) -> float:
    height, width = (side - side % 2 for side in page.shape)
    halved = page[:height, :width].astype(np.float64)
    if min(height, width) >= 8:
        halved = halved.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    laplacian = 4 * halved
    for axis in (0, 1):
        laplacian -= np.roll(halved, 1, axis) + np.roll(halved, -1, axis)
    inner = laplacian[1:-1, 1:-1]
    return float(inner.var()) if inner.size else 0.0
