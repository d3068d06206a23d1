"""What the scraper notices of a site that does not want it: refusals in a row, robots.txt, and what it never sends."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mikrotax.refusals import PATIENCE, Refusals, SiteError
from mikrotax.robots import MAX_ROBOTS, Robots
from tests.raw_site import RawSite
from tests.scraping import picture, quick_first, records, rows, scrape, tree
from tests.tree_site import HTML, MODULE, TREE, TreeSite, grown

ROOT = Path(__file__).parents[1]
MANY = grown(12)


def html(text):
    return 200, HTML, text.encode()


LOOKS = {
    "403 Forbidden": (403, {}, b"no"),
    "406 Not Acceptable": (406, {}, b""),
    "401 Unauthorized": (401, {"WWW-Authenticate": "Basic"}, b""),
    "402 Payment Required": (402, {}, b""),
    "'One moment, please'": html("<html><head><title>One moment, please</title></head><body>…</body></html>"),
    "'Members log in'": html("<html><head><title>Members log in</title></head><body><form></form></body></html>"),
    "'Back soon'": html("<html><body><h1>Back soon</h1> we repair the database</body></html>"),
    "an empty answer": (200, HTML, b""),
    "14 bytes of application/json": (200, {"Content-Type": "application/json"}, b'{"ok": false} '),
    "it redirects off the host": (302, {"Location": "http://portal.invalid/login"}, b""),
    "a redirect to what failed before": (302, {"Location": "/system/index.php?login"}, b""),
}


class Closing(TreeSite):
    """Answers well until `after` pages or pictures, and then in one other way for ever."""

    def __init__(self, look, after, kind):
        super().__init__(MANY)
        self.look, self.left, self.kind, self.refused = look, after, kind, 0

    def answer(self, target):
        if self.kind in target:
            self.left -= 1
        if target != "/robots.txt" and self.left < 0:
            self.refused += 1
            return self.look
        return super().answer(target)


@pytest.mark.parametrize(
    ("told", "kind"), quick_first(*zip(LOOKS, itertools.cycle(("taxon=", "/thumbs/")), strict=False), quick=2)
)
def test_the_run_stops_after_ten_refusals_in_a_row(told, kind, tmp_path, capsys):
    with Closing(LOOKS[told], 4, kind) as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 1
        assert PATIENCE <= site.refused <= PATIENCE + 1
        err = capsys.readouterr().err
        assert told in err and "Try again after" in err and "To go on:\n  python scrape_mikrotax.py" in err
        kept = tree(tmp_path)
        assert all(b"log in" not in content and b"moment" not in content for content in kept.values())
        site.look, site.left = None, 10_000
        before = len(site.paths)
        assert scrape(site, tmp_path, "--module", MODULE) == 0
    again = site.paths[before:]
    assert len(records(tmp_path)) == len(MANY) and len(again) == len(set(again))
    assert set(site.paths[1:4]).isdisjoint(again)


@pytest.mark.slow
def test_what_is_missing_is_no_refusal_and_a_good_answer_begins_the_count_anew(tmp_path):
    class Gaps(TreeSite):
        def answer(self, target):
            number = int(target.rpartition("_")[0][-2:]) if "thumbs/Aus_n" in target else 0
            if number in range(1, 16):
                return 404, {}, b"not here"
            return (403, {}, b"") if number in (17, 18, 20, 21, 22) else super().answer(target)

    with Gaps(grown(25)) as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 1
    assert len(rows(tmp_path / "data" / "failures.csv")) == 40 and len(records(tmp_path)) == 28


@pytest.mark.slow
def test_a_run_is_not_held_up_by_the_same_refusals_for_ever(tmp_path):
    """What failed in the last run comes last in the next."""

    class Holes(TreeSite):
        def answer(self, target):
            return html("<html>no such picture") if "thumbs/Aus_n0" in target else super().answer(target)

    with Holes(grown(25)) as site:
        for _ in range(3):  # twenty of them are missing, so two runs stop before the others
            assert scrape(site, tmp_path, "--module", MODULE) == 1
    assert len(rows(tmp_path / "data" / "failures.csv")) == 20
    assert len(list((tmp_path / "images").rglob("*.png"))) == 30


def test_refusals_are_counted_by_what_they_look_like():
    refusals = Refusals()
    for _ in range(PATIENCE - 1):
        refusals.refused("403")
    refusals.accepted()
    for _ in range(PATIENCE - 1):
        refusals.refused("an empty answer")
    with pytest.raises(SiteError, match="9 x an empty answer; 1 x 403"):
        refusals.refused("403")


# robots.txt


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_mark_at_the_beginning_of_robots_txt_hides_nothing(mark, end):
    robots = Robots(mark + end.join([b"User-agent: *", b"Disallow: /a", b"Crawl-delay: 4"]))
    assert not robots.allows("http://x/a/b") and robots.allows("http://x/b") and robots.delay == 4


def test_a_robots_txt_of_other_encodings():
    assert not Robots("User-agent: *\nDisallow: /a".encode("utf-16")).allows("http://x/a")
    assert not Robots(b"# caf\xe9\nUser-agent: *\nDisallow: /a").allows("http://x/a")


@pytest.mark.slow
def test_a_long_robots_txt_is_read_as_far_as_the_rfc_asks():
    rules = b"User-agent: *\n" + b"".join(b"Disallow: /private/%06d\n" % number for number in range(19_000))
    assert 450_000 < len(rules) < MAX_ROBOTS
    long = rules + b"Disallow: /last\n" + b"#" * 2_000_000
    assert not Robots(long).allows("http://x/last/a") and not Robots(rules).allows("http://x/private/018999")
    cut = b"User-agent: *\nDisallow: /a\n".ljust(MAX_ROBOTS - 12, b"#") + b"\nDisallow: /abc/def"
    assert not Robots(cut).allows("http://x/a") and Robots(cut).allows("http://x/Disallow")


def test_a_long_robots_txt_is_no_obstacle(tmp_path):
    with TreeSite() as site:
        site.robots = 200, {}, b"User-agent: *\nDisallow: /private\n" + b"# words\n" * 200_000
        assert scrape(site, tmp_path, "--module", MODULE) == 0


@pytest.mark.parametrize(
    "text",
    [
        "User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /",
        "\ufeffUser-Agent: *\r\nContent-signal: ai-train = no, search = yes\r\n",
        "User-agent: *\nContent-Usage: train-ai=n\n",
        "User-agent: *\nContent-Usage: /images/ train-ai=n, search=y\n",
        "User-agent: *\nContent-Signals: search: yes; ai_train: no",
        "User-agent: Scrape_Mikrotax/1.0\nContent-Signal: ai-train=no",
        "Content-Signal: ai-train=no\nUser-agent: other\nDisallow: /",
        "User-agent: other\nUser-agent: scrape_mikrotax\nContent-Signal: ai-train=no",
    ],
)
def test_a_site_that_does_not_want_its_content_to_train_models_is_heard(text):
    assert "train" in Robots(text.encode()).no_training


@pytest.mark.parametrize(
    "text",
    [
        "",
        "User-agent: *\nDisallow: /",
        "User-agent: *\nContent-Signal: search=no, ai-train=yes",
        "User-agent: GPTBot\nContent-Signal: ai-train=no\nUser-agent: *\nAllow: /",
        "# Content-Signal: ai-train=no",
    ],
)
def test_other_sites_have_not_said_so(text):
    assert Robots(text.encode()).no_training == ""


def test_it_is_reported_at_the_start_and_where_the_site_is_cited(tmp_path, capsys):
    signal = "Content-Signal: search=yes,ai-train=no"
    with TreeSite() as site:
        site.robots = 200, {}, f"User-agent: *\n{signal}\nAllow: /\n".encode()
        for options in ((), ("--offline",)):
            assert scrape(site, tmp_path, "--module", MODULE, *options) == 0
            out = capsys.readouterr().out
            assert signal in out and out.index(signal) < out.index("pages")
    assert signal in (tmp_path / "data" / "CITATION.txt").read_text("utf-8")


def test_a_version_behind_the_name_of_this_program_does_not_matter():
    assert not Robots(b"User-agent: scrape_mikrotax/1.0\nDisallow: /images/").allows("http://x/images/a.png")


def test_a_dry_run_counts_what_robots_txt_forbids(tmp_path, capsys):
    with TreeSite() as site:
        site.robots = 200, {}, b"User-agent: *\nDisallow: /images/bf_own/thumbs/Aus_unus\n"
        for options in ((), ("--offline",)):
            assert scrape(site, tmp_path, "--module", MODULE, "--dry_run", *options) == 0
            out = capsys.readouterr().out
            assert "robots.txt forbids 2 of them" in out and "would fetch 2 pictures" in out
        assert len(site.paths) == 1 + len(TREE)


# What it never sends


@pytest.mark.slow
def test_passwords_stay_at_home_and_proxies_work(tmp_path):
    """The site has no address: it is reached by a proxy alone, and ~/.netrc has a password for it."""
    (tmp_path / ".netrc").write_text(
        "machine museum.invalid login me password secret\ndefault login me password secret\n"
    )
    (tmp_path / ".netrc").chmod(0o600)
    seen = []

    class Proxy(RawSite):
        def _answer(self, connection):
            with connection:
                seen.append(connection.recv(65_536).decode("latin-1"))
                body = picture()
                head = f"HTTP/1.1 404 x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                connection.sendall(head.encode() + body)

    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with Proxy({}) as proxy:
        command = [sys.executable, str(ROOT / "scrape_mikrotax.py"), "--module", "m", "--contact", "me@museum.org"]
        places = ["--data", str(tmp_path / "data"), "--images", str(tmp_path / "images")]
        done = subprocess.run(
            [*command, *places, "--delay", "1", "--site", "http://museum.invalid"],
            env=environment | {"HOME": str(tmp_path), "http_proxy": proxy.url},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1 and "404" in done.stderr and "Traceback" not in done.stderr
    assert [each.split()[1] for each in seen] == [
        *("http://museum.invalid/robots.txt", "http://museum.invalid/system/index.php?taxon=m&module=m"),
    ]
    assert not any("authorization" in each.lower() or "secret" in each for each in seen)
