"""Networks of timm: names, sizes, weights from a file, and a whole run, offline."""

import pytest
import torch
from huggingface_hub import constants

from models.checkpoint import load_checkpoint
from models.network_names import is_network, network_names
from models.networks import build_network, head_name, normalisation, own_image_size
from models.timm_networks import build_timm
from tests.tiny import write_image_folders
from tests.training_runs import history, interrupt_when, train
from visualise_results import main as visualise

pytestmark = pytest.mark.slow  # to import timm takes seconds

TINY = ["--use_model", "timm/test_vit", "--image_size", "48", "--device", "cpu", "--precision", "fp32"]


def test_names_are_those_that_timm_lists():
    import timm

    theirs = {f"timm/{name}" for name in timm.list_models()}
    assert {name for name in network_names() if name.startswith("timm/") and "." not in name} == theirs
    assert all(is_network(f"timm/{name}") for name in timm.list_models(pretrained=True))
    assert not is_network("timm/resnet18.lvd142") and not is_network("timm/resnet1")


@pytest.mark.parametrize(
    "name, size, mean",
    [
        ("timm/vit_tiny_patch16_224", 224, (0.5, 0.5, 0.5)),
        ("timm/vit_small_patch14_dinov2.lvd142m", 224, (0.485, 0.456, 0.406)),  # its own are 518
        ("timm/test_vit", 160, (0.5, 0.5, 0.5)),
        ("timm/resnet18.a1_in1k", 224, (0.485, 0.456, 0.406)),
        ("resnet18", None, (0.485, 0.456, 0.406)),
    ],
)
def test_sizes_and_normalisation_are_those_of_the_weights(name, size, mean):
    assert own_image_size(name) == size and normalisation(name).mean == mean


@pytest.mark.parametrize("name", ["timm/test_vit", "timm/test_convnext", "timm/test_efficientnet", "timm/test_resnet"])
def test_all_weights_before_the_head_are_taken(name):
    other = build_network(name, 7, 64)
    weights = {key: value + 0.01 if value.is_floating_point() else value for key, value in other.state_dict().items()}
    network = build_timm(name, 3, 64, weights)
    head = head_name(network)
    for key, value in network.state_dict().items():
        assert key.startswith(head) or torch.equal(value, weights[key]), key


def test_position_embeddings_are_brought_to_another_size():
    weights = build_network("timm/test_vit", 7, 160).state_dict()
    assert build_timm("timm/test_vit", 3, 48, weights).pos_embed.shape[1] < weights["pos_embed"].shape[1]


def test_weights_that_lack_a_layer_are_refused(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    weights = build_network("timm/test_vit", 1000, 48).state_dict()
    torch.save({key: value for key, value in weights.items() if ".3." not in key}, tmp_path / "half.pth")
    run = train(tmp_path, *TINY, "--weights", "half.pth")
    assert run.status == 1 and "do not fit timm/test_vit" in run.stderr
    assert not (tmp_path / "model").exists()


def test_a_network_with_two_heads_is_refused(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    run = train(tmp_path, "--use_model", "timm/deit_tiny_distilled_patch16_224", "--weights", "none")
    assert run.status == 1 and "its head is not a single layer" in run.stderr


def test_a_wrong_name_is_answered_with_the_nearest(tmp_path):
    run = train(tmp_path, "--use_model", "timm/vit_small_patch14_dinov")
    assert run.status == 2 and "timm/vit_small_patch14_dinov2" in run.stderr


def test_without_the_hub_the_message_says_what_to_try(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    write_image_folders(tmp_path, train=2, validate=1)
    run = train(tmp_path, *TINY)
    assert run.status == 1
    assert "the weights of timm/test_vit could not be downloaded" in run.stderr and "--weights" in run.stderr


def test_a_network_trains_saves_resumes_and_reports(tmp_path, monkeypatch, capsys):
    write_image_folders(tmp_path, train=6, validate=3)
    weights = build_network("timm/test_vit", 1000, 160).state_dict()
    torch.save(weights, tmp_path / "weights.pth")
    options = [*TINY, "--weights", "weights.pth", "--epochs", "3"]
    whole = train(tmp_path, *options, "--save_model", "whole/model")
    assert whole.status == 0, whole.stderr
    with monkeypatch.context() as patch:
        interrupt_when(patch, lambda trainer: trainer.epoch == 2)
        assert train(tmp_path, *options, "--save_model", "stopped/model").status == 130
    assert train(tmp_path, *options, "--save_model", "stopped/model", "--resume").status == 0
    assert history(tmp_path / "stopped") == history(tmp_path / "whole")
    model = load_checkpoint(tmp_path / "whole" / "model")
    assert model.architecture == "timm/test_vit" and model.mean == (0.5, 0.5, 0.5)
    monkeypatch.chdir(tmp_path)
    assert visualise(["--model", "whole/model", "--report", "report", "--device", "cpu"]) == 0
    assert (tmp_path / "test.png").exists() and (tmp_path / "report" / "report.html").exists()
