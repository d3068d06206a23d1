"""Training in several processes, as torchrun starts them on this machine: the same as in one."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import train_classifier
from models.checkpoint import load_checkpoint
from models.networks import build_network
from models.preprocessing import Store
from tests.test_train import history, one_thread
from tests.tiny import write_image_folders
from training.data import Data
from training.distributed import World, check_shares
from training.loop import epoch_batches, smallest_batch

TOP = Path(__file__).parent.parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--"]
TRAIN = [*TORCHRUN, TOP / "train_classifier.py"]
FP32 = ["--device", "cpu", "--precision", "fp32", "--image_size", "40"]


def start(directory, command):
    """Start a command in `directory`; its output, stdout and stderr, is that of one terminal."""
    environment = {**one_thread(), "PYTHONPATH": str(TOP)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=directory, env=environment, text=True, start_new_session=True, **streams)


def said(process):
    """Wait for a process; give what it said, without the report that torchrun adds to a failure."""
    try:
        output = process.communicate(timeout=300)[0]
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
    return re.split(r"\nTraceback .*/torch/distributed/run\.py", output, maxsplit=1, flags=re.DOTALL)[0]


@given(st.integers(0, 1000), st.integers(1, 40))
def test_shares_follow_each_other_and_are_even(count, size):
    shares = [range(count)[World(rank, size).rows(count)] for rank in range(size)]
    assert [row for share in shares for row in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_more_processes_than_pictures_in_a_batch_are_refused():
    store = Store(torch.zeros(6, 3, 8, 8, dtype=torch.uint8), torch.arange(6) % 2, [Path("a.png")] * 6)
    data = Data(store, store, ["one", "two"], 8)
    for batch_size, most in ((4, 4), (32, 6)):
        with pytest.raises(ValueError, match=f"9 processes cannot share a batch of {most}; start fewer"):
            check_shares(World(0, 9), data, smallest_batch(6, batch_size))


@given(st.integers(1, 500), st.integers(1, 64))
def test_the_smallest_batch_is_known_before_it_is_dealt_out(count, batch_size):
    batches = epoch_batches(torch.zeros(count, dtype=torch.long), batch_size, torch.Generator())
    assert smallest_batch(count, batch_size) == min(map(len, batches))


def test_each_process_needs_a_gpu_of_its_own():
    assert World().device("cuda:1") == "cuda:1"
    with pytest.raises(ValueError, match="2 processes cannot all have cuda:1; leave --device out"):
        World(0, 2).device("cuda:1")


STEPS = """
from pathlib import Path

import torch
from torch.nn import functional as F

from models.device import Hardware
from models.preprocessing import IMAGENET, Store
from models.networks import build_network
from models.prediction import Predictor, predict
from models.vgg import AdaptiveVGG, make_layers
from training.average import make_average
from training.data import read_data
from training.distributed import ALONE, joined, predict_together
from training.loop import Recipe, Run, make_optimizer, train_epoch
from training.stages import PictureSource, Timetable

COUNT = 7
hardware = Hardware(torch.device("cpu"), torch.float32)

class Exact(Hardware):
    # In float64 no rounding turns a rectifier on or off.
    def place_pictures(self, pictures):
        return super().place_pictures(pictures).double()

def epoch(world):
    # An epoch of twenty steps from scratch, with batches of five.
    exact = Exact(hardware.device, torch.float32)
    torch.manual_seed(0)
    network = hardware.place(AdaptiveVGG(make_layers([8, "M", 16, "M", 512]), 3)).double()
    run = Run(network, optimizer=make_optimizer(network), average=make_average(network, 0.9), world=world)
    source = PictureSource(network, data, exact, False, "cutmix", world)
    recipe = Recipe(5, 0.02, 0, balance="weights", smoothing=0.1)
    learnt = train_epoch(run, source, data.train.labels, 3, recipe, Timetable(0, 1, 0, None), exact)
    return learnt, run.average.state_dict() | network.state_dict()

pictures = torch.rand(COUNT, 3, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
pictures = pictures.contiguous(memory_format=torch.channels_last)
labels = torch.arange(COUNT) % 3

def learn(network, world, whole):
    # One step of training, with all rows of the batch or with this process's share of them.
    torch.manual_seed(1)
    rows = slice(None) if whole else world.rows(COUNT)
    learner = network if whole else world.learner(network)
    with torch.enable_grad() if whole else world.whole_batch(COUNT):
        logits = learner(pictures[rows])
    loss = F.cross_entropy(logits, labels[rows], reduction="sum") / COUNT
    (loss if whole else loss * world.size).backward()
    return logits.detach(), torch.rand(1)

with joined() as world:
    assert world.size == 2
    for name in ("squeezenet1_1", "vgg11_adaptive", "efficientnet_b0"):
        torch.manual_seed(0)
        alone = hardware.place(build_network(name, 3, 40)).double().train()
        torch.manual_seed(world.rank)
        shared = world.spread(hardware.place(build_network(name, 3, 40)).double()).train()
        logits, drawn = learn(alone, world, whole=True)
        share, drawn_here = learn(shared, world, whole=False)
        assert torch.allclose(world.gather(share, COUNT), logits, atol=1e-9), name
        assert torch.equal(drawn, drawn_here), name  # chance goes on in step
        for (place, one), other in zip(alone.named_parameters(), shared.parameters(), strict=True):
            assert torch.allclose(one.grad, other.grad, atol=1e-9), (name, place)
        for (place, one), other in zip(alone.state_dict().items(), shared.state_dict().values(), strict=True):
            assert torch.allclose(one, other, atol=1e-9), (name, place)

    data = read_data(Path("."))
    (learnt, alone), (learnt_here, shared_out) = epoch(ALONE), epoch(world)
    assert learnt_here.keys() == learnt.keys() and learnt["pictures"] == 102
    assert all(abs(learnt_here[name] - learnt[name]) < 1e-5 for name in learnt), (learnt, learnt_here)
    for place, tensor in alone.items():
        assert torch.allclose(shared_out[place].float(), tensor.float(), atol=1e-5), place

    shared.float()
    for count in (7, 1):  # of one picture, one process has none
        store = Store((pictures[:count] * 255).byte(), labels[:count], ["a.png"] * count)
        predictor = Predictor(shared, IMAGENET, hardware)
        for one, other in zip(predict(predictor, store), predict_together(world, predictor, store), strict=True):
            assert torch.allclose(one, other, atol=1e-5)
    assert world.agree({"rank": world.rank}) == {"rank": 0}
    print("all the same")
"""


def test_two_processes_learn_what_one_does_to_the_last_digits(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    (tmp_path / "steps.py").write_text(STEPS)
    output = said(start(tmp_path, [*TORCHRUN, "steps.py"]))
    assert output.count("all the same") == 2, output


def train_alone(directory, monkeypatch, *options):
    """Train in this process, into one/model, and give that file."""
    monkeypatch.chdir(directory)
    assert train_classifier.main([*options, "--save_model", "one/model"]) == 0
    return directory / "one" / "model"


def same_history(one: Path, other: Path, tolerance: float) -> None:
    for mine, its in zip(history(one.parent), history(other.parent), strict=True):
        for name in mine:
            assert float(its[name]) == pytest.approx(float(mine[name]), abs=tolerance), name


def test_an_interrupted_run_in_stages_goes_on_in_two_processes_to_what_one_reaches(tmp_path, monkeypatch):
    write_image_folders(tmp_path)
    torch.manual_seed(1)
    torch.save(build_network("mobilenet_v3_small", 1000, 40).state_dict(), tmp_path / "weights.pth")
    options = [*FP32, "--use_model", "mobilenet_v3_small", "--weights", "weights.pth", "--epochs", "4", "--views", "2"]
    options += ["--balance", "sampler", "--label_smoothing", "0.1", "--ema", "0.9", "--mix", "cutmix", "--tta", "--log"]
    model = train_alone(tmp_path, monkeypatch, *options)

    command = [*TRAIN, *options, "--save_model", "two/model"]
    process = start(tmp_path, command)
    while not (tmp_path / "two" / "model.history.csv").exists():
        assert process.poll() is None, said(process)
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output = said(process)
    assert output.count("Interrupted. The finished epochs are kept") == 1 and 'train_classifier.py", line' not in output
    assert 0 < len(history(tmp_path / "two")) < 4
    process = start(tmp_path, [*command, "--resume"])
    assert "The best epoch was" in said(process) and process.returncode == 0
    same_history(model, tmp_path / "two" / "model", 1e-3)
    mine, its = load_checkpoint(model), load_checkpoint(tmp_path / "two" / "model")
    for name, tensor in mine.weights.items():
        assert torch.allclose(its.weights[name], tensor, rtol=1e-3, atol=1e-4), name
    assert its.turns == mine.turns == 8 and its.scores == pytest.approx(mine.scores, abs=1e-3)
    assert float(its.calibration["temperature"]) == pytest.approx(mine.calibration["temperature"], rel=1e-3)
    assert len(list((tmp_path / "logs").iterdir())) == 2


def test_what_one_process_cannot_do_ends_all_with_one_sentence(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    (tmp_path / "file").write_text("no directory")
    options = ["--use_model", "squeezenet1_1", "--weights", "none", "--device", "cpu", "--save_model", "file/model"]
    process = start(tmp_path, [*TRAIN, *options])
    output = said(process)
    assert process.returncode == 1
    assert output.count("train_classifier.py: ") == 1 and "Traceback" not in output, output
