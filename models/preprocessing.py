"""Images on their way into a network: fitted into a square, read ahead of whoever asks, normalised."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from common.fingerprints import fingerprint
from common.images import ImageError, image_size, is_one_colour, read_image
from common.pages import Page

READ_AHEAD = 256  # images
LARGE = 10_000_000  # pixels; larger images are read one at a time, so that memory stays bounded
_LARGE_LOCK = Lock()


@dataclass(frozen=True)
class Normalisation:
    """Shifts and scales each channel by its mean and standard deviation, in [0, 1]: (image / 255 - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, images: Tensor) -> Tensor:
        """Return images (n, 3, h, w) with values in [0, 255], of any type, as the network takes them (float32)."""
        scale = 255 * self._channels(self.std, images)
        return (images.float() - 255 * self._channels(self.mean, images)) / scale

    def undo(self, images: Tensor) -> Tensor:
        """Return what the network takes as images with values in [0, 1] again, to be shown."""
        return (images * self._channels(self.std, images) + self._channels(self.mean, images)).clamp(0, 1)

    @staticmethod
    def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
        return torch.tensor(values, device=like.device).view(1, -1, 1, 1)


# What torchvision's weights were trained with, and as good as any other from scratch.
IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def fit_square(image: Image.Image, size: int) -> np.ndarray:
    """Return a whole image in a square of `size` pixels, padded with its border's colour: uint8 (size, size, 3).

    Nothing is cut off and nothing is distorted: proportions distinguish species.
    """
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    square = np.empty((size, size, 3), np.uint8)
    square[:] = border_colour(pixels)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def border_colour(pixels: np.ndarray) -> np.ndarray:
    """Return the median colour, uint8 (3,), of the outermost pixels of an image (height, width, 3)."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return np.median(border, axis=0).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Square:
    """An image that was read into a square: pixels, uint8 (size, size, 3).

    fingerprint: by which the image is known again (`common.fingerprints`); pages: how many the file has; one_colour:
    whether it shows nothing.
    """

    pixels: np.ndarray
    fingerprint: np.ndarray
    pages: int
    one_colour: bool


def read_square(path: Path, size: int, page: Page = 1) -> Square:
    """Return an image, of several pages one, in a square of `size` pixels. Raises ImageError where it cannot."""
    try:
        width, height = image_size(path)
    except ImageError:  # `read_image` says why
        width = height = 0
    with _LARGE_LOCK if width * height >= LARGE else nullcontext():
        image = read_image(path, page)
        return Square(fit_square(image, size), fingerprint(image), image.info["pages"], is_one_colour(image))


def read_squares(paths: Iterable[Path], size: int, page: Page = 1) -> Iterator[Square | ImageError]:
    """Yield for each path, in order, its image as `read_square` returns it, or the error that says why there is none.

    Several threads read ahead of whoever asks, but by no more than READ_AHEAD images.
    """
    with ThreadPoolExecutor() as pool:
        waiting: deque[Future[Square | ImageError]] = deque()
        try:
            for path in paths:
                waiting.append(pool.submit(_square_or_error, path, size, page))
                if len(waiting) > READ_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _square_or_error(path: Path, size: int, page: Page) -> Square | ImageError:
    try:
        return read_square(path, size, page)
    except ImageError as error:
        return error


def native_size(paths: Sequence[Path], smallest: int = 32, largest: int = 224, step: int = 8) -> int:
    """Return the side in pixels at which images are trained by default: the median of their longer sides.

    It is kept within `smallest` and `largest`, and rounded to a multiple of `step`. Up to 200 images, evenly spaced
    over the list, are asked for their size, which decodes no pixel.
    """
    sides = []
    for path in paths[:: max(1, len(paths) // 200)]:
        try:
            sides.append(max(image_size(path)))
        except ImageError:  # whoever reads the image reports it
            continue
    median = float(np.median(sides)) if sides else largest
    return step * round(min(largest, max(smallest, median)) / step)
