"""Files that are whole or absent: written beside their place, flushed to the disk, and moved in by one rename."""

import codecs
import csv
import io
import json
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from common.errors import ToolkitError

_LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}\.part")  # the temporary names of `write_whole`
MOST_LINES = 20  # of a row of a table, where its cells hold line breaks

# Text that a spreadsheet takes for a formula (OWASP, CSV injection; also the wide forms of these signs), or for a
# number that it rounds to 15 digits or writes as a power of ten.
_RISKY = re.compile(r"[=+\-@\t\r\n＝＋－＠|%].|[\d.,]{16,}$|\d+([.,]\d*)?[eE][+-]?\d+$")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)$")
_LONG = 15  # digits


def write_whole(path: Path | str, write: Callable[[BinaryIO], Any]) -> Path:
    """Let `write` fill a binary file that appears at `path` in one step, or not at all.

    The parent directory is made if it is missing. A file that stood at `path` stays as it was until the new one is
    complete. Raises OSError, with a sentence for the user, where the disk refuses, with nothing left behind.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_part_prefix(path.name), suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(f"{path} could not be written ({error.strerror or error})") from error
    return path


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Write `content` to `path`, whole or not at all."""
    return write_whole(path, lambda file: file.write(content))


def write_text(path: Path | str, text: str) -> Path:
    """Write `text` to `path` as UTF-8, whole or not at all.

    Halves of surrogate pairs, as in names of files that are not UTF-8, are written as Python and JSON escape them.
    """
    return write_bytes(path, text.encode("utf-8", "backslashreplace"))


def copy_whole(path: Path, copy: Path) -> Path:
    """Let a file that is only ever replaced stand at `copy`, too: by a hard link, or as a copy where there are none."""
    try:
        copy.hardlink_to(path)
        return copy
    except (OSError, NotImplementedError):
        with path.open("rb") as file:
            return write_whole(copy, lambda target: shutil.copyfileobj(file, target))


def write_json(path: Path | str, value: Any) -> Path:
    """Write `value` to `path` as readable JSON, whole or not at all."""
    return write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_csv(path: Path | str, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write `rows` to `path` as a table with a head line (UTF-8, commas, Unix line ends), whole or not at all.

    No text in it starts a formula where a spreadsheet opens it (see `guard_cell`).
    """
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), lineterminator="\n")
    table.writeheader()
    table.writerows(
        {name: guard_cell(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows
    )
    return write_text(path, text.getvalue())


def guard_cell(text: str) -> str:
    """Return text for a cell of a table for people: an apostrophe before what a spreadsheet would not leave as it is.

    Plain numbers of up to 15 digits stay as they are, also negative ones.
    """
    bare = text.lstrip("'").lstrip()
    if not _RISKY.match(bare):
        return text
    is_plain = _NUMBER.match(text) and sum(letter.isdigit() for letter in text) <= _LONG
    return text if is_plain else f"'{text}"


def unguard_cell(text: str) -> str:
    """Return a cell without the apostrophe that `guard_cell` put before it."""
    return text[1:] if text.startswith("'") and guard_cell(text[1:]) == text else text


def clear_leftovers(directory: Path, names: Iterable[str] | None = None) -> None:
    """Remove what writing whole files has left in a directory where it was killed; nothing must be writing there.

    names: of the files whose parts are removed, None for all.
    """
    prefixes = None if names is None else {_part_prefix(name) for name in names}
    for left in directory.glob(".*.part"):
        ours = prefixes is None or left.name[: -len(".12345678.part")] + "." in prefixes
        if ours and _LEFTOVER.fullmatch(left.name) and left.is_file():
            left.unlink(missing_ok=True)


def check_writable(paths: Sequence[Path], setting: str) -> None:
    """Raise ToolkitError where a file could not be written to one of the paths; `setting` is what names them.

    They lie in one directory, which is made if it is missing, and into which a file is written and removed again.
    """
    directory = paths[0].parent
    try:
        write_bytes(directory / ".probe", b"probe").unlink()
    except OSError as error:
        raise ToolkitError(f"{directory} cannot be written to ({error})", setting) from error
    for path in paths:
        try:
            if path.is_dir():
                raise ToolkitError(f"{path} is a directory, not a file to write to", setting)
            path.lstat()  # tells whether the system bears the name
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ToolkitError(f"{path} could not be written ({error.strerror})", setting) from error


def _part_prefix(name: str) -> str:
    return f".{name[:60]}."


def in_one_line(text: str) -> str:
    """Return text for a cell of a table: line breaks and control characters as Python escapes them."""
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter
        for letter in text
    )


def check_directory(path: Path, setting: str, advice: str = "") -> None:
    """Raise ToolkitError where there is no directory `path`; `setting` is what names it, `advice` ends the sentence."""
    if not path.is_dir():
        raise ToolkitError(f"there is no directory {path}{advice}", setting)


def check_file(path: Path, setting: str, advice: str = "") -> None:
    """Raise ToolkitError where there is no file `path`; `setting` is what names it, `advice` ends the sentence."""
    if not path.is_file():
        raise ToolkitError(f"there is no file {path}{advice}", setting)


def read_csv(path: Path | str, by_hand: bool = False) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Yield for each row of a table, by the number of its line, its cells by column, or what is wrong with it.

    Cells are without the apostrophes of `guard_cell`. Cells that a row lacks at its end are empty. What spreadsheets
    write is read: a byte-order mark, UTF-16, semicolons or tabs in place of commas, both kinds of line ends, and, where
    `by_hand` says that a person wrote the table, the older code page of Windows. A quotation mark that is never closed
    spoils its own row only. Raises OSError where the file cannot be read, ValueError where it is no text or has no head
    line.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    text = _decoded(Path(path).read_bytes(), by_hand)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    separator = max(",;\t", key=lines[0].count)
    columns: list[str] = []
    number = 0
    while number < len(lines):
        first, number = number, number + 1
        if not lines[first].strip():
            continue
        cells = csv_cells(lines[first], separator)
        if cells is None and (end := _closed_row(lines, first, separator)):  # a cell with line breaks in it
            cells, number = csv_cells("\n".join(lines[first:end]), separator), end
        if not columns:
            if cells is None:
                raise ValueError("its first line is not that of a table")
            columns = [cell.strip() for cell in cells]
        elif cells is None:
            yield first + 1, "a quotation mark is out of place"
        elif len(cells) > len(columns):
            yield first + 1, f"it has {len(cells)} cells, and the table {len(columns)} columns"
        else:
            cells = [unguard_cell(cell) for cell in cells] + [""] * (len(columns) - len(cells))
            yield first + 1, dict(zip(columns, cells, strict=True))
    if not columns:
        raise ValueError("it is empty")


def _decoded(content: bytes, by_hand: bool) -> str:
    """Return the text of a table. Raises ValueError where it is none."""
    if by_hand and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if not by_hand:
            raise
        text = content.decode("cp1252")
    if "\0" in text.partition("\n")[0]:
        raise ValueError("it is no text")
    return text


def csv_cells(line: str, separator: str = ",") -> list[str] | None:
    """Return the cells of one row, however long they are, or None where its quotation marks do not match."""
    former = csv.field_size_limit(max(len(line) + 1, 1 << 17))
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return None
    finally:
        csv.field_size_limit(former)


def _closed_row(lines: list[str], first: int, separator: str) -> int:
    """Return where a row ends that goes on over several lines; 0 where it would swallow other rows."""
    columns = len(csv_cells(lines[0], separator) or [])
    for end in range(first + 2, min(first + MOST_LINES, len(lines)) + 1):
        cells = csv_cells("\n".join(lines[first:end]), separator)
        if cells is not None:
            return end if len(cells) == columns else 0
    return 0


def _umask() -> int:
    """The process's mask for new files, which mkstemp does not ask (its files are private)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
