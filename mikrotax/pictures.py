"""Pictures as they come from the site: whole and real, or refused."""

import io
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from common.errors import ToolkitError
from common.formats import readable_formats
from common.images import ImageError, read_image
from mikrotax.markup import ForeignAnswer

MAX_BYTES = 25_000_000
MAX_PIXELS = 30_000_000  # checked before anything is decoded; a decompression bomb has more
MIN_SIDE = 8  # pixels; a picture of 1x1 is a tracking pixel
FULL_CHECK_BYTES = 1_000_000  # bytes; a stored file that is longer is not decoded again to see whether it is whole


class PictureError(ToolkitError):
    """Bytes that are not a picture that can be used; the message says why."""


class NoPictureError(PictureError, ForeignAnswer):
    """Bytes that are not a picture at all."""


def check_picture(content: bytes) -> None:
    """Raise PictureError unless `content` is one whole picture of a sensible size, decoded to the last pixel."""
    if not content:
        raise NoPictureError("it is empty")
    if content.lstrip()[:15].lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<br", b"<head", b"<body")):
        raise NoPictureError("it is an HTML page in place of a picture")
    try:
        _check_head(content)
        read_image(content)
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise NoPictureError("it is not a picture") from None
    except ImageError as error:
        raise PictureError(f"it is broken or cut off ({error.__cause__ or error})") from None
    # Whatever a hostile file provokes in a decoder is a reason to refuse it.
    except Exception as error:
        raise PictureError(f"it is broken or cut off ({error})") from None


def is_whole(path: Path) -> bool:
    """Return whether a whole picture lies at `path`."""
    try:
        size = path.stat().st_size
        if size <= FULL_CHECK_BYTES:
            check_picture(path.read_bytes())
        return size > 0
    except (OSError, PictureError):
        return False


def _check_head(content: bytes) -> None:
    """Check format, size and checksums, before a pixel is decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(content), formats=readable_formats()) as picture:
            width, height = picture.size
            if min(width, height) < MIN_SIDE:
                raise PictureError(f"it is too small ({width}x{height} pixels)")
            if width * height > MAX_PIXELS:
                raise PictureError(f"it is too large ({width}x{height} pixels)")
            picture.verify()
