"""At how many pixels images are trained, where the user does not say."""

import time

import numpy as np
import pytest
import torch
from PIL import Image

from models.checkpoint import Checkpoint, save_checkpoint
from models.networks import build_network
from tests.training_runs import CPU, settings
from training.dataset import list_dataset
from training.image_size import TimeBudget, choose_image_size, size_bounds
from training.ranks import ONE_RANK

SQUEEZENET = ["--use_model", "squeezenet1_1", "--weights", "imagenet"]  # which nobody loads here
SCRATCH = ["--use_model", "squeezenet1_1", "--weights", "none"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A data set of pictures of 140 x 70 pixels."""
    top = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        path = top / ("train", "validate")[number % 3 == 0] / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (70, 140, 3), np.uint8)).save(path)
    return top


def chosen(directory, *options):
    """Return the size that is chosen for a run that begins now."""
    run = settings("--directory", str(directory), *options)
    return choose_image_size(run, list_dataset(directory), CPU, ONE_RANK, time.monotonic())


def test_the_own_size_is_kept_within_what_pretrained_layers_need_and_time_allows():
    assert size_bounds(settings(*SQUEEZENET)) == (120, 224)
    assert size_bounds(settings(*SCRATCH, "--time_budget", "10")) == (32, 160)


@pytest.mark.parametrize(
    "options, size",
    [
        (SQUEEZENET, 144),  # their own, in steps of eight
        (SCRATCH, 144),
        ([*SCRATCH, "--time_budget", "0.01"], 144),
        ([*SQUEEZENET, "--image_size", "99"], 99),
        ([*SQUEEZENET, "--freeze", "features"], 224),  # the head alone learns
        ([*SQUEEZENET, "--epochs", "1"], 224),
        ([*SQUEEZENET, "--freeze", "features", "--image_size", "99"], 99),
        ([*SCRATCH, "--freeze", "features"], 144),
        pytest.param([*SQUEEZENET, "--time_budget", "60"], 144, marks=pytest.mark.slow),  # time for all layers
        pytest.param([*SQUEEZENET, "--time_budget", "0.01"], 128, marks=pytest.mark.slow),  # time for nothing
        pytest.param([*SQUEEZENET, "--time_budget", "60", "--freeze", "features"], 224, marks=pytest.mark.slow),
    ],
)
def test_a_head_alone_sees_what_the_weights_learnt_from(directory, options, size):
    assert chosen(directory, *options) == size


@pytest.mark.slow
def test_weights_of_an_own_model_learnt_from_images_of_its_size(directory, tmp_path):
    network = build_network("squeezenet1_1", 2, 72)
    save_checkpoint(tmp_path / "model", Checkpoint("squeezenet1_1", 72, ["a", "b"], network.state_dict()))
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    options = ["--use_model", "squeezenet1_1", "--freeze", "features", "--weights"]
    assert chosen(directory, *options, str(tmp_path / "model")) == 72
    assert chosen(directory, *options, str(tmp_path / "model"), "--time_budget", "0.01") == 72
    assert chosen(directory, *options, str(tmp_path / "weights.pth")) == 224


def test_a_vision_transformer_sees_multiples_of_its_patches():
    run = settings("--use_model", "vit_h_14", "--weights", "imagenet", "--time_budget", "0.1")
    budget = TimeBudget(run, {"train": 900, "validate": 100}, native=126, seconds=0.1)
    assert budget.best_size(learnt_from=224, begin=0.0) == 224  # 192, 160 and 128 are no multiples of 14


def test_all_layers_learn_at_the_own_size_where_that_is_small():
    run = settings(*SQUEEZENET, "--time_budget", "17")
    assert TimeBudget(run, {"train": 900, "validate": 100}, native=120, seconds=0.06).best_size(224, begin=0.0) == 120
    assert TimeBudget(run, {"train": 900, "validate": 100}, native=120, seconds=0.07).best_size(224, begin=0.0) == 224


@pytest.mark.parametrize(
    "minutes, folds, size",
    [
        (27, None, 160),  # all layers learn: 100 s (frozen), 1120 (learning), 10 (validating), 370 (finalising)
        (26, None, 128),  # 1024 s
        (18, None, 128),
        (17, None, 224),
        (27, 5, 224),  # for which nearly six times as long would be needed
        (6, None, 224),  # the frozen layers take 1.96 times 100 s, of 355
        (5, None, 192),
        (4, None, 160),
        (2, None, 128),
        (6, 5, 160),  # most of the time is for six heads
        (0.1, None, 128),
    ],
)
def test_more_pixels_where_time_is_left_and_all_layers_where_they_fit(minutes, folds, size):
    run = settings(*SQUEEZENET, "--time_budget", str(minutes), *(["--folds", str(folds)] if folds else []))
    budget = TimeBudget(run, {"train": 900, "validate": 100}, native=160, seconds=0.1)
    assert budget.best_size(learnt_from=224, begin=0.0) == size
