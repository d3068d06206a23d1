"""Weights in files as other programs write them."""

import pytest
import torch
from torch import nn

from models.checkpoint import Checkpoint, CheckpointError, save_checkpoint
from training.pretrained import file_weights

PLAIN = {"features.0.weight": torch.randn(2, 3), "classifier.bias": torch.randn(2)}


def prefixed(prefix):
    return {prefix + name: tensor for name, tensor in PLAIN.items()}


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        {"state_dict": PLAIN, "epoch": 3, "best": 0.5},
        {"model": PLAIN, "optimizer": {"state": {}}, "epoch": 3},
        {"model_state_dict": PLAIN},
        {"model": {"state_dict": PLAIN}},
        prefixed("module."),
        {"state_dict": prefixed("module."), "arch": "resnet18"},
        {"model": prefixed("module._orig_mod.")},
    ],
)
def test_a_state_dict_is_unwrapped(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    found = file_weights(tmp_path / "weights.pth")
    assert found.keys() == PLAIN.keys() and all(torch.equal(found[name], PLAIN[name]) for name in PLAIN)


def test_what_data_parallel_saves_is_unwrapped(tmp_path):
    network = nn.DataParallel(nn.Sequential(nn.Linear(3, 2)))
    torch.save({"state_dict": network.state_dict()}, tmp_path / "weights.pth")
    assert list(file_weights(tmp_path / "weights.pth")) == ["0.weight", "0.bias"]


def test_a_prefix_that_not_all_names_have_is_part_of_the_names(tmp_path):
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "weights.pth")
    assert list(file_weights(tmp_path / "weights.pth")) == ["module.a", "b"]


def test_a_model_of_this_toolkit_gives_its_weights(tmp_path):
    save_checkpoint(tmp_path / "model", Checkpoint("resnet18", 64, ["a", "b"], PLAIN))
    assert file_weights(tmp_path / "model").keys() == PLAIN.keys()


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, {"state_dict": {}}, {"model": {"model": {"model": {}}}}])
def test_a_file_without_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"weights\.pth holds no weights"):
        file_weights(tmp_path / "weights.pth")
