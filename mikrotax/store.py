"""The pages as they came, kept on this machine: none is asked for twice, and `--offline` can do without the site."""

import hashlib
import sqlite3
from contextlib import contextmanager
from datetime import timezone
from pathlib import Path

from requests import Response
from requests_cache import CachedResponse, SQLiteCache

NAME = "pages.sqlite"
LOCK = "in_use.sqlite"


class StoreError(Exception):
    """The store cannot be read or written; the message says what to do."""


class PageStore:
    """Raw answers by the address that was asked for, in `<directory>/pages.sqlite` (requests-cache, JSON, no pickles).

    The file is made when the first page is kept, and belongs to one process at a time: two would ask the site twice as
    often. Raises StoreError where it is in use, or cannot be read or written.
    """

    def __init__(self, directory: Path):
        self.path = directory / NAME
        self._cache = self._open() if self.path.exists() else None

    def get(self, url: str) -> CachedResponse | None:
        """Return what was kept for `url`, or None; an entry that cannot be read counts as none."""
        with self._plainly():
            return self._cache.get_response(_key(url)) if self._cache else None

    def keep(self, url: str, response: Response) -> CachedResponse:
        """Keep `response` as the answer to `url`, in one transaction, and return what was kept."""
        self._cache = self._cache or self._open()
        kept = CachedResponse.from_response(response)
        with self._plainly():
            # Not by save_response, which puts the parameters of the address into another order.
            self._cache.responses[_key(url)] = kept
        return kept

    def close(self) -> None:
        """Close the file."""
        if self._cache:
            self._cache.close()
            self._lock.close()

    def _open(self) -> SQLiteCache:
        with self._plainly():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # An open transaction on an empty database is a lock that every system lifts when the process ends, however.
            self._lock = sqlite3.connect(self.path.with_name(LOCK), timeout=0, isolation_level=None)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            self._lock.close()
            raise StoreError(
                f"Another scraper is at work with the pages in {self.path.parent}; let it finish."
            ) from None
        with self._plainly():
            return SQLiteCache(self.path, serializer="json")

    @contextmanager
    def _plainly(self):
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            message = f"The store of pages {self.path} cannot be used ({error}). Move it away, or name another --cache."
            raise StoreError(message) from None


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def fetched(response: CachedResponse) -> str:
    """Return when an answer came, as `2026-11-24T05:33:02Z`."""
    return response.created_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
