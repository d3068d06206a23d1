"""The record of a taxon as the scraper writes it and as it is read again, and which file each one has."""

import json
import os
from dataclasses import fields

import pytest

from common.occurrence import Occurrence
from common.records import PageFacts, PictureFacts, Record, RecordError, Sample, read_record, read_records, write_record
from common.taxon_text import TaxonText
from mikrotax.record_files import RecordFiles, remove_leftovers
from mikrotax.tables import fetch_dates

FULL = Record(
    hierarchy=("m", "AUbusgp", "Ausbus"),
    samples=(Sample("Aus bus", ("http://x/images/m/thumbs/a.jpg",)), Sample("Aus cus", ())),
    lineage=("m", "AU bus gp", "Aus bus"),
    page=PageFacts("http://x/?id=7", 7, "Species", "wide", {"first": Occurrence("Eocene", (33.9, 56.0))}, "2026-11-24"),
    pictures={
        "http://x/images/m/thumbs/a.jpg": PictureFacts(
            full="http://x/images/m/Aus/a.jpg", file="m/a.jpg", lineage=("m", "AU bus gp", "Aus bus"), source="Größe"
        )
    },
)
BY_HAND = {"hierarchy": ["m", "Aus"], "samples": [{"taxon": "Aus", "thumbs": ["a.jpg"]}]}


def test_a_record_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "m" / "Ausbus.json"
    assert write_record(path, FULL) is True and read_record(path) == FULL
    before = path.stat().st_mtime_ns
    assert write_record(path, FULL) is False and path.stat().st_mtime_ns == before


def test_the_keys_of_a_record_stand_in_their_order(tmp_path):
    """Other people's scripts read the first two; the rest is the order in which the page says it."""
    write_record(tmp_path / "a.json", FULL)
    text = (tmp_path / "a.json").read_text("utf-8")
    content = json.loads(text)
    assert list(content) == ["hierarchy", "samples", "lineage", "page", "pictures"] and "Größe" in text
    facts = ["url", "id", "rank", "features", "range", "fetched"]
    assert list(content["page"]) == facts + [each.name for each in fields(TaxonText)]
    (facts,) = content["pictures"].values()
    assert list(facts) == [
        *("full", "file", "lineage", "source", "caption", "status", "notes", "location", "sample", "age"),
        *("page", "fetched"),
    ]


def test_a_record_by_hand_has_two_keys_and_is_whole(tmp_path):
    path = tmp_path / "Aus.json"
    path.write_text(json.dumps(BY_HAND), "utf-8-sig")
    record = read_record(path)
    assert record == Record(("m", "Aus"), (Sample("Aus", ("a.jpg",)),), ("m", "Aus"))
    assert record.page is None and record.taxon == "Aus"
    write_record(path, record)
    assert set(json.loads(path.read_text("utf-8"))) == {"hierarchy", "samples", "lineage"}


@pytest.mark.parametrize("text", ["[]", "1", "{}", '{"taxon": "Aus"}'])
def test_json_that_does_not_claim_to_be_a_record_is_none(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    assert read_record(tmp_path / "a.json") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ('{"hierarchy": ["m"]}', "samples"),
        ('{"samples": []}', "hierarchy"),
        ('{"hierarchy": ["m", " "], "samples": []}', "list of names"),
        ('{"hierarchy": ["m"], "samples": [{"taxon": 1}]}', "taxon"),
        ('{"hierarchy": ["m"], "samples": [{"taxon": "m", "thumbs": "a.jpg"}]}', "thumbs"),
    ],
)
def test_a_broken_record_says_why(tmp_path, text, why):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RecordError, match=why):
        read_record(tmp_path / "a.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(RecordError, match="not a regular file"):
        read_record(tmp_path / "a.json")


def test_details_of_a_wrong_type_count_as_not_known(tmp_path):
    content = BY_HAND | {
        "lineage": ["m", "Bus"],
        "page": {"id": True, "rank": 3},
        "pictures": {"a": 1, "b": {"full": 2}},
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    record = read_record(tmp_path / "a.json")
    assert record.lineage == record.hierarchy and record.page == PageFacts()
    assert record.pictures == {"b": PictureFacts()}


def test_all_records_below_a_directory(tmp_path):
    write_record(tmp_path / "m" / "b.json", FULL)
    write_record(tmp_path / "m" / "a.JSON", FULL)
    write_record(tmp_path / ".pages" / "c.json", FULL)
    (tmp_path / "README.md").write_text("# data/")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    records, problems = read_records(tmp_path)
    assert [path.name for path in records] == ["a.JSON", "b.json"]
    assert [path.name for path in problems] == ["broken.json", "list.json"]
    assert "neither `hierarchy` nor `samples`" in problems[tmp_path / "list.json"]


def test_linked_directories_are_read_once(tmp_path):
    write_record(tmp_path / "elsewhere" / "a.json", FULL)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "data")
    records, problems = read_records(tmp_path / "data")
    assert list(records) == [tmp_path / "data" / "link" / "a.json"] and problems == {}


@pytest.mark.slow
def test_records_in_deep_directories_are_read(tmp_path, nest):
    (nest(tmp_path, 1_100) / "a.json").write_text(json.dumps(BY_HAND))
    records, problems = read_records(tmp_path)
    assert len(records) == 1 and problems == {}


# Their files


def record(*lineage, number=None, fetched="2026-11-24T05:33:02Z"):
    return Record(tuple(name.replace(" ", "") for name in lineage), (), lineage, PageFacts(id=number, fetched=fetched))


def test_two_taxa_never_share_a_file_and_keep_theirs(tmp_path):
    taxa = [record("m", name) for name in ("Aus bus", "Ausbus", "AUS bus")]
    files = RecordFiles(tmp_path)
    paths = [files.path(taxon) for taxon in taxa]
    assert paths[0] == tmp_path / "m" / "Ausbus.json" and len({str(path).casefold() for path in paths}) == 3
    for taxon in taxa:
        files.write(taxon)
    again = RecordFiles(tmp_path)
    assert [again.path(taxon) for taxon in reversed(taxa)] == paths[::-1]
    assert sorted(found.taxon for found in again.earlier("m")) == sorted(taxon.taxon for taxon in taxa)


def test_the_file_of_a_record_by_hand_is_taken(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "Aus.json").write_text(json.dumps(BY_HAND))
    files = RecordFiles(tmp_path)
    assert files.path(record("m", "Aus")) != tmp_path / "m" / "Aus.json" and files.earlier("m") == []


def test_files_of_pictures_are_remembered_by_thumbnail_or_full_size(tmp_path):
    write_record(tmp_path / "m" / "a.json", FULL)
    assert RecordFiles(tmp_path).picture_files() == {"m/thumbs/a.jpg": "m/a.jpg"}
    (facts,) = FULL.pictures.values()
    full_size = PictureFacts(**vars(facts) | {"file": "m/Aus/a.jpg"})
    changed = Record(**vars(FULL) | {"pictures": dict.fromkeys(FULL.pictures, full_size)})
    write_record(tmp_path / "m" / "a.json", changed)
    assert RecordFiles(tmp_path).picture_files() == {"m/Aus/a.jpg": "m/Aus/a.jpg"}


def test_records_of_taxa_that_are_gone_are_retire(tmp_path):
    for number, name in enumerate(("Aus unus", "Aus duus", "Aus trius")):
        write_record(tmp_path / "m" / f"{name.replace(' ', '')}.json", record("m", name, number=number))
    now = [record("m", "Aus novus", number=0), record("m", "Aus duus", number=1)]
    RecordFiles(tmp_path).retire("m", now, whole=False)
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        *("Ausduus.json", "Austrius.json", "Ausunus.json.gone"),
    ]
    RecordFiles(tmp_path).retire("m", now, whole=True)
    assert (tmp_path / "m" / "Austrius.json.gone").exists() and (tmp_path / "m" / "Ausduus.json").exists()


def test_dates_of_earlier_records_and_of_this_run(tmp_path):
    write_record(tmp_path / "m" / "Aus.json", record("m", "Aus", fetched="2020-01-01T00:00:00Z"))
    write_record(tmp_path / "n" / "n.json", record("n", fetched="2021-01-01T00:00:00Z"))
    files = RecordFiles(tmp_path)
    now = {"m": [record("m", "Aus", fetched="2022-01-01T00:00:00Z"), record("m", "Bus")]}
    assert fetch_dates(files.present(now).values()) == {
        "m": ["2022-01-01T00:00:00Z", "2026-11-24T05:33:02Z"],
        "n": ["2021-01-01T00:00:00Z"],
    }


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "m").mkdir()
    left = tmp_path / "m" / ".Aus.json.x3_k9ab2.part"
    others = [tmp_path / "m" / name for name in ("Aus.part", ".hidden", "a.abcdefgh.part")]
    for path in (left, *others):
        path.write_bytes(b"half")
    remove_leftovers(tmp_path)
    assert not left.exists() and all(path.exists() for path in others)
