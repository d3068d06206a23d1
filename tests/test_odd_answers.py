"""Answers that no server should give: each fails its own address, in time, and nothing of it is kept."""

import gzip
import time
import zlib

import pytest

from mikrotax import session as session_module
from mikrotax.session import FetchError, PoliteSession, SiteError
from tests.own_pages import gallery, href, page, row, table, thumbnail
from tests.raw_site import RawSite, http
from tests.scraping import picture, quick_first, records, rows, scrape, tree

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ODD = {
    "nothing": b"",
    "a blank line": b"\r\n\r\n",
    "no HTTP": b"hello\r\n\r\n",
    "half a status line": b"HTTP/1.",
    "a status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status of 99": b"HTTP/1.1 99 x\r\n\r\n",
    "a status of 1000": b"HTTP/1.1 1000 x\r\n\r\n",
    "a negative status": b"HTTP/1.1 -200 OK\r\n\r\n",
    "HTTP/9": b"HTTP/9.9 200 OK\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/0.9": b"<html>",
    "continue for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 500,
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "a long status line": b"HTTP/1.1 200 " + b"O" * 70_000 + b"\r\n\r\n",
    "a long line in the head": OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
    "1,000 lines of head": OK + b"X: a\r\n" * 1_000 + b"\r\n",
    "a head without colons": OK + b"nonsense\r\nmore\r\n\r\nbody",
    "a head with NUL": OK + b"X\0: \xff\xfe\r\nContent-Length: 1\r\n\r\nx",
    "a head in Latin-1": OK + b"X-\xe9: \xff\xfe\r\nContent-Length: 1\r\n\r\nx",
    "a length of letters": OK + b"Content-Length: many\r\n\r\nbody",
    "a negative length": OK + b"Content-Length: -5\r\n\r\nbody",
    "a huge length": OK + b"Content-Length: 99999999999999999999\r\n\r\nbody",
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 9\r\n\r\nbody",
    "lengths in a list": OK + b"Content-Length: 3, 3\r\n\r\nbod",
    "a body that is cut off": OK + b"Content-Length: 100\r\n\r\nbody",
    "a chunk of a negative size": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "a chunk of size -1": CHUNKED + b"-1\r\n" + b"x" * 50_000,
    "a chunk of size -0": CHUNKED + b"-0\r\n\r\n",
    "a chunk of a size in letters": CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n",
    "a chunk of a huge size": CHUNKED + b"FFFFFFFFFFFFFFFFFFFF\r\nhello\r\n",
    "a chunk with a signed size": CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    "a chunk without a size": CHUNKED + b"\r\nhello\r\n",
    "a chunk size without an end": CHUNKED + b"5" * 70_000,
    "a chunk that is cut off": CHUNKED + b"50\r\nhello",
    "chunks without an end": CHUNKED + b"1\r\nx\r\n" * 50,
    "a chunk and a length": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked in another coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "a trailer without an end": CHUNKED + b"0\r\n" + b"X: a\r\n" * 500,
    "gzip that is none": http(b"not gzip", b"Content-Encoding: gzip\r\n"),
    "half a gzip": http(gzip.compress(b"x" * 10_000)[:20], b"Content-Encoding: gzip\r\n"),
    "gzip with a wrong sum": http(gzip.compress(b"x" * 999)[:-8] + b"\0" * 8, b"Content-Encoding: gzip\r\n"),
    "a bomb": http(gzip.compress(b"\0" * 80_000_000, 1), b"Content-Encoding: gzip\r\n"),
    "gzip in gzip": http(gzip.compress(gzip.compress(b"x")), b"Content-Encoding: gzip, gzip\r\n"),
    "a hundred codings": http(b"x", b"Content-Encoding: " + b", ".join([b"gzip"] * 100) + b"\r\n"),
    "deflate that is none": http(b"\xff\xff", b"Content-Encoding: deflate\r\n"),
    "half a deflate": http(zlib.compress(b"x" * 10_000)[:9], b"Content-Encoding: deflate\r\n"),
    "an unknown coding": http(b"x", b"Content-Encoding: magic\r\n"),
    "brotli that is none": http(b"\xff\xff\xff", b"Content-Encoding: br\r\n"),
    "zstd that is none": http(b"\xff\xff\xff", b"Content-Encoding: zstd\r\n"),
    "an unknown charset": http(b"x", b"Content-Type: text/html; charset=klingon\r\n"),
    "a content type of nonsense": http(b"x", b"Content-Type: ;;;===\r\n"),
    "a redirect to nowhere": http(b"", b"Location: \r\n", b"302 Found"),
    "a redirect without a place": http(b"", b"", b"302 Found"),
    "a redirect to a broken host": http(b"", b"Location: http://[::1/\r\n", b"302 Found"),
    "a redirect to a broken port": http(b"", b"Location: http://127.0.0.1:99999/\r\n", b"302 Found"),
    "a redirect to a port of letters": http(b"", b"Location: http://127.0.0.1:port/\r\n", b"302 Found"),
    "a redirect to a file": http(b"", b"Location: file:///etc/passwd\r\n", b"302 Found"),
    "a redirect to gopher": http(b"", b"Location: gopher://127.0.0.1/\r\n", b"302 Found"),
    "a redirect to data": http(b"", b"Location: data:text/html,x\r\n", b"302 Found"),
    "a redirect to javascript": http(b"", b"Location: javascript:alert(1)\r\n", b"302 Found"),
    "a redirect to UNC": http(b"", b"Location: \\\\evil\\share\r\n", b"302 Found"),
    "a redirect to another host": http(b"", b"Location: http://localhost:9/\r\n", b"302 Found"),
    "a redirect with a name": http(b"", b"Location: http://me:secret@127.0.0.1:9/\r\n", b"302 Found"),
    "a redirect in Latin-1": http(b"", b"Location: /\xe9\xff\r\n", b"302 Found"),
    "a redirect in emoji": http(b"", "Location: /\N{SAUROPOD}\r\n".encode(), b"302 Found"),
    "a redirect to itself": http(b"", b"Location: /odd\r\n", b"302 Found"),
    "a long redirect": http(b"", b"Location: /" + b"a" * 60_000 + b"\r\n", b"302 Found"),
    "a redirect to a host of dots": http(b"", b"Location: http://....../\r\n", b"302 Found"),
    "a redirect to a long label": http(b"", b"Location: http://" + b"a" * 300 + b"/\r\n", b"302 Found"),
    "a redirect with a long body": http(b"x" * 3_000_000, b"Location: http://localhost:9/\r\n", b"302 Found"),
    "a redirect with a broken body": OK.replace(b"200 OK", b"302 x") + b"Location: /x\r\nContent-Length: 9\r\n\r\nx",
    "two redirects at once": http(b"", b"Location: /a\r\nLocation: /b\r\n", b"302 Found"),
    "300 choices": http(b"x", b"", b"300 Multiple Choices"),
    "304 without a question": http(b"", b"", b"304 Not Modified"),
    "305 use a proxy": http(b"", b"Location: http://evil.invalid:8080\r\n", b"305 Use Proxy"),
    "a cookie of nonsense": http(b"x", b"Set-Cookie: =;;;\xff\r\n"),
    "a thousand cookies": http(b"x", b"Set-Cookie: a=b\r\n" * 90),
    "a cookie for all hosts": http(b"x", b"Set-Cookie: a=b; Domain=.com\r\n"),
    "206 of the middle": http(b"x", b"Content-Range: bytes 5-5/10\r\n", b"206 Partial Content"),
    "204 with a body": http(b"body", b"", b"204 No Content"),
    "205": http(b"", b"", b"205 Reset Content"),
    "a digest is wanted": http(b"", b'WWW-Authenticate: Digest realm="x", nonce=""\r\n', b"401 Unauthorized"),
    "Basic is wanted": http(b"", b'WWW-Authenticate: Basic realm="x"\r\n', b"401 Unauthorized"),
    "NTLM is wanted": http(b"", b"WWW-Authenticate: NTLM TlRMTVNT\r\n", b"401 Unauthorized"),
    "402": http(b"pay", b"", b"402 Payment Required"),
    "403": http(b"no", b"", b"403 Forbidden"),
    "406": http(b"no", b"", b"406 Not Acceptable"),
    "407": http(b"no", b"Proxy-Authenticate: Basic\r\n", b"407 Proxy Authentication Required"),
    "418": http(b"", b"", b"418 I'm a teapot"),
    "421": http(b"", b"", b"421 Misdirected Request"),
    "431": http(b"", b"", b"431 Request Header Fields Too Large"),
    "451": http(b"", b"", b"451 Unavailable For Legal Reasons"),
    "501": http(b"", b"", b"501 Not Implemented"),
    "505": http(b"", b"", b"505 HTTP Version Not Supported"),
    "511": http(b"log in", b"", b"511 Network Authentication Required"),
    "520": http(b"", b"", b"520 "),
    "599": http(b"", b"", b"599 "),
    "a refresh": http(b"<meta http-equiv=refresh content='0;url=file:///etc/passwd'>", b"Refresh: 0;url=//evil/\r\n"),
    "an empty page": http(b""),
    "blanks alone": http(b" \r\n\t" * 100),
    "NULs": http(b"\0" * 5_000),
    "half of UTF-16": http(b"\xff\xfe<\0h\0t"),
    "a PDF": http(b"%PDF-1.7 ...", b"Content-Type: text/html\r\n"),
    "a program": http(b"MZ\x90\0" + b"\0" * 500),
    "a JSON error": http(b'{"error": "denied"}', b"Content-Type: application/json\r\n"),
    "too much": http(b"x" * 3_000_000),
}  # fmt: skip


@pytest.fixture
def quick(monkeypatch):
    """No waits after failures, and answers that may take three seconds."""
    monkeypatch.setattr(session_module, "sleep", lambda seconds: None)
    monkeypatch.setattr(session_module, "SLOWEST", 3)


@pytest.mark.parametrize("odd", quick_first(*ODD, quick=20))
def test_an_odd_answer_fails_its_own_address_alone(odd, quick):
    begun = time.monotonic()
    with RawSite({"/odd": ODD[odd], "/good": http(b"good")}) as site, PoliteSession(site.url, 0) as session:
        try:
            got = session.fetch(site.url + "/odd", 2_000_000).content
        except (FetchError, SiteError) as error:
            assert str(error) and "Traceback" not in str(error)
        else:
            assert len(got) <= 2_000_000
        assert session.fetch(site.url + "/good", 100).content == b"good"
        assert all(path.startswith("/") for path in site.paths)
    assert time.monotonic() - begun < 4


DRIPS = {
    "in the status line": (b"HTTP/1.1 200 OK\r\n" + b"\r\n" * 90, 0.1),
    "in the head": (OK + b"X-A: " + b"x" * 900, 0.1),
    "in the body": (OK + b"Content-Length: 900\r\n\r\n" + b"x" * 900, 0.1),
    "in a body without a length": (OK + b"Connection: close\r\n\r\n" + b"x" * 900, 0.1),
    "in chunks": (CHUNKED + b"1\r\nx\r\n" * 200, 0.1),
    "in the size of a chunk": (CHUNKED + b"0" * 900, 0.1),
    "in the body of a redirect": (OK.replace(b"200", b"302") + b"Location: /x\r\nContent-Length: 900\r\n\r\n", 0.1),
}


@pytest.mark.parametrize("answer", DRIPS.values(), ids=DRIPS)
def test_an_answer_that_drips_ends_at_the_time_limit(answer, quick, monkeypatch):
    monkeypatch.setattr(session_module, "SLOWEST", 0.4)
    begun = time.monotonic()
    with RawSite({"/odd": answer, "/good": http(b"good")}) as site, PoliteSession(site.url, 0) as session:
        with pytest.raises(FetchError, match=r"took longer than 0\.4 seconds"):
            session.fetch(site.url + "/odd", 2_000_000)
        assert time.monotonic() - begun < 4
        monkeypatch.setattr(session_module, "SLOWEST", 30)
        assert session.fetch(site.url + "/good", 100).content == b"good"


def test_a_robots_txt_that_drips_stops_the_run(quick, monkeypatch):
    monkeypatch.setattr(session_module, "ROBOTS_SLOWEST", 0.4)
    site = RawSite({"/robots.txt": DRIPS["in the body"]})
    with site, PoliteSession(site.url, 0) as session, pytest.raises(SiteError, match=r"took longer than 0\.4 seconds"):
        session.fetch(site.url + "/good", 100)
    assert site.paths == ["/robots.txt"]


@pytest.mark.parametrize(
    "odd",
    quick_first("a head with NUL", "a chunk of a negative size", "gzip that is none", "a bomb", "no HTTP", quick=2),
)
def test_one_broken_page_and_one_broken_picture_fail_alone(odd, tmp_path, quick, capsys, caplog):
    """In a whole run: the other pages and pictures are there, what failed is named, and nothing of it is stored."""
    shots = {name: thumbnail(f"{name}.png", name, "m") for name in ("Aus", "Bus", "Cus")}
    pages = {"m": page(("m",), table("".join(row(name, f"<td>{shots[name]}</td>", "m") for name in shots)))}
    pages |= {name: page(("m", name), gallery(shot)).replace("id=17", f"id={name}") for name, shot in shots.items()}
    answers = {
        href(name, "m").replace("Nannotax3", "system" if name == "m" else "Nannotax3"): text
        for name, text in pages.items()
    }
    answers = {path: http(text.encode()) for path, text in answers.items()}
    answers |= {f"/images/m/thumbs/{name}.png": http(picture()) for name in shots}
    answers[href("Bus", "m")] = answers["/images/m/thumbs/Cus.png"] = ODD[odd]
    with RawSite(answers) as site:
        assert scrape(site, tmp_path, "--module", "m") == 1
    assert [record["lineage"][-1] for record in records(tmp_path).values()] == ["Aus", "Cus", "m"]
    assert sorted(line["name"] for line in rows(tmp_path / "data" / "failures.csv")) == ["Bus", "Cus"]
    assert sorted(name for name in tree(tmp_path) if name.endswith(".png")) == [
        *("images/m/Aus.png", "images/m/Bus.png"),
    ]
    assert "Traceback" not in capsys.readouterr().err and not any(record.exc_info for record in caplog.records)
