"""The scraper against small sites of our own: other modules, awkward names, records of other hands."""

import json
import re
from pathlib import Path

import pytest

from mikrotax.records import Files
from tests.own_pages import gallery, page, row, table, thumbnail
from tests.scraping import OwnSite, picture, records, rows, scrape, tree

REAL = Path(__file__).parents[2] / "shared" / "mikrotax"


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
    shot = thumbnail("x.jpg", "Aus", "m")
    pages = {"m": page(("m",), table(row("Aus", module="m"))), "Aus": page(("m", "Aus"), gallery(shot), link="")}
    by_hand = json.dumps({"hierarchy": ["m", "Aus"], "samples": []})
    (tmp_path / "data" / "m").mkdir(parents=True)
    (tmp_path / "data" / "m" / "Aus.json").write_text(by_hand)
    (tmp_path / "data" / "m" / "m.json").write_text('{"hierarchy": ["m"], "samp')
    with OwnSite(pages, {"/images/m/thumbs/x.jpg": picture()}) as site:
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
