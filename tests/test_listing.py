"""From records to listed pictures: each picture once, whatever the pages say of it."""

import json
from pathlib import Path

import pytest

from common.errors import ToolkitError
from common.records import PageFacts, PictureFacts, Record, Sample
from dataset.listing import known_ranks, list_pictures, notes_on_records, read_all_records
from tests.drawn import SITE, record

MODULE, FAMILY = ("M",), ("M", "O", "F")


def page(lineage, *thumbs, **pictures) -> Record:
    facts = {thumb: PictureFacts(**known) for thumb, known in pictures.pop("pictures", {}).items()}
    return Record(lineage, (Sample(lineage[-1], thumbs),), lineage, PageFacts(**pictures), facts)


def test_a_picture_on_many_pages_is_listed_once_with_the_longest_lineage_first():
    url = f"{SITE}/M/thumbs/a.png"
    (picture,), excluded = list_pictures([page(MODULE, url), page(FAMILY, url), page(("M", "O"), url)])
    assert (picture.file, picture.url, excluded) == ("M/a.png", url, [])
    assert picture.lineages == (FAMILY, ("M", "O"), MODULE)
    assert picture.taxa == {"M", "O", "F"}


def test_the_lineage_of_the_picture_itself_comes_before_those_of_its_pages():
    url = f"{SITE}/M/thumbs/a.png"
    own = page(MODULE, url, pictures={url: {"lineage": ("M", "Other")}})
    (picture,), _ = list_pictures([page(FAMILY, url), own])
    assert picture.lineages == (("M", "Other"),)


def test_the_richest_facts_count_and_dashes_are_no_facts():
    url = f"{SITE}/M/thumbs/a.png"
    poor = page(MODULE, url, pictures={url: {"source": "Z", "status": "-", "sample": " ; "}})
    rich = page(FAMILY, url, pictures={url: {"source": " A 1999 ", "sample": "S1", "file": "-"}})
    for records in ([poor, rich], [rich, poor]):
        (picture,), _ = list_pictures(records)
        assert picture.facts == {"source": "A 1999", "sample": "S1"}
        assert picture.file == "M/a.png"


def test_the_file_of_a_record_counts_before_the_address():
    url = f"{SITE}/M/thumbs/a.png"
    (picture,), _ = list_pictures([page(MODULE, url, pictures={url: {"file": "M/elsewhere/b.png"}})])
    assert picture.file == "M/elsewhere/b.png"


def test_names_without_a_scheme_are_paths_below_images():
    pictures, _ = list_pictures([page(MODULE, "own/b.png", "own\\a.png")])
    assert [picture.file for picture in pictures] == ["own/a.png", "own/b.png"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "C:/a.png", "a/../../b.png", "a\0.png", "https://x/y"]
)
def test_names_that_lead_elsewhere_are_excluded(name):
    pictures, (left,) = list_pictures([page(MODULE, name)])
    assert pictures == [] and left.url == name and left.reason.startswith("no file name: ")


def test_ranks_are_known_without_case_and_blanks_and_an_empty_rank_is_no_rank():
    records = [page(("M", "Aus bus"), rank=" Species "), page(("M", "aus Bus"), rank=" "), page(MODULE)]
    assert known_ranks(records) == {"ausbus": "species"}


def test_records_that_add_no_picture_are_told(tmp_path):
    record(tmp_path, ["M", "O", "F"], ["a.png"])
    (tmp_path / "broken.json").write_text('{"hierarchy": ["M"], "samples": [{"thumbs": 3}]}')
    (tmp_path / "foreign.json").write_text('{"cited": true}')
    (tmp_path / ".pages").mkdir()
    (tmp_path / ".pages" / "raw.json").write_text("{")
    (tmp_path / "bare.json").write_text('{"hierarchy": ["M", "O"], "samples": [{}]}')
    (tmp_path / "page.json").write_text('{"hierarchy": ["M"], "samples": [], "page": {"url": "http://x/?id=7"}}')
    records, excluded = read_all_records(tmp_path)
    assert {each.lineage for each in records} == {("M", "O", "F"), ("M", "O"), ("M",)}
    assert {Path(left.file).name: left.reason for left in excluded} == {
        "broken.json": "record: a sample's `taxon` is not text, or its `thumbs` are not a list of URLs",
        "foreign.json": "not a record: it has neither `hierarchy` nor `samples`",
        "bare.json": "record: it lists no picture",
    }
    assert len(notes_on_records(excluded)) == 2 and "foreign" not in "".join(notes_on_records(excluded))


@pytest.mark.parametrize(
    ("content", "said"), [(None, "scrape_mikrotax.py"), ("{", "not JSON"), (json.dumps({"a": 1}), "no record")]
)
def test_no_record_is_an_error_that_names_the_setting(tmp_path, content, said):
    if content:
        (tmp_path / "a.json").write_text(content)
    with pytest.raises(ToolkitError, match=said) as error:
        read_all_records(tmp_path)
    assert error.value.settings == ("data",)
