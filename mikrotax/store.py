"""The pages as they came, kept on this machine: none is asked for twice, and an offline run can do without the site."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timezone
from pathlib import Path

from requests import Response
from requests_cache import CachedResponse, SQLiteCache

from common.errors import ToolkitError
from common.locks import exclusive_lock

NAME = "pages.sqlite"


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
        return stored

    def close(self) -> None:
        """Close the file, and let other processes have it."""
        self._resources.close()

    def _open(self) -> SQLiteCache:
        with self._explained(), ExitStack() as resources:
            resources.enter_context(exclusive_lock(self.path.parent))
            cache = SQLiteCache(self.path, serializer="json")
            resources.callback(cache.close)
            self._resources = resources.pop_all()
        return cache

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise ToolkitError(
                f"the store of pages {self.path} cannot be used ({error}): move it away", "cache"
            ) from None


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def fetched(response: CachedResponse) -> str:
    """Return when an answer came, as `2026-11-24T05:33:02Z`."""
    return response.created_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
