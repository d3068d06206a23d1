"""Large tensors in files without a name: the same training, nothing left behind, a sentence where there is no room."""

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.preprocessing import list_pictures, read_store
from tests.test_stages import USED, run_code
from tests.test_train import SMALL, TOP, history, one_thread, train
from tests.tiny import write_image_folders
from training import memory as storage

CPU = torch.device("cpu")
LITTLE_MEMORY = (
    "import sys, training.memory as s, train_classifier as t; s.HEADROOM = 1 << 60; sys.exit(t.main(sys.argv[1:]))"
)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def mapped_below(directory: Path) -> list[str]:
    """List the files below `directory` that this process has mapped into its memory."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if f" {directory}" in line]


@linux_only
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float32])
def test_beyond_the_memory_a_tensor_lies_in_a_file_without_a_name(tmp_path, monkeypatch, dtype):
    assert storage.empty((3, 5), dtype, tmp_path).shape == (3, 5) and not mapped_below(tmp_path)
    monkeypatch.setattr(storage, "HEADROOM", 1 << 60)
    mapped = storage.empty((3, 5), dtype, tmp_path)
    mapped[:] = torch.arange(15).view(3, 5)
    assert mapped.dtype == dtype and mapped.flatten().tolist() == list(range(15))
    assert len(mapped_below(tmp_path)) == 1 and not list(tmp_path.iterdir())
    del mapped
    assert not mapped_below(tmp_path)


def opened_below(directory: Path) -> list[str]:
    """List the files below `directory` that this process has open, those without a name too."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [target for target in map(os.readlink, links) if target.startswith(str(directory))]


@linux_only
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_rows_are_read_as_they_were_written(tmp_path, monkeypatch, dtype, in_memory):
    monkeypatch.setattr(storage, "ROWS_IN_MEMORY", 1000 if in_memory else 0)
    rows, values = storage.Rows((7, 2, 3), dtype, CPU, tmp_path), torch.randn(7, 2, 3).to(dtype)
    assert bool(opened_below(tmp_path)) != in_memory
    rows[4:] = values[4:]
    rows[:4] = values[:4]
    picked = rows[torch.tensor([6, 0, 6])]
    assert len(rows) == 7 and torch.equal(picked, values[[6, 0, 6]]) and torch.equal(rows[2:5], values[2:5])
    assert not mapped_below(tmp_path) and not list(tmp_path.iterdir())
    del rows
    assert not opened_below(tmp_path)


@linux_only
def test_rows_in_a_file_take_no_memory_of_the_process(tmp_path):
    code = (
        "import sys, torch, training.memory as s\n"
        "from pathlib import Path\n"
        "from tests.memory import most_memory\n"
        "s.ROWS_IN_MEMORY = int(sys.argv[1])\n"
        "rows, before = s.Rows((6400, 10_000), torch.float32, torch.device('cpu'), Path()), most_memory()\n"
        "for start in range(0, 6400, 32): rows[start : start + 32] = torch.full((32, 10_000), start)\n"
        "for part in torch.randperm(6400).split(32): assert torch.equal(rows[part][:, 7], part.float() // 32 * 32)\n"
        "print(most_memory() - before)"
    )
    in_memory, in_file = (int(run_code(tmp_path, code, limit).stdout) for limit in ("1000000000", "0"))
    assert in_memory > 240e6 and in_file < 120e6  # of 256 MB


@linux_only
def test_rows_lie_in_memory_where_the_disk_takes_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "ROWS_IN_MEMORY", 0)
    gone = tmp_path / "gone"
    rows = storage.Rows((2, 3), torch.float32, CPU, gone)
    rows[:] = torch.ones(2, 3)
    assert rows[:].sum() == 6
    monkeypatch.setattr(storage, "HEADROOM", 1 << 60)
    with pytest.raises(OSError, match=r"0.00 GB are needed .* fewer --views"):
        storage.Rows((2, 3), torch.float32, CPU, gone)


@linux_only
def test_pictures_read_into_a_file_are_those_read_into_memory(tmp_path, monkeypatch):
    samples, _ = list_pictures(write_image_folders(tmp_path, train=2, validate=1) / "train")
    in_memory = read_store(samples, 40)
    monkeypatch.setattr(storage, "HEADROOM", 1 << 60)
    mapped = read_store(samples, 40)
    assert mapped_below(tmp_path)
    assert torch.equal(in_memory.pictures, mapped.pictures)
    assert in_memory.pictures.stride() == mapped.pictures.stride()


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A directory with tiny pictures and weights.pth of a whole squeezenet1_1."""
    from models.networks import build_network

    directory = write_image_folders(tmp_path_factory.mktemp("pretrained"), train=3, validate=2)
    torch.manual_seed(1)
    torch.save(build_network("squeezenet1_1", 1000, 40).state_dict(), directory / "weights.pth")
    return directory


@pytest.mark.parametrize("frozen", ["features", "block"])
def test_a_run_with_little_memory_is_the_same_run_and_leaves_no_file(pretrained, frozen):
    options = [*USED, "--freeze", frozen, "--views", "2", "--epochs", "3", "--save_model"]
    assert train(pretrained, *options, f"memory_{frozen}/model").returncode == 0
    process = run_code(pretrained, LITTLE_MEMORY, *options, f"mapped_{frozen}/model")
    assert process.returncode == 0, process.stderr
    assert history(pretrained / f"mapped_{frozen}") == history(pretrained / f"memory_{frozen}")
    assert not [path for path in pretrained.rglob("*") if path.name.startswith((".", "tmp"))]


def test_a_killed_process_leaves_no_file(tmp_path):
    code = (
        "import os, signal, torch, training.memory as s\n"
        "from pathlib import Path\n"
        "s.HEADROOM = 1 << 60\n"
        "room = s.empty((100,), torch.uint8, Path())\n"
        "room[:] = 1\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert run_code(tmp_path, code).returncode == -9
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep what is freed")
def test_freed_memory_is_kept_for_the_next_tensor(tmp_path):
    code = (
        "import resource, sys, torch\n"
        "from models.device import keep_freed_memory\n"
        "if sys.argv[1] == 'keep': keep_freed_memory()\n"
        "for _ in range(30):\n"  # until the heap has found its size
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    torch.zeros(50_000_000)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    pages_kept, pages_given_back = (int(run_code(tmp_path, code, what).stdout) for what in ("keep", "give back"))
    assert pages_kept < pages_given_back / 10


def run_on_small_disk(directory, size, *command, place="."):
    """Run a command in a copy of `directory` of which `place` is a disk of its own, of a size such as 2m or 600k.

    Returns the process; what lies in the copy then is copied to "kept" beside the directory.
    """
    script = (
        'place="../disk/$0" && mkdir -p "$place" && mount -t tmpfs -o "size=$1" none "$place" && cp -r . ../disk && '
        'cd ../disk && shift && "$@"; status=$?; cp -r . ../kept; exit $status'
    )
    isolated = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, place, size, *map(str, command)]
    return subprocess.run(
        isolated,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
        env={**one_thread(), "PYTHONPATH": str(TOP)},
    )


def can_make_disks() -> bool:
    """Tell whether this system lets a test mount a disk in a world of its own."""
    if not shutil.which("unshare"):
        return False
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True).returncode == 0


small_disks = pytest.mark.skipif(not can_make_disks(), reason="this system lets no test mount a disk")


@small_disks
def test_a_disk_without_room_ends_with_a_sentence_that_says_how_much_is_needed(tmp_path):
    directory = write_image_folders(tmp_path / "pictures", train=1, validate=1)
    code = [sys.executable, "-c", LITTLE_MEMORY, *SMALL, "--image_size", "1000"]
    process = run_on_small_disk(directory, "2m", *code)
    sentence = ends_with_a_sentence(process)
    assert "0.02 GB are needed for pictures" in sentence and "No space left on device" in sentence
    assert names(tmp_path / "kept") == ["dataset.json", "train", "validate"]


def ends_with_a_sentence(process):
    """Return the last line that a process said, which ended with status 1 and without a traceback."""
    assert process.returncode == 1, process.stderr
    assert "Traceback" not in process.stderr
    return process.stderr.strip().splitlines()[-1]


def names(directory):
    """List what lies in a directory, hidden files too."""
    return sorted(path.name for path in directory.iterdir())


@small_disks
def test_what_a_full_disk_ends_goes_on_where_there_is_room(tmp_path):
    directory = write_image_folders(tmp_path / "pictures", train=2, validate=1)
    options = [*SMALL, "--epochs", "3"]
    # Room for a model of 3 MB and what --resume needs, of 6 MB, but not for another of these beside it.
    process = run_on_small_disk(directory, "13m", sys.executable, TOP / "train_classifier.py", *options)
    sentence = ends_with_a_sentence(process)
    assert "model.last could not be written (No space left on device)" in sentence and "--resume goes on" in sentence
    kept = tmp_path / "kept"
    assert names(kept) == ["dataset.json", "model", "model.history.csv", "model.last", "train", "validate"]
    assert len(history(kept)) == 1
    assert train(kept, *options, "--resume").returncode == 0
    assert train(directory, *options).returncode == 0
    assert history(kept) == history(directory)


@small_disks
def test_a_log_that_a_full_disk_ends_is_read_and_goes_on(tmp_path):
    directory = write_image_folders(tmp_path / "pictures", train=2, validate=1)
    options = [*SMALL, "--log", "--epochs", "4"]
    # Room for the log of about two epochs.
    process = run_on_small_disk(directory, "700k", sys.executable, TOP / "train_classifier.py", *options, place="logs")
    sentence = ends_with_a_sentence(process)
    assert re.search(r"the log logs/.* could not be written \(No space left on device\)\. The epochs", sentence)
    kept = tmp_path / "kept"
    epochs = len(history(kept))
    assert 1 < epochs < 4
    assert train(kept, *options, "--resume").returncode == 0
    assert len(history(kept)) == 4
    (log,) = (kept / "logs").iterdir()
    losses = EventAccumulator(str(log / "train")).Reload().Scalars("loss")
    # What the full disk broke off is lost, what was logged before and after it is not.
    assert {event.step for event in losses} >= {*range(1, epochs), *range(epochs + 1, 5)}


def test_a_directory_that_vanishes_ends_with_a_sentence(tmp_path):
    directory = write_image_folders(tmp_path / "pictures", train=2, validate=1)
    command = [sys.executable, TOP / "train_classifier.py", *SMALL, "--epochs", "500"]
    with subprocess.Popen(command, cwd=directory, stderr=subprocess.PIPE, text=True, env=one_thread()) as process:
        while not (directory / "model.history.csv").exists():
            time.sleep(0.02)
        shutil.rmtree(directory)
        said = process.communicate()[1]
    assert process.returncode == 1 and "Traceback" not in said
    assert "could not be written (No such file or directory)" in said
