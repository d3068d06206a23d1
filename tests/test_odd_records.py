"""Odd records cost themselves and nothing else, and two preparations do not meet."""

import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

import prepare_image_model as script
from common.errors import ToolkitError
from common.locks import LOCK, exclusive_lock
from common.odd_names import clean_name
from tests.drawn import picture, small_set
from tests.prepared import described, manifest, prepare, reasons

LINEAGE = ["M", "Order", "Family0"]


def listing(*thumbs, lineage=LINEAGE, taxon="x", **more):
    return {"hierarchy": lineage, "samples": [{"taxon": taxon, "thumbs": list(thumbs)}], **more}


ODD = {
    "half of a character in a name": json.dumps(listing("M/own 0.png", lineage=["M", "Order", "a\ud800"])),
    "half of a character in a taxon": json.dumps(listing("M/own 1.png", taxon="\udfff")),
    "half of a character in a file": json.dumps(listing("M/\ud83d.png")),
    "half of a character in a text": json.dumps(
        listing("M/own 2.png", pictures={"M/own 2.png": {"source": "a\ud800", "lineage": LINEAGE}})
    ),
    "a file's name of 300 letters": json.dumps(listing("M/" + "n" * 300 + ".png")),
    "a path of 6,000 letters": json.dumps(listing("M/" + "n/" * 3000 + "a.png")),
    "a label of 200,000 letters": json.dumps(listing("M/own 3.png", lineage=["M", "Order", "L" * 200_000])),
    "a lineage of 1,000 names": json.dumps(listing("M/own 4.png", lineage=["M", "x"] * 500)),
    "a source of 300 kilobytes": json.dumps(
        listing("M/own 5.png", pictures={"M/own 5.png": {"source": "s" * 300_000}})
    ),
    "a file of another system": json.dumps(listing("C:\\pictures\\a.png")),
    "a file of another computer": json.dumps(listing("\\\\server\\a.png")),
    "a file above": json.dumps(listing("../../a.png")),
    "a file that is a directory": json.dumps(listing("M")),
    "a name with nothing in it": json.dumps(listing("M/own 6.png", lineage=["M", "\u200b\u200e", "x"])),
    "a file named elsewhere": json.dumps(listing("M/own 7.png", pictures={"M/own 7.png": {"file": "../a.png"}})),
    "text in place of a list": '{"hierarchy": "M", "samples": 3}',
    "lists in lists": '{"hierarchy": [["M"]], "samples": []}',
    "numbers": '{"hierarchy": [1, 2], "samples": []}',
    "nothing": '{"hierarchy": null, "samples": null}',
    "deep lists": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "a number of 5,000 digits": '{"hierarchy": ["M"], "samples": [], "page": {"id": ' + "9" * 5000 + "}}",
    "a list": "[]",
    "null": "null",
    "a number": "3",
    "no number": "NaN",
    "a text": '"x"',
    "an empty object": "{}",
    "a record in a list": json.dumps([listing("M/own 0.png")]),
    "keys in capitals": '{"Hierarchy": ["M"], "Samples": []}',
    "no hierarchy": '{"samples": []}',
    "no samples": '{"hierarchy": ["M"]}',
    "a list of no samples": json.dumps(listing() | {"samples": []}),
    "an empty sample": json.dumps(listing() | {"samples": [{}]}),
    "a sample with another key": json.dumps(listing() | {"samples": [{"taxon": "x", "thumb": ["M/own 0.png"]}]}),
    "blank names of files": json.dumps(listing("", " ")),
    "an empty page": json.dumps(listing(page={})),
    "no JSON": "{",
    "no text": "",
}


@pytest.mark.slow
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_record_costs_itself_only(tmp_path, odd, capsys):
    options = small_set(tmp_path, families=2)
    for number in range(8):
        picture(600 + number).save(tmp_path / "images" / "M" / f"own {number}.png")
    (tmp_path / "data" / "odd.json").write_text(ODD[odd], encoding="utf-8")
    assert prepare(*options) == 0
    assert len(manifest(tmp_path)) == 12
    assert len(reasons(tmp_path)) == 1
    printed = capsys.readouterr()
    assert "1 are left out" in printed.out and "Traceback" not in printed.err
    assert described(tmp_path)["counts"]["listed"] == 13
    assert max(map(len, printed.out.splitlines())) < 1000


def test_many_odd_records_at_once_are_all_named(tmp_path):
    options = small_set(tmp_path, families=2)
    for number, content in enumerate(ODD.values()):
        (tmp_path / "data" / f"odd {number}.json").write_text(content, encoding="utf-8")
    assert prepare(*options) == 0
    assert len(manifest(tmp_path)) == 12 and len(reasons(tmp_path)) == len(ODD)


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("Emiliania huxleyi", "Emiliania huxleyi"),
        ("a\n b\t", "a b"),
        ("\x1b[1mb\x00", "[1mb"),
        ("\u202eevil", "evil"),
        ("ক্\u200dষ", "ক্\u200dষ"),
        ("$x_$y", "$x_$y"),
    ],
)
def test_names_are_made_harmless(name, clean):
    assert clean_name(name) == clean
    assert all(unicodedata.category(letter) != "Cc" for letter in clean)


@pytest.mark.parametrize("name", ["x" * 201, "a\ud800b", "\u200b", " \n "])
def test_names_that_nobody_can_have_meant_are_refused(name):
    with pytest.raises(ValueError, match="a name"):
        clean_name(name)


@pytest.mark.slow
def test_of_two_preparations_in_one_place_one_comes_through(tmp_path):
    options = [str(option) for option in small_set(tmp_path, families=2, each=40)]
    command = [sys.executable, script.__file__, *options]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(run.communicate()[1], run.returncode) for run in runs]
    assert 0 in [status for _, status in ended]
    for error, status in ended:
        assert "Traceback" not in error and (status == 0 or "another run is writing into" in error)
    assert len(manifest(tmp_path)) == 80


def test_a_run_in_progress_is_not_disturbed(tmp_path, capsys):
    options = small_set(tmp_path, families=2)
    with exclusive_lock(tmp_path / "set"):
        assert prepare(*options) == 1
        assert "another run is writing into" in capsys.readouterr().err
        with pytest.raises(ToolkitError, match="let it finish"), exclusive_lock(tmp_path / "set"):
            pass
    assert prepare(*options) == 0


def test_a_directory_that_was_made_for_a_lock_goes_again(tmp_path):
    with exclusive_lock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / LOCK).exists()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    with exclusive_lock(tmp_path / "a"):
        Path(tmp_path / "a" / "mine").write_text("")
    assert (tmp_path / "a" / "mine").exists()
