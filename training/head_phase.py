"""The first phase of a pretrained run: its head, solved on the features of the layers before it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from models.networks import head_name
from models.prediction import Predictor
from models.preprocessing import IMAGENET
from training.features import Features
from training.head import SMOOTHINGS, LinearHead, Problem, choose_regularisation, solve_head
from training.ranks import ONE_RANK
from training.trainer import EpochResult, Trainer, score

# So many rows of features, of all augmented copies together, are enough to solve a head from, and fit into memory.
MAX_ROWS = 20_000
SHOWN_TO_LIFT = 500


def solve_head_phase(trainer: Trainer, on_progress: Callable[[int], Any] = lambda _: None) -> EpochResult:
    """Solve the head of a trainer's network on the features of its training images, and validate it.

    The images are seen as they are, then augmented, as often as settings, memory and the phase's time allow.
    `on_progress` is called with the number of images after each batch.
    """
    start, dataset = time.monotonic(), trainer.dataset
    features = Features(Predictor(trainer.network, IMAGENET, trainer.device), trainer.ranks, on_progress)
    validate = features.plain(dataset.validate).features
    copies = _copies(trainer, features)
    seconds = time.monotonic() - start
    labels = dataset.train.labels.cpu()
    problem = Problem.of(copies.flatten(0, 1), labels.repeat(len(copies)), dataset.num_classes, trainer.settings.balance)
    head = trainer.ranks.broadcast(_solve(trainer, problem, copies[0]) if trainer.ranks.is_main else None)
    install(trainer.network, head)
    lift_above_rectifier(trainer)
    trainer.reference_features = copies
    train = score(head(problem.features), problem.labels)
    images = len(dataset.validate) + copies.shape[0] * copies.shape[1]
    metrics = {name: train[name] for name in ("loss", "accuracy")}
    metrics |= {"gradient_norm": 0.0, "learning_rate": 0.0, "images_per_second": images / seconds}
    return trainer.record(metrics, head(validate), start)


def _copies(trainer: Trainer, features: Features) -> Tensor:
    """Return the features of the training images, (copies, n, d): as they are, then augmented."""
    train, wanted = trainer.dataset.train, trainer.settings.augmented_copies
    copies = [features.plain(train).features]
    generator = Generator().manual_seed(trainer.settings.seed)
    while len(copies) < wanted and (len(copies) + 1) * len(train) <= MAX_ROWS and not trainer.half_is_over():
        copies.append(features.augmented(train, trainer.dataset.augmentation, generator))
    return torch.stack(copies)


def _solve(trainer: Trainer, problem: Problem, plain: Tensor) -> LinearHead:
    """Choose how the head is held back on the images as they are, then solve it on all copies."""
    settings, dataset = trainer.settings, trainer.dataset
    given = settings.label_smoothing
    smoothings = SMOOTHINGS if given is None else (given,)
    once = Problem.of(plain, dataset.train.labels.cpu(), dataset.num_classes, settings.balance)
    chosen = choose_regularisation(once, dataset.groups, smoothings, trainer.choice_deadline())
    return solve_head(problem, chosen)


def install(network: nn.Module, head: LinearHead) -> None:
    """Write a head into the last layer of a network, which is linear or a 1x1 convolution."""
    layer = network.get_submodule(head_name(network))
    with torch.no_grad():
        layer.weight.copy_(head.weight.view_as(layer.weight))
        layer.bias.copy_(head.bias)


def lift_above_rectifier(trainer: Trainer) -> None:
    """Raise all biases of a convolutional head until what it computes of training images is nowhere negative.

    SqueezeNet's head is followed by a rectifier, which would cut off negative logits; a constant that is added to all of
    them changes no probability.
    """
    layer = trainer.network.get_submodule(head_name(trainer.network))
    if not isinstance(layer, nn.Conv2d):
        return
    lowest: list[float] = []
    hook = layer.register_forward_hook(lambda _, inputs, output: lowest.append(float(output.min())))
    try:
        some = trainer.dataset.train[:: -(-len(trainer.dataset.train) // SHOWN_TO_LIFT)]
        Features(Predictor(trainer.network, IMAGENET, trainer.device), ONE_RANK).plain(some)
    finally:
        hook.remove()
    with torch.no_grad():
        layer.bias.sub_(trainer.ranks.broadcast(min(0.0, *lowest)))
