"""Descriptors of images, of some five kilobytes: enough to recognise a copy of one."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from common.images import ImageError, read_image
from common.pages import Page
from common.processes import core_count, map_ahead, process_pool
from common.progress import Progress

SMALLEST = 16  # pixels; an image with a shorter side shows nothing
FLAT = 8  # grey levels between the darkest and the brightest place; an image with fewer is of one colour
BLACK = 12  # grey level below which an edge is padding
FINE = 64  # pixels a side of the detail
STEPS = 40  # levels for one unit of detail, which is stored in bytes
AT_ONCE = 64_000_000  # bytes of a file that are read at once
PARALLEL = 400  # images from which starting processes takes less time than it saves

# The eight rotations and mirrorings of the last two axes.
SYMMETRIES = (
    lambda a: a,
    lambda a: a[..., ::-1],
    lambda a: a[..., ::-1, :],
    lambda a: a[..., ::-1, ::-1],
    lambda a: a.swapaxes(-1, -2),
    lambda a: a.swapaxes(-1, -2)[..., ::-1],
    lambda a: a.swapaxes(-1, -2)[..., ::-1, :],
    lambda a: a.swapaxes(-1, -2)[..., ::-1, ::-1],
)


@dataclass(frozen=True, eq=False)
class Descriptor:
    """The descriptor of an image.

    sha256: of the file's bytes, in hexadecimal; colour: mean difference between the strongest and the weakest channel,
    0 to 1; hashes: (8, 64) bool, a perceptual hash for each of SYMMETRIES; coarse: (32, 32) uint8, grey; detail:
    (64, 64) int8, what is finer than a shape and coarser than noise; texture: share of the image that holds detail, 0
    to 1; pages: how many the file has.
    """

    sha256: str
    colour: float
    hashes: np.ndarray
    coarse: np.ndarray
    detail: np.ndarray
    texture: float
    pages: int = 1


def describe(path: Path, page: Page = 1) -> Descriptor:
    """Return the descriptor of an image, of several pages one.

    Raises ImageError for one that cannot be opened, is corrupt, too small or of one colour.
    """
    try:
        content = path.read_bytes() if path.stat().st_size <= AT_ONCE else None
        image = read_image(path if content is None else content, page)
        sha256 = _sha256_of_file(path) if content is None else hashlib.sha256(content).hexdigest()
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from None
    except ImageError as error:
        raise ImageError(f"corrupt: {error}") from None
    if min(image.size) < SMALLEST:
        raise ImageError(f"too small: {image.width}x{image.height} pixels")
    grey = _trim(image.convert("L")).resize((FINE, FINE), Image.Resampling.LANCZOS)
    if np.ptp(np.asarray(grey)) < FLAT:
        raise ImageError("one colour")
    coarse = np.asarray(grey.resize((32, 32), Image.Resampling.BOX))
    detail = _detail(np.asarray(grey, np.float32))
    channels = np.asarray(image.resize((32, 32), Image.Resampling.BOX), float)
    return Descriptor(
        sha256=sha256,
        colour=float((channels.max(-1) - channels.min(-1)).mean() / 255),
        hashes=np.stack([imagehash.phash(Image.fromarray(view(coarse))).hash.ravel() for view in SYMMETRIES]),
        coarse=coarse,
        detail=detail,
        texture=_texture(detail),
        pages=image.info["pages"],
    )


def _sha256_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
    return digest.hexdigest()


def describe_all(
    paths: Sequence[Path], title: str, workers: int = 0, page: Page = 1
) -> Iterator[Descriptor | ImageError]:
    """Return descriptors of images, in their order, computed on `workers` cores (0: all), below a bar `title`.

    page: which one of a file with several. Yields the error in place of the descriptor of an image that cannot be used.
    """
    workers = workers or core_count()
    with Progress(total=len(paths), desc=title, unit="picture") as bar:
        for descriptor in _describe_parallel(paths, workers if len(paths) >= PARALLEL else 1, page):
            yield descriptor
            bar.update()


def _describe_parallel(paths: Sequence[Path], workers: int, page: Page) -> Iterator[Descriptor | ImageError]:
    describe_one = partial(_describe_or_error, page=page)
    if workers == 1:
        yield from map(describe_one, paths)
        return
    yield from map_ahead(process_pool(workers), describe_one, paths)


def _describe_or_error(path: Path, page: Page) -> Descriptor | ImageError:
    try:
        return describe(path, page)
    except ImageError as error:
        return error


def _trim(grey: Image.Image) -> Image.Image:
    """Cut off black edges, with which thumbnails are padded, so that they make no difference."""
    levels = np.asarray(grey)
    rows, columns = (np.flatnonzero(levels.max(axis) >= BLACK) for axis in (1, 0))
    if min(len(rows), len(columns)) < SMALLEST:
        return grey
    return grey.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


def _blur(sigma: float) -> np.ndarray:
    """Return the matrix that smooths a column of FINE values with a Gaussian of `sigma` pixels."""
    distance = np.subtract.outer(np.arange(FINE), np.arange(FINE))
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


_NOISE, _SHAPE, _AROUND = _blur(0.7), _blur(1.5), _blur(3.0)
_WINDOW = np.sqrt(np.outer(np.hanning(FINE + 2)[1:-1], np.hanning(FINE + 2)[1:-1])).astype(np.float32)


def _detail(grey: np.ndarray) -> np.ndarray:
    """Keep what is finer than a shape and coarser than noise, make its contrast even and fade it out at the edges."""
    band = _NOISE @ grey @ _NOISE.T - _SHAPE @ grey @ _SHAPE.T
    contrast = np.sqrt(np.maximum(_AROUND @ band**2 @ _AROUND.T, 0))
    even = _WINDOW * band / (contrast + 4)  # four grey levels: fainter detail is noise and stays faint
    return np.clip(np.rint((even - even.mean()) * STEPS), -127, 127).astype(np.int8)


def _texture(detail: np.ndarray) -> float:
    """Return the participation ratio of the detail's energy: the share of the image that it would fill evenly."""
    squares = detail.astype(float) ** 2
    return float(squares.sum() ** 2 / max((squares**2).sum(), 1) / FINE**2)
