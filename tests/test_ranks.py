"""Training in several processes, as torchrun starts them on this machine: the same as in one."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ToolkitError
from models.checkpoint import load_checkpoint
from tests.processes import Script
from tests.tiny import write_image_folders
from tests.training_runs import (
    PRETRAINED,
    SCRIPT,
    TOP,
    drawn_data,
    history,
    settings,
    train,
    write_pretrained,
)
from training.ranks import ONE_RANK, Ranks
from training.sampling import epoch_batches, smallest_batch
from training.train import check_same_on_all_ranks, device_of_rank

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--"]


@contextlib.contextmanager
def two_processes(directory, script, *arguments):
    """Run a script in `directory` in two processes that find each other as under torchrun, which would start slowly."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [{"RANK": rank, "LOCAL_RANK": rank, "TORCHELASTIC_RUN_ID": "test", **shared} for rank in "01"]
    with contextlib.ExitStack() as started:
        yield [
            started.enter_context(Script(script, *arguments, directory=directory, environment=environment))
            for environment in ranks
        ]


def ended(scripts):
    """Wait for the processes; return the status of each, and all that they said."""
    runs = [script.wait() for script in scripts]
    return [run.status for run in runs], "".join(run.stdout + run.stderr for run in runs)


@given(st.integers(0, 1000), st.integers(1, 40))
def test_slices_follow_each_other_and_are_even(count, size):
    slices = [range(count)[Ranks(rank, size).local_slice(count)] for rank in range(size)]
    assert [row for each in slices for row in each] == list(range(count))
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


@pytest.mark.parametrize("batch_size, most", [(4, 4), (32, 6)])
def test_more_processes_than_images_in_a_batch_are_refused(batch_size, most):
    with pytest.raises(ToolkitError, match=f"9 processes cannot share a batch of {most}; start fewer"):
        check_same_on_all_ranks(Ranks(0, 9), drawn_data(6, 6), settings("--batch_size", batch_size))


@given(st.integers(1, 500), st.integers(1, 64))
def test_the_smallest_batch_is_known_before_it_is_dealt_out(count, batch_size):
    batches = epoch_batches(torch.zeros(count, dtype=torch.long), batch_size, torch.Generator())
    assert smallest_batch(count, batch_size) == min(map(len, batches))


def test_each_process_needs_a_gpu_of_its_own():
    assert device_of_rank("cuda:1", ONE_RANK) == "cuda:1"
    with pytest.raises(ToolkitError, match="2 processes cannot all have the device cuda:1"):
        device_of_rank("cuda:1", Ranks(0, 2))


@pytest.mark.slow
def test_two_processes_learn_what_one_does_to_the_last_digits(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    with two_processes(tmp_path, TOP / "tests" / "rank_steps.py") as scripts:
        statuses, output = ended(scripts)
    assert statuses == [0, 0] and output.count("all the same") == 2, output


@pytest.mark.slow
def test_an_interrupted_run_in_phases_goes_on_in_two_processes_to_what_one_reaches(tmp_path):
    write_pretrained(tmp_path, train=2, validate=2)
    options = [*PRETRAINED, "--epochs", "4", "--augmented_copies", "2", "--balance", "sampler"]
    options += [
        "--label_smoothing",
        "0.1",
        "--tta",
        "--log",
        "--learning_rate",
        "0.0001",
    ]  # at a higher one it is chaotic
    assert train(tmp_path, *options, "--save_model", "one/model").status == 0

    shared = [SCRIPT, *options, "--save_model", "two/model"]
    with two_processes(tmp_path, *shared) as scripts:
        scripts[0].wait_for(tmp_path / "two" / "model.history.csv")
        for script in scripts:
            script.send_signal(signal.SIGINT)  # as a terminal does
        statuses, output = ended(scripts)
    assert statuses[0] == 130 and output.count("interrupted; the finished epochs are saved") == 1, output
    assert "Traceback" not in output
    assert 0 < len(history(tmp_path / "two")) < 4
    with two_processes(tmp_path, *shared, "--resume") as scripts:
        statuses, output = ended(scripts)
    assert statuses == [0, 0] and "The best epoch was" in output
    for mine, its in zip(history(tmp_path / "one"), history(tmp_path / "two"), strict=True):
        for name in mine:
            assert float(its[name]) == pytest.approx(float(mine[name]), abs=1e-2), name
    mine, its = (load_checkpoint(tmp_path / name / "model") for name in ("one", "two"))
    for name, tensor in mine.weights.items():
        assert torch.allclose(its.weights[name], tensor, rtol=1e-2, atol=1e-3), name
    assert its.tta_views == mine.tta_views == 8 and its.scores == pytest.approx(mine.scores, abs=1e-2)
    assert float(its.calibration["temperature"]) == pytest.approx(mine.calibration["temperature"], rel=1e-2)
    assert len(list((tmp_path / "logs").iterdir())) == 2


@pytest.mark.slow
def test_what_one_process_cannot_do_ends_all_with_one_sentence(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    (tmp_path / "file").write_text("no directory")
    options = ["--use_model", "squeezenet1_1", "--weights", "none", "--device", "cpu", "--save_model", "file/model"]
    environment = os.environ | {"PYTHONPATH": str(TOP)}
    run = subprocess.run([*TORCHRUN, SCRIPT, *options], cwd=tmp_path, env=environment, capture_output=True, text=True)
    output = re.split(r"\nTraceback .*/torch/distributed/run\.py", run.stderr, maxsplit=1, flags=re.DOTALL)[0]
    assert run.returncode == 1
    assert output.count("train_classifier.py: ") == 1 and "Traceback" not in output, output
