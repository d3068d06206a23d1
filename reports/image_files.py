"""Image files: their names as tables write them, and what tells whether they have changed or are copies."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from common.folders import list_images
from common.locks import LOCK

CONTACT_SHEET, UNREADABLE, LEFT_OUT = "contact_sheet.png", "unreadable.csv", "left_out.csv"
# What is written beside the pictures where the answers go into their own folder.
OUTPUTS = (CONTACT_SHEET, UNREADABLE, LEFT_OUT, "predictions.csv", "assemblage.csv", LOCK)


@dataclass(frozen=True)
class OwnImage:
    """An image of the folder: its name below the folder as tables write it, and its size and time of change."""

    name: str
    path: Path
    stamp: tuple[str, str]


@dataclass(frozen=True)
class OwnFolder:
    """What a folder holds, by names as tables write them.

    images: all images; faults: why other files that are, or may be, pictures cannot be named; others: why all other
    files are left out.
    """

    images: dict[str, OwnImage]
    faults: dict[str, str]
    others: dict[str, str]


def list_own_images(folder: Path, output: Path) -> OwnFolder:
    """List all images below `folder`, and every other file with the reason why it is none.

    What an earlier run wrote to `output` does not belong to the folder. Raises FileNotFoundError where there is none.
    """
    beside = output.resolve() == folder.resolve()
    listing = list_images(folder, [output / name for name in OUTPUTS] if beside else [output])
    faults = {escape_name(left.name): left.reason for left in listing.left_out if left.unreadable}
    others = {escape_name(left.name): left.reason for left in listing.left_out if not left.unreadable}
    found = {}
    for image in listing.images:
        name = escape_name(image.name)
        try:
            about = image.path.stat()
        except OSError as error:  # it has just gone
            faults[name] = f"it cannot be opened: {error.strerror}"
            continue
        found[name] = OwnImage(name, image.path, (str(about.st_size), str(about.st_mtime_ns)))
    return OwnFolder(found, faults, others)


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
