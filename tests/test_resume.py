"""Runs that go on: without their options, for longer, after kills; and runs that must not."""

import random
import re
import sys
import time

import pytest
import torch

import train_classifier
from common.errors import ToolkitError
from common.locks import exclusive_lock
from models.checkpoint import load_checkpoint, load_tensors, save_tensors
from tests.processes import Script
from tests.tiny import write_image_folders
from tests.training_runs import SCRIPT, SMALL, history, interrupt_when, settings, train
from training import sampling

pytestmark = pytest.mark.slow

EXACT = [*SMALL, "--precision", "fp32", "--image_size", "40", "--batch_size", "4"]
OTHER = ["--learning_rate", "0.004", "--balance", "weights", "--label_smoothing", "0.1", "--seed", "5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tiny images, and a run of four epochs that nothing interrupted, with options that are no defaults."""
    directory = write_image_folders(tmp_path_factory.mktemp("resume"), train=2, validate=2)
    run = train(directory, *EXACT, *OTHER, "--epochs", "4", "--save_model", "whole/model")
    assert run.status == 0, run.stderr
    return directory


def same_model(one, other):
    mine, its = (load_checkpoint(path) for path in (one, other))
    return mine.scores == its.scores and all(torch.equal(mine.weights[name], its.weights[name]) for name in its.weights)


def test_a_run_is_resumed_without_its_options(folder, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_when(patch, lambda trainer: trainer.epoch == 2)
        stopped = train(folder, *EXACT, *OTHER, "--epochs", "4", "--save_model", "bare/model")
    assert stopped.status == 130 and "the finished epochs are saved, and --resume goes on after them" in stopped.stderr
    run = train(folder, "--resume", "--save_model", "bare/model")
    assert run.status == 0, run.stderr
    assert history(folder / "bare") == history(folder / "whole")
    assert same_model(folder / "bare" / "model", folder / "whole" / "model")


def test_options_that_do_not_agree_are_all_named(folder):
    line = ["--resume", "--save_model", "whole/model", *OTHER[:4], "--seed", "6", "--image_size", "48"]
    run = train(folder, *line)
    assert run.status == 1
    assert "whole/model.last was saved by a run with image_size 40, not 48, with seed 5, not 6; a run is" in run.stderr
    fewer = train(folder, "--resume", "--save_model", "whole/model", "--epochs", "3")
    assert fewer.status == 1 and "with epochs 4, not 3" in fewer.stderr


def test_a_default_that_is_given_must_agree_too(folder):
    run = train(folder, "--resume", "--save_model", "whole/model", "--batch_size", "32")
    assert run.status == 1 and "with batch_size 4, not 32" in run.stderr


def test_more_epochs_lengthen_a_finished_run(folder, monkeypatch):
    """The rate then falls along the cosine of all epochs; what is learnt after an interruption is the same."""
    before = history(folder / "whole")
    monkeypatch.setattr(sampling, "STEPS_PER_EPOCH", 30)  # so that one of these epochs is the best
    for name in ("whole", "copy"):
        (folder / f"long-{name}").mkdir()
        for path in (folder / "whole").iterdir():
            (folder / f"long-{name}" / path.name).write_bytes(path.read_bytes())
        run = train(folder, "--resume", "--save_model", f"long-{name}/model", "--epochs", "6")
        assert run.status == 0, run.stderr
    rows = history(folder / "long-whole")
    assert rows[:4] == before and [row["epoch"] for row in rows[4:]] == ["5", "6"]
    assert float(rows[4]["learning_rate"]) > float(rows[3]["learning_rate"]) > 0
    assert rows == history(folder / "long-copy") and same_model(folder / "long-whole/model", folder / "long-copy/model")
    assert load_checkpoint(folder / "long-whole" / "model").options["epochs"] == 6
    assert not (folder / "long-whole" / "model.previous").exists()


def test_folds_are_not_lengthened():
    saved = settings("--folds", "3", "--epochs", "4")
    wanted = train_classifier.read_settings(["--resume", "--epochs", "8"])
    with pytest.raises(ToolkitError, match="with epochs 4, not 8"):
        wanted.resumed(saved.recorded() | saved.places())


def test_pictures_that_were_moved_are_given_anew(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_when(patch, lambda trainer: trainer.epoch == 1)
        line = ["--directory", folder, *EXACT, *OTHER, "--epochs", "4"]
        assert train(tmp_path, *line).status == 130
    assert load_tensors(tmp_path / "model.last")["settings"]["directory"] == str(folder)
    last = load_tensors(tmp_path / "model.last")
    last["settings"]["directory"] = "elsewhere"
    save_tensors(tmp_path / "model.last", last)
    lost = train(tmp_path, "--resume")
    assert lost.status == 1 and "there is no directory elsewhere/train" in lost.stderr
    assert train(tmp_path, "--resume", "--directory", folder).status == 0
    assert history(tmp_path) == history(folder / "whole")


def test_ctrl_c_before_the_first_epoch_promises_nothing(folder, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("training.trainer.Trainer.train_epoch", interrupt)
    run = train(tmp_path, "--directory", folder, *EXACT, "--epochs", "4")
    assert run.status == 130 and "interrupted before anything was learnt" in run.stderr
    assert "saved" not in run.stderr and list(tmp_path.iterdir()) == []


def test_a_second_run_of_one_model_is_refused(folder, tmp_path):
    line = ["--directory", folder, *EXACT, "--epochs", "4"]
    with exclusive_lock(tmp_path / ".model.training"):
        for more in ([], ["--resume"]):
            (tmp_path / "model.last").write_bytes(b"")
            run = train(tmp_path, *line, *more)
            assert run.status == 1 and "another run is writing model; let it finish" in run.stderr
        assert train(tmp_path, *line, "--save_model", "another", "--epochs", "1").status == 0
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("place", ["plain/model", "taken", "m" * 250, "long/" + "ä" * 125, "last"])
def test_a_place_that_cannot_be_written_is_refused_before_torch_is_imported(folder, tmp_path, monkeypatch, place):
    (tmp_path / "plain").write_text("mine")
    (tmp_path / "taken").mkdir()
    (tmp_path / "last.last").mkdir()
    monkeypatch.setitem(sys.modules, "training.train", None)  # to import it now is an error
    run = train(tmp_path, "--directory", folder, *EXACT, "--save_model", place)
    assert run.status == 1 and re.search("cannot be written|could not be written|is a directory", run.stderr)
    assert run.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.history.csv")) and (tmp_path / "plain").read_text() == "mine"


def test_a_former_model_is_kept_and_its_score_named(folder, tmp_path):
    line = ["--directory", folder, *EXACT, "--epochs", "1"]
    first = train(tmp_path, *line)
    assert first.status == 0 and "former" not in first.stdout
    former, rows = (tmp_path / "model").read_bytes(), (tmp_path / "model.history.csv").read_bytes()
    second = train(tmp_path, *line, "--seed", "3")
    score = f"{load_checkpoint(tmp_path / 'model.previous').scores['accuracy']:.1%}"
    assert (
        f"model is of a former run, of whose validation pictures {score} were right: it will be kept" in second.stdout
    )
    assert (tmp_path / "model.previous").read_bytes() == former != (tmp_path / "model").read_bytes()
    assert (tmp_path / "model.previous.history.csv").read_bytes() == rows
    (tmp_path / "model").write_text("a text")
    assert "model is of a former run: it will be kept as model.previous" in train(tmp_path, *line).stdout
    assert (tmp_path / "model.previous").read_text() == "a text"


def test_parts_that_killed_runs_left_are_swept(folder, tmp_path):
    ours = [".model.abcd1234.part", ".model.last.abcd1234.part", ".model.history.csv.abcd1234.part"]
    others = [".model2.abcd1234.part", ".notes.abcd1234.part", ".model.part"]
    for name in (*ours, *others):
        (tmp_path / name).write_text("half")
    (tmp_path / ".model.training").mkdir()
    assert train(tmp_path, "--directory", folder, *EXACT, "--epochs", "1").status == 0
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*others, "model", "model.last", "model.history.csv"}


def test_kills_at_any_moment_change_nothing(folder, tmp_path, kills=3):
    """SIGKILL, at moments drawn by chance between one saved epoch and the next, or before the first."""
    chance, killed = random.Random(0), 0
    line = ["--directory", str(folder), *EXACT, *OTHER, "--epochs", "4"]
    while killed < kills:
        resumed = ["--resume"] if (tmp_path / "model.last").exists() else line
        (tmp_path / "model.history.csv").unlink(missing_ok=True)
        with Script(SCRIPT, *resumed, directory=tmp_path) as script:
            while "Epoch" not in script.stdout and script.poll() is None:
                time.sleep(0.002)
            time.sleep(chance.random() * 0.3)
            killed += script.poll() is None
        if (tmp_path / "model.last").exists() and len(load_tensors(tmp_path / "model.last")["trainer"]["history"]) == 4:
            break  # nothing is left to be killed
    assert killed and train(tmp_path, *(["--resume"] if (tmp_path / "model.last").exists() else line)).status == 0
    assert history(tmp_path) == history(folder / "whole")
    assert same_model(tmp_path / "model", folder / "whole" / "model")
    assert not list(tmp_path.glob(".*"))
