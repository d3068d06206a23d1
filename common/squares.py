"""Images fitted into squares, as a network takes them: one at a time, or many, read ahead of whoever asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import isqrt
from pathlib import Path

import numpy as np
from PIL import Image

from common.fingerprints import fingerprint
from common.images import ImageError, image_size, is_one_colour, read_image
from common.pages import Page
from common.processes import core_count, map_ahead, process_pool

PARALLEL = 500  # images from which on starting processes takes less time than it saves
# Pixels of an image, and of the square into which it is padded, from which on images are read one at a time, so that
# memory stays bounded; and of the largest square, to which longer images are reduced before they are padded.
LARGE, LARGE_SQUARE, LARGEST_SQUARE = 10_000_000, 40_000_000, 100_000_000


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
    image = read_image(path, preparation.page)
    pixels = preparation.square(image)
    return Square(pixels, fingerprint(image), image.info["pages"], is_one_colour(image))


def read_squares(paths: Sequence[Path], preparation: Preparation) -> Iterator[Square | ImageError]:
    """Yield for each path, in order, its image as `read_square` returns it, or the error that says why there is none.

    All cores read ahead of whoever asks (`map_ahead`): processes where there are many images, and threads, which start
    sooner, where there are few. Raises ToolkitError where a process is killed.
    """
    cores = core_count()
    pool: Executor = process_pool(cores) if len(paths) >= PARALLEL and cores > 1 else ThreadPoolExecutor()
    read = map_ahead(pool, partial(_read_small, preparation=preparation), paths)
    for path, square in zip(paths, read, strict=True):
        yield _square_or_error(path, preparation) if square is None else square


def _read_small(path: Path, preparation: Preparation) -> Square | ImageError | None:
    """Return an image in a square or its error; None for a large one, left to whoever reads one at a time."""
    return None if _is_large(path) else _square_or_error(path, preparation)


def _is_large(path: Path) -> bool:
    try:
        width, height = image_size(path)
    except ImageError:  # `read_image` says why
        return False
    return width * height >= LARGE or max(width, height) ** 2 >= LARGE_SQUARE


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
