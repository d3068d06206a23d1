"""One way to list images: every file is an image, or left out with its reason."""

import os
import socket

import pytest
from PIL import Image

from common import folders
from common.errors import ToolkitError
from common.folders import FileFinder, ImageFile, comparable, files_below, is_litter, list_images
from common.image_folder import list_image_folder
from tests.drawn import picture


@pytest.fixture
def fill(tmp_path):
    """A function that makes empty files below a directory."""

    def fill(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        return tmp_path

    return fill


def names(listing):
    return [image.name for image in listing.images]


def reasons(listing):
    return {left.name: left.reason.split(":")[0] for left in listing.left_out}


def test_images_are_listed_at_any_depth_with_their_paths(fill):
    top = fill("b.png", "a/deep/c.JPG", "a/d.tiff")
    listing = list_images(top)
    assert listing.images == [ImageFile(name, top / name) for name in ("b.png", "a/d.tiff", "a/deep/c.JPG")]
    assert listing.left_out == [] and listing.directories == ["a", "a/deep"]


def test_the_order_is_that_of_names_whatever_the_disk_says(fill, monkeypatch):
    top = fill("2.png", "10.png", "z/1.png", "y/1.png")
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: sorted(scan(path), key=lambda entry: entry.name, reverse=True))
    assert names(list_images(top)) == ["10.png", "2.png", "y/1.png", "z/1.png"]


def test_every_other_file_is_left_out_with_its_reason(fill):
    top = fill("README.md", ".hidden.png", ".cache/a.png", "Thumbs.db", "no_suffix", "dir.png/a.txt", "ok.png")
    listing = list_images(top)
    assert names(listing) == ["ok.png"]
    assert reasons(listing) == {
        "README.md": "not a picture",
        ".hidden.png": "hidden",
        ".cache/a.png": "hidden",
        "Thumbs.db": "litter",
        "no_suffix": "not a picture",
        "dir.png/a.txt": "not a picture",
    }
    assert not any(left.unreadable for left in listing.left_out)


@pytest.mark.parametrize(
    "name",
    [
        *("Thumbs.db", "ehthumbs.db", "Desktop.ini", "Icon\r", "~$Table.png", "a.png.crdownload", "x.jpg.part"),
        *("a.png:Zone.Identifier", "@eaDir", "#recycle", "__MACOSX", "@Recycle", "$RECYCLE.BIN", "lost+found"),
        *("System Volume Information", "#snapshot", "Network Trash Folder", "SYNOPHOTO_THUMB_XL.jpg"),
    ],
)
def test_what_systems_leave_behind_is_litter(name):
    assert is_litter(name) and is_litter(name.upper())


@pytest.mark.parametrize("name", ["Thumbs", "desktop", "Recycled shells", "lost", "snapshot.png", "part.png", "eaDir"])
def test_names_that_are_only_like_litter_are_not(name):
    assert not is_litter(name)


def test_directories_of_litter_are_never_entered_and_their_files_are_named(fill, monkeypatch):
    top = fill("@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", "a/__MACOSX/b/._c.png", "#recycle/old.png", "a/b.png")
    listing = list_images(top)
    assert names(listing) == ["a/b.png"] and listing.directories == ["a"]
    assert set(reasons(listing).values()) == {"litter"} and len(listing.left_out) == 3
    monkeypatch.setattr(folders, "SHOWN", 0)
    left = next(left for left in list_images(top).left_out if left.name == "#recycle")
    assert "with 1 more file" in left.reason


def test_what_is_an_image_by_its_bytes_is_one_whatever_its_name(fill):
    top = fill("notes")
    for name, kind in (("no ending", "PNG"), ("a.png_large", "PNG"), ("b.jpg~", "JPEG"), ("c.tif.bak", "TIFF")):
        picture(1).save(top / name, kind)
    listing = list_images(top)
    assert names(listing) == ["a.png_large", "b.jpg~", "c.tif.bak", "no ending"]
    assert reasons(listing) == {"notes": "not a picture"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.HEIC", b"", "save it as JPEG"),
        ("phone", b"\0\0\0\x18ftypheic" + bytes(99), "HEIC"),
        ("scan.czi", b"", "ZEN"),
        ("scan", b"ZISRAWFILE" + bytes(99), "Zeiss"),
        ("stack.lif", b"", "Leica"),
        ("x.nd2", b"", "Nikon"),
        ("figure.eps", b"", "never opened"),
        ("figure", b"%!PS-Adobe-3.0 EPSF-3.0", "never opened"),
        ("raw.dng", b"", "raw"),
        ("drawing.emf", b"", "never opened"),
    ],
)
def test_formats_that_are_not_read_say_how_to_convert_them(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    ((left,),) = (list_images(tmp_path).left_out,)
    assert left.unreadable and left.reason.startswith("not read: ") and said in left.reason


def test_pipes_sockets_devices_and_links_to_nowhere_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "absent.png")
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tmp_path / "s.png"))
        listing = list_images(tmp_path)
    assert names(listing) == []
    assert reasons(listing) == {
        "pipe.png": "special file",
        "zero.jpg": "special file",
        "s.png": "special file",
        "nowhere.png": "link",
        "circle.png": "it cannot be opened",
    }


def test_what_is_to_be_skipped_is_skipped_however_it_is_named(fill, monkeypatch):
    top = fill("a.png", "out/b.png", "sheet.png", "deep/out/c.png")
    monkeypatch.chdir(top)
    listing = list_images(top, skip=[top / "deep" / ".." / "out", top / "sheet.png"])
    assert names(listing) == ["a.png", "deep/out/c.png"] and listing.left_out == []


def test_links_are_followed_each_directory_once(fill):
    top = fill("real/a.png")
    (top / "real" / "loop").symlink_to(top, target_is_directory=True)
    (top / "link.png").symlink_to(top / "real" / "a.png")
    listing = list_images(top)
    assert names(listing) == ["link.png", "real/a.png"]
    assert reasons(listing) == {"real/loop": "linked"}


@pytest.mark.slow
def test_a_thousand_directories_in_each_other_end_nothing(tmp_path, nest):
    place = nest(tmp_path, 1_100)
    Image.new("L", (9, 9)).save(place / "a.png")
    assert names(list_images(tmp_path)) == ["d/" * 1100 + "a.png"]
    assert [name for name, _ in files_below(tmp_path)] == ["d/" * 1100 + "a.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may open everything")
def test_a_directory_that_cannot_be_opened_is_a_fault(fill):
    top = fill("a.png", "closed/b.png")
    (top / "closed").chmod(0)
    try:
        listing = list_images(top)
    finally:
        (top / "closed").chmod(0o700)
    assert names(listing) == ["a.png"]
    (left,) = listing.left_out
    assert (left.name, left.reason, left.unreadable) == ("closed", "it cannot be opened: Permission denied", True)


def test_no_directory_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        list_images(tmp_path / "absent")


def test_files_are_found_in_either_unicode_form(fill):
    composed, decomposed = "Noe\u0308lius/\u017d.png", "No\u00ebl/Z\u030c.png"
    top = fill(composed, decomposed)
    finder = FileFinder(top)
    assert finder.find("No\u00eblius/\u017d.png") == top / composed
    assert finder.find("Noe\u0308l/\u017d.png") == top / decomposed
    assert finder.find(composed) == top / composed
    assert finder.find("noe\u0308lius/\u017d.png") is None  # this disk tells case apart


@pytest.mark.parametrize("name", ["n" * 300 + ".png", "a\0b.png", "absent.png", "dir", "\ud800.png"])
def test_what_no_disk_can_hold_is_not_found(fill, name):
    assert FileFinder(fill("dir/a.png")).find(name) is None


def test_an_image_folder_has_the_classes_of_its_directories(fill):
    top = fill("Bus/a.png", "Aus/c.png", "Aus/deep/b.png", "beside.png", ".hidden/d.png", "@eaDir/e.png")
    folder = list_image_folder(top)
    assert folder.classes == ["Aus", "Bus"]
    assert sorted(folder.samples) == [(top / "Aus/c.png", 0), (top / "Aus/deep/b.png", 0), (top / "Bus/a.png", 1)]
    assert {left.name for left in folder.left_out} == {"beside.png", ".hidden/d.png", "@eaDir/e.png"}
    assert folder.empty == []


def test_labels_count_the_classes_that_are_given(fill):
    folder = list_image_folder(fill("Bus/a.png"), ["Aus", "Bus"])
    assert [label for _, label in folder.samples] == [1] and folder.classes == ["Aus", "Bus"]


def test_classes_are_the_same_in_either_unicode_form(fill):
    composed, decomposed = "Zi\u017eka", "Ziz\u030cka"
    assert composed == comparable(decomposed) != decomposed
    top = fill(f"train/{composed}/a.png", f"validate/{decomposed}/b.png", f"both/{composed}/a.png")
    fill(f"both/{decomposed}/b.png")
    assert [label for _, label in list_image_folder(top / "validate", [composed]).samples] == [0]
    assert list_image_folder(top / "validate").classes == [composed]
    both = list_image_folder(top / "both")
    assert both.classes == [composed] and len(both.samples) == 2


def test_names_of_classes_are_harmless(fill):
    folder = list_image_folder(fill("line\nbreak/a.png", "\x1b[31mred/b.png", "$x_$/c.png"))
    assert folder.classes == ["$x_$", "\\x1b[31mred", "line\\nbreak"]
    assert [label for _, label in folder.samples] == [1, 0, 2]
    assert list_image_folder(fill("line\nbreak/d.png"), folder.classes).classes == folder.classes


def test_empty_classes_are_told(fill):
    top = fill("Aus/a.png", "Bus/notes.txt", "Cus/Thumbs.db")
    (top / "Dus").mkdir()
    assert list_image_folder(top).empty == ["Bus", "Cus", "Dus"]


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
