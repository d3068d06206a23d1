"""States that are written beside learning: which of them, when, and what an error or a kill leaves."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from models.checkpoint import Checkpoint, load_checkpoint, load_tensors
from tests.processes import in_a_process
from tests.tiny import write_image_folders
from tests.training_runs import CPU, SMALL, history, train
from training import run_folder, saving
from training.saving import BackgroundSaver, RunState


def state(number: int, best: int | None = None) -> RunState:
    checkpoint = None if best is None else Checkpoint("vgg11", 32, ["a"], {}, scores={"accuracy": best})
    return RunState({"number": number, "network": {}, "optimizer": None}, {}, is_fold=False, best=checkpoint)


class Disk:
    """Notes what is written; refuses, or waits, where it is told to."""

    def __init__(self):
        self.written, self.full, self.ready = [], False, threading.Event()
        self.ready.set()

    def write(self, given: RunState) -> None:
        assert self.ready.wait(10)
        if self.full:
            raise OSError(28, "No space left on device")
        self.written.append((given.trainer["number"], given.best and given.best.scores["accuracy"]))


@pytest.fixture
def disk():
    return Disk()


def test_the_first_is_written_at_once_and_then_the_newest_with_the_best(disk, monkeypatch):
    monkeypatch.setattr(saving, "EVERY", 1000.0)
    saver = BackgroundSaver(disk.write)
    for given in (state(1, 1), state(2, 2), state(3, 3), state(4)):
        saver.save(given, CPU)
    saver.finish()
    assert disk.written == [(1, 1), (4, 3)]
    saver.finish()
    assert len(disk.written) == 2


def test_learning_does_not_wait_for_a_slow_disk(disk, monkeypatch):
    monkeypatch.setattr(saving, "EVERY", 0.0)
    saver = BackgroundSaver(disk.write)
    disk.ready.clear()
    for number in range(1, 5):
        saver.save(state(number), CPU)
    assert disk.written == []
    disk.ready.set()
    saver.finish()
    assert disk.written[0] == (1, None) and disk.written[-1] == (4, None)


def test_without_memory_for_a_copy_learning_waits(disk, monkeypatch):
    monkeypatch.setattr(saving, "EVERY", 1000.0)
    saver = BackgroundSaver(disk.write)
    saver.save(state(1, 1), CPU)
    saver.save(state(2, 2), CPU)
    monkeypatch.setattr(saving, "MARGIN", 1 << 60)
    saver.save(state(3), CPU)
    assert disk.written == [(1, 1), (3, 2)]


@pytest.mark.parametrize("method", ["save", "finish"])
def test_an_error_is_raised_by_what_is_called_next(disk, monkeypatch, method):
    monkeypatch.setattr(saving, "EVERY", 0.0)
    saver = BackgroundSaver(disk.write)
    disk.full = True
    saver.save(state(1), CPU)
    saver._pool.shutdown(wait=True)
    with pytest.raises(OSError, match="No space left"):
        saver.save(state(2), CPU) if method == "save" else saver.finish()


def test_after_a_failed_writing_nothing_is_written_that_relies_on_it(disk, monkeypatch):
    monkeypatch.setattr(saving, "EVERY", 0.0)
    saver = BackgroundSaver(disk.write)
    disk.ready.clear()
    disk.full = True
    saver.save(state(1, 1), CPU)
    saver.save(state(2), CPU)
    disk.ready.set()
    with pytest.raises(OSError, match="No space left"):
        saver.finish()
    disk.full = False
    saver.finish()
    assert disk.written == []
    saver.save(state(3, 3), CPU)
    saver.finish()
    assert disk.written == [(3, 3)]


def test_waiting_that_is_interrupted_can_be_resumed(disk, monkeypatch):
    saver = BackgroundSaver(disk.write)
    disk.ready.clear()
    saver.save(state(1), CPU)
    saver.save(state(2, 2), CPU)
    with monkeypatch.context() as patched:
        patched.setattr(saving, "wait", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            saver.finish()
    disk.ready.set()
    saver.finish()
    assert disk.written == [(1, None), (2, 2)]


def test_what_waits_is_written_in_time_though_no_epoch_ends(disk, monkeypatch):
    monkeypatch.setattr(saving, "EVERY", 0.05)
    saver = BackgroundSaver(disk.write)
    saver.save(state(1), CPU)
    saver.save(state(2), CPU)
    deadline = time.monotonic() + 10
    while len(disk.written) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert disk.written == [(1, None), (2, None)]


@pytest.mark.slow
def test_what_is_written_is_the_state_of_its_epoch(tmp_path, monkeypatch):
    """The first state is written only when the second epoch has learnt."""
    monkeypatch.setattr(saving, "EVERY", 0.0)
    kept, write, epoch_end = {}, run_folder.RunFolder._write, run_folder.RunFolder.epoch_end
    second = threading.Event()

    def late(folder, given):
        assert second.wait(60)
        write(folder, given)
        kept[len(given.trainer["history"])] = load_tensors(tmp_path / "model.last")["trainer"]

    def note_the_second(folder, trainer, result):
        epoch_end(folder, trainer, result)
        if trainer.epoch == 2:
            second.set()

    monkeypatch.setattr(run_folder.RunFolder, "_write", late)
    monkeypatch.setattr(run_folder.RunFolder, "epoch_end", note_the_second)
    write_image_folders(tmp_path, train=2, validate=1)
    assert train(tmp_path, *SMALL, "--epochs", "3").status == 0
    monkeypatch.undo()
    (tmp_path / "alone").mkdir()
    line = ["--epochs", "3", "--save_model", "alone/model"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("training.trainer.Trainer.phase_goes_on", lambda trainer: trainer.epoch < 1)
        assert train(tmp_path, *SMALL, *line).status == 0
    alone = load_tensors(tmp_path / "alone" / "model.last")["trainer"]
    assert all(tensor.equal(kept[1]["network"][name]) for name, tensor in alone["network"].items())
    assert 3 in kept


def train_and_die_before_the_state_is_written(directory: Path) -> None:
    save_tensors = run_folder.save_tensors

    def save(path, content):
        if path.name == "model.last":
            os.kill(os.getpid(), signal.SIGKILL)
        save_tensors(path, content)

    run_folder.save_tensors = save
    train(directory, *SMALL, "--epochs", "1", "--seed", "1")


@pytest.mark.slow
def test_a_run_that_is_killed_in_its_first_epoch_neither_mixes_with_the_former_nor_displaces_it(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    assert train(tmp_path, *SMALL, "--epochs", "1").status == 0
    former = (tmp_path / "model").read_bytes()
    assert in_a_process(train_and_die_before_the_state_is_written, tmp_path) == -signal.SIGKILL
    assert not load_checkpoint(tmp_path / "model").calibration
    assert (tmp_path / "model.previous").read_bytes() == former
    run = train(tmp_path, "--resume")
    assert run.status == 1 and "there is no interrupted run to resume" in run.stderr
    run = train(tmp_path, *SMALL, "--epochs", "1", "--seed", "2")
    assert run.status == 0 and "it was killed in its first epoch" in run.stdout
    assert (tmp_path / "model.previous").read_bytes() == former and len(history(tmp_path)) == 1
