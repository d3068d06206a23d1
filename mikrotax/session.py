"""A polite session: one connection, a pause before each request, robots.txt obeyed, and no insisting.

The parts are libraries: requests asks, requests-ratelimiter keeps the pause, urllib3's Retry says how long to wait
after a failure. What is fetched is stored by `mikrotax.store`.
"""

import logging
import math
from collections.abc import Callable
from datetime import timedelta
from http.cookiejar import DefaultCookiePolicy
from time import sleep
from typing import Any
from urllib.parse import urljoin, urlsplit

from pyrate_limiter import InMemoryBucket, Limiter, Rate, RateItem
from pyrate_limiter.limiter import SingleBucketFactory
from requests import PreparedRequest, Request, Response
from requests_ratelimiter import LimiterSession
from urllib3 import Retry
from urllib3.exceptions import HTTPError
from urllib3.util.retry import RequestHistory

from common import __version__
from common.errors import ToolkitError
from mikrotax.answers import describe, plainly, retry_after
from mikrotax.links import host, is_loopback
from mikrotax.markup import ForeignAnswer
from mikrotax.refusals import MISSING, PATIENCE, Refusals, SiteError, try_again
from mikrotax.robots import MAX_ROBOTS, PROGRAM, SAYS_NO_TRAINING, Robots, read_robots
from mikrotax.transport import BoundedAdapter, Bounds

TRIES = 5  # for one address; after so many, a site that is too busy is left alone
REDIRECTS = 5
TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of an answer
SLOWEST = 300  # seconds that one answer may take as a whole
LONGEST_WAIT = 600  # seconds; where a site asks for more, the run ends
ROBOTS_SLOWEST = 30  # seconds for robots.txt
FORBIDDEN = "robots.txt disallows it"
RETRIED = {500, 502, 504}  # the site's own trouble, which may pass
BUSY = {429, 503}  # the site is too busy for a while

logger = logging.getLogger(__name__)


class FetchError(ToolkitError):
    """One address could not be fetched; the message says why. The run goes on."""


class BrokenAnswer(Exception):
    """An answer that broke off, or that no library can read; it may come whole the next time."""


def user_agent(contact: str = "") -> str:
    """Return how this program introduces itself, with the address of the person who runs it."""
    return f"{PROGRAM}/{__version__} (toolkit for micropalaeontologists{'; ' * bool(contact)}{contact})"


class PoliteSession(LimiterSession):
    """A session that asks one host, and never faster than once in `delay` seconds.

    The pause is counted from the moment when the last answer came in (or failed), so the site itself sees it at least
    that long between the starts of two requests, however slow the way to it is. Retries and redirects count as well.
    """

    def __init__(self, site: str, delay: float, contact: str = ""):
        self._bucket = _bucket(delay)
        super().__init__(limiter=_limiter(self._bucket), per_host=False, limit_statuses=())
        self.site = site
        self.delay = delay
        self.asked = 0
        self.tried: set[str] = set()  # addresses
        self._unanswered = 0
        self._refusals = Refusals()
        self._failed: dict[str, str] = {}
        self._robots: Robots | None = None
        self.robots_answer: Response | None = None
        self.said = ""  # the line against training in robots.txt that was reported already
        self._bounds = Bounds()
        for scheme in ("http://", "https://"):
            self.mount(scheme, BoundedAdapter(self._bounds))
        self.headers["User-Agent"] = user_agent(contact)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # What this machine asks of itself goes through no proxy. Passwords in ~/.netrc go nowhere.
        self.trust_env = not is_loopback(site)
        self.auth = _no_password

    def send(self, request, **kwargs) -> Response:
        """Send one request, after the pause; every request that goes out passes here."""
        self.asked += 1
        try:
            return super().send(request, **kwargs)
        finally:
            self._bucket.flush()
            self._bucket.put(RateItem("", self._bucket.now()))

    @property
    def robots(self) -> Robots:
        """The site's robots.txt, which is asked for once. Raises SiteError where it cannot be read."""
        self._robots = self._robots or self._read_robots()
        return self._robots

    def fetch(self, url: str, limit: int, read: Callable[[Response], Any] = lambda response: response) -> Any:
        """Return what `read` makes of the answer (status 200, at most `limit` bytes) to a request for `url`.

        Redirects are followed. Raises FetchError if this address cannot be fetched, SiteError if the run must stop, and
        what `read` raises: a ForeignAnswer is a refusal in other words.
        """
        robots = self.robots
        visited: set[str] = set()
        try:
            response = self._follow(url, limit, visited, robots)
        except FetchError as error:
            # Many addresses may redirect to one that fails; it is not asked for again in this run.
            self._failed |= dict.fromkeys(visited, str(error))
            raise
        try:
            value = read(response)
        except ForeignAnswer as error:
            self._failed |= dict.fromkeys(visited, str(error))
            self._refusals.refused(describe(response))
            raise
        except ToolkitError:
            self._refusals.accepted()
            raise
        self._refusals.accepted()
        return value

    def _follow(self, url: str, limit: int, visited: set[str], robots: Robots) -> Response:
        while True:
            if url in self._failed:
                if visited:  # the site has answered, by a redirect to it
                    self._refusals.refused("a redirect to what failed before")
                raise FetchError(self._failed[url])
            if not robots.allows(url):
                raise FetchError(FORBIDDEN)
            visited.add(url)
            self.tried.add(url)
            response = self._ask(url, limit)
            if not response.is_redirect:
                if response.status_code != 200:
                    if response.status_code not in MISSING:
                        self._refusals.refused(describe(response))
                    raise FetchError(f"the site answered {response.status_code} {response.reason or ''}".strip())
                return response
            try:
                url = self._redirected(url, response, visited)
            except FetchError as error:
                self._refusals.refused(f"{response.status_code}: {error}"[:120])
                raise

    def _ask(self, url: str, limit: int) -> Response:
        """Ask for one address until it answers, at most TRIES times, waiting longer each time."""
        # Retry counts from the second failure on; a first one is in its history, so that we wait after each.
        begun = (RequestHistory("GET", url, None, None, None),)
        retry = Retry(total=TRIES, backoff_factor=max(self.delay, 0.25), history=begun)
        for attempt in range(1, TRIES + 1):
            try:
                response = self._once(url, limit, SLOWEST)
                trouble = f"the site answered {response.status_code}"
                wait = retry_after(retry, response)
            except BrokenAnswer as error:
                response, wait, trouble = None, 0, str(error)
            if response is not None and response.status_code not in RETRIED | BUSY:
                self._unanswered = 0
                return response
            retry = retry.increment("GET", url, error=HTTPError(trouble))
            wait = wait or retry.get_backoff_time()
            if wait > LONGEST_WAIT or (response is not None and response.status_code in BUSY and attempt == TRIES):
                raise SiteError(f"{trouble} for {url}, try {attempt}: the site is too busy. {_rest(wait)}")
            if attempt < TRIES:
                sleep(wait)
        self._unanswered += 1
        if self._unanswered >= PATIENCE:
            raise SiteError(f"The site failed at {PATIENCE} addresses in a row, lastly because {trouble}. Try later.")
        raise FetchError(f"{trouble}, {TRIES} times")

    def _once(self, url: str, limit: int, seconds: float, cut: bool = False) -> Response:
        """Ask once, and read the answer: within so many seconds, and at most `limit` bytes; if `cut`, what is more is
        left unread. Raises FetchError if it does not keep within that, BrokenAnswer if it breaks off.
        """
        self._bounds.seconds, self._bounds.most = seconds, limit
        request = self.prepare_request(Request("GET", url))
        settings = self.merge_environment_settings(url, {}, True, None, None)
        try:
            with self.send(request, timeout=TIMEOUT, allow_redirects=False, **settings) as response:
                content = bytearray()
                for piece in response.iter_content(16_384):
                    content += piece
                    if len(content) > limit:
                        break
        except Exception as error:
            # A broken answer may provoke anything in the libraries that read it; it is that answer's fault alone.
            if self._bounds.left <= 0:
                self._refusals.refused(f"an answer that took longer than {seconds:g} seconds")
                raise FetchError(f"the answer took longer than {seconds:g} seconds") from None
            if isinstance(error, ValueError):
                raise FetchError(f"it answers what HTTP does not know, or what is not an address ({error})") from None
            if not self._bounds.too_long:
                raise BrokenAnswer(plainly(error)) from None
            content = bytearray(limit + 1)
        if len(content) > limit and not cut:
            self._refusals.refused(f"an answer of more than {limit:,} bytes")
            raise FetchError(f"the answer is longer than {limit:,} bytes")
        response._content = bytes(content)
        return response

    def _redirected(self, url: str, response: Response, visited: set[str]) -> str:
        """Return where a redirect leads; FetchError if off the host, in a circle, or on and on."""
        target = self.get_redirect_target(response) or ""
        try:
            target = urljoin(url, target)
            allowed = urlsplit(target).scheme in ("http", "https") and host(target) == host(url)
        except ValueError:
            allowed = False
        if not allowed:
            raise FetchError(f"it redirects off the host, to {target[:200]!r}")
        if target in visited or len(visited) > REDIRECTS:
            raise FetchError("it redirects in circles" if target in visited else f"more than {REDIRECTS} redirects")
        return target

    def _read_robots(self) -> Robots:
        """Return robots.txt, read before anything else (RFC 9309): none allows all, one that fails forbids all."""
        url = urljoin(self.site, "/robots.txt")
        visited: set[str] = set()
        try:
            while (response := self._once(url, MAX_ROBOTS, ROBOTS_SLOWEST, cut=True)).is_redirect:
                visited.add(url)
                url = self._redirected(url, response, visited)
        except (BrokenAnswer, FetchError) as error:
            raise SiteError(f"{url} could not be read ({error}), so nothing is asked. Try later.") from None
        if response.status_code >= 500 or response.status_code == 429:
            wait = retry_after(Retry(), response)
            raise SiteError(f"{url} answered {response.status_code}, so nothing is asked. {_rest(wait)}")
        self.robots_answer = response
        robots = read_robots(response)
        if robots.no_training not in ("", self.said):
            logger.info(SAYS_NO_TRAINING, robots.no_training)
        longer = robots.delay
        if not longer <= LONGEST_WAIT:
            raise SiteError(
                f"{url} asks for a pause of {longer:g} seconds between requests: it is not open to programs."
            )
        if longer > self.delay:
            self.delay = longer
            self._bucket = _bucket(longer)
            self._bucket.put(RateItem("", self._bucket.now()))
            self.limiter = _limiter(self._bucket)
        return robots


def _bucket(delay: float) -> InMemoryBucket:
    """Return what lets one request pass in `delay` seconds; it counts whole milliseconds, so one more is added."""
    return InMemoryBucket([Rate(1, math.ceil(delay * 1000) + 1 if delay else 1)])


def _limiter(bucket: InMemoryBucket) -> Limiter:
    return Limiter(SingleBucketFactory(bucket, schedule_leak=False), buffer_ms=0)


def _rest(wait: float) -> str:
    """Return when to go on, for a site that asks for a pause of `wait` seconds, or has not said for how long."""
    return try_again(timedelta(seconds=min(max(wait, 600), 10**7)))


def _no_password(request: PreparedRequest) -> PreparedRequest:
    """Leave a request as it is: requests would look for a password in ~/.netrc where it is given none."""
    return request
