"""The data set on disk: names, links, and what must not be replaced."""

from dataclasses import replace

import pytest

from common.dataset_info import ClassInfo, DatasetInfo, write_dataset_info
from common.errors import ToolkitError
from common.manifest import write_manifest
from dataset import layout
from tests.drawn import described, write


def place(tmp_path, names=("a.png",), link="hard", labels=("F",)):
    images = tmp_path / "images"
    pictures = [
        replace(described(f"M/{name}", ("M", "O", label)), split="train", source=images / "M" / name)
        for name in names
        for label in labels
    ]
    for number, name in enumerate(names):
        write(tmp_path / "images", "M", name, number)
    return layout.place_pictures(tmp_path / "set", pictures, link)


def finish(tmp_path, names=("a.png",)):
    """Build and swap in a data set of these pictures; return the paths below it."""
    new, placed, _ = place(tmp_path, names)
    write_manifest(new / "manifest.csv", map(layout.manifest_row, placed))
    write_dataset_info(new / "dataset.json", DatasetInfo({"F": ClassInfo(("M", "O", "F"))}))
    layout.swap_in(tmp_path / "set")
    return {picture.path for picture in placed}


def files(top):
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}


@pytest.mark.parametrize("link", ["hard", "copy", "symbolic"])
def test_links(tmp_path, link):
    new, (picture,), copied = place(tmp_path, link=link)
    path, source = new / picture.path, tmp_path / "images" / picture.file
    assert path.is_symlink() == (link == "symbolic")
    assert path.samefile(source) == (link != "copy")
    assert (path.read_bytes(), copied) == (source.read_bytes(), 0)


def test_where_no_link_can_be_made_a_copy_is_and_is_counted(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    new, placed, copied = place(tmp_path, ["a.png", "b.png"])
    assert copied == 2
    assert all((new / picture.path).read_bytes() for picture in placed)


def test_names_of_files_differ_whatever_the_disk_and_have_a_suffix_that_torchvision_reads(tmp_path):
    names = ["x.png", "X.png", "x.PNG", "con.png", "scan.jp2", "no suffix"]
    top = tmp_path / "images" / "M"
    pictures = [replace(described(f"M/{name}"), split="train", source=top / name) for name in names]
    for name in names:
        write(tmp_path / "images", "M", name, 1)
    _, placed, _ = layout.place_pictures(tmp_path / "set", pictures, "copy")
    assert len({picture.path.casefold() for picture in placed}) == len(names)
    assert {picture.path.rpartition(".")[2].lower() for picture in placed} == {"png"}
    assert all(picture.path.startswith("train/F/") for picture in placed)


def test_directories_of_classes_differ_on_a_disk_that_ignores_case():
    directories = layout.class_directories(["Aus", "aus", "CON", "..", "a/b", "a_b"])
    assert directories["Aus"] == "Aus"
    assert len({name.casefold() for name in directories.values()}) == 6
    assert not any(set(name) & set("/\\") or name in (".", "..") for name in directories.values())


def test_an_own_data_set_is_replaced_as_a_whole(tmp_path):
    top = tmp_path / "set"
    finish(tmp_path, ["a.png", "b.png"])
    (top / "train" / "F" / ".DS_Store").write_text("litter")
    layout.check_place(top)
    listed = finish(tmp_path, ["c.png"])
    assert files(top) == listed | {"manifest.csv", "dataset.json"}
    assert sorted(path.name for path in top.iterdir()) == ["dataset.json", "manifest.csv", "train"]


@pytest.mark.parametrize("foreign", ["train/F/mine.txt", "validate/mine.png", "test/mine"])
def test_a_file_of_somebody_else_in_an_own_data_set_is_never_thrown_away(tmp_path, foreign):
    top = tmp_path / "set"
    listed = finish(tmp_path)
    (top / foreign).parent.mkdir(parents=True, exist_ok=True)
    (top / foreign).write_text("mine")
    with pytest.raises(ToolkitError, match=r"mine.* was not made by prepare_image_model") as error:
        layout.check_place(top)
    assert error.value.settings == ("train",)
    assert files(top) == listed | {"manifest.csv", "dataset.json", foreign}


@pytest.mark.parametrize("content", ["{", "[]", '{"made_by": "somebody", "classes": {}}', '{"classes": {}}'])
def test_a_dataset_json_of_somebody_else_is_not_replaced(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(ToolkitError, match=r"dataset\.json was not made by"):
        layout.check_place(tmp_path)
    assert (tmp_path / "dataset.json").read_text() == content


def test_empty_directories_are_nobodys(tmp_path):
    (tmp_path / "train" / "empty").mkdir(parents=True)
    layout.check_place(tmp_path)


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "set").write_text("mine")
    with pytest.raises(ToolkitError, match="is a file"):
        layout.check_directory(tmp_path / "set")


def test_what_appears_during_the_swap_is_not_overwritten(tmp_path):
    top = tmp_path / "set"
    place(tmp_path)
    (top / layout.BUILDING).rename(top / layout.ENTERING)
    (top / "train").mkdir()
    with pytest.raises(ToolkitError, match="appeared while"):
        layout.recover(top)
    (top / "train").rmdir()
    layout.recover(top)
    assert {path.split("/")[0] for path in files(top)} == {"train"}
