"""Image files: their names as tables write them, and what tells whether they have changed or are copies."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from common.images import list_images

CONTACT_SHEET = "contact_sheet.png"


@dataclass(frozen=True)
class OwnImage:
    """An image of the folder: its name below the folder as tables write it, and its size and time of change."""

    name: str
    path: Path
    stamp: tuple[str, str]


def list_own_images(folder: Path, output: Path) -> tuple[dict[str, OwnImage], dict[str, str]]:
    """List all images below `folder` by name, and for the names of what could not be looked into why not.

    What an earlier run wrote to `output` is left out. Raises FileNotFoundError where there is no such folder.
    """
    skip = [output / CONTACT_SHEET, *([output] if output.resolve() != folder.resolve() else [])]
    images, listed_faults = list_images(folder, skip)
    faults = {escape_name(name): fault for name, fault in listed_faults.items()}
    found = {}
    for image in images:
        name = escape_name(image.name)
        try:
            about = image.path.stat()
        except OSError as error:  # it has just gone
            faults[name] = f"it cannot be opened: {error.strerror}"
            continue
        found[name] = OwnImage(name, image.path, (str(about.st_size), str(about.st_mtime_ns)))
    return found, faults


def content_hash(image: Image.Image) -> bytes:
    """Return what two images share only if they have the same size and pixels."""
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()


def escape_name(name: str) -> str:
    """Return a file name in one line that can be written as UTF-8.

    What cannot be printed, and backslashes, are written as Python escapes them, so that two names stay two.
    """
    plain = (letter.isprintable() and letter != "\\" for letter in name)
    return "".join(
        letter if is_plain else letter.encode("unicode_escape").decode()
        for letter, is_plain in zip(name, plain, strict=True)
    )
