"""TIFF as microscopes write it: what Pillow does not read, or of which it loses bits, by tifffile.

That is more than 8 bits of colour, 32 and 64 bits, signed and floating numbers, other numbers of samples, the newer
compressions, and stacks whose pages have no heads of their own (ImageJ).
"""

import json
import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from common.errors import ToolkitError
from common.levels import to_8_bits

MAX_PAGES = 100_000  # pages of which a file is looked at; a damaged one may seem to hold any number
MAX_SAMPLES = 16  # values of a pixel
FEW = 64  # pages of which each is asked whether it is a smaller copy of another

COLOUR, PALETTE, SEPARATED, YCBCR = 2, 3, 5, 6  # photometric interpretations (TIFF 6.0)
GREY = {0: "min-is-white", 1: "min-is-black"}
CIELAB, ICCLAB = 8, 9  # their colours are signed, and shifted by half of the range
ALPHA = 2  # a kind of extra samples
WEBP = 50001  # a compression that Pillow's libtiff may lack

# How programs describe a stack with a single head: ImageJ, and shapes of arrays in three dimensions or more.
_STACK = re.compile(r"ImageJ=.*?\bimages=(?!1\b)|\{\"shape\": \[(\d+, ){2}", re.DOTALL)


class TiffPages:
    """The pages of a TIFF file that show something at full size."""

    def __init__(self, tiff: Any):
        self._tiff = tiff
        pages = tiff.pages
        count = min(len(pages), MAX_PAGES)
        step = 2 if tiff.is_lsm else 1  # Zeiss writes a thumbnail after each page
        self._numbers = list(range(0, count, step))
        if 1 < count <= FEW:
            whole = [number for number in self._numbers if not _is_copy(pages[number])]
            self._numbers = whole or self._numbers
        self._without_heads = _pages_without_heads(tiff) if count == 1 else 1

    def __len__(self) -> int:
        return max(len(self._numbers), self._without_heads)

    def size(self, number: int = 0) -> tuple[int, int]:
        """Return width and height of a page in pixels."""
        page = self._page(number)
        return int(page.imagewidth), int(page.imagelength)

    def image(self, number: int) -> Image.Image:
        """Return a page as an image of 8 bits, in the mode of Pillow that its colours have, as it lies in the file.

        Raises ToolkitError for colours that are not read.
        """
        page = self._page(number)
        return _as_image(page, _samples_last(page, self._values(number)))

    def orientation(self, number: int) -> int:
        """Return how the camera was held (tag Orientation), 1 where it is not said."""
        tag = self._page(number).tags.get(274)
        return tag.value if tag is not None and isinstance(tag.value, int) else 1

    def brightness(self, number: int) -> np.ndarray:
        """Return a page as floating numbers (h, w), the mean of its channels, on the scale of the file."""
        values = _samples_last(self._page(number), self._values(number))
        grey = values.mean(-1) if values.ndim == 3 else values
        return np.nan_to_num(grey.astype(np.float32), posinf=0, neginf=0)

    def _page(self, number: int) -> Any:
        page = self._tiff.pages[self._numbers[number] if self._without_heads == 1 else 0]
        if page.imagewidth * page.imagelength == 0:
            raise ToolkitError("it has no pixels")
        if page.samplesperpixel * max(page.imagedepth, 1) > MAX_SAMPLES:
            raise ToolkitError(f"it has more than {MAX_SAMPLES} channels: save the one that matters")
        return page.aspage() if hasattr(page, "aspage") else page

    def _values(self, number: int) -> np.ndarray:
        page = self._page(number)
        if page.dtype is None or page.dtype.kind not in "uifb":
            raise ToolkitError("its numbers are of a kind that shows no picture")
        if number and self._without_heads > 1:
            handle = self._tiff.filehandle
            handle.seek(page.dataoffsets[0] + number * page.nbytes)
            stored = np.frombuffer(handle.read(page.nbytes), page.parent.byteorder + page.dtype.char)
            return stored.reshape(page.shape)
        pixels: np.ndarray = page.asarray()
        return pixels


@contextmanager
def open_tiff(file: BinaryIO) -> Iterator[TiffPages]:
    """Open the pages of a TIFF file. What is raised on damaged files is anything."""
    import tifffile  # only now: most images are read without it

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # what matters raises
    with tifffile.TiffFile(file) as tiff:
        yield TiffPages(tiff)


def is_for_tifffile(image: Image.Image) -> bool:
    """Return whether Pillow would lose something of a TIFF file that it has opened."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    bits, kinds = tags.get(258, (1,)), tags.get(339, (1,))
    if tags.get(259) == WEBP or _STACK.match(str(tags.get(270, ""))):
        return True
    if max(bits) <= 8:
        return any(kind not in (1, 4) for kind in kinds)
    plain = image.mode in ("I;16", "I;16B") and tags.get(262) == 1 and tags.get(259, 1) in (1, 5, 8, 32773, 32946)
    return not (plain and tuple(bits) == (16,) and tuple(kinds) == (1,))


def _is_copy(page: Any) -> bool:
    """Return whether a page is a smaller copy of another, or a mask."""
    kind = page.tags.get(254)
    return kind is not None and isinstance(kind.value, int) and bool(kind.value & 0b101)


def _pages_without_heads(tiff: Any) -> int:
    """Return how many pages lie one after the other behind a single head; 1 where each has its own."""
    page = tiff.pages[0]
    if not page.is_contiguous or not page.nbytes:
        return 1
    count = 1
    try:
        if tiff.is_imagej:
            count = int(tiff.imagej_metadata.get("images", 1))
        elif tiff.is_shaped:
            shape = json.loads(page.description)["shape"]
            count = math.prod(shape) // max(math.prod(page.shape), 1)
    except (ValueError, LookupError, TypeError, AttributeError):
        return 1
    there = (tiff.filehandle.size - page.dataoffsets[0]) // page.nbytes
    return count if 1 < count <= min(there, MAX_PAGES) else 1


def _samples_last(page: Any, values: np.ndarray) -> np.ndarray:
    """Return the values of a page as (h, w) or (h, w, samples). Raises ToolkitError for a volume."""
    height, width = page.imagelength, page.imagewidth
    if values.shape == (height, width):
        return values
    if values.ndim == 3 and values.shape[:2] == (height, width):
        return values
    if values.ndim == 3 and values.shape[1:] == (height, width):
        return np.moveaxis(values, 0, -1)
    raise ToolkitError(f"a page of it has the shape {'x'.join(map(str, values.shape))}: save its planes as pages")


def _as_image(page: Any, values: np.ndarray) -> Image.Image:
    kind, samples = int(page.photometric), 1 if values.ndim == 2 else values.shape[-1]
    if kind == PALETTE and samples == 1:
        return Image.fromarray((np.asarray(page.colormap).T[values] >> 8).astype(np.uint8))
    if kind == SEPARATED and samples >= 4:
        return Image.merge("CMYK", [Image.fromarray(_whole_range(values[..., each])) for each in range(4)])
    if kind in (CIELAB, ICCLAB) and samples >= 3:
        return _lab(values[..., :3], signed=kind == CIELAB)
    if kind in GREY or (kind in (COLOUR, YCBCR) and samples >= 3):
        return _grey_or_colour(page, values, inverted=kind == 0)
    raise ToolkitError("its colours are of a kind that is not read (a camera's raw values, or none): save it as RGB")


def _grey_or_colour(page: Any, values: np.ndarray, inverted: bool) -> Image.Image:
    """Return grey, or the first three samples as colours, with the alpha channel if there is one."""
    if values.ndim == 2:
        return Image.fromarray(_to_8_bits(values, inverted))
    samples, extra = values.shape[-1], tuple(int(each) for each in page.extrasamples)
    colours = 3 if samples - len(extra) >= 3 or (samples in (3, 4) and not extra) else 1
    shown = _to_8_bits(values[..., :3] if colours == 3 else values[..., 0], inverted)
    if ALPHA not in extra[:1]:
        return Image.fromarray(np.ascontiguousarray(shown))
    alpha = values[..., colours].astype(np.float64)
    opaque = Image.fromarray(np.clip(np.nan_to_num(alpha / (np.nanmax(alpha) or 1) * 255), 0, 255).astype(np.uint8))
    image = Image.fromarray(np.ascontiguousarray(shown)).convert("RGB")
    image.putalpha(opaque)
    return image


def _to_8_bits(values: np.ndarray, inverted: bool) -> np.ndarray:
    """Return 8 bits as they are, and others brought to their own range."""
    if values.dtype == np.uint8:
        return 255 - values if inverted else values
    return to_8_bits(values, inverted)


def _whole_range(values: np.ndarray) -> np.ndarray:
    """Bring ink, of which the whole range of the type means something, to 8 bits."""
    if values.dtype.kind != "u":
        raise ToolkitError("its colours are inks in signed or floating numbers: save it as RGB")
    return (values >> 8 * (values.dtype.itemsize - 1)).astype(np.uint8)


def _lab(values: np.ndarray, signed: bool) -> Image.Image:
    """Return CIELAB (signed) or ICCLAB of 8 or 16 bits as Pillow's LAB."""
    if values.dtype.kind not in "ui" or values.dtype.itemsize > 2:
        raise ToolkitError("its colours are LAB in 32 bits: save it as RGB")
    eight = (values.astype(np.int32) >> 8 * (values.dtype.itemsize - 1)) & 0xFF
    shift = 0x80 if signed else 0
    bands = [eight[..., 0], eight[..., 1] ^ shift, eight[..., 2] ^ shift]
    return Image.merge("LAB", [Image.fromarray(np.ascontiguousarray(band, dtype=np.uint8)) for band in bands])
