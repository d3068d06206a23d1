"""The scraper as a user runs it, against the demo site: what is written, and what an interruption leaves."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

import scrape_mikrotax
from common import __version__
from common.names import picture_file
from common.taxon_text import TaxonText
from mikrotax.pictures import check_picture
from mikrotax.store import PageStore
from tests.faults import Faults
from tests.processes import CONTEXT
from tests.scraping import GENUS, asked, records, rows, scrape, tree

ROOT = Path(__file__).parents[1]


# What is written


@pytest.mark.slow
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
    assert f"Fetched with scrape_mikrotax.py {__version__}" in text
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
    facts = {"url", "id", "rank", "features", "range", "fetched"}
    assert set(record["page"]) == facts | {each.name for each in fields(TaxonText)}
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


@pytest.mark.slow
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


def test_a_crawl_that_is_resumed_asks_for_nothing_and_changes_nothing(crawl_copy, capsys):
    folder, site = crawl_copy
    before = tree(folder)
    assert scrape(site, folder, "--taxon", GENUS) == 0
    assert asked(site) == [] and tree(folder) == before
    assert re.search(r"pages +0 +5 +0\ntaxa +0 +5 +0\npictures +0 +\d+ +0\n", capsys.readouterr().out)


def test_offline_rebuilds_the_records_without_one_request(crawl_copy):
    folder, site = crawl_copy
    before = tree(folder)
    shutil.rmtree(folder / "data" / "ntax_cenozoic")
    assert scrape(site, folder, "--taxon", GENUS, "--offline") == 0
    assert asked(site) == [] and tree(folder) == before
    assert scrape_mikrotax.main(["--offline", "--data", str(folder / "nothing")]) == 1
    assert not (folder / "nothing").exists()


def test_pictures_that_are_cut_off_or_empty_on_the_disk_are_fetched_again(crawl_copy):
    folder, site = crawl_copy
    before = tree(folder)
    first, second, third, *_ = sorted((folder / "images" / "ntax_cenozoic").glob("*.JPG"))
    first.write_bytes(first.read_bytes()[:-900])
    second.write_bytes(b"")
    third.unlink()
    assert scrape(site, folder, "--taxon", GENUS) == 0
    assert len(asked(site)) == 4 and tree(folder) == before


def test_leftovers_of_a_killed_run_are_cleared_away(crawl_copy):
    folder, site = crawl_copy
    before = tree(folder)
    for place in (
        "data/ntax_cenozoic/.Aus.json.x3_k9ab2.part",
        "images/ntax_cenozoic/.a.jpg.abcdefgh.part",
        "data/.CITATION.txt.x3_k9ab2.part",
    ):
        (folder / place).write_bytes(b"half")
    assert scrape(site, folder, "--taxon", GENUS) == 0
    assert tree(folder) == before


@pytest.mark.slow
def test_killed_at_twenty_random_moments_it_comes_to_the_same_end(make_site, tmp_path):
    """SIGKILL twenty times in one crawl; only what was on its way at that moment may be asked for a second time."""
    chance = random.Random(20)
    site, options = make_site(faults=Faults(slow=0.008)), ("--taxon", "Coccolithales")
    assert scrape(site, tmp_path / "whole", *options) == 0
    site.requests.clear()
    on_their_way = set()
    for _ in range(20):
        process = CONTEXT.Process(target=scrape, args=(site.url, tmp_path / "killed", *options))
        process.start()
        goal = len(site.requests) + chance.randint(1, 4)
        while len(site.requests) < goal and process.is_alive():
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        on_their_way.add(asked(site)[-1])
    assert scrape(site, tmp_path / "killed", *options) == 0
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
    repeated = {path for path, times in Counter(asked(site)).items() if times > 1} - {"/robots.txt"}
    assert repeated <= on_their_way


@pytest.mark.slow
def test_ctrl_c_ends_with_a_summary_and_status_130(crawled, tmp_path):
    site = crawled.site
    site.requests.clear()
    places = ["--data", tmp_path / "data", "--images", tmp_path / "images", "--site", site.url]
    process = subprocess.Popen(
        [sys.executable, ROOT / "scrape_mikrotax.py", *places, "--taxon", GENUS, "--delay", "0.05"],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 20
    while len(site.requests) <= 10:
        assert time.monotonic() < end, "it did not ask for ten things in 20 seconds"
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and re.search(r"pictures +\d+ +0 +0", out)
    assert "to go on:\n  python scrape_mikrotax.py" in err and "Traceback" not in err
    assert len(records(tmp_path)) == 5 and (tmp_path / "images" / "credits.csv").exists()


def test_two_scrapers_do_not_work_on_one_store(crawl_copy, capsys):
    folder, site = crawl_copy
    with closing(PageStore(folder / "data" / ".pages")):
        assert scrape(site, folder, "--taxon", GENUS) == 1
    assert "another run is writing into" in capsys.readouterr().err and asked(site) == []
    assert scrape(site, folder, "--taxon", GENUS) == 0


@pytest.mark.slow
def test_the_readme_files_of_data_and_images_are_passed_over(crawl_copy, capsys):
    """They stand in the checkout, where the scraper writes by default."""
    folder, site = crawl_copy
    for name in ("data", "images"):
        (folder / name / "README.md").write_bytes((ROOT / name / "README.md").read_bytes())
    before = tree(folder)
    for options in ((), ("--offline",), ("--update",), ("--update", "--max_age", "0"), ("--dry_run",)):
        assert scrape(site, folder, "--taxon", GENUS, *options) == 0
    assert tree(folder) == before and "README" not in "".join(capsys.readouterr())
