"""predictions.csv, which grows chunk by chunk, so that a killed run loses at most the chunk in hand."""

import csv
import io
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from common.files import write_csv

PLACES = ("first", "second", "third", "fourth", "fifth")
STAMPS = ("bytes", "modified")  # of the file, to see whether it has changed since it was classified
COLUMNS = (
    "file",
    "answer",
    "answer_probability",
    *(column for place in PLACES for column in (place, f"{place}_probability")),
    "familiar",
    "out_of_range",
    *STAMPS,
    "model",
)
LOCK = ".in_use.lock"


@contextmanager
def exclusive_lock(directory: Path) -> Iterator[None]:
    """Keep the tables in a directory to this process; two would write into each other's rows.

    The system lifts the lock when the process ends, however it ends; its empty file stays. Raises OSError, with a
    sentence for the user, where another process has it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OSError(
            f"another run is writing into {directory}; let it finish, or give --report another directory"
        ) from None
    try:
        yield
    finally:
        lock.release()


def resume_table(path: Path, model: str, stamps: Mapping[str, tuple[str, str]]) -> tuple[set[str], Path | None]:
    """Make the table at `path` ready to be appended to; give the files that it answers for, and the old table's place.

    Rows stay if they were written by `model` (a fingerprint) for a file that still has its stamp, size and time of
    change, in `stamps`; a torn last line goes. A table by another model, of another folder, or not one of ours, is not
    touched: it is renamed to a free name, which is given back. Raises OSError where the disk refuses.
    """
    rows = list(read_rows(path))
    kept = {row["file"]: row for row in rows if (row["bytes"], row["modified"]) == stamps.get(row["file"])}
    aside = None
    if path.exists() and (not _is_ours(path) or (rows and not kept) or any(row["model"] != model for row in rows)):
        aside = next(
            free for n in itertools.count(1) if not (free := path.with_name(f"{path.stem}.old{n}.csv")).exists()
        )
        path.replace(aside)
        kept = {}
    write_csv(path, COLUMNS, kept.values())
    return set(kept), aside


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
