"""predictions.csv of own pictures, which grows batch by batch, so that a killed run loses at most the batch in hand."""

import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from common.errors import ToolkitError
from common.files import csv_cells, in_one_line, unguard_cell
from common.tables import BYTE_ORDER_MARK, table_text, write_table

NAME = "predictions.csv"
ORDINALS = ("first", "second", "third", "fourth", "fifth")
STAMPS = ("bytes", "modified")  # of the file, to see whether it has changed since it was classified
# `answer` is what counts: a person's word where there is one, which `checked` tells, else the model's own answer.
# `sample` comes first: programs that do not know of byte-order marks then still find `file`.
COLUMNS = (
    *("sample", "file", "answer", "answer_probability", "checked", "note", "model_answer", "model_answer_probability"),
    *(column for ordinal in ORDINALS for column in (ordinal, f"{ordinal}_probability")),
    *("out_of_distribution", "out_of_range", *STAMPS, "model", "checksum"),
)
HEAD = (BYTE_ORDER_MARK + ",".join(COLUMNS) + "\n").encode()

Row = dict[str, str]


def resume_table(path: Path, model: str, stamps: Mapping[str, tuple[str, str]]) -> tuple[set[str], Path | None]:
    """Make the table at `path` ready to be appended to; return the files that it names, and where the old table is.

    Rows stay if they were written by `model` (a fingerprint) for a file that still has its stamp, size and time of
    change, in `stamps`; a torn last line goes. A table by another model, of another folder, or not one of ours, is not
    touched: it is renamed to a free name, which is returned. Raises OSError where the disk refuses, ToolkitError where
    the table was changed by hand.
    """
    rows = list(read_rows(path))
    current = {row["file"]: row for row in rows if (row["bytes"], row["modified"]) == stamps.get(row["file"])}
    old = None
    if path.exists() and (not _is_ours(path) or (rows and not current) or any(row["model"] != model for row in rows)):
        names = (path.with_name(f"{path.stem}.old{number}.csv") for number in itertools.count(1))
        old = next(name for name in names if not name.exists())
        path.replace(old)
        current = {}
    write_table(path, COLUMNS, current.values())
    return set(current), old


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the whole rows of a table of ours, none where it is missing or another's. A torn line is left out.

    Raises ToolkitError where a person or a spreadsheet has changed it.
    """
    if not _is_ours(path):
        if _was_ours(path):
            raise _changed(path, "was saved by another program")
        return
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        next(file)
        for number, line in enumerate(file, 2):
            if not line.endswith("\n") or "\0" in line:
                continue
            cells = csv_cells(line) or []
            if len(cells) != len(COLUMNS):
                continue
            row = dict(zip(COLUMNS, map(unguard_cell, cells), strict=True))
            if row["checksum"] != _checksum(row):
                raise _changed(path, f"was changed by hand in line {number}")
            yield row


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the table anew, whole or not at all."""
    write_table(path, COLUMNS, [{**row, "checksum": _checksum(row)} for row in rows])


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to the table's end."""
    whole = [{**row, "checksum": _checksum(row)} for row in rows]
    text = table_text([row.get(name, "") for name in COLUMNS] for row in whole)
    with path.open("ab") as file:
        file.write(text.encode("utf-8"))


def _checksum(row: Mapping[str, Any]) -> str:
    """Return what shows that a row is as it was written. It begins with a letter, lest a spreadsheet see a number."""
    cells = "\n".join(in_one_line(str(row.get(name, ""))) for name in COLUMNS[:-1])
    return f"c{zlib.crc32(cells.encode('utf-8', 'backslashreplace')):08x}"


def _changed(path: Path, how: str) -> ToolkitError:
    return ToolkitError(
        f"{path} {how}, so a person's answers cannot be told from the model's; rename it, and give what is to be put "
        "right as corrections, a table with the columns file and label"
    )


def _is_ours(path: Path) -> bool:
    return _first_line(path) == HEAD


def _was_ours(path: Path) -> bool:
    """Return whether a table has our columns, but not as we write them: a spreadsheet has saved it."""
    text = _first_line(path).decode("utf-8", "replace").lstrip(BYTE_ORDER_MARK)
    return tuple(cell.strip('"') for cell in re.split(r"[,;\t]", text.strip())) == COLUMNS


def _first_line(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.readline(len(HEAD) + 200)
    except OSError:
        return b""
