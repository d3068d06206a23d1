"""Places that are tried before there is anything to lose, copies, leftovers, and locks."""

import os

import pytest

from common.errors import ToolkitError
from common.files import check_writable, clear_leftovers, copy_whole, write_text
from common.locks import exclusive_lock


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path):
    (tmp_path / "model").write_text("mine")
    check_writable([tmp_path / "model", tmp_path / "model.last"], "save_model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"] and (tmp_path / "model").read_text() == "mine"
    check_writable([tmp_path / "new" / "below" / "model"], "save_model")
    assert list((tmp_path / "new" / "below").iterdir()) == []


@pytest.mark.parametrize("name", ["taken", "file/model", "x" * 256])
def test_a_place_that_cannot_be_written_is_named(tmp_path, name):
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ToolkitError) as refused:
        check_writable([tmp_path / "fine" if "/" not in name else tmp_path / name, tmp_path / name], "save_model")
    assert refused.value.settings == ("save_model",) and str(tmp_path / name.partition("/")[0]) in str(refused.value)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="may write everywhere")
def test_a_directory_that_must_not_be_written_to_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ToolkitError, match="cannot be written to"):
        check_writable([tmp_path / "model"], "save_model")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("links", [True, False])
def test_a_copy_stays_when_the_file_is_replaced(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr("pathlib.Path.hardlink_to", lambda *_: (_ for _ in ()).throw(OSError))
    write_text(tmp_path / "a", "first")
    copy_whole(tmp_path / "a", tmp_path / "b")
    write_text(tmp_path / "a", "second")
    assert (tmp_path / "b").read_text() == "first"


def test_only_parts_of_the_named_files_are_cleared_away(tmp_path):
    long = "y" * 80
    ours = [".a.abcd1234.part", f".{long[:60]}.abcd_123.part"]
    others = [".a.b.abcd1234.part", ".b.abcd1234.part", ".a.part", ".a.abcd1234.txt"]
    for name in (*ours, *others):
        (tmp_path / name).touch()
    clear_leftovers(tmp_path, ["a", long])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_what_is_guarded_is_named_and_its_lock_goes_with_it(tmp_path):
    hidden = tmp_path / ".model.training"
    for _ in range(2):
        with (
            exclusive_lock(hidden, tmp_path / "model"),
            pytest.raises(ToolkitError, match=r"another run is writing .*/model; let it finish"),
            exclusive_lock(hidden, tmp_path / "model"),
        ):
            pass
        assert list(tmp_path.iterdir()) == []
        hidden.mkdir()  # as a killed run leaves it
