"""The first phase of a pretrained run: its head, solved on the features of the layers before it."""

from __future__ import annotations

import logging
import time

import torch
from torch import Tensor, nn

from common.progress import Progress
from models.networks import head_name
from models.prediction import Predictor
from training.features import FeatureCopies, FrozenFeatures
from training.finalise import references
from training.head import SMOOTHINGS, LinearHead, Problem, choose_regularisation, solve_head, trials
from training.loaders import predict_by_rank
from training.trainer import EpochResult, Trainer, score

LOG = logging.getLogger(__name__)

# A step of L-BFGS multiplies images, features and classes; copies are added as long as the product is no larger.
MAX_PRODUCT = 1_500_000_000
SHOWN_TO_LIFT = 500

# Of the time that is left, trials may take this share; trials and solution together have at least so many seconds.
TRIAL_SHARE, MIN_SECONDS = 0.5, 4.0


def solve_head_phase(trainer: Trainer) -> EpochResult:
    """Solve the head of a trainer's network on the features of its training images, install it and validate it.

    The images are seen as they are, then augmented, as often as settings, memory and half of the phase's time allow.
    """
    start, dataset = time.monotonic(), trainer.dataset
    features = trainer.frozen_features or compute_features(trainer)
    seconds = time.monotonic() - start
    copies = features.train
    head = trainer.ranks.broadcast(_solve(trainer, copies) if trainer.ranks.is_main else None)
    install(trainer.network, head)
    lift_above_rectifier(trainer)
    seen = 0 if trainer.frozen_features else len(dataset.validate) + copies.shape[0] * copies.shape[1]
    train = score(head(copies.flatten(0, 1)), dataset.train.labels.cpu().repeat(len(copies)))
    metrics = {name: train[name] for name in ("loss", "accuracy")}
    metrics |= {"gradient_norm": 0.0, "learning_rate": 0.0, "images_per_second": seen / max(seconds, 1e-3)}
    result = trainer.record(metrics, head(features.validate), start)
    step, views = references(len(dataset.train))
    trainer.reference_features = None if trainer.settings.tta else copies[:views, ::step].clone()
    return result


def compute_features(trainer: Trainer) -> FrozenFeatures:
    """Return what the last layer reads of a trainer's images, in as many copies as `solve_head_phase` says."""
    dataset, wanted = trainer.dataset, trainer.settings.augmented_copies
    predictor = Predictor(trainer.network, trainer.normalisation, trainer.device)
    others = predict_by_rank(trainer.ranks, predictor, dataset.validate).features if dataset.validates else None
    count = len(dataset.train)
    with Progress(total=wanted * count, desc="Running the frozen layers", unit=" pictures", leave=False) as bar:
        source = FeatureCopies(predictor, dataset, trainer.ranks, on_progress=bar.update)
        copies = [source.next()]
        while (
            len(copies) < wanted
            and (len(copies) + 1) * copies[0].numel() * dataset.num_classes <= MAX_PRODUCT
            and not trainer.half_is_over()
        ):
            copies.append(source.next())
    return FrozenFeatures(torch.stack(copies), copies[0][:0] if others is None else others)


def _solve(trainer: Trainer, copies: Tensor) -> LinearHead:
    """Choose how the head is held back on the images as they are, then solve it on all copies."""
    settings, dataset = trainer.settings, trainer.dataset
    labels, classes = dataset.train.labels.cpu(), dataset.num_classes
    smoothings = SMOOTHINGS if settings.label_smoothing is None else (settings.label_smoothing,)
    once = Problem.of(copies[0], labels, classes, settings.balance)
    with Progress(total=trials(smoothings), desc="Solving the head", unit=" trials", leave=False) as bar:
        chosen = choose_regularisation(once, dataset.groups, smoothings, _deadline(trainer, TRIAL_SHARE), bar.update)
        all_copies = Problem.of(copies.flatten(0, 1), labels.repeat(len(copies)), classes, settings.balance)
        head = solve_head(all_copies, chosen, _deadline(trainer))
    LOG.info(
        "The head is solved on %d copies of each picture (L2 strength %g, label smoothing %g).",
        *(len(copies), chosen.l2, chosen.smoothing),
    )
    return head


def _deadline(trainer: Trainer, share: float = 1.0) -> float | None:
    """Return the moment (time.monotonic) at which a share of the phase's time that is left will be over."""
    end, now = trainer.deadline(), time.monotonic()
    return None if end is None else now + share * max(end - now, MIN_SECONDS)


def install(network: nn.Module, head: LinearHead) -> None:
    """Write a head into the last layer of a network, which is linear or a 1x1 convolution."""
    layer = network.get_submodule(head_name(network))
    assert isinstance(layer, nn.Linear | nn.Conv2d) and layer.bias is not None
    with torch.no_grad():
        layer.weight.copy_(head.weight.view_as(layer.weight))
        layer.bias.copy_(head.bias)


def lift_above_rectifier(trainer: Trainer) -> None:
    """Raise all biases of a convolutional head until what it computes of training images is nowhere negative.

    SqueezeNet's head is followed by a rectifier, which would cut off negative logits; a constant that is added to all
    of them changes no probability.
    """
    layer = trainer.network.get_submodule(head_name(trainer.network))
    if not isinstance(layer, nn.Conv2d) or layer.bias is None:
        return
    lowest: list[float] = []
    hook = layer.register_forward_hook(lambda _, _inputs, output: lowest.append(float(output.min())))
    try:
        some = trainer.dataset.train[:: -(-len(trainer.dataset.train) // SHOWN_TO_LIFT)]
        predictor = Predictor(trainer.network, trainer.normalisation, trainer.device)
        for batch in some.pixels.split(trainer.device.images_at_once):
            predictor(batch)
    finally:
        hook.remove()
    with torch.no_grad():
        layer.bias.sub_(trainer.ranks.broadcast(min(0.0, *lowest)))
