"""Reading an image: one way for all scripts. Knows nothing of torch or of taxa.

8 bits are read as they are. More of them are brought to 8 by the range that the specimen uses (`common.levels`), and
what Pillow does not read, or of which it would lose bits, is read by tifffile and imagecodecs.
"""

import io
import re
import stat
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from common.command_line import SHARPEST
from common.errors import ToolkitError
from common.formats import HEAD, advice, ending, format_of, readable_formats
from common.levels import to_8_bits
from common.pages import Page, sharpest
from common.tiff import TiffPages, is_for_tifffile, open_tiff

MAX_PIXELS = 89_000_000  # a decompression bomb has more
FLAT = 4  # levels; an image that spans fewer is of one colour

# Magic number, width, height and largest value of a binary colour file of netpbm, with comments between them.
_PPM_HEAD = re.compile(rb"P6(?:(?:\s|#[^\n]*\n)+\d+){2}(?:\s|#[^\n]*\n)+(\d{1,5})\s")

# What brings an image upright, by how the camera was held (EXIF 2.3, tag Orientation; 1 is upright).
ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(ToolkitError):
    """A file that is not an image that can be used. Its text says why, and leaves out the file's name."""


def read_image(source: Path | str | bytes, page: Page = 1) -> Image.Image:
    """Return an image, read from a file or from its bytes, as RGB of 8 bits, upright, its transparent parts black.

    More than 8 bits are brought to 0..255 by the specimen's own range, min-is-white is inverted, palettes and alpha are
    resolved (an alpha that would hide everything is ignored), and a rotation that the camera noted (EXIF) is carried
    out. page: which one of a file with several, from 1, or SHARPEST; a file with one page is read whatever it says.
    `info` of the image tells "format" (what the bytes were, whatever the file's name), and "pages", how many there are.
    Raises ImageError for what is no whole image of up to MAX_PIXELS.
    """
    with _faults_explained(source), _opened(source) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata; what matters raises, here or in Pillow
        kind = _known_kind(file)
        try:
            with Image.open(file, formats=readable_formats()) as image:
                return _read(image, file, page)
        except UnidentifiedImageError:
            if kind == "TIFF":
                return _read_tiff(file, page)
            if kind == "JPEG":
                return _read_jpeg_of_12_bits(file)
            raise


def image_size(path: Path | str) -> tuple[int, int]:
    """Return width and height in pixels, from the head of the file alone. Raises ImageError where there is none."""
    try:
        with _opened(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `read_image` says what is too large
            try:
                with Image.open(file, formats=readable_formats()) as image:
                    return image.size
            except UnidentifiedImageError:
                file.seek(0)
                with open_tiff(file) as pages:
                    return pages.size()
    except Exception as error:
        raise ImageError(f"it has no size that can be read: {error}") from error


def is_one_colour(image: Image.Image) -> bool:
    """Return whether an image that was read shows nothing: all its pixels have (nearly) the same colour."""
    extremes = image.getextrema()
    pairs = extremes if isinstance(extremes[0], tuple) else (extremes,)
    return all(high - low < FLAT for low, high in pairs)


@contextmanager
def _opened(source: Path | str | bytes) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    path = Path(source)
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ImageError("it is a pipe, a socket or a device, not a file")
    with path.open("rb") as file:
        yield file


@contextmanager
def _faults_explained(source: Path | str | bytes) -> Iterator[None]:
    """Turn whatever a file provokes in a decoder into an ImageError that says what is wrong with it."""
    try:
        yield
    except Image.DecompressionBombError:
        raise ImageError(f"it has more than {MAX_PIXELS / 1e6:.0f} million pixels, the most that are read") from None
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise ImageError(f"it cannot be opened: {error.strerror}") from None
    except UnidentifiedImageError:
        raise ImageError(_no_image(source)) from None
    except ToolkitError as error:
        raise error if isinstance(error, ImageError) else ImageError(str(error)) from None
    except MemoryError:
        raise ImageError("it needs more memory than there is") from None
    except Exception as error:  # plug-ins and codecs raise what they like on broken files
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ImageError(f"it is damaged or cut short: {reason}") from error


def _known_kind(file: BinaryIO) -> str:
    """Return what the first bytes say, leaving the file at its start. Raises ImageError for what is never opened."""
    kind = format_of(file.read(HEAD))
    file.seek(0)
    if told := advice(kind):
        raise ImageError(f"it is {told}")
    return kind


def _no_image(source: Path | str | bytes) -> str:
    if not source if isinstance(source, bytes) else not Path(source).stat().st_size:
        return "it is empty (0 bytes)"
    if not isinstance(source, bytes) and (told := advice(ending(str(source)))):
        return f"it is {told}"
    return "it is not an image, whatever its name says, or it is damaged"


def _check_pixels(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise Image.DecompressionBombError


def _read(image: Image.Image, file: BinaryIO, page: Page) -> Image.Image:
    """Read what Pillow has opened, with its help or without."""
    _check_pixels(image.size)
    if image.format == "TIFF" and is_for_tifffile(image):
        return _read_tiff(file, page)
    if (values := _many_bits(image, file)) is not None:
        return _finished(Image.fromarray(to_8_bits(values)), image.format or "", 1)
    pages = getattr(image, "n_frames", 1)
    if image.format == "TIFF" and pages > 1:
        return _read_tiff(file, page, image)
    if pages > 1:
        number = _number(page, pages, lambda: sharpest(_brightness_of_frames(image, pages)))
        image.seek(number)
        _check_pixels(image.size)
    image.load()
    return _finished(_upright(image, _noted_orientation(image)), image.format or "", pages)


def _read_tiff(file: BinaryIO, page: Page, by_pillow: Image.Image | None = None) -> Image.Image:
    """Read a page of a TIFF file: by Pillow if it has opened it and loses nothing, else by tifffile."""
    file.seek(0)
    with open_tiff(file) as pages:
        number = _number(page, len(pages), lambda: sharpest(_brightness_of_pages(pages)))
        _check_pixels(pages.size(number))
        if by_pillow and number < getattr(by_pillow, "n_frames", 1) == len(pages):
            by_pillow.seek(number)
            if not is_for_tifffile(by_pillow):
                by_pillow.load()
                return _finished(_upright(by_pillow, _noted_orientation(by_pillow)), "TIFF", len(pages))
        return _finished(_upright(pages.image(number), pages.orientation(number)), "TIFF", len(pages))


def _read_jpeg_of_12_bits(file: BinaryIO) -> Image.Image:
    from imagecodecs import jpeg8_decode

    file.seek(0)
    content = file.read()
    for marker in (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2"):  # the frame's head: length, bits, height, width
        at = content.find(marker)
        if at > 0 and len(content) > at + 9 and content[at + 4] == 12:
            _check_pixels(struct.unpack(">HH", content[at + 5 : at + 9]))
            return _finished(Image.fromarray(to_8_bits(jpeg8_decode(content))), "JPEG", 1)
    raise UnidentifiedImageError


def _many_bits(image: Image.Image, file: BinaryIO) -> np.ndarray | None:
    """Return the values of an image with more than 8 bits of which Pillow would keep 8, else None."""
    if image.format not in ("PNG", "JPEG2000", "PPM") or image.mode.startswith(("I", "F", "1", "P")):
        return None
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    if image.format == "PNG" and head[24] == 16:
        from imagecodecs import png_decode

        return _without_hidden(png_decode(file.read()))
    if image.format == "JPEG2000":
        at = head.find(b"\xff\x4f\xff\x51")
        if at >= 0 and len(head) > at + 42 and (head[at + 42] & 0x7F) + 1 > 8:
            from imagecodecs import jpeg2k_decode

            return _without_hidden(jpeg2k_decode(file.read()))
    if image.format == "PPM" and head[:2] == b"P6":
        return _ppm_values(file.read(), image.size)
    return None


def _without_hidden(values: np.ndarray) -> np.ndarray:
    """Return grey or colour values without their alpha channel, transparent parts 0."""
    if values.ndim == 2 or values.shape[-1] not in (2, 4):
        return values[..., 0] if values.ndim == 3 and values.shape[-1] == 1 else values
    colours, alpha = values[..., :-1], values[..., -1:]
    if alpha.any() and not alpha.all():
        colours = np.where(alpha > 0, colours, 0)
    return colours[..., 0] if colours.shape[-1] == 1 else colours


def _ppm_values(content: bytes, size: tuple[int, int]) -> np.ndarray | None:
    """Return the values of a binary PPM with two bytes a sample, None for one with a single byte."""
    head = _PPM_HEAD.match(content)
    if not head or int(head[1]) < 256:
        return None
    return np.frombuffer(content, ">u2", size[0] * size[1] * 3, head.end()).reshape(size[1], size[0], 3)


def _number(page: Page, pages: int, find_sharpest: Callable[[], int]) -> int:
    """Return the place of the wanted page, from 0. Raises ImageError where the file has fewer pages."""
    if pages == 1:
        return 0
    if page == SHARPEST:
        return find_sharpest()
    if int(page) > pages:
        raise ImageError(f"it has {pages} pages, and page {page} is wanted")
    return int(page) - 1


def _brightness_of_frames(image: Image.Image, pages: int) -> Iterator[np.ndarray]:
    for number in range(pages):
        image.seek(number)
        _check_pixels(image.size)
        yield np.asarray(image.convert("L"), np.float32)


def _brightness_of_pages(pages: TiffPages) -> Iterator[np.ndarray]:
    for number in range(len(pages)):
        _check_pixels(pages.size(number))
        yield pages.brightness(number)


def _noted_orientation(image: Image.Image) -> object:
    """Return how the camera noted that it was held.

    Pillow's own ImageOps.exif_transpose writes all other notes of the camera anew, and fails at odd ones.
    """
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # notes that cannot be read say nothing, and the image is whole
        return 1


def _upright(image: Image.Image, orientation: object) -> Image.Image:
    method = ORIENTATIONS.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _finished(image: Image.Image, kind: str, pages: int) -> Image.Image:
    rgb = _as_rgb(image)
    rgb.info["format"], rgb.info["pages"] = kind, pages
    return rgb


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(to_8_bits(np.asarray(image)))
    if image.mode == "LAB":
        return _lab_as_rgb(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        shown = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
        hides_all = is_one_colour(shown.convert("RGB")) and not is_one_colour(image.convert("RGB"))
        image = image if hides_all else shown
    return image.convert("RGB")


def _lab_as_rgb(image: Image.Image) -> Image.Image:
    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    shown = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    assert shown is not None  # not in place
    return shown
