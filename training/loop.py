"""The training loop: an epoch's batches, one step after the other, and what is kept between two epochs."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.hardware import Hardware
from models.images import IMAGENET, Store, augment
from models.predict import Predictor, predict
from models.scores import summary

MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
LARGEST_GRADIENT = 5.0
WARMUP_SHARE = 0.1

# A small set is gone through several times in an epoch, each time in other turns and lights, until there have been so
# many steps: with one step for an epoch nothing is learnt, and nothing is seen in the curves.
STEPS_PER_EPOCH = 20


class TrainingError(Exception):
    """Training cannot go on; the text says why and what to do."""


@dataclass
class Run:
    """A training run between two epochs: all that it takes to go on as if nothing had happened."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        """Give tensors, numbers and containers of them, ready for a file."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "best": self.best,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self.best = state["history"], state["best"]


@dataclass(frozen=True)
class Recipe:
    """How a run trains: the number of epochs, pictures in a step, the schedule's highest rate, and the seed."""

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int

    def rate(self, progress: float) -> float:
        """Give the learning rate at `progress` (0 at the start of the run, 1 at its end).

        A linear warm-up, then half a cosine down to nothing (Loshchilov & Hutter, "SGDR", ICLR 2017,
        https://arxiv.org/abs/1608.03983).
        """
        if progress < WARMUP_SHARE:
            return self.learning_rate * (0.05 + 0.95 * progress / WARMUP_SHARE)
        return self.learning_rate * (1 + math.cos(math.pi * (progress - WARMUP_SHARE) / (1 - WARMUP_SHARE))) / 2


def make_optimizer(network: nn.Module) -> torch.optim.SGD:
    """Stochastic gradient descent with Nesterov momentum; norms and biases are not decayed."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=0.0, momentum=MOMENTUM, nesterov=True)


def epoch_batches(count: int, batch_size: int, generator: Generator) -> list[Tensor]:
    """Deal out the indices of `count` pictures for one epoch, in batches of about `batch_size` of one size.

    Each picture comes once, or, where that gives fewer than STEPS_PER_EPOCH batches, equally often several times.
    """
    passes = epoch_length(count, batch_size) // count
    order = torch.cat([torch.randperm(count, generator=generator) for _ in range(passes)])
    return list(order.tensor_split(round(len(order) / min(batch_size, count))))


def epoch_length(count: int, batch_size: int) -> int:
    """Give how many pictures pass in an epoch over a set of `count`."""
    return count * math.ceil(STEPS_PER_EPOCH * min(batch_size, count) / count)


def train_epoch(
    run: Run,
    store: Store,
    recipe: Recipe,
    hardware: Hardware,
    tick: Callable[[int], Any] = lambda _: None,
) -> dict[str, float]:
    """Train one epoch; give its loss and accuracy (of the augmented pictures, with dropout) and how it went.

    Every random choice follows from the seed and the epoch's number alone. `tick` is called with the number of pictures
    after each step. Raises TrainingError when the loss is no longer a number.
    """
    epoch = len(run.history)
    torch.manual_seed(recipe.seed * 1_000_003 + epoch)
    generator = Generator().manual_seed(torch.initial_seed())
    run.network.train()
    order = epoch_batches(len(store), recipe.batch_size, generator)
    sums = torch.zeros(4, dtype=torch.float64)
    for step, indices in enumerate(order):
        rate = recipe.rate((epoch + step / len(order)) / recipe.epochs)
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        pictures, labels = augmented_batch(store, indices, generator, hardware)
        with hardware.autocast():
            logits = run.network(pictures)
        loss = F.cross_entropy(logits.float(), labels)
        run.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(run.network.parameters(), LARGEST_GRADIENT)
        run.optimizer.step()
        count = len(labels)
        right = (logits.argmax(1) == labels).sum()
        sums += torch.tensor([loss.item() * count, right.item(), norm.item() * count, count], dtype=torch.float64)
        if not math.isfinite(sums[0]):
            raise TrainingError(f"the loss became {loss.item()} in epoch {epoch + 1}; try a lower --learning_rate")
        tick(count)
    loss, accuracy, norm = (sums[:3] / sums[3]).tolist()
    return {"loss": loss, "accuracy": accuracy, "gradient_norm": norm, "learning_rate": rate, "pictures": int(sums[3])}


def augmented_batch(store: Store, indices: Tensor, generator: Generator, hardware: Hardware) -> tuple[Tensor, Tensor]:
    """Give the pictures at `indices` as they enter the network while it trains, and their labels."""
    indices = indices.to(store.pictures.device)
    pictures = augment(store.pictures[indices], generator)
    return hardware.place_pictures(IMAGENET.apply(pictures)), store.labels[indices].to(hardware.device)


def validate(network: nn.Module, store: Store, hardware: Hardware) -> dict[str, float]:
    """Score the network on pictures that it does not learn from: mean cross-entropy as `loss`, and models.scores."""
    logits, _ = predict(Predictor(network, IMAGENET, hardware), store)
    loss = F.cross_entropy(logits, store.labels.cpu()).item()
    return {"loss": loss, **summary(store.labels.cpu().numpy(), logits.argmax(1).numpy())}
