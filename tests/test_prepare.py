"""prepare_image_model.py as a whole: what becomes of records and pictures."""

import hashlib
import json
import os
import random
from collections import Counter
from dataclasses import asdict

import pytest
from PIL import Image

import common
import prepare_image_model as script
from common.names import picture_file
from dataset.audit import audit
from dataset.settings import PrepareSettings
from tests.drawn import SITE, picture, record, small_set, write
from tests.prepared import described, manifest, prepare, reasons


def test_hand_written_records_become_a_layout(tmp_path, capsys):
    assert prepare(*small_set(tmp_path)) == 0
    listed = manifest(tmp_path)
    assert len(listed) == 18
    assert Counter(row.split for row in listed) == {"train": 15, "validate": 3}
    for row in listed:
        image = tmp_path / "images" / row.file
        assert row.path.startswith(f"{row.split}/{row.label}/f")
        assert (tmp_path / "set" / row.path).samefile(image)
    known = described(tmp_path)
    assert list(known["classes"]) == ["Family0", "Family1", "Family2"]
    assert known["classes"]["Family1"]["hierarchy"] == ["M", "Order", "Family1"]
    assert known["classes"]["Family1"]["train"] == 5
    result = audit(tmp_path / "set")
    assert known["audit"] == asdict(result)
    assert not result.leaks
    with Image.open(tmp_path / "set" / "dataset.png") as sheet:
        assert sheet.width > 600
    printed = capsys.readouterr().out
    assert "18 pictures are listed, 18 are used, 0 are left out" in printed
    assert "33.3%" in printed


@pytest.mark.slow
def test_torchvision_reads_the_layout(tmp_path):
    datasets = pytest.importorskip("torchvision.datasets")
    assert prepare(*small_set(tmp_path)) == 0
    folder = datasets.ImageFolder(str(tmp_path / "set" / "train"))
    assert folder.classes == ["Family0", "Family1", "Family2"]
    assert len(folder) == 15


def test_a_picture_on_many_pages_is_used_once_and_its_folder_gives_the_class(tmp_path):
    options = small_set(tmp_path, families=2)
    content = record(tmp_path / "data", ["M"], [f"f0 specimen-{number}.png" for number in range(6)])
    record(tmp_path / "data", ["M", "Order"], [f"f1 specimen-{number}.png" for number in range(6)])
    url = content["samples"][0]["thumbs"][0]
    known = {url: {"lineage": ["M", "Other order", "Family1"], "file": "M/f0 specimen-0.png", "source": "Me 1999"}}
    record(tmp_path / "data", ["M"], ["f0 specimen-0.png"], pictures=known)
    assert prepare(*options) == 0
    listed = manifest(tmp_path)
    assert len({row.file for row in listed}) == len(listed) == 12
    moved = next(row for row in listed if row.file == "M/f0 specimen-0.png")
    assert (moved.label, moved.source) == ("Family1", "Me 1999")
    assert moved.lineage == ("M", "Other order", "Family1")


def test_what_is_left_out_and_why(tmp_path):
    options = small_set(tmp_path, families=2)
    data, images = tmp_path / "data", tmp_path / "images"
    place = ["M", "Order", "Family0"]
    odd = ["TypeFig Aus bus.png", "Fig52W photograph.png", "Map of the world.png", "broken.png", "tiny.png", "flat.png"]
    record(data, [*place, "Genus"], [*odd, "absent.png", "same.png"])
    record(data, [*place, "Genus", "Genus sp."], ["nobody knows.png"])
    record(data, ["M", "hidden", "deleted"], ["gone.png"])
    record(data, ["M", "Order"], ["shallow.png"])
    for number, name in enumerate([*odd, "nobody knows.png", "gone.png", "shallow.png"]):
        write(images, "M", name, 500 + number)
    (images / "M" / "broken.png").write_bytes(b"\xff\xd8 no picture")
    Image.new("L", (9, 90)).save(images / "M" / "tiny.png")
    Image.new("L", (90, 90), 77).save(images / "M" / "flat.png")
    (images / "M" / "same.png").write_bytes((images / "M" / "f0 specimen-1.png").read_bytes())
    assert prepare(*options) == 0
    found = {name.removeprefix("M/"): reason.split(":")[0] for name, reason in reasons(tmp_path).items()}
    assert found == {
        "TypeFig Aus bus.png": "drawing",
        "Map of the world.png": "drawing",
        "broken.png": "corrupt",
        "tiny.png": "too small",
        "flat.png": "one colour",
        "absent.png": "missing file",
        "same.png": "same bytes",
        "nobody knows.png": "unidentified",
        "gone.png": "hidden",
        "shallow.png": "no entry at depth 3",
    }
    assert any(row.file == "M/Fig52W photograph.png" for row in manifest(tmp_path))
    assert prepare(*options, "--keep_drawings", "--keep_unidentified") == 0
    assert len(reasons(tmp_path)) == 7


def test_near_duplicates_of_two_classes_are_a_conflict_and_of_one_a_group(tmp_path):
    options = small_set(tmp_path, families=3)
    images = tmp_path / "images" / "M"
    picture(0).transpose(Image.Transpose.ROTATE_90).save(images / "f1 specimen-0.png")
    picture(12).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(images / "f2 specimen-5.png")
    (images / "f1 specimen-2.png").write_bytes((images / "f0 specimen-2.png").read_bytes())
    assert prepare(*options) == 0
    left = reasons(tmp_path)
    assert set(left) == {f"M/f{family} specimen-{number}.png" for family in (0, 1) for number in (0, 2)}
    assert all(reason.startswith("conflict:") for reason in left.values())
    group = {row.file: row.group for row in manifest(tmp_path)}
    assert group["M/f2 specimen-0.png"] == group["M/f2 specimen-5.png"]
    assert len(set(group.values())) == len(group) - 1


def test_every_source_stays_in_one_split_and_a_reprint_joins_none(tmp_path):
    names = [f"{source}-{number}.png" for source in "abcd" for number in range(4)]
    for family in ("F0", "F1"):
        own = [f"{family}{name}" for name in names]
        facts = {f"{SITE}/M/thumbs/{name}": {"source": f"Collection {name[2]}"} for name in own}
        record(tmp_path / "data", ["M", "O", family], own, pictures=facts)
        for number, name in enumerate(own):
            write(tmp_path / "images", "M", name, 200 + 20 * int(family[1]) + number)
    (tmp_path / "images" / "M" / "F0b-0.png").unlink()
    picture(200).transpose(Image.Transpose.ROTATE_180).save(tmp_path / "images" / "M" / "F0b-0.png")
    where = ["--data", tmp_path / "data", "--images", tmp_path / "images", "--train", tmp_path / "set"]
    assert prepare(*where, "--group_by", "source", "--validate_share", 0.25) == 0
    splits = {}
    for row in manifest(tmp_path):
        splits.setdefault(row.source, set()).add(row.split)
    assert sorted(map(len, splits.values())) == [1, 1, 1, 1]
    assert list(reasons(tmp_path)) == ["M/F0b-0.png"]


def test_limits_leave_something_on_both_sides(tmp_path):
    options = small_set(tmp_path, families=4)
    for number in range(6, 8):
        record(tmp_path / "data", ["M", "Order", "Family2", f"G{number}"], [f"more {number}.png"])
        record(tmp_path / "data", ["M", "Order", "Family3", f"G{number}"], [f"other {number}.png"])
        write(tmp_path / "images", "M", f"more {number}.png", 300 + number)
        write(tmp_path / "images", "M", f"other {number}.png", 310 + number)
    assert prepare(*options, "--class_limit", 2, "--sample_limit", 3) == 0
    counts = Counter((row.label, row.split) for row in manifest(tmp_path))
    assert counts == {
        ("Family2", "train"): 2,
        ("Family2", "validate"): 1,
        ("Family3", "train"): 2,
        ("Family3", "validate"): 1,
    }
    assert described(tmp_path)["counts"]["reasons"] == {"class limit": 12, "sample limit": 10}


def test_rare_classes_are_dropped_or_pooled(tmp_path):
    options = small_set(tmp_path, families=2)
    for number in range(3):
        record(tmp_path / "data", ["M", "Order", f"Rare{number}"], [f"r{number}.png"])
        write(tmp_path / "images", "M", f"r{number}.png", 400 + number)
    assert prepare(*options) == 0
    assert set(described(tmp_path)["classes"]) == {"Family0", "Family1"}
    assert described(tmp_path)["counts"]["reasons"] == {"too few pictures": 3}
    assert prepare(*options, "--rare", "pool") == 0
    assert described(tmp_path)["classes"]["other Order"]["train"] == 2


def test_ranks_by_name_and_types_held_out(tmp_path):
    options = small_set(tmp_path, families=2)
    for family in range(2):
        path = tmp_path / "data" / "M" / f"M-Order-Family{family}.json"
        content = json.loads(path.read_text())
        urls = content["samples"][0]["thumbs"]
        content["page"] = {"rank": "Family"}
        content["pictures"] = {url: {"status": "holotype" if url == urls[3] else "-"} for url in urls}
        path.write_text(json.dumps(content))
    assert prepare(*options, "--depth", "family", "--hold_out_types", "--seed", 5) == 0
    listed = manifest(tmp_path)
    assert len(listed) == 12
    assert {row.split for row in listed if row.status == "holotype"} == {"validate"}
    assert prepare(*options, "--depth", "tribe") == 1


def test_only_one_technique(tmp_path):
    options = small_set(tmp_path, families=1, each=9)
    for number in range(4):
        path = tmp_path / "images" / "M" / f"f0 specimen-{number}.png"
        Image.merge("RGB", [picture(number), picture(number + 50), picture(number)]).save(path)
    assert prepare(*options, "--technique", "LM", "--min_samples", 4) == 0
    assert {row.technique for row in manifest(tmp_path)} == {"LM"}
    assert len(manifest(tmp_path)) >= 4


@pytest.mark.slow
def test_the_same_bytes_whatever_the_order_and_another_split_for_another_seed(tmp_path, monkeypatch):
    options = small_set(tmp_path, families=3, each=12)
    assert prepare(*options) == 0
    first = (tmp_path / "set" / "manifest.csv").read_bytes()
    walk = os.walk

    def shuffled(*args, **kwargs):
        for directory, subdirectories, names in walk(*args, **kwargs):
            random.shuffle(subdirectories)
            random.shuffle(names)
            yield directory, subdirectories, names

    monkeypatch.setattr(os, "walk", shuffled)
    assert prepare(*options) == 0
    assert (tmp_path / "set" / "manifest.csv").read_bytes() == first
    assert prepare(*options, "--seed", 1) == 0
    assert (tmp_path / "set" / "manifest.csv").read_bytes() != first


def test_one_module_may_be_given_and_local_names_listed(tmp_path):
    record(tmp_path / "data", ["M", "O", "F"], [])
    content = {"hierarchy": ["M", "O", "F"], "samples": [{"taxon": "F", "thumbs": [f"M/{n}.png" for n in range(5)]}]}
    (tmp_path / "data" / "local.json").write_text(json.dumps(content))
    for number in range(5):
        write(tmp_path / "images", "M", f"{number}.png", number)
    where = ["--data", tmp_path / "data", "--images", tmp_path / "images" / "M", "--train", tmp_path / "set"]
    assert prepare(*where) == 0
    assert len(manifest(tmp_path)) == 5


def test_names_that_differ_in_case_and_hostile_names(tmp_path):
    options = small_set(tmp_path, families=1)
    names = ["x.png", "X.png", "x.JPG", "con.png", "ends with blank .png", "a?b.png", "ü–×.png"]
    for label in ("family0", "CON", "..", "a/b"):
        record(tmp_path / "data", ["M", "Order", label], [f"{ord(label[-1])}{name}" for name in names])
    out = {
        "hierarchy": ["M", "Order", "Out"],
        "samples": [{"taxon": "x", "thumbs": ["../../etc/passwd", "/etc/passwd"]}],
    }
    (tmp_path / "data" / "out.json").write_text(json.dumps(out))
    for start, label in ((0, "0"), (20, "N"), (40, "."), (60, "b")):
        for number, name in enumerate(names):
            file = picture_file(f"{SITE}/M/thumbs/{ord(label)}{name}")
            write(tmp_path / "images", "M", file.removeprefix("M/"), 800 + start + number)
    assert prepare(*options) == 0
    listed = manifest(tmp_path)
    assert len({row.path.casefold() for row in listed}) == len(listed) >= 30
    for row in listed:
        assert (tmp_path / "set" / row.path).resolve().is_relative_to((tmp_path / "set").resolve())
    assert len({row.label for row in listed}) == 5
    assert reasons(tmp_path)["../../etc/passwd"].startswith("no file name")


def test_the_settings_are_those_of_the_command_line_and_are_recorded(tmp_path):
    assert script.read_settings([]) == PrepareSettings()
    assert prepare(*small_set(tmp_path), "--depth", "3", "--min_samples", "3") == 0
    known, places = described(tmp_path), {"data": "", "images": "", "train": ""}
    assert known["options"] | places == vars(PrepareSettings(depth=3, min_samples=3)) | places
    assert (known["made_by"], known["version"], known["depth"]) == ("prepare_image_model.py", common.__version__, 3)
    assert known["hash"] == hashlib.sha256((tmp_path / "set" / "manifest.csv").read_bytes()).hexdigest()
