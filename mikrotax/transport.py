"""Answers within bounds: however slowly a server sends, and however much, its answer ends.

requests' own timeout counts between two pieces of an answer, so a byte in a second would go on for ever; and a wrong
chunk size makes urllib3 read whatever comes. Here every read from the socket is bounded, in the head as in the body.
"""

import io
import logging
import math
from http.client import HTTPResponse
from time import monotonic

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

HEAD = 1_000_000  # bytes that may come besides what was asked for: head, chunk sizes, tunnels

# urllib3 warns, with a traceback, of a head that it cannot parse; the answer is judged by what came.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


class Bounds:
    """How long an answer may take, in seconds, and how many bytes it may have; and how far the present one has come."""

    def __init__(self) -> None:
        self.seconds = math.inf
        self.most = math.inf
        self._deadline = math.inf
        self._came = 0

    def begin(self) -> None:
        """Begin to count for a new answer."""
        self._deadline, self._came = monotonic() + self.seconds, 0

    def count(self, size: int) -> None:
        """Count bytes that came."""
        self._came += size

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._deadline - monotonic()

    @property
    def too_long(self) -> bool:
        """Whether more came than what may come, with the head and all that holds the body together."""
        return self._came > self.most + HEAD


class BoundedAdapter(HTTPAdapter):
    """An adapter for requests' sessions whose answers keep within `bounds`, through proxies as well."""

    def __init__(self, bounds: Bounds):
        self._bounds = bounds
        super().__init__()

    def send(self, request, *args, **kwargs):
        """Send a request; the time of its answer begins now."""
        self._bounds.begin()
        return super().send(request, *args, **kwargs)

    def init_poolmanager(self, *args, **kwargs) -> None:
        """Make the pools of connections; called by the base class."""
        super().init_poolmanager(*args, **kwargs)
        self._bound(self.poolmanager)

    def proxy_manager_for(self, proxy, **kwargs):
        """Return the pools of connections to a proxy."""
        return self._bound(super().proxy_manager_for(proxy, **kwargs))

    def _bound(self, manager: PoolManager) -> PoolManager:
        manager.pool_classes_by_scheme = _pool_classes(self._bounds)
        return manager


class _BoundedReader(io.RawIOBase):
    """What a socket sends, read with the time that is left as timeout."""

    def __init__(self, sock, bounds: Bounds):
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._bounds = bounds
        self._timeout = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int | None:
        left = self._bounds.left
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        if left != math.inf:
            self._sock.settimeout(min(left, self._timeout or left))
        size = self._raw.readinto(buffer)
        self._bounds.count(size or 0)
        if self._bounds.too_long:
            raise OSError("the answer is too long")
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedSocket:
    """A socket as far as `http.client` needs one to read from."""

    def __init__(self, sock, bounds: Bounds):
        self._sock = sock
        self._bounds = bounds

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._bounds))


def _pool_classes(bounds: Bounds) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3's own pools, whose connections read within bounds."""

    def respond(sock, *args, **kwargs) -> HTTPResponse:
        return HTTPResponse(_BoundedSocket(sock, bounds), *args, **kwargs)  # type: ignore[arg-type]

    class Connection(HTTPConnection):
        response_class = staticmethod(respond)  # type: ignore[assignment]

    class SecureConnection(HTTPSConnection):
        response_class = staticmethod(respond)  # type: ignore[assignment]

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}
