"""Files that are whole or absent: written beside their place, flushed to the disk, and moved in by one rename."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO


def write_whole(path: Path | str, write: Callable[[BinaryIO], Any]) -> Path:
    """Let `write` fill a binary file that appears at `path` in one step, or not at all.

    The parent directory is made if it is missing. A file that stood at `path` stays as it was until the new one is
    complete. Raises OSError, with a sentence for the user, where the disk refuses, with nothing left behind.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.", suffix=".part")
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
    """Write `text` to `path` as UTF-8, whole or not at all."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: Any) -> Path:
    """Write `value` to `path` as readable JSON, whole or not at all."""
    return write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_csv(path: Path | str, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write `rows` to `path` as a table with a head line (UTF-8, commas, Unix line ends), whole or not at all."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return write_text(path, text.getvalue())


def _umask() -> int:
    """The process's mask for new files, which mkstemp does not ask (its files are private)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
