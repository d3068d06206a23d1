"""A polite session: one connection, a pause before each request, robots.txt obeyed, and no insisting.

The parts are libraries: requests asks, requests-ratelimiter keeps the pause, urllib3's Retry says how long to wait
after a failure, Protego reads robots.txt. What is fetched is stored by `mikrotax.store`.
"""

import math
from datetime import datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from time import monotonic, sleep
from urllib.parse import urljoin, urlsplit

from protego import Protego
from pyrate_limiter import InMemoryBucket, Limiter, Rate, RateItem
from pyrate_limiter.limiter import SingleBucketFactory
from requests import Request, RequestException, Response
from requests_ratelimiter import LimiterSession
from urllib3 import Retry
from urllib3.exceptions import HTTPError
from urllib3.util.retry import RequestHistory

from common import __version__
from common.errors import ToolkitError
from mikrotax.links import host, is_loopback

PROGRAM = "scrape_mikrotax"  # the name by which robots.txt may call this program
TRIES = 5  # for one address; after so many, a site that is too busy is left alone
PATIENCE = 10  # addresses in a row that the site fails to answer, before the run stops
REDIRECTS = 5
TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of an answer
SLOWEST = 300  # seconds that one answer may take as a whole
LONGEST_WAIT = 600  # seconds; a site that asks for more is left alone until then
MAX_ROBOTS = 512_000  # bytes, as RFC 9309 says
AGAIN = {500, 502, 504}  # the site's own trouble, which may pass
BUSY = {429, 503}  # the site asks to be left alone for a while


class FetchError(ToolkitError):
    """One address could not be fetched; the message says why. The run goes on."""


class SiteError(ToolkitError):
    """The site asks to be left alone, or is out of reach; the message says what to do. The run stops."""


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
        self._unanswered = 0
        self._failed: dict[str, str] = {}
        self._robots: Protego | None = None
        self.headers["User-Agent"] = user_agent(contact)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # What this machine asks of itself goes through no proxy.
        self.trust_env = not is_loopback(site)

    def send(self, request, **kwargs) -> Response:
        """Send one request, after the pause; every request that goes out passes here."""
        self.asked += 1
        try:
            return super().send(request, **kwargs)
        finally:
            self._bucket.flush()
            self._bucket.put(RateItem("", self._bucket.now()))

    def fetch(self, url: str, limit: int) -> Response:
        """Return the answer (status 200, at most `limit` bytes) to a request for `url`, following its redirects.

        Raises FetchError if this address cannot be fetched, SiteError if the run must stop.
        """
        self._robots = self._robots or self._read_robots()
        visited: set[str] = set()
        try:
            return self._follow(url, limit, visited, self._robots)
        except FetchError as error:
            # Many addresses may redirect to one that fails; it is not asked for again in this run.
            self._failed |= dict.fromkeys(visited, str(error))
            raise

    def _follow(self, url: str, limit: int, visited: set[str], robots: Protego) -> Response:
        while True:
            if url in self._failed:
                raise FetchError(self._failed[url])
            if not robots.can_fetch(url, PROGRAM):
                raise FetchError("robots.txt asks programs to stay away from it")
            visited.add(url)
            response = self._ask(url, limit)
            if not response.is_redirect:
                if response.status_code != 200:
                    raise FetchError(f"the site answered {response.status_code} {response.reason or ''}".strip())
                return response
            url = self._redirected(url, response, visited)

    def _ask(self, url: str, limit: int) -> Response:
        """Ask for one address until it answers, at most TRIES times, waiting longer each time."""
        # Retry counts from the second failure on; a first one stands in its history, so that we wait after each.
        begun = (RequestHistory("GET", url, None, None, None),)
        retry = Retry(total=TRIES, backoff_factor=max(self.delay, 0.25), history=begun)
        for attempt in range(1, TRIES + 1):
            try:
                response = self._once(url, limit)
                trouble = f"the site answered {response.status_code}"
                wait = _retry_after(retry, response)
            except (RequestException, HTTPError) as error:
                response, wait, trouble = None, 0, _plainly(error)
            if response is not None and response.status_code not in AGAIN | BUSY:
                self._unanswered = 0
                return response
            retry = retry.increment("GET", url, error=HTTPError(trouble))
            wait = wait or retry.get_backoff_time()
            if wait > LONGEST_WAIT or (response is not None and response.status_code in BUSY and attempt == TRIES):
                raise SiteError(f"{trouble} for {url}, try {attempt}: it asks to be left alone. {_try_again(wait)}")
            if attempt < TRIES:
                sleep(wait)
        self._unanswered += 1
        if self._unanswered >= PATIENCE:
            raise SiteError(f"The site failed at {PATIENCE} addresses in a row, lastly because {trouble}. Try later.")
        raise FetchError(f"{trouble}, {TRIES} times")

    def _once(self, url: str, limit: int) -> Response:
        """Ask once, and read the answer: at most `limit` bytes, within SLOWEST seconds."""
        deadline = monotonic() + SLOWEST
        request = self.prepare_request(Request("GET", url))
        settings = self.merge_environment_settings(url, {}, True, None, None)
        try:
            response = self.send(request, timeout=TIMEOUT, allow_redirects=False, **settings)
        except ValueError as error:
            # requests looks at where a redirect leads even if it does not go there.
            raise FetchError(f"it redirects to something that is not an address ({error})") from None
        with response:
            content = bytearray()
            for piece in response.iter_content(16_384):
                content += piece
                if len(content) > limit:
                    raise FetchError(f"the answer is longer than {limit:,} bytes")
                if monotonic() > deadline:
                    raise FetchError(f"the answer took longer than {SLOWEST} seconds")
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

    def _read_robots(self) -> Protego:
        """Return robots.txt, read before anything else (RFC 9309): none allows all, one that fails forbids all."""
        url = urljoin(self.site, "/robots.txt")
        visited: set[str] = set()
        try:
            while (response := self._once(url, MAX_ROBOTS)).is_redirect:
                visited.add(url)
                url = self._redirected(url, response, visited)
        except (RequestException, HTTPError, FetchError) as error:
            raise SiteError(f"{url} could not be read ({_plainly(error)}), so nothing is asked. Try later.") from None
        if response.status_code >= 500 or response.status_code == 429:
            wait = _retry_after(Retry(), response)
            raise SiteError(f"{url} answered {response.status_code}, so nothing is asked. {_try_again(wait)}")
        text = response.content.decode("utf-8", errors="replace") if response.status_code == 200 else ""
        robots = Protego.parse(text)
        longer = robots.crawl_delay(PROGRAM) or 0
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


def _retry_after(retry: Retry, response: Response) -> float:
    """Return the seconds that the site asks to wait (Retry-After, in either form), 0 if it does not say so."""
    try:
        return retry.get_retry_after(response.raw) or 0
    except (HTTPError, ValueError, OverflowError):
        return 0


def _try_again(wait: float) -> str:
    moment = datetime.now() + timedelta(seconds=min(max(wait, 600), 10**7))
    return f"Try again after {moment:%Y-%m-%d %H:%M}, with the same command."


def _plainly(error: Exception) -> str:
    """Return what went wrong with a request in a few words, without the library's own."""
    text = f"{type(error).__name__} {error}"
    for sign, words in (
        ("imeout", "it did not answer in time"),
        ("timed out", "it did not answer in time"),
        ("IncompleteRead", "its answer was cut off"),
        ("refused", "it refuses connections"),
        ("resolve", "its name is not known: is the network there?"),
        ("ConnectionError", "the connection broke"),
        ("ChunkedEncoding", "its answer was cut off"),
    ):
        if sign in text:
            return words
    return str(error) or type(error).__name__
