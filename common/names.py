"""Names of taxa and pictures, and the file names that hold them on every file system."""

import hashlib
import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from common.files import in_one_line

MAX_PART = 120  # bytes of one file or directory name; disks allow 255, temporary files and old tools need some of it
MAX_SHOWN = 200  # letters of a name in figures, pages and tables
MAX_FILE = 200  # bytes of a whole path below images/; Windows allows 260 with everything that comes before it

# Names that mean a device on Windows, whatever their extension.
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{p}{n}" for p in ("com", "lpt") for n in "123456789¹²³"
}

# Tables that lie in data/ and images/ beside the directories of the modules.
TABLES = {"changes.csv", "citation.txt", "credits.csv", "failures.csv", "notices.csv", "taxa.csv", "readme.md"}


def strip_blanks(name: str) -> str:
    """Return `name` as it is written in a record's `hierarchy`: NFC, with all white space removed.

    >>> strip_blanks("SY pulchra gp")
    'SYpulchragp'
    """
    return "".join(unicodedata.normalize("NFC", name).split())


def same_name(one: str, other: str) -> bool:
    """Return whether two spellings mean one taxon: compared without case, blanks and `_` (which stands for a blank)."""
    return comparison_key(one) == comparison_key(other)


def comparison_key(name: str) -> str:
    """Return `name` in the form in which names are compared: no blanks, no `_`, no case."""
    return strip_blanks(name.replace("_", " ")).casefold()


def is_type(status: str) -> bool:
    """Return whether the status of a picture says that it shows a type specimen: holotype, paratype, lectotype …"""
    return re.search(r"type\b", status, re.IGNORECASE) is not None


def shown_name(name: str) -> str:
    """Return a taxon's name as figures, pages and tables show it: in one line, and of at most MAX_SHOWN letters.

    A name that had to be cut ends in eight hexadecimal digits of its hash, so that two long names stay two.
    """
    line = in_one_line(name[: MAX_SHOWN + 1])
    return line if len(line) <= MAX_SHOWN else f"{line[: MAX_SHOWN - 9]}…{_digits(name)}"


def safe_part(name: str) -> str:
    """Return `name` as one file or directory name that every file system takes.

    It is never empty, hidden, `..`, reserved on Windows or longer than MAX_PART bytes of UTF-8; a name that had to be
    cut ends in eight hexadecimal digits of its own hash, so that two long names stay two.
    """
    part = unicodedata.normalize("NFC", name)
    part = "".join("_" if c in '<>:"/\\|?*' else c for c in part if unicodedata.category(c)[0] != "C")
    part = " ".join(part.split()).rstrip(". ")
    if part.startswith(".") or not part:
        part = "_" + part.lstrip(".")
    if part.split(".")[0].strip().casefold() in RESERVED:
        part = "_" + part
    if len(part.encode()) <= MAX_PART:
        return part
    stem, suffix = _split_suffix(part)
    return _cut(stem, MAX_PART - 9 - len(suffix.encode())) + "-" + _digits(name) + suffix


def is_safe_file(file: str) -> bool:
    """Return whether `file` names a place below a directory, with `/` between names that every file system takes.

    What leads out of the directory, or begins at the root of a disk, does not.
    """
    return bool(file) and all(part == safe_part(part) for part in file.split("/"))


def picture_path(url: str) -> str:
    """Return the key of a picture: the decoded path of `url` after `/images/`, with `thumbs/` still in it.

    A query and a fragment are no part of it. Raises ValueError for an address that has nothing below `/images/`.
    """
    try:
        path = unquote(urlsplit(url).path)
    except ValueError as error:
        raise ValueError(f"{url!r} is not an address: {error}") from None
    _, found, rest = ("/" + path).partition("/images/")
    parts = [part for part in rest.split("/") if part]
    if not found or not parts or ".." in parts:
        raise ValueError(f"{url!r} is not the address of a picture: it names no file below /images/")
    return "/".join(parts)


def picture_file(url: str) -> str:
    """Return where the picture at `url` lies below `images/`: its path after `/images/` without `thumbs/`, made safe.

    >>> picture_file("https://www.mikrotax.org/images/ntax_cenozoic/thumbs/C.%20pelagicus.JPG")
    'ntax_cenozoic/C. pelagicus.JPG'

    Raises ValueError for an address that has nothing below `/images/`.
    """
    path = picture_path(url)
    parts = path.split("/")
    first, *more = [*(part for part in parts[:-1] if part != "thumbs"), parts[-1]]
    # A module whose name is that of a table would take the table's place.
    first = f"_{first}" if first.casefold() in TABLES else first
    file = "/".join(map(safe_part, [first, *more]))
    if len(file.encode()) <= MAX_FILE:
        return file
    return f"{_cut(safe_part(parts[0]), 40)}/{_digits(path)}/{safe_part(parts[-1])}"


def disambiguate(file: str, key: str) -> str:
    """Return another name for `file`, which is taken: eight hexadecimal digits of the hash of `key` before its suffix.

    >>> disambiguate("ntax_cenozoic/a.jpg", "ntax_cenozoic/thumbs/A.jpg")
    'ntax_cenozoic/a-c241ca9c.jpg'
    """
    path = PurePosixPath(file)
    stem, suffix = _split_suffix(path.name)
    name = _cut(stem, MAX_PART - 9 - len(suffix.encode())) + "-" + _digits(key) + suffix
    return str(path.with_name(name))


def _split_suffix(name: str) -> tuple[str, str]:
    """Return a file name split before its extension, which counts as one only if it is short and plain."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and re.fullmatch(r"[A-Za-z0-9]{1,5}", suffix) else (name, "")


def _cut(name: str, size: int) -> str:
    """Return the beginning of `name`, at most `size` bytes of UTF-8, without a broken character or a trailing dot."""
    return name.encode()[:size].decode(errors="ignore").rstrip(". ") or "_"


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
