"""dataset.json: what is written is read again; what it lacks is not known; other files are refused."""

import json

import pytest

import common
from common.dataset_info import (
    MADE_BY,
    ClassInfo,
    DatasetInfo,
    DatasetInfoError,
    read_dataset_info,
    write_dataset_info,
)

INFO = DatasetInfo(
    classes={
        "Bus": ClassInfo(
            ("M", "Order one", "Bus"), ("M", "Orderone", "Bus"), (("N", "Bus"),), 8, 2, 1, 5, 3, {"SEM": 11}
        ),
        "Aus": ClassInfo(("M", "Z", "Aus"), ("M", "Z", "Aus"), train=3, validate=1),
    },
    hash="00ff",
    depth="family",
    seed=3,
    options={"data": "data", "technique": None, "validate_share": 0.2},
    counts={"used": 15, "excluded": 2, "reasons": {"drawing": 2}},
    majority_share=0.6667,
    audit={"pictures": 15, "share": {"Aus": {"train": 0.75, "validate": 0.25}}},
)


def test_what_is_written_is_read_again_with_the_script_and_the_version(tmp_path):
    read = read_dataset_info(write_dataset_info(tmp_path / "dataset.json", INFO))
    assert vars(read) == vars(INFO) | {"made_by": MADE_BY, "version": common.__version__}
    assert list(read.classes) == ["Bus", "Aus"], "classes keep their taxonomic order"


def test_the_contract_of_the_file(tmp_path):
    write_dataset_info(tmp_path / "dataset.json", INFO)
    content = json.loads((tmp_path / "dataset.json").read_text(encoding="utf-8"))
    assert content["classes"]["Bus"] == {
        "lineage": ["M", "Order one", "Bus"],
        "hierarchy": ["M", "Orderone", "Bus"],
        "also": [["N", "Bus"]],
        "train": 8,
        "validate": 2,
        "test": 1,
        "groups": 5,
        "sources": 3,
        "techniques": {"SEM": 11},
    }
    assert set(content) == {
        *("made_by", "version", "hash", "depth", "seed", "options", "counts", "majority_share", "audit", "classes"),
        *("page", "pages", "corrections", "earlier_split"),
    }


def test_counts_of_a_class_by_split():
    assert [INFO.classes["Bus"].count(split) for split in ("train", "validate", "test")] == [8, 2, 1]


def test_names_are_made_harmless(tmp_path):
    (tmp_path / "dataset.json").write_text(r'{"classes": {"A": {"lineage": ["M\nx", "\u001b[1mA $x$"]}}}')
    assert read_dataset_info(tmp_path / "dataset.json").classes["A"].lineage == ("M x", "[1mA $x$")


def test_classes_and_lineages_are_enough(tmp_path):
    (tmp_path / "dataset.json").write_text('{"classes": {"A": {"lineage": ["M", "A"], "more": 1}}, "more": 2}')
    assert read_dataset_info(tmp_path / "dataset.json") == DatasetInfo({"A": ClassInfo(("M", "A"))})


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"3",
        b"\xff",
        b'{"made_by": "somebody"}',
        b'{"classes": []}',
        b'{"classes": {"A": {}}}',
        b'{"classes": {"A": {"lineage": "M"}}}',
        b'{"classes": {"A": {"lineage": ["M", 3]}}}',
        b'{"classes": {"A": {"lineage": ["M", "' + b"L" * 200_000 + b'"]}}}',
        rb'{"classes": {"A": {"lineage": ["M", "\ud800"]}}}',
        b'{"classes": {"A": {"lineage": ["M"], "also": [3]}}}',
        b'{"classes": {"A": {"lineage": ["M"], "hierarchy": "M"}}}',
        b"[" * 100_000,
    ],
)
def test_what_describes_no_data_set_is_refused_with_its_name(tmp_path, content):
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(DatasetInfoError, match=r"dataset\.json does not describe a data set"):
        read_dataset_info(tmp_path / "dataset.json")


def test_no_file_is_an_error_of_its_own(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_dataset_info(tmp_path / "dataset.json")
