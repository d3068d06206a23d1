"""What makes a run smaller: kinds of pictures, and hours; and names that were not quite right."""

import os
import sqlite3
import stat

import pytest

from mikrotax.suggestions import suggestion
from tests.scraping import quick_first, records, rows, scrape
from tests.tree_site import MODULE, TREE, TreeSite

NAMES = ["JRYSEM-12.png", "JRYlm-7 XPL.png", "plain.png", "TypeFig 3.png"]
SOURCES = ["Coll. SEM colln", "JRYoung LM", "Smith 1990", "Type illustration from original publication"]


class Kinds(TreeSite):
    """One species with an SEM picture, a light-microscope one, one of which nothing is known, and a drawing."""

    shots = len(NAMES)

    def __init__(self):
        super().__init__({MODULE: ["Aus"], "Aus": ["Aus unus"], "Aus unus": []})

    def file(self, taxon, number):
        return NAMES[number]

    def title(self, taxon, number):
        status = "<br>Status: holotype" * (number in (0, 3))
        return f"<br>Image Source: {SOURCES[number]}{status}<br>Sample: S{number}"


@pytest.mark.parametrize(
    ("options", "wanted"),
    quick_first(
        (["--only", "SEM"], [0]),
        ([], [0, 1, 2, 3]),
        (["--only", "LM"], [1]),
        (["--only", "types"], [0, 3]),
        (["--only", "SEM", "--only", "LM"], [0, 1]),
        (["--no_drawings"], [0, 1, 2]),
        (["--only", "types", "--no_drawings"], [0]),
    ),
)
def test_only_pictures_of_the_wanted_kinds_are_fetched(options, wanted, tmp_path, capsys):
    with Kinds() as site:
        assert scrape(site, tmp_path, "--module", MODULE, *options) == 0
        out = capsys.readouterr().out
        assert len([path for path in site.paths if "/thumbs/" in path]) == len(wanted)
        assert ("not asked for: " in out) == (len(wanted) < len(NAMES))
        assert scrape(site, tmp_path, "--module", MODULE) == 0  # which fetches the others
        assert len([path for path in site.paths if "/thumbs/" in path]) == len(NAMES)
    assert sorted(path.name for path in (tmp_path / "images").rglob("*.png")) == sorted(NAMES)


def test_a_run_ends_after_so_many_hours_and_goes_on_another_day(tmp_path, capsys):
    with TreeSite() as site:
        assert scrape(site, tmp_path, "--module", MODULE, "--max_hours", "1e-9") == 0
        out, err = capsys.readouterr()
        assert "4 pages that are listed were not read" in out or "pages that are listed were not read" in out
        assert "hours" in err and "To go on:\n  python scrape_mikrotax.py" in err
        assert scrape(site, tmp_path, "--module", MODULE) == 0
        assert len(site.paths) == len(set(site.paths) - {"/robots.txt"}) + 2
    assert len(records(tmp_path)) == len(TREE)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("Syracosphera", "Syracosphaera"),
        ("syracosphaera pulcra", "Syracosphaera pulchra"),
        ("Emilania", "Emiliania"),
        ("pulchra", "Syracosphaera pulchra"),
        ("coccos", "Coccolithophores"),
        ("cenozoic", "ntax_cenozoic"),
    ],
)
def test_the_nearest_names(name, nearest):
    known = ["Syracosphaera", "Syracosphaera pulchra", "Emiliania", "Coccolithophores", "ntax_cenozoic", "diatoms"]
    assert nearest in suggestion(name, known)


@pytest.mark.parametrize("name", ["Emiliania", "", "xyz", "Ε"])
def test_no_name_is_near(name):
    assert suggestion(name, ["Emiliania", "Calcidiscus"]) == ""


def test_a_name_that_the_site_does_not_know_is_answered_with_what_is_stored(tmp_path, capsys):
    with TreeSite() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
        for options, told in (
            (["--module", MODULE, "--taxon", "Aus unnus"], "did you mean Aus unus"),
            (["--module", "bfown"], "did you mean bf_own"),
            (["--module", "coccos"], "Coccolithophores?"),
        ):
            capsys.readouterr()
            assert scrape(site, tmp_path, *options) == 1
            assert told in capsys.readouterr().err
        assert len(records(tmp_path)) == len(TREE)


def test_the_credits_tell_of_rights(tmp_path):
    class Rights(TreeSite):
        def title(self, taxon, number):
            return super().title(taxon, number) + "<br>Copyright: A. Smith, CC BY 4.0" * number

    with Rights() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
    told = {row["sample"]: row["rights"] for row in rows(tmp_path / "images" / "credits.csv")}
    assert told == {"S0": "no licence stated", "S1": "A. Smith, CC BY 4.0"}


def test_modules_and_taxa_named_like_tables_do_not_stop_the_tables(tmp_path):
    names = ["taxa.csv", "failures.csv", "CITATION.txt", "credits.csv"]

    class Tables(TreeSite):
        module = "notices.csv"

    with Tables({"taxa.csv": names[1:]} | {name: [] for name in names[1:]}) as site:
        assert scrape(site, tmp_path, "--module", "taxa.csv") == 0
    assert len(records(tmp_path)) == len(names)
    assert len(rows(tmp_path / "data" / "taxa.csv")) == len(names)
    assert (tmp_path / "data" / "CITATION.txt").is_file() and len(rows(tmp_path / "images" / "credits.csv")) == 6


def test_a_directory_in_the_place_of_a_table_is_reported(tmp_path, capsys):
    (tmp_path / "data" / "taxa.csv").mkdir(parents=True)
    with TreeSite() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
    assert "a directory has the name of a table" in capsys.readouterr().out
    assert (tmp_path / "data" / "CITATION.txt").is_file()


@pytest.mark.slow
def test_a_store_that_is_in_use_is_distinguished_from_one_that_cannot_be_written(tmp_path, capsys):
    with TreeSite() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
        store = tmp_path / "data" / ".pages" / "pages.sqlite"
        with sqlite3.connect(store) as other:
            other.execute("BEGIN EXCLUSIVE")
            capsys.readouterr()
            assert scrape(site, tmp_path, "--module", MODULE) == 1
            assert "in use" in capsys.readouterr().err
        blocked = tmp_path / "file"
        blocked.write_text("")
        assert scrape(site, tmp_path / "b", "--module", MODULE, "--cache", str(blocked / "pages")) == 1
        err = capsys.readouterr().err
        assert "cannot be written" in err and "in use" not in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_without_permission_is_reported(tmp_path, capsys):
    with TreeSite() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
        for path in (tmp_path / "data" / ".pages").iterdir():
            path.chmod(stat.S_IRUSR)
        (tmp_path / "data" / ".pages").chmod(stat.S_IRUSR | stat.S_IXUSR)
        assert scrape(site, tmp_path, "--module", MODULE, "--update", "--max_age", "0") == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_disk_that_is_full_ends_the_run_and_the_stored_pages_stay(tmp_path, capsys):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with TreeSite() as site:
        assert scrape(site, tmp_path, "--module", MODULE, "--max_pages", "2") == 0
        size = (tmp_path / "data" / ".pages" / "pages.sqlite").stat().st_size
        site.text = lambda taxon: "long " * 20_000
        asked = len(site.paths)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            assert scrape(site, tmp_path, "--module", MODULE) == 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "cannot be written" in capsys.readouterr().err and len(site.paths) <= asked + 3
        assert scrape(site, tmp_path, "--module", MODULE) == 0
    assert len(records(tmp_path)) == len(TREE)
