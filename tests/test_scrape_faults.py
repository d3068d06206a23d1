"""The scraper against a site that goes wrong in every way that `tests.faults` knows."""

import time
from collections import Counter
from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from mikrotax import session
from tests.faults import Faults
from tests.scraping import GENUS, asked, records, rows, scrape


@pytest.fixture
def quick(monkeypatch):
    """Waits after failures take a fiftieth of their time; that they are long enough is shown in test_session.py."""
    monkeypatch.setattr(session, "sleep", lambda seconds: time.sleep(seconds / 50))


@pytest.mark.slow
def test_everything_that_can_be_fetched_is_fetched_and_the_rest_is_reported(make_site, tmp_path, quick):
    """Every fault at once, on one order of the demo; the site's log proves pause, order, and nothing asked twice."""
    passing = Faults(busy=0.1, unavailable=0.1, error=0.1, cut_off=0.1, hang_up=0.1, retry_after=1)
    lasting = dict.fromkeys(("error_always", "cut_off_always", "gone", "redirect_away", "redirect_circle"), 0.05)
    lasting |= dict.fromkeys(("html_pictures", "tiny", "bombs", "wrong_type"), 0.07)
    site = make_site(faults=Faults(**(vars(passing) | lasting | {"only": "images"})))
    options = ("--module", "ntax_mesozoic", "--taxon", "Watznaueriales", "--delay", "0.02")
    assert scrape(site, tmp_path, *options) == 1

    listed = {url: picture for record in records(tmp_path).values() for url, picture in record["pictures"].items()}
    lost = {line["url"]: line["reason"] for line in rows(tmp_path / "data" / "failures.csv")}
    last = {request.path: request for request in site.requests}
    for url, picture in listed.items():
        end = last[urlsplit(url).path]
        sound = end.status == 200 and end.fault in ("", "wrong_type")
        assert (url not in lost) == sound == (tmp_path / "images" / picture["file"]).exists(), (
            url,
            end.fault,
            lost.get(url),
        )
    assert {request.fault for request in site.requests} >= {
        "busy",
        "unavailable",
        "error",
        "cut_off",
        "hang_up",
        "gone",
    }

    times = [request.time for request in site.requests]
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.02
    assert asked(site)[0] == "/robots.txt"
    good = Counter(request.path for request in site.requests if request.status == 200 and not request.fault)
    assert max(good.values()) == 1 and max(Counter(asked(site)).values()) <= 5
    assert not any("localhost" in request.headers["Host"] for request in site.requests)

    site.change(faults=Faults())
    before = len(site.requests)
    assert scrape(site, tmp_path, *options) == 0
    assert sorted(asked(site)[before:]) == sorted(["/robots.txt", *(urlsplit(url).path for url in lost)])
    assert not (tmp_path / "data" / "failures.csv").exists()


def test_pages_that_fail_are_reported_by_name(make_site, tmp_path, quick, capsys):
    site = make_site(faults=Faults(only="pelagicus%20HOL", gone=1))
    assert scrape(site, tmp_path, "--taxon", GENUS) == 1
    (line,) = rows(tmp_path / "data" / "failures.csv")
    assert (line["kind"], line["name"]) == ("page", "Coccolithus pelagicus HOL") and "404" in line["reason"]
    assert "pelagicus%20group" in line["listed_on"] and len(records(tmp_path)) == 4
    err = capsys.readouterr().err
    assert "page Coccolithus pelagicus HOL: the site answered 404" in err and "To try only that again" in err


def test_redirects_within_the_host_are_followed_once(make_site, tmp_path):
    site = make_site(faults=Faults(redirect_within=1))
    assert scrape(site, tmp_path, "--taxon", GENUS) == 0 and len(records(tmp_path)) == 5
    before = len(site.requests)
    assert scrape(site, tmp_path, "--taxon", GENUS) == 0
    assert asked(site)[before:] == []


@pytest.mark.slow
def test_taxonomies_that_go_round_or_down_for_ever_and_huge_pages_come_to_an_end(make_site, tmp_path):
    site = make_site(faults=Faults(cyclic=True))
    assert scrape(site, tmp_path / "a", "--taxon", "Coccolithus", "--dry_run") == 0
    assert len([path for path in asked(site) if "index.php" in path]) < 130
    assert max(Counter(asked(site)).values()) == 1
    site = make_site(faults=Faults(endless=True))
    assert scrape(site, tmp_path / "b", "--taxon", "Discoaster", "--dry_run") == 1
    assert 20 < len([path for path in asked(site) if "Endless" in path]) < 30
    site = make_site(faults=Faults(huge=20))
    assert scrape(site, tmp_path / "c", "--taxon", "Discoasteraceae", "--max_pages", "2") == 1
    assert "longer than" in rows(tmp_path / "c" / "data" / "failures.csv")[0]["reason"]


@pytest.mark.slow
def test_hostile_names_stay_in_their_directories_and_hostile_links_are_not_followed(make_site, tmp_path):
    site = make_site(faults=Faults(hostile=True))
    folder = tmp_path / "deep" / "down" / "here"
    assert scrape(site, folder, "--module", "ntax_mesozoic", "--max_pages", "30") == 1
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents]
    assert outside == [] and not any("localhost" in request.headers["Host"] for request in site.requests)
    places = {path.relative_to(folder).parts[:2] for path in folder.rglob("*") if path.is_file()}
    assert places <= {
        *[
            ("data", name)
            for name in ("ntax_mesozoic", ".pages", "CITATION.txt", "failures.csv", "notices.csv", "taxa.csv")
        ],
        *[("images", name) for name in ("ntax_mesozoic", "credits.csv")],
    }
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if ".pages" not in path.parts]
    assert len({name.casefold() for name in names}) == len(names)
    assert not any("Alienaceae" in path or "elsewhere" in path for path in asked(site))
    assert {"CAFÉ", "café"} <= {name.rpartition("/")[2].partition("-")[0].removesuffix(".jpg") for name in names}


@pytest.mark.slow
def test_pages_in_a_wrong_encoding_keep_their_names(make_site, tmp_path):
    site = make_site(faults=Faults(wrong_encoding=1))
    assert scrape(site, tmp_path, "--taxon", "Helicosphaera carteri", "--dry_run") == 0


def test_robots_txt_is_obeyed_on_the_way(make_site, tmp_path):
    site = make_site(faults=Faults(disallow="/images/ntax_cenozoic/thumbs/JRYSEM", crawl_delay=0.01))
    assert scrape(site, tmp_path, "--taxon", "Coccolithus formosus") == 1
    reasons = {line["reason"] for line in rows(tmp_path / "data" / "failures.csv")}
    assert reasons == {"robots.txt disallows it"}
    assert not any("thumbs/JRYSEM" in path for path in asked(site))
