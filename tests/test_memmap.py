"""Large tensors in files without a name: the same training, nothing left behind, a sentence where there is no space."""

import ctypes
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common.errors import ToolkitError
from common.image_folder import list_image_folder
from common.squares import Preparation
from models.device import keep_freed_memory
from tests.memory import on_linux, peak_of
from tests.processes import Finished, Script, in_a_process
from tests.tiny import write_image_folders
from tests.training_runs import PRETRAINED, SCRIPT, SMALL, history, train, write_pretrained
from training import memmap
from training.images import read_images

CPU = torch.device("cpu")


def mapped_below(directory: Path) -> list[str]:
    """List the files below `directory` that this process has mapped into its memory."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if f" {directory}" in line]


@on_linux
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float32])
def test_beyond_the_memory_a_tensor_lies_in_a_file_without_a_name(tmp_path, monkeypatch, dtype):
    assert memmap.allocate((3, 5), dtype, tmp_path).shape == (3, 5) and not mapped_below(tmp_path)
    monkeypatch.setattr(memmap, "HEADROOM", 1 << 60)
    mapped = memmap.allocate((3, 5), dtype, tmp_path)
    mapped[:] = torch.arange(15).view(3, 5)
    assert mapped.dtype == dtype and mapped.flatten().tolist() == list(range(15))
    assert len(mapped_below(tmp_path)) == 1 and not list(tmp_path.iterdir())
    del mapped
    assert not mapped_below(tmp_path)


def opened_below(directory: Path) -> list[str]:
    """List the files below `directory` that this process has open, those without a name too."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [target for target in map(os.readlink, links) if target.startswith(str(directory))]


@on_linux
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_rows_are_read_as_they_were_written(tmp_path, monkeypatch, dtype, in_memory):
    monkeypatch.setattr(memmap, "MAX_IN_MEMORY", 1000 if in_memory else 0)
    tensor, values = memmap.MemmapTensor((7, 2, 3), dtype, CPU, tmp_path), torch.randn(7, 2, 3).to(dtype)
    assert bool(opened_below(tmp_path)) != in_memory
    tensor[4:] = values[4:]
    tensor[:4] = values[:4]
    picked = tensor[torch.tensor([6, 0, 6])]
    assert len(tensor) == 7 and torch.equal(picked, values[[6, 0, 6]]) and torch.equal(tensor[2:5], values[2:5])
    assert not mapped_below(tmp_path) and not list(tmp_path.iterdir())
    del tensor
    assert not opened_below(tmp_path)


def memory_for_rows(most_in_memory: int, directory: Path) -> int:
    """Return by how much the memory of the process rises while 256 MB of rows are written and read."""
    memmap.MAX_IN_MEMORY = most_in_memory
    tensor = memmap.MemmapTensor((6400, 10_000), torch.float32, CPU, directory)

    def fill_and_read():
        for start in range(0, 6400, 32):
            tensor[start : start + 32] = torch.full((32, 10_000), start)
        for part in torch.randperm(6400).split(32):
            assert torch.equal(tensor[part][:, 7], part.float() // 32 * 32)

    return peak_of(fill_and_read)


@pytest.mark.slow
@on_linux
def test_rows_in_a_file_take_no_memory_of_the_process(tmp_path):
    assert in_a_process(memory_for_rows, 0, tmp_path) < 120e6
    assert in_a_process(memory_for_rows, 1 << 30, tmp_path) > 240e6


@on_linux
def test_rows_lie_in_memory_where_the_disk_takes_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(memmap, "MAX_IN_MEMORY", 0)
    gone = tmp_path / "gone"
    tensor = memmap.MemmapTensor((2, 3), torch.float32, CPU, gone)
    tensor[:] = torch.ones(2, 3)
    assert tensor[:].sum() == 6
    monkeypatch.setattr(memmap, "HEADROOM", 1 << 60)
    with pytest.raises(ToolkitError, match=r"0.00 GB are needed") as refusal:
        memmap.MemmapTensor((2, 3), torch.float32, CPU, gone)
    assert refusal.value.settings == ("image_size", "augmented_copies")


@on_linux
def test_images_read_into_a_file_are_those_read_into_memory(tmp_path, monkeypatch):
    samples = list_image_folder(write_image_folders(tmp_path, train=2, validate=1) / "train").samples
    in_memory = read_images(samples, Preparation(40)).images
    monkeypatch.setattr(memmap, "HEADROOM", 1 << 60)
    mapped = read_images(samples, Preparation(40)).images
    assert mapped_below(tmp_path)
    assert torch.equal(in_memory.pixels, mapped.pixels)
    assert in_memory.pixels.stride() == mapped.pixels.stride()


@pytest.mark.slow
@pytest.mark.parametrize("frozen", ["features", "block"])
def test_a_run_with_little_memory_is_the_same_run_and_leaves_no_file(tmp_path, monkeypatch, frozen):
    write_pretrained(tmp_path, train=3, validate=2)
    options = [*PRETRAINED, "--freeze", frozen, "--augmented_copies", "2", "--epochs", "3", "--save_model"]
    assert train(tmp_path, *options, "in_memory/model").status == 0
    monkeypatch.setattr(memmap, "HEADROOM", 1 << 60)
    run = train(tmp_path, *options, "mapped/model")
    assert run.status == 0, run.stderr
    assert history(tmp_path / "mapped") == history(tmp_path / "in_memory")
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith((".", "tmp"))]


def fill_a_file_and_die(directory: Path) -> None:
    memmap.HEADROOM = 1 << 60
    memmap.allocate((100,), torch.uint8, directory)[:] = 1
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_process_leaves_no_file(tmp_path):
    assert in_a_process(fill_a_file_and_die, tmp_path) == -signal.SIGKILL
    assert not list(tmp_path.iterdir())


def page_faults_of_a_tensor(keep: bool) -> int:
    """Return how often the system had to be asked for memory, once the heap has found its size."""
    if keep:
        keep_freed_memory()
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep what is freed")
def test_freed_memory_is_kept_for_the_next_tensor():
    assert in_a_process(page_faults_of_a_tensor, True) < in_a_process(page_faults_of_a_tensor, False) / 10


def train_in_little_memory(directory: Path) -> tuple[int, str]:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 400_000_000,) * 2)
    run = train(directory, "--use_model", "vgg11", "--weights", "none", "--device", "cpu")
    return run.status, run.stderr


@pytest.mark.slow
@on_linux
def test_too_little_memory_ends_with_a_sentence(tmp_path, monkeypatch):
    # Else glibc sets addresses aside for each thread that reads, now and then more than there are.
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    status, said = in_a_process(train_in_little_memory, write_image_folders(tmp_path, train=1, validate=1))
    assert status == 1
    assert "there is not enough memory; try another --batch_size or --image_size or --use_model" in said


NEW_MOUNTS, NEW_USERS = 0x00020000, 0x10000000  # of unshare(2)


def train_on_small_disk(directory: Path, size: str, options: list[str], place: str = ".") -> Finished:
    """Train in a copy of `directory` of which `place` is a disk of its own, of a size such as 2m or 600k.

    What lies in the copy then is copied to "kept" beside the directory. Only this process sees the disk.
    """
    users = {"uid_map": f"0 {os.getuid()} 1", "setgroups": "deny", "gid_map": f"0 {os.getgid()} 1"}
    assert ctypes.CDLL(None).unshare(NEW_MOUNTS | NEW_USERS) == 0
    for name, text in users.items():
        Path("/proc/self", name).write_text(text)
    disk = directory.with_name("disk")
    (disk / place).mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk / place], check=True)
    shutil.copytree(directory, disk, dirs_exist_ok=True)
    run = train(disk, *options)
    shutil.copytree(disk, directory.with_name("kept"))
    return run


def can_make_disks() -> bool:
    """Return whether this system lets a test mount a disk that nobody else sees."""
    if not shutil.which("unshare"):
        return False
    mount = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(mount, capture_output=True).returncode == 0


small_disks = pytest.mark.skipif(not can_make_disks(), reason="this system lets no test mount a disk")


def ends_with_a_sentence(run):
    """Return the last line that a run said, which ended with status 1 and without a traceback."""
    assert run.status == 1, run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr.strip().splitlines()[-1]


def names(directory):
    """List what lies in a directory, hidden files too."""
    return sorted(path.name for path in directory.iterdir())


def test_a_disk_without_space_ends_with_a_sentence_that_says_how_much_is_needed(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memmap, "HEADROOM", 1 << 60)
    monkeypatch.setattr(memmap, "_reserve", refuse)
    run = train(write_image_folders(tmp_path, train=1, validate=1), *SMALL, "--image_size", "1000")
    assert run.status == 1
    assert "0.02 GB are needed for images" in run.stderr and "(No space left on device)" in run.stderr
    assert names(tmp_path) == ["dataset.json", "train", "validate"]


@small_disks
@pytest.mark.slow
def test_what_a_full_disk_ends_goes_on_where_there_is_space(tmp_path):
    directory = write_image_folders(tmp_path / "pictures", train=2, validate=1)
    options = [*SMALL, "--epochs", "3"]
    # Space for a model of 3 MB and a state of 6 MB to resume from, but not for another of these beside it.
    sentence = ends_with_a_sentence(in_a_process(train_on_small_disk, directory, "13m", options))
    assert "model.last could not be written (No space left on device)" in sentence and "--resume goes on" in sentence
    kept = tmp_path / "kept"
    assert names(kept) == ["dataset.json", "model", "model.history.csv", "model.last", "train", "validate"]
    assert len(history(kept)) == 1
    assert train(kept, *options, "--resume").status == 0
    assert train(directory, *options).status == 0
    assert history(kept) == history(directory)


@small_disks
@pytest.mark.slow
def test_a_log_that_a_full_disk_ends_is_read_and_goes_on(tmp_path):
    directory = write_image_folders(tmp_path / "pictures", train=2, validate=1)
    options = [*SMALL, "--log", "--epochs", "4"]
    run = in_a_process(train_on_small_disk, directory, "1000k", options, "logs")  # the log of about two epochs
    sentence = ends_with_a_sentence(run)
    assert re.search(r"the log logs/.* could not be written \(No space left on device\)\. What was saved", sentence)
    kept = tmp_path / "kept"
    epochs = len(history(kept))
    assert 1 < epochs < 4
    assert train(kept, *options, "--resume").status == 0
    assert len(history(kept)) == 4
    (log,) = (kept / "logs").iterdir()
    losses = EventAccumulator(str(log / "train")).Reload().Scalars("loss")
    # What the full disk broke off is lost, what was logged before and after it is not.
    assert {event.step for event in losses} >= {*range(1, epochs), *range(epochs + 1, 5)}


@pytest.mark.slow
def test_a_directory_that_vanishes_ends_with_a_sentence(tmp_path):
    directory = write_image_folders(tmp_path / "pictures", train=2, validate=1)
    with Script(SCRIPT, *SMALL, "--epochs", "500", directory=directory) as script:
        script.wait_for(directory / "model.history.csv")
        shutil.rmtree(directory)
        run = script.wait()
    assert run.status == 1 and "Traceback" not in run.stderr
    assert "could not be written (No such file or directory)" in run.stderr
