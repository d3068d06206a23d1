"""A folder of own pictures becomes a data set: classes by folders, nothing invented, every file accounted for."""

import csv
import os
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.dataset_info import read_dataset_info
from common.manifest import read_manifest
from dataset.own_folder import adopt_lineages, known_lineages, list_own_pictures, unique_labels
from dataset.pictures import ListedPicture
from tests.drawn import picture, record, write
from tests.prepared import described, manifest, prepare, reasons


def fill(folder: Path, *places: str, each: int = 5, first: int = 0) -> Path:
    """Write pictures into sub-folders, no two alike."""
    for place in places:
        (folder / place).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            picture(first).save(folder / place / f"shot {number}.png")
            first += 1
    return folder


def options(tmp_path, *more):
    return ["--folder", tmp_path / "own", "--train", tmp_path / "set", *more]


def test_each_sub_folder_is_a_class_and_nested_ones_are_its_lineage(tmp_path, capsys):
    names = ["Noelaerhabdaceae/Emiliania/Emiliania huxleyi", "Noelaerhabdaceae/Ünï/Žižkella sp. n.", "颗石藻"]
    fill(tmp_path / "own", *names)
    assert prepare(*options(tmp_path)) == 0
    known = described(tmp_path)["classes"]
    assert known["Emiliania huxleyi"]["lineage"] == names[0].split("/")
    assert known["Žižkella sp. n"]["lineage"] == names[1].split("/")  # a directory's name must not end in a dot
    assert known["颗石藻"]["lineage"] == ["颗石藻"]  # no root is invented
    assert {row.technique for row in manifest(tmp_path)} == {""}
    assert described(tmp_path)["depth"] == "folder"
    printed = capsys.readouterr().out
    assert "Emiliania huxleyi" in printed and "name no source" not in printed


def test_depth_counts_folders(tmp_path):
    fill(tmp_path / "own", "A/one", "A/two", "B/three", "C")
    assert prepare(*options(tmp_path, "--depth", 1)) == 0
    assert list(described(tmp_path)["classes"]) == ["A", "B", "C"]
    assert prepare(*options(tmp_path, "--depth", 2)) == 0
    assert list(described(tmp_path)["classes"]) == ["one", "two", "three"]
    assert set(reasons(tmp_path).values()) == {"no entry at depth 2"}


def test_one_name_in_two_places_is_two_classes(tmp_path):
    fill(tmp_path / "own", "Syracosphaera/pulchra", "Helicosphaera/pulchra", "Syracosphaera/nodosa")
    assert prepare(*options(tmp_path)) == 0
    assert set(described(tmp_path)["classes"]) == {"Syracosphaera pulchra", "Helicosphaera pulchra", "nodosa"}


def test_labels_are_as_short_as_they_can_be():
    lineages = [("a", "x", "s"), ("b", "x", "s"), ("c", "s"), ("d",)]
    assert unique_labels(lineages) == dict(zip(lineages, ["a x s", "b x s", "c s", "d"], strict=True))
    assert unique_labels([("s",), ("a", "s")]) == {("s",): "s", ("a", "s"): "a s"}


def test_every_file_is_accounted_for(tmp_path):
    own = fill(tmp_path / "own", "Aus", "Bus")
    fill(own, "Aus/@eaDir", "#recycle", each=1, first=50)
    (own / "Aus" / "notes.txt").write_text("mine")
    (own / "Aus" / "broken.png").write_bytes(b"\x89PNG")
    (own / "Aus" / "scan.czi").write_bytes(b"ZISRAWFILE")
    Image.new("L", (40, 40), 9).save(own / "Bus" / "blank.png")
    picture(90).save(own / "top.png")
    (own / "Aus" / "copy.png").write_bytes((own / "Aus" / "shot 1.png").read_bytes())
    os.mkfifo(own / "Bus" / "pipe.png")
    (own / "Cus" / "Dus").mkdir(parents=True)
    assert prepare(*options(tmp_path)) == 0
    left = {name: reason.split(":")[0] for name, reason in reasons(tmp_path).items()}
    assert left == {
        "Aus/@eaDir/shot 0.png": "litter",
        "#recycle/shot 0.png": "litter",
        "Aus/notes.txt": "not a picture",
        "Aus/broken.png": "corrupt",
        "Aus/scan.czi": "not read",
        "Bus/blank.png": "one colour",
        "top.png": "no class",
        "Aus/shot 1.png": "same bytes",
        "Bus/pipe.png": "special file",
    }
    there = {path.relative_to(own).as_posix() for path in own.rglob("*") if not path.is_dir()}
    assert there == left.keys() | {row.file for row in manifest(tmp_path)}
    counts = described(tmp_path)["counts"]
    assert counts["used"] + counts["excluded"] == counts["listed"] == len(there)


@pytest.mark.slow
def test_the_split_and_the_groups_are_the_same_for_any_number_of_bits(tmp_path):
    found = []
    for bits in (8, 12, 16):
        for number in range(24):
            grey = np.asarray(picture(number)).astype(float)
            for name, values in (("a", grey), ("b", np.rot90(grey) ** 1.05)):
                values = (values - values.min()) / np.ptp(values)
                stored = {8: values * 255, 12: values * 3500 + 400, 16: values * 65535}[bits].round()
                place = tmp_path / f"own{bits}" / "ABC"[number % 3] / f"{number * 7919 % 1000}{name}.tif"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(stored.astype(np.uint8 if bits == 8 else np.uint16)).save(place)
        top = tmp_path / f"set{bits}"
        assert prepare("--folder", tmp_path / f"own{bits}", "--train", top) == 0
        audit = read_dataset_info(top / "dataset.json").audit
        assert (audit["identical_bytes_across_splits"], audit["near_duplicates_across_splits"]) == (0, 0)
        found.append([(row.path, row.group) for row in read_manifest(top / "manifest.csv")])
        assert len(found[0]) == 48 and len({group for _, group in found[0]}) == 24
    assert found[0] == found[1] == found[2]


def test_groups_from_names_hold_within_a_folder_only(tmp_path):
    own = tmp_path / "own"
    for number, name in enumerate(("Aus/dish 1/7.png", "Aus/dish 1/7b.png", "Aus/dish 2/7.png", "Bus/dish 1/7.png")):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(own / name)
    fill(own, "Aus/dish 3", "Bus/dish 3", first=20)
    assert prepare(*options(tmp_path, "--depth", 1)) == 0
    group = {row.file: row.group for row in manifest(tmp_path)}
    assert group["Aus/dish 1/7.png"] == group["Aus/dish 1/7b.png"]
    assert len(set(group.values())) == len(group) - 1


def test_groups_by_folder(tmp_path):
    fill(tmp_path / "own", *(f"{taxon}/specimen {number}" for taxon in ("Aus", "Bus") for number in range(3)), each=3)
    assert prepare(*options(tmp_path, "--group_by", "folder")) == 0
    assert list(described(tmp_path)["classes"]) == ["Aus", "Bus"]
    groups = Counter(row.group.rpartition("/")[0] for row in manifest(tmp_path))
    assert len(groups) == 6 and set(groups.values()) == {3}
    assert all(len({row.split for row in manifest(tmp_path) if row.file.startswith(place)}) == 1 for place in groups)


def test_groups_from_a_table(tmp_path):
    fill(tmp_path / "own", "Aus", "Bus")
    table = tmp_path / "groups.csv"
    table.write_text("file;group\nAus/shot 0.png;1\nAus\\shot 3.png;1\n./Aus/shot 4.png;1\nBus/shot 0.png;2\n")
    assert prepare(*options(tmp_path, "--groups", table)) == 0
    group = {row.file: row.group for row in manifest(tmp_path)}
    assert group["Aus/shot 0.png"] == group["Aus/shot 3.png"] == group["Aus/shot 4.png"] != group["Aus/shot 1.png"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("file,group\nAus/shot 9.png,1\n", "did you mean"),
        ("file,gruppe\na,1\n", "needs the columns file and group"),
        ("file,group\nAus/shot 0.png,1\nAus/shot 0.png,2\n", "in two groups"),
        ("", "it is empty"),
    ],
)
def test_a_table_of_groups_that_cannot_be_right_is_refused(tmp_path, capsys, table, said):
    fill(tmp_path / "own", "Aus", "Bus")
    (tmp_path / "groups.csv").write_text(table)
    assert prepare(*options(tmp_path, "--groups", tmp_path / "groups.csv")) == 1
    error = capsys.readouterr().err
    assert said in error and error.strip().endswith(("--groups", "group"))
    assert not (tmp_path / "set").exists()


def test_technique_is_guessed_when_asked_for(tmp_path):
    fill(tmp_path / "own", "Aus", "Bus")
    assert prepare(*options(tmp_path, "--guess_technique")) == 0
    assert {row.technique for row in manifest(tmp_path)} <= {"SEM", "LM"}


def test_own_pictures_are_not_judged_by_their_names(tmp_path):
    fill(tmp_path / "own", "Aus sp.", "Maps and drawings")
    assert prepare(*options(tmp_path)) == 0
    assert len(manifest(tmp_path)) == 10


def with_records(tmp_path):
    """Records of two families of the site, and own pictures of a species of one and of an unknown taxon."""
    for number, family in enumerate(("Noelaerhabdaceae", "Coccolithaceae")):
        names = [f"{family} {shot}.png" for shot in range(6)]
        record(tmp_path / "data", ["M", "Order", family, f"Genus{number}", f"Genus{number} one"], names)
        for shot, name in enumerate(names):
            write(tmp_path / "images", "M", name, 100 * number + 20 + shot)
    fill(tmp_path / "own", "My trip/Genus0 one", "Genus0 one/variety x", "Quite unknown", first=400)
    return ["--data", tmp_path / "data", "--images", tmp_path / "images", *options(tmp_path)]


def test_own_pictures_take_the_lineage_of_the_site_and_never_give_it_theirs(tmp_path):
    assert prepare(*with_records(tmp_path)) == 0
    known = described(tmp_path)["classes"]
    assert set(known) == {"Noelaerhabdaceae", "Coccolithaceae", "Quite unknown"}
    assert known["Noelaerhabdaceae"]["lineage"] == ["M", "Order", "Noelaerhabdaceae"]
    assert known["Noelaerhabdaceae"]["also"] == []
    assert known["Quite unknown"]["lineage"] == ["Quite unknown"]
    rows = {row.file: row for row in manifest(tmp_path)}
    assert rows["My trip/Genus0 one/shot 0.png"].label == "Noelaerhabdaceae"
    assert rows["Genus0 one/variety x/shot 0.png"].label == "Noelaerhabdaceae"
    assert rows["M/Coccolithaceae 0.png"].technique and not rows["Quite unknown/shot 0.png"].technique


def test_the_lowest_known_taxon_decides_and_of_homonyms_the_one_that_is_nearest():
    known = known_lineages([("M", "O", "Aus"), ("M", "P", "Aus"), ("M", "O", "Bus")])
    own = [
        ListedPicture("1", "1", (("P", "Aus"),), own=True),
        ListedPicture("2", "2", (("O", "aus", "new"),), own=True),
        ListedPicture("3", "3", (("Bus", "Nova"),), own=True),
        ListedPicture("4", "4", (("Nova",),), own=True),
    ]
    lineages = [picture.lineages[0] for picture in adopt_lineages(own, known)]
    assert lineages == [("M", "P", "Aus"), ("M", "O", "Aus", "new"), ("M", "O", "Bus", "Nova"), ("Nova",)]


def test_a_folder_without_pictures_says_what_is_wanted(tmp_path, capsys):
    (tmp_path / "own").mkdir()
    picture(1).save(tmp_path / "own" / "top.png")
    assert prepare(*options(tmp_path)) == 1
    error = capsys.readouterr().err
    assert "each class needs a sub-folder" in error and "top.png" in error and error.strip().endswith("--folder")
    assert prepare("--folder", tmp_path / "absent", "--train", tmp_path / "set") == 1
    assert "there is no directory" in capsys.readouterr().err


def test_where_there_are_no_records_the_command_for_own_pictures_is_reported(tmp_path, capsys):
    for data in ("absent", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert prepare("--data", tmp_path / data, "--train", tmp_path / "set") == 1
        assert "python prepare_image_model.py --folder DIR" in capsys.readouterr().err


def test_names_of_folders_are_made_harmless(tmp_path):
    own = tmp_path / "own"
    odd = ["line\nbreak", "\x1b[31mred", "\u202edrawkcab", "$\\frac{a}{b}$", "con", "Noe\u0308lius", "a" * 250]
    fill(own, *odd)
    latin = os.path.join(os.fsencode(own), "Bl\xe9tus".encode("latin-1"))  # noqa: PTH118 - bytes, not texts
    os.mkdir(latin)  # noqa: PTH102
    for number in range(3):
        picture(900 + number).save(Path(os.fsdecode(latin)) / f"{number}.png")
    assert prepare(*options(tmp_path)) == 0
    lineages = {tuple(facts["lineage"]) for facts in described(tmp_path)["classes"].values()}
    expected = {"line break", "[31mred", "drawkcab", "$\\frac{a}{b}$", "con", unicodedata.normalize("NFC", odd[5])}
    assert lineages == {(name,) for name in expected | {"Blétus"}}
    assert Counter(reason.split(":")[0] for reason in reasons(tmp_path).values()) == {"odd name": 5}
    with (tmp_path / "set" / "manifest.csv").open(encoding="utf-8", newline="") as table:
        lines = table.read().splitlines()
    assert len(list(csv.DictReader(lines))) == len(lines) - 1 == 33


@pytest.mark.slow
def test_a_deep_folder_is_left_out(tmp_path, nest):
    own = fill(tmp_path / "own", "Aus", "Bus")
    place = nest(own, 1_050)
    picture(77).save(place / "a.png")
    pictures, excluded, _ = list_own_pictures(own)
    assert len(pictures) == 10
    assert [left.reason.split(":")[0] for left in excluded] == ["odd name"]
    assert prepare(*options(tmp_path)) == 0


@pytest.mark.slow
def test_pages_are_reported_and_kept_for_training(tmp_path, capsys):
    own = fill(tmp_path / "own", "Aus", "Bus")
    frames = [picture(number) for number in (300, 301)]
    frames[0].save(own / "Aus" / "stack.tif", save_all=True, append_images=frames[1:])
    picture(301).save(own / "Aus" / "single.png")
    assert prepare(*options(tmp_path)) == 0
    assert "1 picture has several pages: Aus/stack.tif (2); page 1 of each is read" in capsys.readouterr().out
    assert described(tmp_path)["page"] == 1 and list(described(tmp_path)["pages"].values()) == [2]
    assert prepare(*options(tmp_path, "--page", 2)) == 0
    rows = {row.file: row.group for row in manifest(tmp_path)}
    assert rows["Aus/stack.tif"] == rows["Aus/single.png"]  # now they show the same
    assert prepare(*options(tmp_path, "--page", 3)) == 0
    assert "it has 2 pages, and page 3 is wanted" in reasons(tmp_path)["Aus/stack.tif"]


def test_the_data_set_may_lie_in_the_folder_itself(tmp_path):
    own = fill(tmp_path / "own", "Aus", "Bus")
    for _ in range(2):
        assert prepare("--folder", own, "--train", own) == 0
        assert len(read_manifest(own / "manifest.csv")) == 10


@pytest.mark.parametrize("wrong", [["--group_by", "folder"], ["--folder", "x", "--depth", "genus"], ["--page", "0"]])
def test_options_that_do_not_go_together(wrong):
    with pytest.raises(SystemExit) as stop:
        prepare(*wrong)
    assert stop.value.code == 2


def test_no_such_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        list_own_pictures(tmp_path / "absent")
