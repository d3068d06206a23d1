"""Listing a directory: one way for all scripts, and every file in it is accounted for.

A file is an image, or it is left out with a reason. What systems, network disks and programs leave behind is never
taken for a picture, a class or a sample; pipes, sockets and devices are never opened.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from common.formats import CONVERTIBLE, HEAD, advice, ending, format_of, readable_endings, readable_formats

# What is left behind, in lower case. Hidden names (.DS_Store, ._a.png, .Trash-1000, .git) are told by their dot.
SYSTEM_DIRECTORIES = frozenset(
    {
        *("@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "~snapshot"),
        *("__macosx", "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found"),
        *("network trash folder", "temporary items", "__pycache__"),
    }
)
SYSTEM_FILES = frozenset(
    {
        *("thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"),
        *("picasa.ini", "zbthumbnail.info", "folder.htt", "autorun.inf"),
    }
)
# Lock files of office programs, downloads that are not finished, streams that a copy has made into files.
_SYSTEM_FILE = re.compile(
    r"~\$.*|synophoto_.*|.*\.(part|partial|crdownload|download|filepart)|.*:(zone\.identifier|afp_\w+)"
)
# Endings of files that are looked at with other programs, so that none of them is opened here.
_OTHER_ENDINGS = frozenset(
    {
        *(".txt", ".csv", ".tsv", ".json", ".xml", ".xmp", ".yml", ".yaml", ".md", ".rst", ".html", ".htm", ".log"),
        *(".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ods", ".odt", ".ppt", ".pptx", ".db", ".sqlite", ".zip", ".gz"),
        *(".py", ".r", ".m", ".ipynb", ".ini", ".lnk", ".url", ".bat", ".sh", ".mp4", ".avi", ".mov", ".mkv"),
    }
)
SHOWN = 1000  # files in one directory of litter that are listed by name
DEEPEST = 1500  # levels of directories that are gone down


@dataclass(frozen=True)
class ImageFile:
    """An image that was listed: its name below the directory, with forward slashes, and its path."""

    name: str
    path: Path


@dataclass(frozen=True)
class LeftOut:
    """A file or directory that is not used: its name below the directory, and why.

    unreadable: whether it is, or may hold, a picture that could not be read; otherwise it is none. Reasons are counted
    by what comes before their colon.
    """

    name: str
    reason: str
    unreadable: bool = False


@dataclass
class Listing:
    """What a directory holds, both in the order of names."""

    images: list[ImageFile] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)  # that were looked into, below the directory itself


def list_images(directory: Path, skip: Iterable[Path] = ()) -> Listing:
    """Return the images below a directory, at any depth, and all else that is there as left out.

    An image is a file whose ending promises one, whatever its case, or one of an unknown ending, or none, whose first
    bytes are those of an image. Directories that are links are followed, each directory once; what is in `skip` does
    not belong to the directory. Raises FileNotFoundError where there is no such directory.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f"there is no directory {directory}")
    skipped = {identity for path in skip if (identity := file_identity(path))}
    listing = Listing()
    seen: set[tuple[int, int | str]] = set()
    waiting = [("", str(directory))]
    while waiting:
        name, path = waiting.pop()
        identity = file_identity(path)
        if identity in skipped:
            continue
        if identity in seen:
            listing.left_out.append(LeftOut(name, "linked: it is the same directory as another, which is used"))
            continue
        if identity:
            seen.add(identity)
        try:
            entries = sorted(os.scandir(path), key=lambda entry: (comparable(entry.name), entry.name))
        except OSError as error:
            listing.left_out.append(LeftOut(name or ".", _cannot_open(error), unreadable=True))
            continue
        if name:
            listing.directories.append(name)
        below = []
        for entry in entries:
            entry_name = f"{name}/{entry.name}" if name else entry.name
            if _is_directory(entry):
                below.append((entry_name, entry.path))
            elif not (skipped and file_identity(entry.path) in skipped):
                _sort_file(listing, entry_name, entry)
        waiting += reversed(_directories_to_enter(listing, below))
    return listing


def is_litter(name: str) -> bool:
    """Return whether a file or directory of this name was left behind by a system, a network disk or a program."""
    lower = name.lower()
    return lower in SYSTEM_DIRECTORIES or lower in SYSTEM_FILES or _SYSTEM_FILE.fullmatch(lower) is not None


def files_below(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name below a directory and the path of each file in it, whatever it is, however deep it lies."""
    waiting = [("", str(directory))]
    while waiting:
        name, path = waiting.pop()
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            below = f"{name}/{entry.name}" if name else entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append((below, entry.path))
            else:
                yield below, Path(entry.path)


def comparable(name: str) -> str:
    """Return a name in the one form in which names of files are compared: é is one letter, not e and an accent."""
    return unicodedata.normalize("NFC", name)


def ignores_case(directory: Path) -> bool:
    """Return whether the disk of a directory takes a name in capitals for the same."""
    swapped = directory.absolute()
    swapped = swapped.with_name(swapped.name.swapcase())
    try:
        return swapped.name != directory.absolute().name and swapped.samefile(directory)
    except OSError:
        return False


class FileFinder:
    """Finds files below a directory by names that may be written in another Unicode form than the disk's."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._names: dict[str, dict[str, str]] = {}

    def find(self, name: str) -> Path | None:
        """Return the path of the file of a name with forward slashes; None where there is none, or no plain file."""
        for path in (self._directory / name, self._by_other_form(name)):
            try:
                if path and path.is_file():
                    return path
            except (OSError, ValueError):  # too long for this disk, or with a character that no name can hold
                continue
        return None

    def _by_other_form(self, name: str) -> Path | None:
        path = str(self._directory)
        for part in name.split("/"):
            found = self._entries(path).get(comparable(part))
            if found is None:
                return None
            path = os.path.join(path, found)  # noqa: PTH118 - a Path for each directory would take most of the time
        return Path(path)

    def _entries(self, path: str) -> dict[str, str]:
        if path not in self._names:
            try:
                self._names[path] = {comparable(name): name for name in os.listdir(path)}  # noqa: PTH208
            except OSError:
                self._names[path] = {}
        return self._names[path]


def file_identity(path: Path | str) -> tuple[int, int | str] | None:
    """Return what two paths share only if they lead to the same file or directory; None where they lead nowhere."""
    try:
        about = Path(path).stat()
    except (OSError, ValueError):
        return None
    return about.st_dev, about.st_ino or os.path.realpath(path)  # some network disks number nothing


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _cannot_open(error: OSError) -> str:
    return f"it cannot be opened: {error.strerror or error}"


def _directories_to_enter(listing: Listing, below: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the directories that are no litter, and account for what is in the others."""
    entered = []
    for name, path in below:
        own = name.rpartition("/")[2]
        if own.startswith(".") or is_litter(own):
            kind = "hidden: in a directory whose name begins with a dot" if own.startswith(".") else _left_behind(own)
            more = 0
            for number, (inner, _) in enumerate(files_below(Path(path)), start=1):
                if number <= SHOWN:
                    listing.left_out.append(LeftOut(f"{name}/{inner}", kind))
                more = max(0, number - SHOWN)
            if more:
                listing.left_out.append(LeftOut(name, f"{kind}, with {more} more files than are listed"))
        elif name.count("/") >= DEEPEST:
            listing.left_out.append(LeftOut(name, f"too deep: below {DEEPEST} directories", unreadable=True))
        else:
            entered.append((name, path))
    return entered


def _left_behind(name: str) -> str:
    return f"litter: {name} is left behind by a system, a network disk or a program"


def _sort_file(listing: Listing, name: str, entry: os.DirEntry[str]) -> None:
    """Take a file for an image, or leave it out with its reason."""
    own = entry.name
    if own.startswith("."):
        listing.left_out.append(LeftOut(name, "hidden: its name begins with a dot"))
    elif is_litter(own):
        listing.left_out.append(LeftOut(name, _left_behind(own)))
    elif (refused := _refused(entry)) is not None:
        listing.left_out.append(LeftOut(name, *refused))
    else:
        listing.images.append(ImageFile(name, Path(entry.path)))


def _refused(entry: os.DirEntry[str]) -> tuple[str, bool] | None:
    """Return why a file is no image that is read, and whether it may be one; None for an image."""
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        dangling = entry.is_symlink() and isinstance(error, FileNotFoundError)
        return ("link: it leads nowhere" if dangling else _cannot_open(error)), True
    if not stat.S_ISREG(mode):
        return "special file: a pipe, a socket or a device", False
    end = ending(entry.name)
    if end in readable_endings():
        return None
    if end in CONVERTIBLE:
        return f"not read: {advice(end)}", True
    if end in _OTHER_ENDINGS:
        return "not a picture: by the ending of its name", False
    return _refused_by_content(entry.path)


def _refused_by_content(path: str) -> tuple[str, bool] | None:
    try:
        with Path(path).open("rb") as file:
            kind = format_of(file.read(HEAD))
    except OSError as error:
        return _cannot_open(error), True
    if kind in readable_formats():
        return None
    return (f"not read: {advice(kind)}", True) if kind else ("not a picture: by its name and its first bytes", False)
