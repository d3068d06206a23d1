"""Corrections change labels before the split, and a split stays as it was wherever it can."""

import csv
import json
from collections import Counter

import pytest

from common.manifest import read_manifest
from dataset.kept_split import split_like
from tests.drawn import picture, record, small_set, write
from tests.prepared import described, manifest, prepare, reasons
from tests.test_own_folder import fill, options

SHARES = {"train": 0.8, "validate": 0.2}


def correct(tmp_path, *rows):
    """Write corrections.csv; return the options that read it."""
    path = tmp_path / "corrections.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label", "note"), *rows])
    return ["--corrections", path]


def sides(tmp_path):
    return {row.file: row.split for row in manifest(tmp_path)}


@pytest.mark.slow
def test_pictures_are_relabelled_and_dropped_by_any_of_their_names(tmp_path, capsys):
    fill(tmp_path / "own", "Aus", "Bus")
    assert prepare(*options(tmp_path)) == 0
    placed = next(row.path for row in manifest(tmp_path) if row.file == "Aus/shot 2.png")
    rows = [("Aus/shot 1.png", "Bus", "seen"), (placed, "bus", ""), ("Bus\\shot 0.png", "DROP", "blurred")]
    more = correct(tmp_path, *rows, ("Aus/shot 0.png", "Aus", ""))
    before = more[1].read_bytes()
    assert prepare(*options(tmp_path, *more)) == 0
    label = {row.file: row.label for row in manifest(tmp_path)}
    assert (label["Aus/shot 1.png"], label["Aus/shot 2.png"], label["Aus/shot 0.png"]) == ("Bus", "Bus", "Aus")
    assert reasons(tmp_path) == {"Bus/shot 0.png": "dropped: by the corrections (blurred)"}
    said = "Of 4 corrections, 2 gave a picture another taxon, 1 dropped one, 1 changed nothing"
    assert said in capsys.readouterr().out
    kept = described(tmp_path)["corrections"]
    assert (kept["relabelled"], kept["dropped"], len(kept["rows"])) == (2, 1, 4)
    assert more[1].read_bytes() == before


def test_corrections_of_records_take_any_taxon_and_survive_new_records(tmp_path):
    given = small_set(tmp_path)
    url = "https://example.org/images/M/thumbs/f0 specimen-0.png"
    rows = [("M/f0 specimen-1.png", "Family1", ""), (url, "Order", "above"), ("M/f2 specimen-0.png", "drop", "")]
    more = correct(tmp_path, *rows)
    assert prepare(*given, *more) == 0
    label = {row.file: row.label for row in manifest(tmp_path)}
    assert label["M/f0 specimen-1.png"] == "Family1" and "M/f2 specimen-0.png" not in label
    assert label["M/f0 specimen-0.png"] == "Family0"  # which is in that order, so nothing is wrong with it
    record(tmp_path / "data", ["M", "Order", "Family0"], [f"f0 specimen-{number}.png" for number in range(7)])
    write(tmp_path / "images", "M", "f0 specimen-6.png", 99)
    assert prepare(*given, *more) == 0
    again = {row.file: row.label for row in manifest(tmp_path)}
    assert again == label | {"M/f0 specimen-6.png": "Family0"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("Aus/shoot 1.png", "Bus", ""), "there is no picture Aus/shoot 1.png; did you mean Aus/shot 1.png"),
        (("Aus/shot 1.png", "Buss", ""), "there is no taxon Buss; did you mean Bus"),
        (("Aus/shot 1.png", "nothing like it", ""), "there is no taxon nothing like it"),
    ],
)
def test_what_is_not_known_is_an_error_with_the_nearest_name(tmp_path, capsys, row, said):
    fill(tmp_path / "own", "Aus", "Bus")
    assert prepare(*options(tmp_path, *correct(tmp_path, row))) == 1
    error = capsys.readouterr().err
    assert said in error and error.strip().endswith("try another --corrections")
    assert not (tmp_path / "set").exists()


def test_a_new_taxon_of_samples_is_an_error_that_says_what_it_needs(tmp_path, capsys):
    fill(tmp_path / "own", "core 1", "core 2")
    table = tmp_path / "c.csv"
    table.write_text("file,label,sample\ncore 1/shot 1.png,Novus,core 1\n")
    assert prepare(*options(tmp_path, "--corrections", table)) == 1
    assert "no taxon Novus; a new one needs its column lineage" in capsys.readouterr().err


def test_a_correction_of_a_picture_that_is_left_out_anyway_is_no_error(tmp_path):
    own = fill(tmp_path / "own", "Aus", "Bus")
    (own / "Aus" / "notes.txt").write_text("mine")
    assert prepare(*options(tmp_path, *correct(tmp_path, ("Aus/notes.txt", "Bus", "")))) == 0
    assert described(tmp_path)["corrections"]["of_unused"] == 1


def test_shots_of_a_specimen_stay_together_when_one_is_corrected(tmp_path):
    own = fill(tmp_path / "own", "Aus", "Bus", each=6)
    for number, name in enumerate(("x-12.png", "x-12b.png")):
        picture(700 + number).save(own / "Aus" / name)
    assert prepare(*options(tmp_path, *correct(tmp_path, ("Aus/x-12b.png", "Bus", "")))) == 0
    rows = {row.file: row for row in manifest(tmp_path)}
    one, other = rows["Aus/x-12.png"], rows["Aus/x-12b.png"]
    assert (one.label, other.label) == ("Aus", "Bus") and one.group == other.group and one.split == other.split


@pytest.mark.slow
def test_a_few_corrections_and_many_new_pictures_move_nothing(tmp_path, capsys):
    own = fill(tmp_path / "own", "Aus", "Bus", "Cus", each=30)
    assert prepare(*options(tmp_path)) == 0
    first = sides(tmp_path)
    more = correct(tmp_path, *((f"Aus/shot {number}.png", "Bus", "") for number in range(5)))
    fill(own, "Aus/new", "Bus/new", first=1000, each=10)
    capsys.readouterr()
    assert prepare(*options(tmp_path, "--depth", 1, *more)) == 0
    second = sides(tmp_path)
    assert {file: second[file] for file in first} == first and len(second) == len(first) + 20
    said = "manifest.csv: 90 pictures keep their side, 20 are new, 0 had to change it."
    assert said in capsys.readouterr().out
    shares = Counter(second.values())
    assert shares["validate"] == pytest.approx(0.2 * len(second), abs=3)
    assert described(tmp_path)["earlier_split"]["moved"] == []


@pytest.mark.slow
def test_a_split_is_kept_by_the_bytes_where_names_are_new(tmp_path):
    fill(tmp_path / "own", "Aus", "Bus", each=10)
    assert prepare(*options(tmp_path)) == 0
    first = {row.sha256: row.split for row in manifest(tmp_path)}
    (tmp_path / "own").rename(tmp_path / "elsewhere")
    for path in list((tmp_path / "elsewhere").rglob("*.png")):
        path.rename(path.with_name(f"renamed {path.name}"))
    given = ["--folder", tmp_path / "elsewhere", "--train", tmp_path / "other"]
    for like in (tmp_path / "set", tmp_path / "set" / "manifest.csv"):
        assert prepare(*given, "--like", like) == 0
        assert {row.sha256: row.split for row in read_manifest(tmp_path / "other" / "manifest.csv")} == first


@pytest.mark.slow
def test_another_seed_gives_another_split(tmp_path):
    fill(tmp_path / "own", "Aus", "Bus", each=20)
    assert prepare(*options(tmp_path)) == 0
    first = sides(tmp_path)
    assert prepare(*options(tmp_path, "--seed", 5)) == 0
    assert sides(tmp_path) != first and described(tmp_path)["earlier_split"] == {}


@pytest.mark.slow
def test_a_forced_move_is_counted_and_named(tmp_path, capsys):
    own = fill(tmp_path / "own", "Aus", "Bus", each=10)
    assert prepare(*options(tmp_path)) == 0
    first = sides(tmp_path)
    one = next(file for file, side in first.items() if side == "train")
    other = next(file for file, side in first.items() if side == "validate" and file[:3] == one[:3])
    (tmp_path / "groups.csv").write_text(f"file,group\n{one},x\n{other},x\n")
    capsys.readouterr()
    assert prepare(*options(tmp_path, "--groups", tmp_path / "groups.csv")) == 0
    moved = described(tmp_path)["earlier_split"]["moved"]
    assert [(move["file"], move["before"], move["now"]) for move in moved] == [(other, "validate", "train")]
    printed = capsys.readouterr().out
    assert "1 had to change it" in printed and other in printed
    assert own.is_dir()


def test_like_needs_a_manifest(tmp_path, capsys):
    fill(tmp_path / "own", "Aus", "Bus")
    for like in (tmp_path / "absent", tmp_path):
        assert prepare(*options(tmp_path, "--like", like)) == 1
        assert "there is no manifest.csv to split alike" in capsys.readouterr().err


def groups_of(**labels):
    return {name: Counter({label: 1}) for name, label in labels.items()}


def test_known_groups_stay_and_new_ones_fill_up():
    groups = groups_of(a="A", b="A", c="A", d="A", e="A")
    before = {"a": Counter(validate=1), "b": Counter(train=1), "c": Counter(train=1), "d": Counter(), "e": Counter()}
    kept = split_like(groups, before, SHARES, 0, {})
    assert [kept.split_of[name] for name in "abc"] == ["validate", "train", "train"]
    assert [kept.split_of[name] for name in "de"] == ["train", "train"] and kept.reasons == {}


def test_a_class_that_lacks_a_side_gets_a_new_group_or_else_the_smallest_that_can_be_spared():
    groups = groups_of(a="A", b="A", c="A", e="B", f="B") | {"d": Counter(A=5)}
    before = {name: Counter(train=1) for name in "abcdf"} | {"e": Counter(validate=1)}
    kept = split_like(groups, before, SHARES, 0, {})
    (moved,) = (name for name, split in kept.split_of.items() if split == "validate" and name != "e")
    assert moved in "abc" and kept.reasons == {moved: "A would lack validate/"}
    kept = split_like(groups | groups_of(new="A"), before | {"new": Counter()}, SHARES, 0, {})
    assert kept.split_of["new"] == "validate" and kept.reasons == {}


def test_a_side_that_is_no_longer_wanted_does_not_come_into_train():
    groups = groups_of(a="A", b="A", c="A")
    before = {"a": Counter(train=1), "b": Counter(validate=1), "c": Counter(test=1)}
    kept = split_like(groups, before, SHARES, 0, {})
    assert kept.split_of["c"] == "validate" and "no longer wanted" in kept.reasons["c"]


def test_a_new_side_is_filled_from_train_alone():
    groups = {f"g{number}": Counter(A=1) for number in range(40)}
    before = {name: Counter(validate=1) if number < 8 else Counter(train=1) for number, name in enumerate(groups)}
    kept = split_like(groups, before, {"train": 0.6, "validate": 0.2, "test": 0.2}, 0, {})
    assert all(kept.split_of[f"g{number}"] == "validate" for number in range(8))
    assert Counter(kept.split_of.values())["test"] == 8


@pytest.mark.slow
def test_the_split_of_suspects_can_be_fed_back(tmp_path):
    from reports.suspects import SUSPECT_COLUMNS

    fill(tmp_path / "own", "Aus", "Bus")
    assert SUSPECT_COLUMNS[:3] == ("file", "label", "note")
    row = dict.fromkeys(SUSPECT_COLUMNS, "") | {"file": "Aus/shot 1.png", "label": "Bus", "suggested": "Bus"}
    with (tmp_path / "suspects.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, SUSPECT_COLUMNS)
        writer.writeheader()
        writer.writerow(row)
    assert prepare(*options(tmp_path, "--corrections", tmp_path / "suspects.csv")) == 0
    assert json.loads((tmp_path / "set" / "dataset.json").read_text())["corrections"]["relabelled"] == 1
