"""Directories that are whole or absent: filled beside their place, and moved in by one rename."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import ToolkitError
from common.locks import exclusive_lock

NEW, OLD = "new", "old"  # in the hidden directory in which a directory is filled


@contextmanager
def whole_directory(place: Path, names: Collection[str], setting: str) -> Iterator[Path]:
    """Yield an empty directory, which becomes `place` in one step when the block ends, and is gone where that fails.

    A directory that lies there is replaced if it holds nothing but `names`, the files of an earlier one. Raises
    ToolkitError where it holds anything else (`setting` is what names it), or another process is at it.
    """
    hidden = place.with_name(f".{place.name}.making")
    with exclusive_lock(hidden, place):
        _finish(hidden, place)
        _refuse_others(place, names, setting)
        try:
            (hidden / NEW).mkdir()
            yield hidden / NEW
            if place.exists():
                place.rename(hidden / OLD)
            (hidden / NEW).rename(place)
        finally:
            _finish(hidden, place)


def _finish(hidden: Path, place: Path) -> None:
    """Bring back what was to be replaced, where nothing took its place, and clear the rest away."""
    if (hidden / OLD).exists() and not place.exists():
        (hidden / OLD).rename(place)
    for name in (NEW, OLD):
        shutil.rmtree(hidden / name, ignore_errors=True)


def _refuse_others(place: Path, names: Collection[str], setting: str) -> None:
    if place.exists() and not place.is_dir():
        raise ToolkitError(f"{place} is a file, not a directory", setting)
    others = sorted(entry.name for entry in place.iterdir() if entry.name not in names) if place.is_dir() else []
    if others:
        raise ToolkitError(f"{place} holds other files, such as {others[0]}, and would be replaced as a whole", setting)
