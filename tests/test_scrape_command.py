"""The scraper's command line: what it refuses, dry runs, limits, and what cannot be fetched at all."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import scrape_mikrotax
from tests.faults import Faults
from tests.scraping import GENUS, asked, records, scrape, tree

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_dry_run_says_how_much_there_is_and_writes_nothing_but_pages(demo_site, tmp_path, capsys):
    assert scrape(demo_site, tmp_path, "--taxon", GENUS, "--dry_run", "--delay", "0.01") == 0
    out = capsys.readouterr().out
    number = int(re.search(r"would fetch (\d+) pictures: about 0:00:00", out).group(1))
    assert number > 20 and tree(tmp_path) == {} and not any("/images/" in path for path in asked(demo_site))
    before = len(demo_site.requests)
    assert scrape(demo_site, tmp_path, "--taxon", GENUS, "--dry_run", "--offline") == 0
    assert f"would fetch {number} pictures" in capsys.readouterr().out and len(demo_site.requests) == before
    assert scrape(demo_site, tmp_path, "--taxon", GENUS) == 0
    assert len(asked(demo_site)) == before + 1 + number


def test_max_pages_ends_early_and_says_so(demo_site, tmp_path, capsys):
    assert scrape(demo_site, tmp_path, "--taxon", GENUS, "--max_pages", "2") == 0
    assert len(records(tmp_path)) == 2 and "3 pages that are listed were not read yet" in capsys.readouterr().out


def test_help_answers_at_once():
    times = []
    for _ in range(3):  # the quickest, for another program may be busy
        begun = time.perf_counter()
        help = subprocess.run([sys.executable, ROOT / "scrape_mikrotax.py", "--help"], capture_output=True, text=True)
        times.append(time.perf_counter() - begun)
        assert help.returncode == 0 and "--contact" in help.stdout
    assert min(times) < 0.5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "anonymous download"),
        (["--contact", "me@museum.org", "--delay", "0"], "at least 1 second"),
        (["--contact", "me\nHost: evil"], "plain letters"),
        (["--site", "ftp://x"], "not an address"),
        (["--site", "http://x:port"], "not an address"),
        (["--site", "http://127.0.0.1", "--delay", "-1"], "--delay"),
        (["--site", "http://127.0.0.1", "--delay", "nan"], "--delay"),
        (["--site", "http://127.0.0.1", "--max_pages", "0"], "--max_pages"),
        (["--site", "http://127.0.0.1", "--module", ""], "--module"),
        (["--site", "http://127.0.0.1", "--max_age", "nan"], "--max_age"),
        (["--site", "http://127.0.0.1", "--update", "--offline"], "one of them"),
        (["--site", "http://127.0.0.1/Nannotax3/index.php?id=5", "--taxon", "Aus"], "leave out"),
    ],
)
def test_a_wrong_command_is_reported_and_writes_nothing(tmp_path, monkeypatch, capsys, options, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        scrape_mikrotax.main(options)
    assert end.value.code == 2 and sentence in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_what_cannot_be_fetched_at_all_leaves_nothing_behind(demo_site, tmp_path, capsys):
    assert scrape(demo_site, tmp_path, "--module", "nowhere") == 1
    assert "no page to start from" in capsys.readouterr().err
    assert scrape("http://127.0.0.1:9", tmp_path) == 1
    assert "refuses connections" in capsys.readouterr().err
    demo_site.change(faults=Faults(robots=503))
    assert scrape(demo_site, tmp_path) == 1
    assert "robots.txt answered 503" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_store_that_is_not_one_is_reported(demo_site, tmp_path, capsys):
    (tmp_path / "data" / ".pages").mkdir(parents=True)
    (tmp_path / "data" / ".pages" / "pages.sqlite").write_bytes(b"no database" * 1000)
    assert scrape(demo_site, tmp_path) == 1
    assert "move it away; try another --cache" in capsys.readouterr().err and demo_site.requests == []
