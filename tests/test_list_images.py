"""One way to list images: by their endings, in the order of their names, hidden ones passed over."""

import os

import pytest

from common.errors import ToolkitError
from common.images import ImageFile, list_image_folder, list_images


@pytest.fixture
def fill(tmp_path):
    """A function that makes empty files below a directory."""

    def fill(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        return tmp_path

    return fill


def names(found):
    images, faults = found
    assert faults == {}
    return [image.name for image in images]


def test_images_are_listed_at_any_depth_with_their_paths(fill):
    top = fill("b.png", "a/deep/c.JPG", "a/d.tiff")
    images, faults = list_images(top)
    assert images == [ImageFile(name, top / name) for name in ("b.png", "a/d.tiff", "a/deep/c.JPG")]
    assert faults == {}


def test_the_order_is_that_of_names_whatever_the_disk_says(fill, monkeypatch):
    top = fill("2.png", "10.png", "z/1.png", "y/1.png")
    walk = os.walk

    def backwards(*args, **options):
        for place, below, files in walk(*args, **options):
            below.sort(reverse=True)
            yield place, below, sorted(files, reverse=True)

    monkeypatch.setattr(os, "walk", backwards)
    assert names(list_images(top)) == ["10.png", "2.png", "y/1.png", "z/1.png"]


def test_other_files_hidden_ones_and_directories_named_like_images_are_passed_over(fill):
    top = fill(
        "README.md", "dataset.json", ".hidden.png", ".cache/a.png", "Thumbs.db", "no_suffix", "dir.png/a.txt", "ok.png"
    )
    assert names(list_images(top)) == ["ok.png"]


def test_what_is_to_be_skipped_is_skipped_however_it_is_named(fill, monkeypatch):
    top = fill("a.png", "out/b.png", "sheet.png", "deep/out/c.png")
    monkeypatch.chdir(top)
    assert names(list_images(top, skip=[top / "deep" / ".." / "out", top / "sheet.png"])) == ["a.png", "deep/out/c.png"]


def test_links_are_followed_each_directory_once(fill):
    top = fill("real/a.png")
    (top / "real" / "loop").symlink_to(top, target_is_directory=True)
    (top / "link.png").symlink_to(top / "real" / "a.png")
    (top / "dangling.png").symlink_to(top / "absent.png")
    assert names(list_images(top)) == ["link.png", "real/a.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may open everything")
def test_a_directory_that_cannot_be_opened_is_a_fault(fill):
    top = fill("a.png", "closed/b.png")
    (top / "closed").chmod(0)
    try:
        images, faults = list_images(top)
    finally:
        (top / "closed").chmod(0o700)
    assert [image.name for image in images] == ["a.png"]
    assert faults == {"closed": "it cannot be opened: Permission denied"}


def test_no_directory_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        list_images(tmp_path / "absent")


def test_an_image_folder_has_the_classes_of_its_directories(fill):
    top = fill("Bus/a.png", "Aus/c.png", "Aus/deep/b.png", "beside.png", ".hidden/d.png")
    samples, classes = list_image_folder(top)
    assert classes == ["Aus", "Bus"]
    assert sorted(samples) == [(top / "Aus/c.png", 0), (top / "Aus/deep/b.png", 0), (top / "Bus/a.png", 1)]


def test_labels_count_the_classes_that_are_given(fill):
    samples, classes = list_image_folder(fill("Bus/a.png"), ["Aus", "Bus"])
    assert [label for _, label in samples] == [1] and classes == ["Aus", "Bus"]


@pytest.mark.parametrize(
    ("files", "classes", "said"),
    [
        (["a.png"], None, "holds no classes"),
        (["Aus/README"], None, "hold no pictures"),
        (["Aus/a.png"], ["Bus"], "has the class Aus, which is "),
    ],
)
def test_what_is_no_image_folder_says_why(fill, files, classes, said):
    with pytest.raises((FileNotFoundError, ValueError, ToolkitError), match=said):
        list_image_folder(fill(*files), classes)
