"""What a picture looks like, and which pictures look alike: copies that were cropped, turned, scaled or re-toned.

Three tests, each on what the one before lets through. ImageHash's perceptual hash, compared under the eight rotations
and mirrorings, is fast and lets too much through where objects are plain. The correlation of small grey pictures
sorts out most of that. The third compares fine detail (a band of spatial frequencies with the local contrast made
even, slid over each other by a few pixels): a copy keeps its detail, while two specimens of one species only share an
outline. The thresholds were chosen on real pictures; NOTES.md tells how.
"""

import hashlib
import io
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image
from scipy import fft
from threadpoolctl import threadpool_limits

HASH_BITS = 12  # of 64: pictures whose hashes differ in more bits are not looked at again
COARSE = 0.65  # least correlation of the 32x32 pictures
DETAIL = 0.6  # least correlation of the fine detail of two copies ...
SURPRISE = 0.23  # ... and least of it times the root of the share of the picture that holds detail
COPY = (0.99, 0.95)  # for pictures with next to no detail: least coarse and least fine correlation
SHIFT = 6  # pixels of 64 by which the detail may be displaced

SMALLEST = 16  # pixels; a picture with a shorter side shows nothing
FLAT = 8  # grey levels between the darkest and the brightest place; a picture with fewer is of one colour
BLACK = 12  # grey level below which an edge is padding
FINE = 64  # pixels a side of the detail
STEPS = 40  # levels for one unit of detail, which is kept in bytes

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


@dataclass(frozen=True)
class Look:
    """What a picture looks like, in some five kilobytes."""

    sha256: str
    width: int
    height: int
    kind: str  # what the bytes are ("PNG"), whatever the file's name says
    colour: float  # mean difference between the strongest and the weakest channel, 0 to 1
    hashes: np.ndarray  # (8, 64) bool: a perceptual hash for each of SYMMETRIES
    coarse: np.ndarray  # (32, 32) uint8, grey
    detail: np.ndarray  # (64, 64) int8
    texture: float  # share of the picture that holds detail, 0 to 1: a rod has little of it


class BadPicture(ValueError):
    """A picture that cannot be used. Its text says why."""


def look_at(path: Path) -> Look:
    """Read a picture whole and describe it. Raises BadPicture for one that is corrupt, tiny or of one colour."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadPicture(f"cannot be read: {error.strerror}") from None
    picture, kind = _decode(content)
    if min(picture.size) < SMALLEST:
        raise BadPicture(f"too small: {picture.width}x{picture.height} pixels")
    grey = _trim(picture.convert("L")).resize((FINE, FINE), Image.Resampling.LANCZOS)
    coarse = np.asarray(grey.resize((32, 32), Image.Resampling.BOX))
    if np.ptp(np.asarray(grey)) < FLAT:
        raise BadPicture("one colour")
    detail = _detail(np.asarray(grey, np.float32))
    channels = np.asarray(picture.resize((32, 32), Image.Resampling.BOX), float)
    return Look(
        sha256=hashlib.sha256(content).hexdigest(),
        width=picture.width,
        height=picture.height,
        kind=kind,
        colour=float((channels.max(-1) - channels.min(-1)).mean() / 255),
        hashes=np.stack([imagehash.phash(Image.fromarray(turn(coarse))).hash.ravel() for turn in SYMMETRIES]),
        coarse=coarse,
        detail=detail,
        texture=_texture(detail),
    )


def look_at_all(paths: Sequence[Path], workers: int = 0) -> Iterator[Look | BadPicture]:
    """Look at many pictures, in their order, on `workers` cores (0: on all). Yields BadPicture for a bad one."""
    workers = workers or min(os.cpu_count() or 1, 8)
    if workers == 1 or len(paths) < 400:  # starting processes takes longer than that
        yield from map(_look_or_fault, paths)
        return
    pool = ProcessPoolExecutor(workers, initializer=_serve, initargs=(os.getpid(),))
    try:
        yield from pool.map(_look_or_fault, paths, chunksize=50)
    finally:
        pool.shutdown(cancel_futures=True)


def alike_pairs(looks: Sequence[Look]) -> list[tuple[int, int]]:
    """Return the pairs (i, j), i < j, of pictures that look alike under any rotation by 90 degrees or mirroring.

    Whether two pictures are a pair hangs on nothing but these two.
    """
    if len(looks) < 2:
        return []
    # Turning one of a pair is not quite the same as turning the other; their bytes tell which is turned.
    order = sorted(range(len(looks)), key=lambda place: looks[place].sha256)
    place = np.array(order)
    looks = [looks[i] for i in order]
    hashes = np.stack([look.hashes for look in looks])
    coarse = np.stack([look.coarse for look in looks])
    detail = np.stack([look.detail for look in looks])
    texture = np.array([look.texture for look in looks])
    found: set[tuple[int, int]] = set()
    for turn, i, j in _close_hashes(hashes):
        rough = _correlation(coarse[i], turn(coarse[j]))
        room = np.sqrt(np.minimum(texture[i], texture[j]))
        open_ = (rough >= COARSE) & (room >= SURPRISE) | (rough >= COPY[0])
        i, j, rough, room = (values[open_] for values in (i, j, rough, room))
        fine = _shifted_correlation(detail[i], turn(detail[j]))
        alike = (fine >= DETAIL) & (fine * room >= SURPRISE) | (rough >= COPY[0]) & (fine >= COPY[1])
        ends = np.sort(np.stack([place[i[alike]], place[j[alike]]]), axis=0)
        found.update(zip(*ends.tolist(), strict=True))
    return sorted(found)


def _look_or_fault(path: Path) -> Look | BadPicture:
    try:
        return look_at(path)
    except BadPicture as fault:
        return fault


def _serve(parent: int) -> None:
    """Let this worker leave Ctrl-C to its parent, and end when its parent was killed instead of waiting for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)  # each worker has one core; more threads for small matrices only get in each other's way

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _decode(content: bytes) -> tuple[Image.Image, str]:
    """Decode every pixel. Pillow's warning of a decompression bomb counts as an error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            with Image.open(io.BytesIO(content)) as picture:
                return picture.convert("RGB"), picture.format or ""
    except Exception as error:  # Pillow's plugins raise whatever they like on broken files
        raise BadPicture(f"corrupt: {' '.join(str(error).split())[:100] or type(error).__name__}") from None


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
    """Return the participation ratio of the detail's energy: the share of the picture that it would fill evenly."""
    squares = detail.astype(float) ** 2
    return float(squares.sum() ** 2 / max((squares**2).sum(), 1) / FINE**2)


def _close_hashes(hashes: np.ndarray) -> Iterator[tuple]:
    """Yield (turn, i, j): pictures i < j whose hashes are close when j is turned; some thousand pairs at a time."""
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    for start in range(0, len(signs), 512):
        for way, turn in enumerate(SYMMETRIES):
            agreement = signs[start : start + 512, 0] @ signs[start:, way].T
            i, j = np.nonzero(agreement >= signs.shape[-1] - 2 * HASH_BITS)
            i, j = i[i < j] + start, j[i < j] + start
            for part in range(0, len(i), 1024):
                yield turn, i[part : part + 1024], j[part : part + 1024]


def _unit(values: np.ndarray) -> np.ndarray:
    """Return float32 pictures of mean 0 and length 1."""
    values = values.astype(np.float32)
    values -= values.mean((-2, -1), keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=(-2, -1), keepdims=True), 1e-6)


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("nij,nij->n", _unit(one), _unit(other))


def _shifted_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the greatest correlation of each two pictures when one slides over the other by up to SHIFT pixels."""
    product = np.conj(fft.rfft2(_unit(one))) * fft.rfft2(_unit(other))
    correlation = fft.irfft2(product, s=(FINE, FINE))
    near = np.arange(-SHIFT, SHIFT + 1)
    return correlation[:, near[:, None], near].max((1, 2)) if len(one) else np.zeros(0, np.float32)
