"""prepare_image_model.py and what it cannot do: one sentence, the right status, and nothing changed."""

import re
import subprocess
import sys

import pytest

import prepare_image_model as script
from common.errors import ToolkitError
from dataset.settings import PrepareSettings
from tests.drawn import small_set
from tests.prepared import described, prepare


def test_foreign_things_are_refused_and_kept(tmp_path, capsys):
    options = small_set(tmp_path)
    own = tmp_path / "set" / "train" / "mine.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert prepare(*options) == 1
    assert "was not made by prepare_image_model.py" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "set").rglob("*")] == ["train", "mine.txt"]
    own.unlink()
    assert prepare(*options) == 0
    own.write_text("mine")
    before = sorted((tmp_path / "set").rglob("*"))
    assert prepare(*options, "--seed", 3) == 1
    assert sorted((tmp_path / "set").rglob("*")) == before
    assert described(tmp_path)["seed"] == 0


@pytest.mark.parametrize(
    "break_it", ["no data", "no images", "empty", "not json", "wrong types", "no files", "too deep"]
)
def test_bad_input_is_one_sentence_and_nothing_is_written(tmp_path, capsys, break_it):
    options = small_set(tmp_path)
    data = tmp_path / "data"
    if break_it == "no images":
        (tmp_path / "images").rename(tmp_path / "elsewhere")
    elif break_it == "no files":
        for path in (tmp_path / "images" / "M").iterdir():
            path.unlink()
    elif break_it == "too deep":
        options += ["--depth", "7"]
    else:
        content = {"not json": "{", "wrong types": '{"hierarchy": "M", "samples": 3}'}
        for path in data.rglob("*.json"):
            path.write_text(content[break_it]) if break_it in content else path.unlink()
        if break_it == "no data":
            (data / "M").rmdir()
            data.rmdir()
    assert prepare(*options) == 1
    said = capsys.readouterr()
    assert said.out == ""
    message = [line for line in said.err.splitlines() if "picture/s" not in line]
    assert len(message) == 1 and message[0].startswith("prepare_image_model.py: ")
    expected = {"too deep": "3 (3 classes)", "no files": "scrape_mikrotax.py", "not json": "not JSON"}
    assert expected.get(break_it, str(tmp_path)) in message[0]
    option = {"no images": "--images", "too deep": "--depth", "no files": ""}.get(break_it, "--data")
    assert message[0].endswith(f"; try another {option}") or not option
    assert not (tmp_path / "set").exists()


def test_a_broken_record_among_good_ones_is_reported(tmp_path, capsys):
    options = small_set(tmp_path)
    (tmp_path / "data" / "broken.json").write_text('{"hierarchy": ["M"], "samples": [{"thumbs": 3}]}')
    (tmp_path / "data" / "foreign.json").write_text('{"cited": true}')
    (tmp_path / "data" / ".pages").mkdir()
    (tmp_path / "data" / ".pages" / "raw.json").write_text("{")
    assert prepare(*options) == 0
    printed = capsys.readouterr().out
    assert "broken.json is no usable record" in printed
    assert "foreign.json" not in printed
    assert "raw.json" not in printed


@pytest.mark.parametrize("options", [["--validate_share", "0"], ["--test_share", "0.9"], ["--depth", "0"], ["--what"]])
def test_a_wrong_command_line_is_status_2(options, capsys):
    with pytest.raises(SystemExit) as stop:
        script.main(options)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--help"], ["--version"], ["--rare", "eat"], ["--validate_share", "0.9", "--test_share", "0.2"]]
)
def test_help_and_mistakes_import_nothing_that_takes_long(options):
    run = subprocess.run(
        [sys.executable, "-X", "importtime", script.__file__, *options], capture_output=True, text=True, check=False
    )
    imported = set(re.findall(r"\| +(\w+)$", run.stderr, re.MULTILINE))
    assert "argparse" in imported and not imported & {"numpy", "scipy", "PIL", "matplotlib", "torch", "tqdm"}
    assert run.returncode == (0 if options[0] in ("--help", "--version") else 2)


@pytest.mark.parametrize("name", ["data", "images", "folder", "corrections", "groups", "like"])
def test_what_is_not_there_is_reported_before_anything_is_read_or_imported(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "dataset.prepare", None)  # to import it now is an error
    inputs = {"data": tmp_path, "images": tmp_path, "folder": tmp_path, name: tmp_path / "absent"}
    with pytest.raises(ToolkitError, match=r"there is no .*absent") as error:
        script.work(PrepareSettings(**inputs))
    assert error.value.settings == (name,)


def test_the_manifest_to_split_alike_is_found_in_its_data_set_too(tmp_path):
    with pytest.raises(ToolkitError, match="there is no manifest"):
        PrepareSettings(data=None, like=tmp_path).check_inputs()
    (tmp_path / "manifest.csv").touch()
    PrepareSettings(data=None, like=tmp_path).check_inputs()


@pytest.mark.parametrize("depth", ["", "  ", "0", "-1", "1.5"])
def test_a_depth_is_a_number_from_1_on_or_a_rank(depth, capsys):
    with pytest.raises(SystemExit):
        script.read_settings([f"--depth={depth}"])
    assert "must be a number from 1 on, or a rank such as family" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", "x", "9" * 30])
def test_a_seed_is_a_whole_number_of_0_or_more(seed, capsys):
    with pytest.raises(SystemExit):
        script.read_settings([f"--seed={seed}"])
    assert "must be a whole number of 0 or more" in capsys.readouterr().err
