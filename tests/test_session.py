"""The polite session, against a small server that does what it is told and writes down who asked for what."""

import gzip
import itertools
import threading
import time
from collections import defaultdict
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from common import __version__
from mikrotax import session as session_module
from mikrotax.session import FetchError, PoliteSession, SiteError, user_agent

ROBOTS = "/robots.txt"
LIMIT = 100_000


class Site:
    """Answers each path with the next of `answers[path]` (the last one for ever): status, headers, body.

    A status of 0 hangs up without a word; a body longer or shorter than its Content-Length is sent as it is.
    """

    def __init__(self):
        self.log = []
        self.slow = 0
        self.answers = defaultdict(lambda: [(200, {}, b"good")])
        self.answers[ROBOTS] = [(404, {}, b"")]
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                site.log.append((time.monotonic(), self.path, dict(self.headers), self.client_address[1]))
                time.sleep(site.slow)
                answers = site.answers[self.path]
                status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.close_connection |= headers.get("Content-Length", str(len(body))) != str(len(body))

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def paths(self):
        return [path for _, path, _, _ in self.log]

    def pauses(self):
        times = [moment for moment, _, _, _ in self.log]
        return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.fixture
def site():
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def session(site):
    with PoliteSession(site.url, 0, "me@museum.org") as session:
        yield session


def test_robots_txt_comes_first_and_once(site, session):
    site.answers[ROBOTS] = [(200, {}, b"User-agent: *\nDisallow: /secret")]
    assert session.fetch(site.url + "/a", LIMIT).content == b"good"
    with pytest.raises(FetchError, match=r"robots\.txt"):
        session.fetch(site.url + "/secret/b", LIMIT)
    session.fetch(site.url + "/c", LIMIT)
    assert site.paths == [ROBOTS, "/a", "/c"]


def test_robots_txt_may_speak_to_this_program_alone(site, session):
    site.answers[ROBOTS] = [(200, {}, b"User-agent: *\nAllow: /\n\nUser-agent: scrape_mikrotax\nDisallow: /")]
    with pytest.raises(FetchError):
        session.fetch(site.url + "/a", LIMIT)
    assert site.paths == [ROBOTS]


@pytest.mark.parametrize("answer", [(500, {}, b""), (503, {"Retry-After": "60"}, b""), (429, {}, b""), (0, {}, b"")])
def test_a_robots_txt_that_fails_stops_the_run(site, session, answer):
    site.answers[ROBOTS] = [answer]
    with pytest.raises(SiteError, match=r"nothing is asked.*[Tt]ry"):
        session.fetch(site.url + "/a", LIMIT)
    assert site.paths == [ROBOTS]


def test_a_robots_txt_on_another_host_stops_the_run(site, session):
    site.answers[ROBOTS] = [(302, {"Location": site.url.replace("127.0.0.1", "localhost") + "/else.txt"}, b"")]
    with pytest.raises(SiteError):
        session.fetch(site.url + "/a", LIMIT)
    assert site.paths == [ROBOTS]


def test_robots_txt_is_read_where_it_has_moved_to(site, session):
    site.answers[ROBOTS] = [(301, {"Location": "/new.txt"}, b"")]
    site.answers["/new.txt"] = [(200, {}, b"User-agent: *\nDisallow: /a")]
    with pytest.raises(FetchError):
        session.fetch(site.url + "/a", LIMIT)
    assert site.paths == [ROBOTS, "/new.txt"]


@pytest.mark.parametrize(("asked", "told", "kept"), [(0, b"0.15", 0.15), (0.15, b"0.01", 0.15), (0.05, b"soon", 0.05)])
def test_the_longer_of_delay_and_crawl_delay_is_kept(site, asked, told, kept):
    site.answers[ROBOTS] = [(200, {}, b"User-agent: *\nCrawl-delay: " + told)]
    with PoliteSession(site.url, asked) as session:
        for number in range(3):
            session.fetch(f"{site.url}/{number}", LIMIT)
        assert session.delay == kept
    assert min(site.pauses()) >= kept


def test_a_crawl_delay_beyond_reason_stops_the_run(site, session):
    site.answers[ROBOTS] = [(200, {}, b"User-agent: *\nCrawl-delay: 86400")]
    with pytest.raises(SiteError, match="pause"):
        session.fetch(site.url + "/a", LIMIT)


@pytest.mark.slow
def test_the_pause_is_kept_whatever_fails(site):
    """The site's own log: every pause is at least --delay, over good answers, errors, retries and redirects."""
    site.answers["/again"] = [(500, {}, b""), (0, {}, b""), (200, {"Content-Length": "9"}, b"cut"), (200, {}, b"good")]
    site.answers["/gone"] = [(404, {}, b"")]
    site.answers["/moved"] = [(302, {"Location": "/moved/on"}, b"")]
    site.answers["/moved/on"] = [(301, {"Location": "/here"}, b"")]
    with PoliteSession(site.url, 0.1) as session:
        for path in ("/1", "/again", "/gone", "/moved", "/2"):
            try:
                session.fetch(site.url + path, LIMIT)
            except FetchError:
                assert path == "/gone"
    assert site.paths == [ROBOTS, "/1", *["/again"] * 4, "/gone", "/moved", "/moved/on", "/here", "/2"]
    assert min(site.pauses()) >= 0.1
    assert session.asked == len(site.log)


@pytest.mark.slow
def test_the_pause_begins_when_the_answer_has_come(site):
    """So a way to the site that is slow at first, and quick then, does not bring two requests closer together."""
    site.slow = 0.15
    with PoliteSession(site.url, 0.1) as session:
        for path in ("/1", "/2"):
            session.fetch(site.url + path, LIMIT)
    assert min(site.pauses()) >= 0.25


@pytest.mark.slow
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured_in_both_forms(site, session, form):
    value = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    site.answers["/a"] = [(503, {"Retry-After": value}, b""), (200, {}, b"good")]
    assert session.fetch(site.url + "/a", LIMIT).content == b"good"
    assert site.pauses()[-1] >= 1


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e3", "Thu, 99 Foo 2026"])
def test_a_retry_after_that_says_nothing_is_no_obstacle(site, session, value):
    site.answers["/a"] = [(503, {"Retry-After": value}, b""), (200, {}, b"good")]
    assert session.fetch(site.url + "/a", LIMIT).content == b"good"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_site_is_asked_five_times_ever_more_slowly_and_then_left_alone(site, status):
    site.answers["/a"] = [(status, {}, b"")]
    with PoliteSession(site.url, 0.02) as session, pytest.MonkeyPatch.context() as patch:
        waits = []
        patch.setattr(session_module, "sleep", waits.append)
        with pytest.raises(SiteError, match="Try again after"):
            session.fetch(site.url + "/a", LIMIT)
    assert site.paths == [ROBOTS] + ["/a"] * 5
    assert waits == [0.5, 1, 2, 4]


def test_a_site_that_wants_a_long_rest_gets_it(site, session):
    site.answers["/a"] = [(429, {"Retry-After": "7200"}, b"")]
    with pytest.raises(SiteError, match="Try again after"):
        session.fetch(site.url + "/a", LIMIT)
    assert site.paths == [ROBOTS, "/a"]


def test_errors_are_tried_five_times_and_many_in_a_row_stop_the_run(site, session, monkeypatch):
    monkeypatch.setattr(session_module, "sleep", lambda seconds: None)
    site.answers = defaultdict(lambda: [(500, {}, b"")], {ROBOTS: [(404, {}, b"")]})
    for number in range(session_module.PATIENCE - 1):
        with pytest.raises(FetchError, match="500, 5 times"):
            session.fetch(f"{site.url}/{number}", LIMIT)
    with pytest.raises(SiteError, match="in a row"):
        session.fetch(f"{site.url}/last", LIMIT)
    assert len(site.log) == 1 + 5 * session_module.PATIENCE


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 204, 304])
def test_a_plain_no_is_not_asked_again(site, session, status):
    site.answers["/a"] = [(status, {}, b"")]
    with pytest.raises(FetchError, match=str(status)):
        session.fetch(site.url + "/a", LIMIT)
    assert site.paths == [ROBOTS, "/a"]


def test_no_cookies_one_connection_and_a_name(site, session):
    site.answers["/a"] = [(200, {"Set-Cookie": "time=young; path=/"}, b"good")]
    for path in ("/a", "/a", "/b"):
        session.fetch(site.url + path, LIMIT)
    assert not any("cookie" in map(str.lower, headers) for _, _, headers, _ in site.log)
    assert len({port for _, _, _, port in site.log}) == 1
    assert {headers["User-Agent"] for _, _, headers, _ in site.log} == {user_agent("me@museum.org")}
    assert f"scrape_mikrotax/{__version__} " in user_agent() and "me@museum.org" in user_agent("me@museum.org")


def test_redirects_stay_on_the_host_and_obey_robots_txt(site, session):
    away = site.url.replace("127.0.0.1", "localhost")
    site.answers[ROBOTS] = [(200, {}, b"User-agent: *\nDisallow: /secret")]
    for number, target in enumerate(
        (away + "/x", "//evil.invalid/x", "file:///etc/passwd", "http://[bad/", "/secret/x")
    ):
        site.answers[f"/{number}"] = [(302, {"Location": target}, b"")]
        with pytest.raises(FetchError, match=r"off the host|robots|not an address"):
            session.fetch(f"{site.url}/{number}", LIMIT)
    assert site.paths == [ROBOTS, "/0", "/1", "/2", "/3", "/4"]


def test_redirects_in_circles_and_without_end_are_given_up_once(site, session):
    site.answers["/a"] = [(302, {"Location": "/b"}, b"")]
    site.answers["/b"] = [(302, {"Location": "/a"}, b"")]
    site.answers["/c"] = [(302, {"Location": "/a"}, b"")]
    for number in range(20):
        site.answers[f"/{number}"] = [(302, {"Location": f"/{number + 1}"}, b"")]
    for path in ("/a", "/c"):
        with pytest.raises(FetchError, match="circles"):
            session.fetch(site.url + path, LIMIT)
    with pytest.raises(FetchError, match="redirects"):
        session.fetch(site.url + "/0", LIMIT)
    assert site.paths == [ROBOTS, "/a", "/b", "/c", "/0", "/1", "/2", "/3", "/4", "/5"]


def test_an_answer_without_end_is_not_read_to_the_end(site, session):
    site.answers["/a"] = [(200, {}, b" " * 5_000_000)]
    zipped = gzip.compress(b" " * 50_000_000)
    site.answers["/b"] = [(200, {"Content-Encoding": "gzip"}, zipped)]
    for path in ("/a", "/b"):
        with pytest.raises(FetchError, match="longer than 100,000 bytes"):
            session.fetch(site.url + path, LIMIT)
    assert session.fetch(site.url + "/c", LIMIT).content == b"good"


def test_an_answer_that_trickles_is_given_up(site, session, monkeypatch):
    monkeypatch.setattr(session_module, "SLOWEST", -1)
    site.answers[ROBOTS] = [(200, {}, b"")]
    with pytest.raises(FetchError, match="longer than -1 seconds"):
        session.fetch(site.url + "/a", LIMIT)


def test_a_site_that_is_not_there_is_reported_plainly():
    with PoliteSession("http://127.0.0.1:9", 0) as session, pytest.raises(SiteError, match="refuses connections"):
        session.fetch("http://127.0.0.1:9/a", LIMIT)
