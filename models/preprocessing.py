"""Images on their way into a network: fitted into a square, read ahead of whoever asks, normalised."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from math import isqrt
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
# Pixels of an image, and of the square into which it is padded, from which on images are read one at a time, so that
# memory stays bounded; and of the largest square, to which longer images are reduced before they are padded.
LARGE, LARGE_SQUARE, LARGEST_SQUARE = 10_000_000, 40_000_000, 100_000_000
_LARGE_LOCK = Lock()


@dataclass(frozen=True)
class Preparation:
    """How an image file becomes a square: `size` is its side in pixels, `page` which one of a file with several.

    padded_first: it is padded to a square at full size and then resized bilinearly, as ParticleTrieur and MISO do.
    Models of format 6 and before learnt from images that were resized bicubically and then padded.
    """

    size: int
    page: Page = 1
    padded_first: bool = True

    def square(self, image: Image.Image) -> np.ndarray:
        """Return a whole image in a square, padded with its border's colour: uint8 (size, size, 3).

        Nothing is cut off and nothing is distorted: proportions distinguish species.
        """
        if not self.padded_first:
            return np.asarray(_padded(_resized(image, self.size, Image.Resampling.BICUBIC), self.size))
        longest = isqrt(LARGEST_SQUARE)
        if max(image.size) > longest:
            image = _resized(image, longest, Image.Resampling.BILINEAR)
        padded = _padded(image, max(image.size))
        return np.asarray(_resized(padded, self.size, Image.Resampling.BILINEAR))


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


def _resized(image: Image.Image, longest: int, method: Image.Resampling) -> Image.Image:
    """Return an image with so many pixels along its longer side."""
    scale = longest / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image if (width, height) == image.size else image.resize((width, height), method)


def _padded(image: Image.Image, side: int) -> Image.Image:
    """Return an image in the middle of a square of `side` pixels of its border's colour."""
    if image.size == (side, side):
        return image
    square = Image.new("RGB", (side, side), border_colour(image))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def border_colour(image: Image.Image) -> tuple[int, ...]:
    """Return the median colour of the outermost pixels of an RGB image."""
    width, height = image.size
    sides = [(0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height)]
    border = np.concatenate([np.asarray(image.crop(side)).reshape(-1, 3) for side in sides])
    return tuple(np.median(border, axis=0).astype(int).tolist())


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


def read_square(path: Path, preparation: Preparation) -> Square:
    """Return an image in a square. Raises ImageError where it cannot be read."""
    try:
        width, height = image_size(path)
    except ImageError:  # `read_image` says why
        width = height = 0
    large = width * height >= LARGE or max(width, height) ** 2 >= LARGE_SQUARE
    with _LARGE_LOCK if large else nullcontext():
        image = read_image(path, preparation.page)
        pixels = preparation.square(image)
        return Square(pixels, fingerprint(image), image.info["pages"], is_one_colour(image))


def read_squares(paths: Iterable[Path], preparation: Preparation) -> Iterator[Square | ImageError]:
    """Yield for each path, in order, its image as `read_square` returns it, or the error that says why there is none.

    Several threads read ahead of whoever asks, but by no more than READ_AHEAD images.
    """
    with ThreadPoolExecutor() as pool:
        waiting: deque[Future[Square | ImageError]] = deque()
        try:
            for path in paths:
                waiting.append(pool.submit(_square_or_error, path, preparation))
                if len(waiting) > READ_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _square_or_error(path: Path, preparation: Preparation) -> Square | ImageError:
    try:
        return read_square(path, preparation)
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
