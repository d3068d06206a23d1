"""The scraper as a user runs it, against the demo site and small sites of our own: real HTTP, real files."""

import csv
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

import scrape_mikrotax
from common.names import picture_file
from mikrotax import session
from mikrotax.pictures import PictureError, check_picture
from mikrotax.records import Files
from tests.faults import Faults, FaultySite
from tests.own_pages import gallery, page, row, table, thumbnail

Crawled = namedtuple("Crawled", "folder log site")
ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "mikrotax"
GENUS = "Coccolithus"  # with a group and species below it: 5 pages of the demo, some 45 pictures


def scrape(site, folder, *options, contact=()):
    """Run the scraper in this process; return its status."""
    url = site if isinstance(site, str) else site.url
    places = ["--data", str(folder / "data"), "--images", str(folder / "images")]
    return scrape_mikrotax.main(["--site", url, "--delay", "0", *places, *contact, *options])


def records(folder):
    """Return all records below `folder` by path."""
    found = sorted((folder / "data").glob("*/*.json"))
    return {str(path.relative_to(folder / "data")): json.loads(path.read_text("utf-8")) for path in found}


def tree(folder):
    """Return the bytes of every file below `folder` by path, dates aside, but for the store of raw pages."""
    date = re.compile(rb"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")
    files = [path for path in folder.rglob("*") if path.is_file() and ".pages" not in path.parts]
    return {str(path.relative_to(folder)): date.sub(b"DATE", path.read_bytes()) for path in files}


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def asked(site):
    return [request.path for request in site.requests]


@pytest.fixture
def quick(monkeypatch):
    """Waits after failures take a fiftieth of their time; that they are long enough is shown in test_session.py."""
    monkeypatch.setattr(session, "sleep", lambda seconds: time.sleep(seconds / 50))


@pytest.fixture(scope="module")
def crawled(tmp_path_factory):
    """A finished crawl of one genus of the demo: its folder, the site's log of it, and the site."""
    folder = tmp_path_factory.mktemp("crawled")
    with FaultySite() as site:
        assert scrape(site, folder, "--taxon", GENUS) == 0
        yield Crawled(folder, list(site.requests), site)


@pytest.fixture
def copy(crawled, tmp_path):
    """A copy of that crawl to go on with: its folder, and the site, whose log begins anew."""
    shutil.copytree(crawled.folder, tmp_path, dirs_exist_ok=True)
    crawled.site.requests.clear()
    return tmp_path, crawled.site


# What is written


def test_records_follow_the_contract(crawled):
    folder = crawled.folder
    found = records(folder)
    assert set(found) == {
        f"ntax_cenozoic/{name}.json"
        for name in (
            "Coccolithus",
            "C.pelagicusgroup",
            "Coccolithuspelagicus",
            "CoccolithuspelagicusHOL",
            "Coccolithusformosus",
        )
    }
    species = found["ntax_cenozoic/Coccolithuspelagicus.json"]
    assert species["hierarchy"][-2:] == ["C.pelagicusgroup", "Coccolithuspelagicus"]
    assert species["lineage"][-2:] == ["C. pelagicus group", "Coccolithus pelagicus"]
    assert [sample["taxon"] for sample in species["samples"]] == ["Coccolithus pelagicus"]
    group = found["ntax_cenozoic/C.pelagicusgroup.json"]
    assert [sample["taxon"] for sample in group["samples"]] == [
        "Coccolithus pelagicus",
        "Coccolithus pelagicus HOL",
        "Coccolithus formosus",
    ]
    assert group["samples"][1]["thumbs"] == []
    about = species["page"]
    assert about["rank"] == "Species" and isinstance(about["id"], int) and "Ma" in about["range"]["first"]
    assert about["range"]["last"] == "Extant" and about["features"] and about["url"].startswith("http://127.0.0.1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", about["fetched"])


def test_every_picture_lies_where_its_record_says(crawled):
    folder, log, _ = crawled
    listed = {url: picture for record in records(folder).values() for url, picture in record["pictures"].items()}
    for url, picture in listed.items():
        assert picture["file"] == picture_file(url)
        check_picture((folder / "images" / picture["file"]).read_bytes())
        assert picture["lineage"][0] == "ntax_cenozoic" and GENUS in picture["lineage"]
        assert picture["full"].startswith("http://127.0.0.1") and picture["page"] and picture["fetched"]
    on_disk = [path for path in (folder / "images").rglob("*") if path.is_file() and path.name != "credits.csv"]
    assert len(on_disk) == len(listed) == len([request for request in log if request.path.startswith("/images/")])
    for sample in (sample for record in records(folder).values() for sample in record["samples"]):
        assert set(sample["thumbs"]) <= set(listed)


def test_the_genus_page_borrows_the_metadata_of_the_species_page(crawled):
    found = records(crawled.folder)
    genus, species = (found[f"ntax_cenozoic/{name}.json"] for name in ("Coccolithus", "Coccolithuspelagicus"))
    shared = set(genus["pictures"]) & set(species["pictures"])
    assert shared and all(genus["pictures"][url] == species["pictures"][url] for url in shared)
    assert all(genus["pictures"][url]["source"] for url in shared)


def test_credits_and_citation(crawled):
    folder = crawled.folder
    credits = rows(folder / "images" / "credits.csv")
    assert [line["file"] for line in credits] == sorted(line["file"] for line in credits)
    assert all((folder / "images" / line["file"]).is_file() and line["taxon"] and line["page"] for line in credits)
    assert all(line["lineage"].endswith(line["taxon"]) for line in credits)
    text = (folder / "data" / "CITATION.txt").read_text("utf-8")
    assert "Young, J.R., Bown, P.R. & Lees, J.A." in text and "ntax_cenozoic: 5 pages" in text
    assert not (folder / "data" / "failures.csv").exists()
    assert rows(folder / "data" / "notices.csv") == [
        {"notice": "neither pictures nor daughters", "taxon": "Coccolithus pelagicus HOL"}
    ]


def test_the_first_thing_asked_is_robots_txt_and_nothing_is_asked_twice(crawled):
    log = crawled.log
    paths = [request.path for request in log]
    assert paths[0] == "/robots.txt" and max(Counter(paths).values()) == 1
    assert len({request.client for request in log}) == 1
    kinds = [path.startswith("/images/") for path in paths]
    assert kinds == sorted(kinds)
    assert all("Cookie" not in request.headers for request in log)
    assert not any(word in path for path in paths for word in ("hidden", "graphics", "catalog", "dpage", "#"))


@pytest.mark.parametrize("module", ["ntax_mesozoic", "Mesozoic"])
@pytest.mark.parametrize("wording", ["2018", "later"])
def test_both_wordings_and_both_names_of_a_module_give_the_same_records(make_site, tmp_path, wording, module):
    site = make_site(wording)
    assert scrape(site, tmp_path, "--module", module, "--taxon", "Cyclagelosphaera margerelii") == 0
    (path, record), *more = records(tmp_path).items()
    name = {"2018": "Mesozoic", "later": "ntax_mesozoic"}[wording]
    assert path == f"{name}/Cyclagelosphaeramargerelii.json" and not more and record["hierarchy"][0] == name
    assert set(record["page"]) == {"url", "id", "rank", "features", "range", "fetched"}
    assert {key for picture in record["pictures"].values() for key in picture} == {
        *("full", "file", "lineage", "source", "caption", "status", "notes", "location", "sample", "age"),
        *("page", "fetched"),
    }
    before = len(site.requests)
    assert scrape(site, tmp_path, "--module", module, "--taxon", "Cyclagelosphaera margerelii") == 0
    assert asked(site)[before:] == []


def test_the_four_forms_of_an_address_give_the_same_record(demo_site, tmp_path):
    assert scrape(demo_site, tmp_path / "0", "--taxon", "Coccolithus formosus") == 0
    (first,) = records(tmp_path / "0").values()
    forms = [
        "/Nannotax3/index.php?module=ntax_cenozoic&taxon=Coccolithus%20formosus&dpage=0#rangedata",
        f"/Nannotax3/index.php?id={first['page']['id']}",
        "/Nannotax3/index.php?dir=" + "/".join(first["lineage"]).replace(" ", "%20"),
        "/Nannotax3/cenozoic/Coccolithus_formosus",
    ]
    for number, form in enumerate(forms, start=1):
        folder = tmp_path / str(number)
        assert scrape(demo_site.url + form, folder) == 0
        (record,) = records(folder).values()
        assert {key: value for key, value in record.items() if key not in ("page", "pictures")} == {
            key: value for key, value in first.items() if key not in ("page", "pictures")
        }
        assert record["page"] | {"url": "", "fetched": ""} == first["page"] | {"url": "", "fetched": ""}
        assert set(record["pictures"]) == set(first["pictures"])


def test_full_size_pictures_lie_at_their_own_path(demo_site, tmp_path):
    assert scrape(demo_site, tmp_path, "--taxon", "Coccolithus formosus", "--full_size") == 0
    (record,) = records(tmp_path).values()
    for picture in record["pictures"].values():
        assert picture["file"] == picture_file(picture["full"]) and "/Coccolithus formosus/" in picture["file"]
        with Image.open(tmp_path / "images" / picture["file"]) as image:
            assert image.width > 300
    before = len(demo_site.requests)
    assert scrape(demo_site, tmp_path, "--taxon", "Coccolithus formosus", "--full_size") == 0
    assert asked(demo_site)[before:] == []


# Interrupted, resumed, offline


def test_a_crawl_that_is_resumed_asks_for_nothing_and_changes_nothing(copy, capsys):
    folder, site = copy
    before = tree(folder)
    assert scrape(site, folder, "--taxon", GENUS) == 0
    assert asked(site) == [] and tree(folder) == before
    assert re.search(r"pages +0 +5 +0\ntaxa +0 +5 +0\npictures +0 +\d+ +0\n", capsys.readouterr().out)


def test_offline_rebuilds_the_records_without_one_request(copy):
    folder, site = copy
    before = tree(folder)
    shutil.rmtree(folder / "data" / "ntax_cenozoic")
    assert scrape(site, folder, "--taxon", GENUS, "--offline") == 0
    assert asked(site) == [] and tree(folder) == before
    assert scrape_mikrotax.main(["--offline", "--data", str(folder / "nothing")]) == 1
    assert not (folder / "nothing").exists()


def test_pictures_that_are_cut_off_or_empty_on_the_disk_are_fetched_again(copy):
    folder, site = copy
    before = tree(folder)
    first, second, third, *_ = sorted((folder / "images" / "ntax_cenozoic").glob("*.JPG"))
    first.write_bytes(first.read_bytes()[:-900])
    second.write_bytes(b"")
    third.unlink()
    assert scrape(site, folder, "--taxon", GENUS) == 0
    assert len(asked(site)) == 4 and tree(folder) == before


def test_leftovers_of_a_killed_run_are_cleared_away(copy):
    folder, site = copy
    before = tree(folder)
    for place in (
        "data/ntax_cenozoic/.Aus.json.x3_k9ab2.part",
        "images/ntax_cenozoic/.a.jpg.abcdefgh.part",
        "data/.CITATION.txt.x3_k9ab2.part",
    ):
        (folder / place).write_bytes(b"half")
    assert scrape(site, folder, "--taxon", GENUS) == 0
    assert tree(folder) == before


def start(site, folder, *options):
    places = ["--data", folder / "data", "--images", folder / "images", "--site", site.url, "--delay", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ROOT / "scrape_mikrotax.py", *places, *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.001)


def test_killed_at_twenty_random_moments_it_comes_to_the_same_end(make_site, tmp_path):
    """SIGKILL twenty times in one crawl; only what was on its way at that moment may be asked for a second time."""
    chance = random.Random(20)
    site, options = make_site(faults=Faults(slow=0.008)), ("--taxon", "Coccolithales")
    assert scrape(site, tmp_path / "whole", *options) == 0
    site.requests.clear()
    on_their_way = set()
    for _ in range(20):
        process, goal = start(site, tmp_path / "killed", *options), len(site.requests) + chance.randint(1, 4)
        while len(site.requests) < goal and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.communicate()
        process.communicate()
        on_their_way.add(asked(site)[-1])
    assert scrape(site, tmp_path / "killed", *options) == 0
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
    repeated = {path for path, times in Counter(asked(site)).items() if times > 1} - {"/robots.txt"}
    assert repeated <= on_their_way


def test_ctrl_c_ends_with_a_summary_and_status_130(crawled, tmp_path):
    site = crawled.site
    site.requests.clear()
    process = start(site, tmp_path, "--taxon", GENUS, "--delay", "0.05")
    wait_for(lambda: len(site.requests) > 10)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and re.search(r"pictures +\d+ +0 +0", out)
    assert "to go on:\n  python scrape_mikrotax.py" in err and "Traceback" not in err
    assert len(records(tmp_path)) == 5 and (tmp_path / "images" / "credits.csv").exists()


def test_two_scrapers_do_not_work_on_one_store(crawled, tmp_path, capsys):
    site = crawled.site
    process = start(site, tmp_path, "--taxon", GENUS, "--delay", "0.3")
    wait_for((tmp_path / "data" / ".pages" / "pages.sqlite").exists)
    time.sleep(0.1)
    assert scrape(site, tmp_path) == 1
    assert "another run is writing into" in capsys.readouterr().err
    process.kill()
    process.communicate()


# Dry run, limits, wrong commands


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
def test_a_wrong_command_is_told_and_writes_nothing(tmp_path, monkeypatch, capsys, options, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        scrape_mikrotax.main(options)
    assert end.value.code == 2 and sentence in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_what_cannot_be_had_at_all_leaves_nothing_behind(demo_site, tmp_path, capsys):
    assert scrape(demo_site, tmp_path, "--module", "nowhere") == 1
    assert "no page to start from" in capsys.readouterr().err
    assert scrape("http://127.0.0.1:9", tmp_path) == 1
    assert "refuses connections" in capsys.readouterr().err
    demo_site.change(faults=Faults(robots=503))
    assert scrape(demo_site, tmp_path) == 1
    assert "robots.txt answered 503" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_store_that_is_none_is_told(demo_site, tmp_path, capsys):
    (tmp_path / "data" / ".pages").mkdir(parents=True)
    (tmp_path / "data" / ".pages" / "pages.sqlite").write_bytes(b"no database" * 1000)
    assert scrape(demo_site, tmp_path) == 1
    assert "move it away; try another --cache" in capsys.readouterr().err and demo_site.requests == []


# A site that goes wrong


def test_everything_that_can_be_had_is_had_and_the_rest_is_told(make_site, tmp_path, quick):
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


def test_pages_that_fail_are_told_by_name(make_site, tmp_path, quick, capsys):
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


def test_hostile_names_stay_in_their_directories_and_hostile_links_are_not_followed(make_site, tmp_path):
    site = make_site(faults=Faults(hostile=True))
    folder = tmp_path / "deep" / "down" / "here"
    assert scrape(site, folder, "--module", "ntax_mesozoic", "--max_pages", "30") == 1
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents]
    assert outside == [] and not any("localhost" in request.headers["Host"] for request in site.requests)
    places = {path.relative_to(folder).parts[:2] for path in folder.rglob("*") if path.is_file()}
    assert places <= {
        *[("data", name) for name in ("ntax_mesozoic", ".pages", "CITATION.txt", "failures.csv", "notices.csv")],
        *[("images", name) for name in ("ntax_mesozoic", "credits.csv")],
    }
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if ".pages" not in path.parts]
    assert len({name.casefold() for name in names}) == len(names)
    assert not any("Alienaceae" in path or "elsewhere" in path for path in asked(site))
    assert {"CAFÉ", "café"} <= {name.rpartition("/")[2].partition("-")[0].removesuffix(".jpg") for name in names}


def test_pages_in_a_wrong_encoding_keep_their_names(make_site, tmp_path):
    site = make_site(faults=Faults(wrong_encoding=1))
    assert scrape(site, tmp_path, "--taxon", "Helicosphaera carteri", "--dry_run") == 0


def test_robots_txt_is_obeyed_on_the_way(make_site, tmp_path):
    site = make_site(faults=Faults(disallow="/images/ntax_cenozoic/thumbs/JRYSEM", crawl_delay=0.01))
    assert scrape(site, tmp_path, "--taxon", "Coccolithus formosus") == 1
    reasons = {line["reason"] for line in rows(tmp_path / "data" / "failures.csv")}
    assert reasons == {"robots.txt asks programs to stay away from it"}
    assert not any("thumbs/JRYSEM" in path for path in asked(site))


# Updates


def test_an_update_writes_down_what_a_revision_has_changed(make_site, tmp_path, capsys):
    site = make_site()
    assert scrape(site, tmp_path, "--dry_run") == 0
    assert scrape(site, tmp_path, "--offline") == 0
    before, count = records(tmp_path), len(site.requests)
    assert scrape(site, tmp_path, "--update", "--dry_run") == 0
    assert len(site.requests) == count

    site.change(revised=True)
    scrape(site, tmp_path, "--update", "--max_age", "0", "--dry_run")
    assert records(tmp_path) == before and not (tmp_path / "data" / "changes.csv").exists()
    # --max_age 1: the dry run has just asked for the pages, and they are not asked for again.
    count = len(site.requests)
    scrape(site, tmp_path, "--update", "--max_age", "1", "--taxon", "Helicosphaera carteri")
    assert not any("index.php" in path for path in asked(site)[count:])
    run_without_pictures = ["--update", "--max_age", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scrape_mikrotax, "fetch_pictures", lambda run, missing: None)
        assert scrape(site, tmp_path, *run_without_pictures) == 0

    told = {
        (line["change"], line["name"], line["before"], line["after"])
        for line in rows(tmp_path / "data" / "changes.csv")
    }
    taxa = {change for change in told if "picture" not in change[0]}
    coccolithaceae = "ntax_cenozoic > Coccolithales > Coccolithaceae > "
    helico = "ntax_cenozoic > Zygodiscales > Helicosphaeraceae > Helicosphaera > Helicosphaera wallichii"
    discoaster = "ntax_cenozoic > Discoasterales > Discoasteraceae > Discoaster > Discoaster kuepperi"
    assert taxa == {
        ("new taxon", "Helicosphaera wallichii", "", helico),
        ("gone taxon", "Discoaster kuepperi", discoaster, ""),
        ("renamed", "Ericsonia formosa", "Coccolithus formosus", "Ericsonia formosa"),
        (
            "moved",
            "Umbilicosphaera",
            "ntax_cenozoic > Coccolithales > Calcidiscaceae > Umbilicosphaera",
            coccolithaceae + "Umbilicosphaera",
        ),
    }
    (relabelled,) = [change for change in told if change[0] == "relabelled picture"]
    assert relabelled[2].endswith("Gephyrocapsa muellerae") and relabelled[3].endswith("Gephyrocapsa oceanica")
    assert {change[0] for change in told} >= {"new picture", "gone picture"}

    after = records(tmp_path)
    assert set(before) - set(after) == {
        "ntax_cenozoic/Coccolithusformosus.json",
        "ntax_cenozoic/Discoasterkuepperi.json",
    }
    assert set(after) - set(before) == {
        "ntax_cenozoic/Ericsoniaformosa.json",
        "ntax_cenozoic/Helicosphaerawallichii.json",
    }
    assert after["ntax_cenozoic/Umbilicosphaerasibogae.json"]["lineage"][2] == "Coccolithaceae"
    assert (tmp_path / "data" / "ntax_cenozoic" / "Discoasterkuepperi.json.gone").exists()


def test_an_update_that_fails_keeps_what_was_stored(copy, quick):
    folder, site = copy
    before = tree(folder)
    site.change(faults=Faults(only="Coccolithus%20pelagicus&", gone=1))
    try:
        assert scrape(site, folder, "--taxon", GENUS, "--update", "--max_age", "0") == 1
    finally:
        site.change(faults=Faults())
    (line,) = rows(folder / "data" / "failures.csv")
    assert line["name"] == "Coccolithus pelagicus" and "asked for again" in line["reason"]
    after = tree(folder)
    assert after.pop("data/failures.csv") and after == before


# Small sites of our own


class OwnSite:
    """Serves pages and pictures by the taxon, id or path asked for; 404 for all else, robots.txt too."""

    def __init__(self, pages, pictures=None):
        self.paths = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.paths.append(self.path)
                query = parse_qs(urlsplit(self.path).query)
                body = pages.get(query.get("taxon", [None])[0]) or (pictures or {}).get(self.path)
                self.send_response(200 if body else 404)
                self.end_headers()
                self.wfile.write(body.encode() if isinstance(body, str) else body or b"")

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()


def picture(size=(20, 20), kind="PNG"):
    file = io.BytesIO()
    Image.new("L", size).save(file, kind)
    return file.getvalue()


def test_the_real_pages_served_alone(tmp_path):
    if not (REAL / "species-2018.html").exists():
        pytest.skip("the real pages are not here (../shared/mikrotax/)")
    root, species = ((REAL / name).read_bytes() for name in ("module-root-2018.html", "species-2018.html"))
    with OwnSite({"Mesozoic": root, "Syracosphaera azureaplaneta": species}) as site:
        assert scrape(site, tmp_path, "--module", "Mesozoic") == 1
        assert scrape(site, tmp_path, "--module", "Coccolithophores", "--taxon", "Syracosphaera azureaplaneta") == 1
        assert len(site.paths) == len(set(site.paths)) + 1 == 1 + 1 + 11 + 44 + 1 + 1 + 8
    found = records(tmp_path)
    assert set(found) == {"Mesozoic/Mesozoic.json", "Coccolithophores/Syracosphaeraazureaplaneta.json"}
    root, species = found["Mesozoic/Mesozoic.json"], found["Coccolithophores/Syracosphaeraazureaplaneta.json"]
    assert len(root["samples"]) == 11 and len(root["pictures"]) == 44
    assert len(species["samples"][0]["thumbs"]) == len(species["pictures"]) == 8
    assert all(each["file"].startswith("Coccolithophores/") for each in species["pictures"].values())


def test_pages_of_another_module_in_another_directory(tmp_path):
    """Foram pages: another directory and title, a caption in place of the heading, another class, a lazy picture."""
    shot = thumbnail("x.jpg", "Aidae/Aus/Aus bus", "pf_cenozoic").replace("src=", "src='/graphics/blank.gif' data-src=")
    rows = row("Aus bus", f"<td>{shot}</td>", "pf_cenozoic", range_class="olive-green")
    caption = table(rows, "Aus ranges from Paleocene to Pliocene (blue => in age-window 0-66Ma)")
    lineage = ("pf_cenozoic", "Aidae", "Aus")
    root = page(("pf_cenozoic",), table(row("Aus", "", "pf_cenozoic")), "Higher levels")
    pages = {"pf_cenozoic": root, "Aus": page(lineage, caption, "Ancestry")}
    pages["Aus bus"] = page((*lineage, "Aus bus"), gallery(thumbnail("x.jpg", "Aidae/Aus/Aus bus", "pf_cenozoic")))
    pages = {name: text.replace("Nannotax3", "pforams") for name, text in pages.items()}
    pages = {name: re.sub(r"id=17", f"id={number}", text) for number, (name, text) in enumerate(pages.items())}
    with OwnSite(pages, {"/images/pf_cenozoic/thumbs/x.jpg": picture()}) as site:
        assert scrape(site, tmp_path, "--module", "pf_cenozoic") == 0
        assert site.paths[1] == "/pforams/index.php?taxon=pf_cenozoic&module=pf_cenozoic"
    assert set(records(tmp_path)) == {f"pf_cenozoic/{name}.json" for name in ("pf_cenozoic", "Aus", "Ausbus")}
    assert (tmp_path / "images" / "pf_cenozoic" / "x.jpg").read_bytes() == picture()


def test_taxa_whose_names_differ_in_blanks_or_case_alone_do_not_share_a_file(tmp_path):
    names = ["Aus bus", "Ausbus", "AUS bus"]
    pages = {"m": page(("m",), table("".join(row(name, module="m") for name in names)))}
    pages |= {name: page(("m", name), gallery(thumbnail("x.jpg", name, "m")), link="") for name in names}
    with OwnSite(pages, {"/images/m/thumbs/x.jpg": picture()}) as site:
        assert scrape(site, tmp_path, "--module", "m") == 0
        before = tree(tmp_path)
        assert scrape(site, tmp_path, "--module", "m") == 0
    found = records(tmp_path)
    assert len({name.casefold() for name in found}) == 4 and tree(tmp_path) == before
    assert sorted(record["lineage"][-1] for record in found.values()) == sorted([*names, "m"])


def test_a_record_that_was_written_by_hand_is_left_alone_and_a_broken_one_replaced(tmp_path):
    pages = {"m": page(("m",), table(row("Aus", module="m"))), "Aus": page(("m", "Aus"), link="")}
    by_hand = json.dumps({"hierarchy": ["m", "Aus"], "samples": []})
    (tmp_path / "data" / "m").mkdir(parents=True)
    (tmp_path / "data" / "m" / "Aus.json").write_text(by_hand)
    (tmp_path / "data" / "m" / "m.json").write_text('{"hierarchy": ["m"], "samp')
    with OwnSite(pages) as site:
        assert scrape(site, tmp_path, "--module", "m") == 0
    found = records(tmp_path)
    assert (tmp_path / "data" / "m" / "Aus.json").read_text() == by_hand
    assert len(found) == 3 and found["m/m.json"]["samples"][0]["taxon"] == "Aus"


def test_two_pictures_never_share_a_file_and_keep_theirs(tmp_path):
    """A subtree is fetched first, then all of it in another order: no picture changes its file."""
    pages = {"m": page(("m",), table(row("Aus", module="m") + row("Bus", module="m")))}
    pages |= {
        name: page(("m", name), gallery(thumbnail(file, name, "m")))
        for name, file in (("Aus", "x.jpg"), ("Bus", "X.JPG"))
    }
    pages = {name: text.replace("id=17", f"id={number}") for number, (name, text) in enumerate(pages.items())}
    shots = {"/images/m/thumbs/x.jpg": picture((30, 30)), "/images/m/thumbs/X.JPG": picture((40, 40))}
    with OwnSite(pages, shots) as site:
        assert scrape(site, tmp_path, "--module", "m", "--taxon", "Bus") == 0
        assert scrape(site, tmp_path, "--module", "m") == 0
    files = {path.name: path.read_bytes() for path in (tmp_path / "images" / "m").iterdir()}
    other = Files({"m/thumbs/X.JPG": "m/X.JPG"}).file("m/thumbs/x.jpg", "m/x.jpg").removeprefix("m/")
    assert files == {"X.JPG": picture((40, 40)), other: picture((30, 30))} and other != "x.jpg"


def test_a_page_of_another_taxon_or_module_is_refused_by_name(tmp_path):
    pages = {"m": page(("m",), table(row("Aus", module="m") + row("Bus", module="m") + row("Cus", module="m")))}
    pages |= {"Aus": page(("m", "Other")), "Bus": page(("elsewhere", "Bus")), "Cus": page(("m", "Cus"), end="")}
    with OwnSite(pages) as site:
        assert scrape(site, tmp_path, "--module", "m") == 1
    told = {line["name"]: line["reason"] for line in rows(tmp_path / "data" / "failures.csv")}
    assert "'Other'" in told["Aus"] and "module 'elsewhere'" in told["Bus"] and "</body>" in told["Cus"]
    assert set(records(tmp_path)) == {"m/m.json"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"not a picture", "not a picture"),
        (picture((1, 1)), "too small"),
        (picture((40, 40), "JPEG")[:-20], "cut off"),
        (picture()[:-30], "cut off"),
        (picture((6_000, 6_000)), "too large"),
        (b"GIF89a\xff\xff\xff\xff\x00\x00\x00", "too large|cut off|not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    ],
)
def test_what_is_no_picture_is_refused(content, why):
    with pytest.raises(PictureError, match=why):
        check_picture(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"])
def test_pictures_of_every_kind_are_taken(kind):
    check_picture(picture(kind=kind))
