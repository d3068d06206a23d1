"""One run at a time: a directory that belongs to one process for as long as it writes there."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from common.errors import ToolkitError

LOCK = ".in_use.lock"


@contextmanager
def exclusive_lock(directory: Path, guarded: Path | None = None) -> Iterator[None]:
    """Keep what lies in a directory, which is made if it is missing, to this process.

    guarded: what is kept to this process in its stead, where the directory is there for the lock alone. The system
    lifts the lock when the process ends, however it ends; its empty file stays, unless the directory was made for it
    and holds nothing else. Raises ToolkitError where another process has it, OSError where the directory cannot be
    written to.
    """
    made = [directory] if guarded else [place for place in (directory, *directory.parents) if not place.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ToolkitError(f"another run is writing {guarded or f'into {directory}'}; let it finish") from None
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):  # also where somebody has removed it meanwhile
            if made and [entry.name for entry in directory.iterdir()] == [LOCK]:
                (directory / LOCK).unlink(missing_ok=True)
                for place in made:
                    place.rmdir()
