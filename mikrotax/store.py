"""The pages as they came, stored on this machine: none is fetched twice, and an offline run needs no site."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timezone
from pathlib import Path

from requests import Response
from requests_cache import CachedResponse, SQLiteCache

from common.errors import ToolkitError
from common.locks import exclusive_lock

NAME = "pages.sqlite"
PATIENCE = 2  # seconds, with another program that is writing
SHRUNK = "shrunk "  # comes before the address where an answer is stored beside the stored one


class PageStore:
    """Raw answers by the address that was asked for, in `<directory>/pages.sqlite` (requests-cache, JSON, no pickles).

    The file is made when the first page is stored, and belongs to one process at a time: two would ask the site twice
    as often. Raises ToolkitError where it is in use, or cannot be read or written.
    """

    def __init__(self, directory: Path):
        self.path = directory / NAME
        self._resources = ExitStack()
        self._cache = self._open() if self.path.exists() else None

    def get(self, url: str) -> CachedResponse | None:
        """Return what was stored for `url`, or None; an entry that cannot be read counts as None."""
        with self._explained():
            return self._cache.get_response(_key(url)) if self._cache else None

    def save(self, url: str, response: Response) -> CachedResponse:
        """Store `response` as the answer to `url`, in one transaction, and return what was stored."""
        self._cache = self._cache or self._open()
        stored = CachedResponse.from_response(response)
        with self._explained():
            # Not by save_response, which puts the parameters of the address into another order.
            self._cache.responses[_key(url)] = stored
            # The library passes over a disk that is full.
            stored_now = self._cache.get_response(_key(url))
            if stored_now is None or stored_now.created_at != stored.created_at:
                raise sqlite3.OperationalError("what was written is not there: the disk may be full")
        return stored

    def get_shrunk(self, url: str) -> CachedResponse | None:
        """Return the last answer to `url` that held much less than the stored one and does not replace it yet."""
        return self.get(SHRUNK + url)

    def save_shrunk(self, url: str, response: Response) -> None:
        """Store an answer beside the one to `url`, which stays."""
        self.save(SHRUNK + url, response)

    def remove_shrunk(self, url: str) -> None:
        """Forget what `save_shrunk` has stored."""
        with self._explained():
            if self._cache:
                self._cache.responses.pop(_key(SHRUNK + url), None)

    def urls(self) -> list[str]:
        """Return the addresses of all stored pages."""
        with self._explained():
            return [str(response.url) for response in self._cache.responses.values()] if self._cache else []

    def close(self) -> None:
        """Close the file, and let other processes have it."""
        self._resources.close()

    def _open(self) -> SQLiteCache:
        with self._explained(), ExitStack() as resources:
            resources.enter_context(exclusive_lock(self.path.parent))
            _check_writable(self.path)
            cache = SQLiteCache(self.path, serializer="json")
            resources.callback(cache.close)
            self._resources = resources.pop_all()
        return cache

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise ToolkitError(f"the store of pages {self.path} {_trouble(error)}", "cache") from None


def _check_writable(path: Path) -> None:
    """Raise sqlite3.Error unless the file can be written; the library would wait for that without end."""
    with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def _trouble(error: Exception) -> str:
    """Return what is wrong with a store: it cannot be written, is in use, or is none."""
    if "locked" in str(error):
        return f"is in use by another program ({error}); let it finish"
    if isinstance(error, OSError) or any(word in str(error) for word in ("readonly", "full", "unable to open")):
        reason = error.strerror if isinstance(error, OSError) else error
        return f"cannot be written ({reason}): see to its permissions, and to the space on the disk"
    return f"cannot be read ({error}): move it away"


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def fetched(response: CachedResponse) -> str:
    """Return when an answer came, as `2026-11-24T05:33:02Z`."""
    return response.created_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
