"""predictions.csv of own pictures, which grows batch by batch, so that a killed run loses at most the batch in hand."""

import csv
import io
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from common.files import write_csv

NAME = "predictions.csv"
ORDINALS = ("first", "second", "third", "fourth", "fifth")
STAMPS = ("bytes", "modified")  # of the file, to see whether it has changed since it was classified
COLUMNS = (
    "file",
    "answer",
    "answer_probability",
    *(column for ordinal in ORDINALS for column in (ordinal, f"{ordinal}_probability")),
    "out_of_distribution",
    "out_of_range",
    *STAMPS,
    "model",
)


def resume_table(path: Path, model: str, stamps: Mapping[str, tuple[str, str]]) -> tuple[set[str], Path | None]:
    """Make the table at `path` ready to be appended to; return the files that it names, and where the old table is.

    Rows stay if they were written by `model` (a fingerprint) for a file that still has its stamp, size and time of
    change, in `stamps`; a torn last line goes. A table by another model, of another folder, or not one of ours, is not
    touched: it is renamed to a free name, which is returned. Raises OSError where the disk refuses.
    """
    rows = list(read_rows(path))
    current = {row["file"]: row for row in rows if (row["bytes"], row["modified"]) == stamps.get(row["file"])}
    old = None
    if path.exists() and (not _is_ours(path) or (rows and not current) or any(row["model"] != model for row in rows)):
        names = (path.with_name(f"{path.stem}.old{number}.csv") for number in itertools.count(1))
        old = next(name for name in names if not name.exists())
        path.replace(old)
        current = {}
    write_csv(path, COLUMNS, current.values())
    return set(current), old


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the whole rows of a table of ours, none where it is missing or another's. A torn line is left out."""
    if not _is_ours(path):
        return
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        next(file)
        for line in file:
            if line.endswith("\n") and "\0" not in line:
                cells = next(csv.reader([line]))
                if len(cells) == len(COLUMNS):
                    yield dict(zip(COLUMNS, cells, strict=True))


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to the table's end, and wait until they are on the disk."""
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerows(rows)
    with path.open("ab") as file:
        file.write(text.getvalue().encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.readline(1000) == (",".join(COLUMNS) + "\n").encode()
    except OSError:
        return False
