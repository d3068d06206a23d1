"""What only a GPU can show: steps as CUDA graphs, and runs that can be repeated there."""

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.tiny import write_image_folders
from tests.training_runs import history, interrupt_when, train
from training import cuda_graph
from training.cuda_graph import WARM_UP, GraphedStep

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here that torch can use")

NETWORKS = ["vgg11", "vgg11_adaptive", "mobilenet_v2"]


def run(directory: Path, name: str, *options: object) -> list[dict[str, str]]:
    """Train from scratch on the GPU, into directory/name/model; return the history."""
    options = ("--weights", "none", "--device", "cuda", "--image_size", "64", *options)
    finished = train(directory, *options, "--save_model", f"{name}/model")
    assert finished.status == 0, finished.stderr
    assert "without a CUDA graph" not in finished.stdout
    return history(directory / name)


@pytest.mark.parametrize("network", NETWORKS)
def test_graphs_learn_what_single_steps_learn(tmp_path, monkeypatch, network):
    write_image_folders(tmp_path, train=9, validate=3)  # batches of two sizes
    options = ["--use_model", network, "--batch_size", "5", "--epochs", "6", "--deterministic"]
    graphed = run(tmp_path, "graphed", *options)
    monkeypatch.setattr(cuda_graph, "WARM_UP", 1 << 30)
    for row, other in zip(graphed, run(tmp_path, "stepwise", *options), strict=True):
        for name in row:
            assert float(row[name]) == pytest.approx(float(other[name]), rel=1e-3), (name, row, other)


def test_a_resumed_run_goes_on_as_it_would_have(tmp_path, monkeypatch):
    write_image_folders(tmp_path, train=9, validate=3)
    options = ["--use_model", "vgg11_adaptive", "--deterministic"]
    whole = run(tmp_path, "whole", *options, "--epochs", "4")
    with monkeypatch.context() as patched:
        interrupt_when(patched, lambda trainer: trainer.epoch == 2)
        options += ["--weights", "none", "--device", "cuda", "--image_size", "64", "--epochs", "4"]
        assert train(tmp_path, *options, "--save_model", "interrupted/model").status == 130
    assert train(tmp_path, "--resume", "--save_model", "interrupted/model").status == 0
    assert history(tmp_path / "interrupted") == whole


@pytest.mark.parametrize("network", NETWORKS)
def test_deterministic_runs_give_the_same_file(tmp_path, network):
    write_image_folders(tmp_path, train=9, validate=3)
    for name in "ab":
        run(tmp_path, name, "--use_model", network, "--epochs", "3", "--deterministic")
    assert (tmp_path / "a" / "model").read_bytes() == (tmp_path / "b" / "model").read_bytes()


class Counting(nn.Module):
    """A sum of steps, each with dropout, that asks for a number in each where it is told to."""

    def __init__(self, asks: bool):
        super().__init__()
        self.asks, self.sum, self.count = asks, torch.zeros(1000, device="cuda"), torch.zeros((), device="cuda")

    def step(self, count: int, values: Tensor) -> None:
        dropped = nn.functional.dropout(values, 0.5)
        if self.asks and float(dropped.sum()) < 0:
            return
        self.sum += dropped
        self.count += count


@pytest.mark.parametrize("asks", [False, True])
def test_steps_are_recorded_or_go_on_as_they_are(asks, caplog):
    caplog.set_level(logging.INFO)
    alone, counting = Counting(asks=False), Counting(asks)
    step = GraphedStep(counting.step, [], torch.device("cuda"))
    for each in (alone.step, step):
        torch.manual_seed(3)
        for number in range(3 * WARM_UP):
            for size in (7, 8):
                each(size, torch.full((1000,), float(number)).to("cuda" if each == alone.step else "cpu"))
    assert counting.count == alone.count == 3 * WARM_UP * 15
    if asks:
        assert "without a CUDA graph" in caplog.text
    else:
        assert torch.equal(counting.sum, alone.sum) and not caplog.text
