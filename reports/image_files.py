"""Image files: their names as tables write them, and what tells whether they have changed or are copies."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath

from PIL import Image

from common.folders import LeftOut, list_images
from common.locks import LOCK

CONTACT_SHEET, UNREADABLE, LEFT_OUT = "contact_sheet.png", "unreadable.csv", "left_out.csv"
# What is written beside the pictures where the answers go into their own folder.
OUTPUTS = (
    *(CONTACT_SHEET, UNREADABLE, LEFT_OUT, "predictions.csv", "assemblage.csv", "assemblage_wide.csv"),
    *("assemblage.xlsx", "corrected_shares.csv", "answers_particletrieur.csv", "review.html", LOCK),
)


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


def list_own_images(folder: Path, *outputs: Path) -> OwnFolder:
    """List all images below `folder`, or the one that it is, and every other file with the reason why it is none.

    outputs: directories that earlier runs wrote to, which do not belong to the folder. Raises FileNotFoundError where
    there is no such file or directory.
    """
    if folder.is_file():
        return _stamped([(folder.name, folder)], [])
    skipped = []
    for output in outputs:
        beside = output.resolve() == folder.resolve()
        skipped += [output / name for name in OUTPUTS] if beside else [output]
    listing = list_images(folder, skipped)
    return _stamped([(image.name, image.path) for image in listing.images], listing.left_out)


def _stamped(images: Iterable[tuple[str, Path]], left_out: Sequence[LeftOut]) -> OwnFolder:
    faults = {escape_name(left.name): left.reason for left in left_out if left.unreadable}
    others = {escape_name(left.name): left.reason for left in left_out if not left.unreadable}
    found = {}
    for image_name, path in images:
        name = escape_name(image_name)
        try:
            about = path.stat()
        except OSError as error:  # it has just gone
            faults[name] = f"it cannot be opened: {error.strerror}"
            continue
        found[name] = OwnImage(name, path, (str(about.st_size), _time(about.st_mtime_ns)))
    return OwnFolder(found, faults, others)


def _time(nanoseconds: int) -> str:
    """Return a time as text to the nanosecond: as a number, a spreadsheet would round it."""
    seconds, rest = divmod(nanoseconds, 10**9)
    try:
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds} s {rest} ns"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def sample_of(name: str) -> str:
    """Return the sample of an image, which is the sub-folder that it lies in, "." for the folder itself."""
    return PurePosixPath(name).parent.as_posix()


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
