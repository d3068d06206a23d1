"""Directories that are whole or absent."""

import pytest

from common.directories import whole_directory
from common.errors import ToolkitError

NAMES = ("a", "b")


def make(place, text):
    with whole_directory(place, NAMES, "export") as directory:
        (directory / "a").write_text(text)
        assert not place.exists() or (place / "a").read_text() != text  # not before all of it is there


def test_it_appears_as_a_whole(tmp_path):
    make(tmp_path / "below" / "place", "first")
    assert (tmp_path / "below" / "place" / "a").read_text() == "first"
    assert [entry.name for entry in (tmp_path / "below").iterdir()] == ["place"]


def test_a_former_one_is_replaced(tmp_path):
    make(tmp_path / "place", "first")
    (tmp_path / "place" / "b").write_text("of the first alone")
    make(tmp_path / "place", "second")
    assert [entry.name for entry in (tmp_path / "place").iterdir()] == ["a"]
    assert (tmp_path / "place" / "a").read_text() == "second"


def test_where_it_fails_the_former_one_stays(tmp_path):
    make(tmp_path / "place", "first")
    with pytest.raises(RuntimeError), whole_directory(tmp_path / "place", NAMES, "export") as directory:
        (directory / "a").write_text("second")
        raise RuntimeError
    assert [entry.name for entry in tmp_path.iterdir()] == ["place"]
    assert (tmp_path / "place" / "a").read_text() == "first"


def test_other_files_are_not_touched(tmp_path):
    make(tmp_path / "place", "first")
    (tmp_path / "place" / "mine").write_text("mine")
    with pytest.raises(ToolkitError, match="holds other files, such as mine") as raised:
        make(tmp_path / "place", "second")
    assert raised.value.settings == ("export",)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ToolkitError, match="is a file"):
        make(tmp_path / "file", "second")
    assert (tmp_path / "file").read_text() == "mine" and len(list(tmp_path.iterdir())) == 2


def test_two_at_once_are_refused(tmp_path):
    with (
        pytest.raises(ToolkitError, match="another run"),
        whole_directory(tmp_path / "place", NAMES, "export"),
        whole_directory(tmp_path / "place", NAMES, "export"),
    ):
        pass


def test_what_a_killed_run_has_moved_out_comes_back(tmp_path):
    hidden = tmp_path / ".place.making"
    (hidden / "old").mkdir(parents=True)
    (hidden / "old" / "a").write_text("first")
    (hidden / "new").mkdir()
    with pytest.raises(RuntimeError), whole_directory(tmp_path / "place", NAMES, "export") as directory:
        assert (tmp_path / "place" / "a").read_text() == "first" and not list(directory.iterdir())
        raise RuntimeError
    assert (tmp_path / "place" / "a").read_text() == "first"
