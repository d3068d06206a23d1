"""Images on disk: one way to read one, one way to list a directory of them. Knows nothing of torch or of taxa."""

import io
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from common.errors import ToolkitError

# Pillow knows no more than the names of these formats, or lets another program draw them.
NOT_READ = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
COMMON_FORMATS = ("JPEG", "PNG", "TIFF")  # tried first, which saves a tenth of the time that a thumbnail takes
MAX_PIXELS = 89_000_000  # a decompression bomb has more
PIECE = 1 << 20  # pixels that are scaled to 8 bits at a time

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


@dataclass(frozen=True)
class ImageFile:
    """An image that was listed: its name below the directory, with forward slashes, and its path."""

    name: str
    path: Path


@cache
def readable_formats() -> tuple[str, ...]:
    """Return the names of the formats that are read, as Pillow calls them, in the order in which they are tried."""
    Image.init()
    return tuple(dict.fromkeys([*COMMON_FORMATS, *sorted(set(Image.OPEN) - NOT_READ)]))


@cache
def readable_endings() -> frozenset[str]:
    """Return the endings of file names that promise an image, in lower case, with their dot."""
    Image.init()
    return frozenset(end for end, kind in Image.registered_extensions().items() if kind in readable_formats())


def read_image(source: Path | str | bytes) -> Image.Image:
    """Read an image, from a file or from its bytes, as RGB of 8 bits, upright, its transparent parts black.

    Grey levels of more than 8 bits are scaled to 0..255 from their own smallest and largest, palettes and alpha are
    resolved, and a rotation that the camera noted (EXIF) is carried out. `info["format"]` of the image says what the
    bytes were, whatever the file's name. Raises ImageError for what is no whole image of up to MAX_PIXELS.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; what matters raises, here or in Pillow
            with _open(source) as file:
                if file.width * file.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                file.load()
                return _as_rgb(file)
    except Image.DecompressionBombError:
        raise ImageError(f"it has more than {MAX_PIXELS / 1e6:.0f} million pixels, the most that are read") from None
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise ImageError(f"it cannot be opened: {error.strerror}") from None
    except UnidentifiedImageError:
        raise ImageError(_no_image(source)) from None
    except Exception as error:  # Pillow's plug-ins raise what they like on broken files
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ImageError(f"it is damaged or cut short: {reason}") from error


def image_size(path: Path | str) -> tuple[int, int]:
    """Return width and height in pixels, from the head of the file alone. Raises ImageError where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `read_image` says what is too large
            with _open(path) as file:
                return file.size
    except Exception as error:
        raise ImageError(f"it has no size that can be read: {error}") from error


def list_images(directory: Path, skip: Iterable[Path] = ()) -> tuple[list[ImageFile], dict[str, str]]:
    """List the images below a directory, at any depth, in the order of their names.

    An image is a file whose ending promises one (`readable_endings`); hidden files and directories, and the directories
    and files in `skip`, are passed over. Directories that are links are followed, each directory once. Returns the
    images, and for the names of what could not be looked into why not. Raises FileNotFoundError where there is no such
    directory.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f"there is no directory {directory}")
    skipped = {path.resolve() for path in skip}
    images: list[ImageFile] = []
    faults: dict[str, str] = {}
    seen: set[Path] = set()
    endings = readable_endings()

    def name(path: str | Path) -> str:
        return Path(path).relative_to(directory).as_posix()

    def fault(error: OSError) -> None:
        faults[name(error.filename)] = f"it cannot be opened: {error.strerror}"

    for place, below, files in os.walk(directory, onerror=fault, followlinks=True):
        here = Path(place)
        if here.resolve() in skipped | seen:
            below.clear()
            continue
        seen.add(here.resolve())
        below[:] = sorted(each for each in below if not each.startswith("."))
        for path in (here / each for each in sorted(files) if not each.startswith(".")):
            try:
                if path.suffix.lower() in endings and path.is_file() and not (skipped and path.resolve() in skipped):
                    images.append(ImageFile(name(path), path))
            except OSError as error:  # a directory that may be listed, and no more; a file that has just gone
                faults[name(path)] = f"it cannot be opened: {error.strerror}"
    return images, faults


def list_image_folder(directory: Path, classes: list[str] | None = None) -> tuple[list[tuple[Path, int]], list[str]]:
    """List the images of an ImageFolder such as train/ as (path, label index), and the names of its classes.

    A class is a sub-directory, with all that lies below it. The labels count `classes` where they are given (validate/
    must count as train/ did), else the directory's own classes in alphabetical order. Raises FileNotFoundError, with a
    sentence for the user, where the directory, its classes or their images are missing, and ToolkitError where it holds
    a class that `classes` lacks.
    """
    images, _ = list_images(directory)
    found = sorted(entry.name for entry in directory.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not found:
        raise FileNotFoundError(f"{directory} holds no classes: one sub-directory with pictures is needed for each")
    classes = found if classes is None else classes
    if unknown := sorted(set(found).difference(classes)):
        raise ToolkitError(f"{directory} has the class {unknown[0]}, which is not one of the {len(classes)} known")
    label_of = {name: label for label, name in enumerate(classes)}
    samples = [(image.path, label_of[image.name.split("/")[0]]) for image in images if "/" in image.name]
    if not samples:
        raise FileNotFoundError(f"the sub-directories of {directory} hold no pictures")
    return samples, classes


def _open(source: Path | str | bytes) -> Image.Image:
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=readable_formats())


def _no_image(source: Path | str | bytes) -> str:
    empty = not source if isinstance(source, bytes) else not Path(source).stat().st_size
    return "it is empty (0 bytes)" if empty else "it is not an image, whatever its name says, or it is damaged"


def _as_rgb(file: Image.Image) -> Image.Image:
    image = _upright(file)
    if image.mode.startswith(("I", "F")):
        image = _scale_to_8_bits(image)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    image = image.convert("RGB")
    image.info["format"] = file.format or ""
    return image


def _upright(image: Image.Image) -> Image.Image:
    """Carry out the rotation that the camera noted.

    Pillow's own ImageOps.exif_transpose writes all other notes of the camera anew, and fails at odd ones.
    """
    try:
        orientation = ORIENTATIONS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # notes that cannot be read say nothing, and the image is whole
        return image
    return image if orientation is None else image.transpose(orientation)


def _scale_to_8_bits(image: Image.Image) -> Image.Image:
    """Bring grey levels of any range to 0..255: 16-bit files seldom use the whole of it."""
    values = np.asarray(image)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    grey = np.empty(values.shape, np.uint8)
    # Piece by piece: as floating numbers, a large image would take eight bytes for each pixel, several times over.
    for start in range(0, values.size, PIECE):
        piece = values.reshape(-1)[start : start + PIECE].astype(np.float64)
        grey.reshape(-1)[start : start + PIECE] = np.nan_to_num((piece - low) / max(high - low, 1e-12) * 255)
    return Image.fromarray(grey)
