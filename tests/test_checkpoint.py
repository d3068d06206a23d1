import pickle

import pytest
import torch

import common
from models.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint, save_tensors
from models.networks import build_network
from models.preprocessing import Preparation


@pytest.fixture(scope="module")
def checkpoint():
    torch.manual_seed(0)
    network = build_network("squeezenet1_1", 3, 64)
    return Checkpoint(
        architecture="squeezenet1_1",
        image_size=64,
        classes=["a", "b", "c"],
        weights=network.state_dict(),
        lineages={"a": ["Root", "A family"]},
        scores={"accuracy": 0.5},
    )


def test_a_model_comes_back_as_it_was(tmp_path, checkpoint):
    save_checkpoint(tmp_path / "model", checkpoint)
    loaded = load_checkpoint(tmp_path / "model")
    pictures = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.network()(pictures), checkpoint.network()(pictures))
    assert (loaded.classes, loaded.lineages, loaded.mean) == (checkpoint.classes, checkpoint.lineages, checkpoint.mean)


def test_others_can_read_it_without_running_code(tmp_path, checkpoint):
    save_checkpoint(tmp_path / "model", checkpoint)
    assert torch.load(tmp_path / "model", weights_only=True)["classes"] == ["a", "b", "c"]


class Mischief:
    def __reduce__(self):
        return (open, ("mischief", "w"))


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04" + b"\0" * 50, pickle.dumps({"a": 1})])
def test_what_is_no_model_is_refused_with_a_sentence(tmp_path, content):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(CheckpointError, match="model"):
        load_checkpoint(tmp_path / "model")


def test_code_in_a_model_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": "mikrotax classifier", "version": 1, "classes": Mischief()}, tmp_path / "model")
    with pytest.raises(CheckpointError, match="holds code, which is never run"):
        load_checkpoint(tmp_path / "model")
    assert not (tmp_path / "mischief").exists()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": "other"}, "not a model of train_classifier.py"),
        ({"version": 99}, "format version 99"),
        ({"surprise": 1}, "damaged"),
        ({"classes": []}, "damaged"),
        ({"classes": [1, 2, 3]}, "damaged"),
        ({"image_size": 10**9}, "damaged"),
        ({"classes": ["A", "A"]}, "damaged"),
        ({"lineages": None}, "damaged"),
        ({"lineages": {"A": 5}}, "damaged"),
        ({"lineages": {"A": [1, 2]}}, "damaged"),
        ({"calibration": None}, "damaged"),
        ({"calibration": [1]}, "damaged"),
        ({"mean": None}, "damaged"),
        ({"std": ["a", "b", "c"]}, "damaged"),
        ({"std": [0, 0, 0]}, "damaged"),
        ({"weights": {"x": 1}}, "damaged"),
        ({"padded_first": 3}, "damaged"),
        ({"train_counts": [1, 2]}, "damaged"),
    ],
)
def test_a_model_that_was_tampered_with_is_refused(tmp_path, checkpoint, change, message):
    save_checkpoint(tmp_path / "model", checkpoint)
    content = torch.load(tmp_path / "model", weights_only=True)
    save_tensors(tmp_path / "model", content | change)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "model")


def test_weights_of_another_network_are_refused(checkpoint):
    other = Checkpoint("resnet18", 64, checkpoint.classes, checkpoint.weights)
    with pytest.raises(CheckpointError, match="do not fit the network resnet18"):
        other.network()


def test_a_model_says_which_version_of_the_toolkit_made_it(tmp_path, checkpoint):
    save_checkpoint(tmp_path / "model", checkpoint)
    assert load_checkpoint(tmp_path / "model").toolkit == common.__version__


def test_a_model_of_an_older_format_is_read_by_todays_names(tmp_path, checkpoint):
    calibration = {"temperature": 1.5, "places": torch.ones(3), "scores": torch.zeros(2), "confusion": torch.eye(3)}
    calibration["familiarity"] = {"power": 0.5, "looks": torch.ones(2, 2), "usual": torch.zeros(4)}
    save_checkpoint(tmp_path / "new", checkpoint)
    content = torch.load(tmp_path / "new", weights_only=True)
    del content["tta_views"], content["toolkit"], content["padded_first"], content["train_counts"]
    save_tensors(tmp_path / "old", content | {"version": 4, "turns": 8, "calibration": calibration})
    old = load_checkpoint(tmp_path / "old")
    assert (old.tta_views, old.toolkit, old.scores) == (8, "", {"accuracy": 0.5})
    assert list(old.calibration) == ["temperature", "rank_limits", "nonconformity", "confusion", "ood_detector"]
    assert list(old.calibration["ood_detector"]) == ["power", "reference_features", "validation_scores"]
    assert all(torch.equal(old.weights[name], value) for name, value in checkpoint.weights.items())


@pytest.mark.parametrize("version", [1, 4, 6])
def test_a_model_of_an_older_format_goes_on_preparing_images_as_it_was_trained(tmp_path, checkpoint, version):
    save_checkpoint(tmp_path / "new", checkpoint)
    content = torch.load(tmp_path / "new", weights_only=True)
    del content["padded_first"], content["train_counts"]
    save_tensors(tmp_path / "old", content | {"version": version})
    assert load_checkpoint(tmp_path / "new").preparation("sharpest") == Preparation(64, "sharpest", padded_first=True)
    assert load_checkpoint(tmp_path / "old").preparation() == Preparation(64, 1, padded_first=False)
