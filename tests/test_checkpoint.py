import pickle
import time
import zipfile
from dataclasses import replace

import pytest
import torch

import common
from common.squares import Preparation
from models.checkpoint import (
    FORMAT,
    VERSION,
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
    save_tensors,
)
from models.networks import build_network
from tests.memory import on_linux, peak_of


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
        ({"weights": {5: torch.ones(1)}}, "damaged"),
        ({"scores": {"accuracy": "high"}}, "damaged"),
        ({"scores": [0.5]}, "damaged"),
        ({"options": None}, "damaged"),
        ({"image_size": True}, "damaged"),
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


def loop():
    """Return a list that holds itself."""
    values = []
    values.append(values)
    return values


def doubled(times=60):
    """Return a list of two lists of two lists …: a few bytes that take 2**60 steps to go through."""
    values = []
    for _ in range(times):
        values = [values, values]
    return values


@pytest.mark.parametrize("name", ["mean", "std"])
@pytest.mark.parametrize(
    "values",
    [
        [float("nan"), 0.5, 0.5],
        [float("inf"), 0.5, 0.5],
        [0.5 + 1j, 0.5, 0.5],
        ["0.5", "0.5", "0.5"],
        [True, True, True],
        [[0.5], [0.5], [0.5]],
        [0.5, 0.5],
        torch.ones(3),
        loop(),
        doubled(),
    ],
)
def test_a_normalisation_that_is_no_three_numbers_is_refused(tmp_path, checkpoint, name, values):
    save_tensors(tmp_path / "model", {**vars(checkpoint), "format": FORMAT, "version": VERSION, name: values})
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(tmp_path / "model")


@pytest.mark.parametrize("part", ["classes", "lineages", "calibration", "scores", "options", "version", "surprise"])
@pytest.mark.parametrize("value", [loop(), doubled(), {"a": loop()}, {"a": [doubled()]}, 10**4000, {"a": 10**4000}])
def test_what_never_ends_is_refused_at_once(tmp_path, checkpoint, part, value):
    save_tensors(tmp_path / "model", {**vars(checkpoint), "format": FORMAT, "version": VERSION, part: value})
    began = time.monotonic()
    with pytest.raises(CheckpointError, match="model"):
        load_checkpoint(tmp_path / "model")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda weights: torch.full_like(weights, float("nan")),
        lambda weights: torch.full_like(weights, float("inf")),
        lambda weights: weights.to(torch.complex64),
        lambda weights: weights.to(torch.int64),
        lambda weights: weights > 0,
        lambda weights: weights.double(),
        lambda weights: weights.half(),
        lambda weights: weights.to_sparse(),
        lambda weights: torch.zeros(1).expand(10**12),
        lambda weights: torch.zeros(1).as_strided(weights.shape, [0] * weights.ndim),
        lambda weights: weights.tolist(),
        lambda weights: "weights",
        lambda weights: [weights],
    ],
)
def test_weights_that_are_no_numbers_of_their_kind_are_refused(tmp_path, checkpoint, spoilt):
    weights = dict(checkpoint.weights)
    weights["classifier.1.weight"] = spoilt(weights["classifier.1.weight"])
    save_checkpoint(tmp_path / "model", replace(checkpoint, weights=weights))
    with pytest.raises(CheckpointError, match=r"damaged|spoilt|another kind|do not fit"):
        load_checkpoint(tmp_path / "model").network()


@pytest.mark.slow
@on_linux
def test_a_model_that_claims_more_memory_than_it_has_takes_none(tmp_path, checkpoint):
    with zipfile.ZipFile(tmp_path / "model", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        with archive.open("archive/data/0", "w", force_zip64=True) as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))
    assert peak_of(lambda: refused(tmp_path / "model")) < 50e6


def refused(path):
    with pytest.raises(CheckpointError, match="it is compressed"):
        load_checkpoint(path)


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
