"""The training loop: an epoch's batches, one step after the other, and what is kept between two epochs."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from evaluation.metrics import summary
from models.device import Hardware
from training.balance import draw, make_loss
from training.distributed import ALONE, World
from training.stages import CachedSource, PictureSource, Timetable

MOMENTUM = 0.9
LARGEST_GRADIENT = 5.0
WARMUP_SHARE = 0.1

# In a pretrained network the first layers, which know edges and textures, learn at this share of the head's rate.
LOWEST_RATE = 0.1
RATE_STEPS = 4

# A small set is gone through several times in an epoch, each time in other turns and lights, until there have been so
# many steps: with one step for an epoch nothing is learnt, and nothing is seen in the curves.
STEPS_PER_EPOCH = 20

# Of a run: where it stands, see `Run`.
PLACES = ("stage", "stage_epoch", "stage_start", "learning_start")


class TrainingError(Exception):
    """Training cannot go on; the text says why and what to do."""


@dataclass
class Run:
    """A training run between two epochs: all that it takes to go on as if nothing had happened.

    stage, stage_epoch, stage_start: number of the stage, and the epochs and seconds of the run when it began;
    learning_start: the seconds when its first epoch began; world: the processes that train together, all with the same
    state.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer | None = None
    average: AveragedModel | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    stage: int = 0
    stage_epoch: int = 0
    stage_start: float = 0.0
    learning_start: float = 0.0
    began: float = field(default_factory=time.monotonic)
    world: World = ALONE

    @property
    def seconds(self) -> float:
        """How long the run has taken, interruptions not counted."""
        return time.monotonic() - self.began

    def progress(self, timetable: Timetable, part: float = 0.0) -> float:
        """Say how far the stage is after `part` of the next epoch, all processes going by the clock of the first."""
        progress = timetable.progress(len(self.history) + part, self.seconds)
        return progress if timetable.end is None else self.world.agree(progress)

    def state(self) -> dict[str, Any]:
        """Return tensors, numbers and containers of them, ready for a file."""
        places = {name: getattr(self, name) for name in (*PLACES, "seconds")}
        states = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        if self.average:
            states["average"] = self.average.state_dict()
        return {**states, "history": self.history, "best": self.best, **places}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave, all but the optimizer's and average's part, which wait for the stage."""
        self.network.load_state_dict(state["network"])
        for name in ("history", "best", *PLACES):
            setattr(self, name, state[name])
        self.began = time.monotonic() - state["seconds"]


@dataclass(frozen=True)
class Recipe:
    """How a stage trains: pictures in a step, the schedule's highest rate, the seed, and what is done about balance.

    adaptive: AdamW, for pretrained networks, in place of plain descent with momentum; balance: see `training.balance`;
    smoothing: the share of a label that is spread over all classes.
    """

    batch_size: int
    learning_rate: float
    seed: int
    adaptive: bool = False
    balance: str = "none"
    smoothing: float = 0.0

    def rate(self, progress: float) -> float:
        """Return the learning rate at `progress` (0 at the start of the stage, 1 at its end).

        A linear warm-up, then half a cosine down to nothing (Loshchilov & Hutter, "SGDR", ICLR 2017,
        https://arxiv.org/abs/1608.03983).
        """
        if progress < WARMUP_SHARE:
            return self.learning_rate * (0.05 + 0.95 * progress / WARMUP_SHARE)
        progress = min(progress, 1.0)
        return self.learning_rate * (1 + math.cos(math.pi * (progress - WARMUP_SHARE) / (1 - WARMUP_SHARE))) / 2


def make_optimizer(module: nn.Module, adaptive: bool = False, lowest: float = 1.0) -> torch.optim.Optimizer:
    """Stochastic gradient descent with Nesterov momentum, or AdamW ("adaptive").

    Norms and biases are not decayed. Each group of parameters has a `factor` for the schedule's rate, which rises from
    about `lowest` for the first layers to 1 for the last.
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups: dict[tuple[bool, float], list[Tensor]] = {}
    for place, parameter in enumerate(parameters, 1):
        step = math.ceil(place / len(parameters) * RATE_STEPS) / RATE_STEPS
        factor = lowest ** (1 - step)
        groups.setdefault((parameter.ndim > 1, factor), []).append(parameter)
    decay = 0.05 if adaptive else 5e-4
    options = [
        {"params": members, "weight_decay": decay if decayed else 0.0, "factor": factor}
        for (decayed, factor), members in groups.items()
    ]
    if adaptive:
        return torch.optim.AdamW(options, lr=0.0, fused=True)
    return torch.optim.SGD(options, lr=0.0, momentum=MOMENTUM, nesterov=True)


def epoch_batches(labels: Tensor, batch_size: int, generator: Generator, balance: str = "none") -> list[Tensor]:
    """Deal out the indices of pictures with these labels for one epoch, in batches of about `batch_size` of one size.

    Each picture comes once, or, where that gives fewer than STEPS_PER_EPOCH batches, equally often several times.
    """
    count = len(labels)
    order = draw(balance, labels, epoch_length(count, batch_size) // count, generator)
    return list(order.tensor_split(round(len(order) / min(batch_size, count))))


def epoch_length(count: int, batch_size: int) -> int:
    """Return how many pictures pass in an epoch over a set of `count`."""
    return count * math.ceil(STEPS_PER_EPOCH * min(batch_size, count) / count)


def smallest_batch(count: int, batch_size: int) -> int:
    """Return how many pictures the smallest batch of `epoch_batches` holds, of a set of `count`."""
    length = epoch_length(count, batch_size)
    return length // round(length / min(batch_size, count))


def train_epoch(
    run: Run,
    source: PictureSource | CachedSource,
    labels: Tensor,
    num_classes: int,
    recipe: Recipe,
    timetable: Timetable,
    hardware: Hardware,
    tick: Callable[[int], Any] = lambda _: None,
) -> dict[str, float]:
    """Train one epoch; give its loss and accuracy (of the augmented pictures, with dropout) and how it went.

    Every random choice follows from the seed and the epoch's number alone. An epoch in which the stage's time is over
    ends there. `tick` is called with the number of pictures after each step. Raises TrainingError when the loss is no
    longer a number.
    """
    epoch = len(run.history)
    torch.manual_seed(recipe.seed * 1_000_003 + epoch)
    generator = Generator().manual_seed(torch.initial_seed())
    loss_of = make_loss(recipe.balance, labels, num_classes, recipe.smoothing)
    source.train()
    order = epoch_batches(labels, recipe.batch_size, generator, recipe.balance)
    sums = torch.zeros(4, dtype=torch.float64, device=hardware.device)
    for step, indices in enumerate(order):
        progress = run.progress(timetable, step / len(order))
        if progress >= 1 and step:
            break
        rate = recipe.rate(progress)
        for group in run.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        inputs, targets = source.batch(indices, epoch, generator)
        with run.world.whole_batch(len(indices)), hardware.autocast():
            logits = source.learner(inputs)
        logits = logits.float()
        loss = loss_of(logits, targets).sum() * (run.world.size / len(indices))
        run.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(source.module.parameters(), LARGEST_GRADIENT)
        run.optimizer.step()
        if run.average:
            run.average.update_parameters(source.module)
        # Summed on the device: to ask for a number after each step would make it wait.
        shown = F.cross_entropy(logits.detach(), targets, reduction="sum")
        actual = targets if targets.ndim == 1 else targets.argmax(1)
        right = (logits.argmax(1) == actual).double().sum()
        sums += torch.stack([shown.double(), right, norm.double() * len(actual), torch.full_like(right, len(actual))])
        tick(len(indices))
    sums = run.world.sum(sums)
    loss, accuracy, norm, count = (sums / torch.cat([sums[3:].expand(3), sums.new_ones(1)])).tolist()
    if not math.isfinite(loss):
        raise TrainingError(f"the loss became {loss} in epoch {epoch + 1}; try a lower --learning_rate")
    return {"loss": loss, "accuracy": accuracy, "gradient_norm": norm, "learning_rate": rate, "pictures": int(count)}


def score(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Score logits (n, classes): mean cross-entropy as `loss`, and evaluation.metrics.summary."""
    labels = labels.cpu()
    loss = F.cross_entropy(logits, labels).item()
    return {"loss": loss, **summary(labels.numpy(), logits.argmax(1).numpy())}
