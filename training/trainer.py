"""The trainer: everything that changes in a run, and the steps of an epoch."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from common.errors import ToolkitError
from evaluation.metrics import summary
from models.device import Device
from models.networks import normalisation
from models.prediction import IMAGES_TO_MEASURE, Predictor, seconds_per_image
from training.cuda_graph import GraphedStep
from training.dataset import TrainingData
from training.features import FrozenFeatures
from training.loss import make_loss
from training.optimizer import LOWEST_RATE, MAX_GRADIENT_NORM, load_optimizer, make_optimizer, set_learning_rate
from training.ranks import ONE_RANK, Ranks
from training.sampling import epoch_batches
from training.schedule import (
    BEGUN_FROM,
    WHAT_LEARNS,
    Phase,
    PhaseClock,
    announce_overrun,
    images_needed,
    learning_rate,
    phase_end,
    plan_phases,
    run_end,
)
from training.settings import Settings

LOG = logging.getLogger(__name__)

SHOWN = ("loss", "accuracy", "macro_f1")  # of the validation images, in the history

# What `Trainer.state_dict` holds besides the states of network and optimizer.
POSITION = ("phase_number", "first_epoch", "phase_start", "learning_start", "seconds")


class Loader(Protocol):
    """Where the batches of a phase come from: images, or the cached features of frozen layers.

    trainable: the part of the network that learns, in place; wrapped: the same, as `Ranks.wrap_ddp` returns it.
    """

    trainable: nn.Module
    wrapped: nn.Module

    def train_mode(self) -> None:
        """Put what learns into training mode."""

    def draw(self, indices: Tensor, epoch: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return what this rank's slice of the training images at `indices` is made from: all that is random in it."""

    def batch(self, drawn: Tensor, also_drawn: Tensor, /) -> tuple[Tensor, Tensor]:
        """Return inputs of `wrapped` and their labels from what was drawn, once that lies on the device."""

    def validation_logits(self) -> Tensor:
        """Return the network's logits for the validation images: float32 (n, classes) on the CPU."""


@dataclass(frozen=True)
class EpochResult:
    """The result of an epoch.

    row: of model.history.csv; train: loss and accuracy on augmented images, learning rate and mean gradient norm;
    validate: loss and `evaluation.metrics.summary`; logits: of the validation images, (n, classes); improved: whether
    the network is the best yet.
    """

    row: dict[str, float]
    train: dict[str, float]
    validate: dict[str, float]
    logits: Tensor
    improved: bool


class Trainer:
    """Everything that changes in a run: network, optimizer, place in the schedule, history and best scores.

    Every random choice follows from the seed and the epoch's number alone, so a run may be resumed between two epochs.
    began: the moment (time.monotonic) from which a time budget counts, by default now.
    """

    optimizer: torch.optim.Optimizer  # these three are set by `begin`, for layers that learn in epochs
    loader: Loader
    step: Callable[..., None]  # `_learn`, where possible as a CUDA graph
    frozen_features: FrozenFeatures | None = None  # where they are known before the head is solved
    reference_features: Tensor | None = None  # of the best network, where a solved head left them: (views, m, d)

    def __init__(
        self,
        network: nn.Module,
        settings: Settings,
        dataset: TrainingData,
        device: Device,
        ranks: Ranks = ONE_RANK,
        began: float | None = None,
    ):
        self.network, self.settings, self.dataset = network, settings, dataset
        self.device, self.ranks = device, ranks
        self.normalisation = normalisation(settings.use_model)
        self.history: list[dict[str, float]] = []
        self.best: dict[str, float] = {}
        self.phases = plan_phases(settings)
        self.phase_number = 0
        self.clock = PhaseClock(self.phases[0], first_epoch=0, start=0.0)
        self._began = time.monotonic() if began is None else began
        self._resumed: dict[str, Any] | None = None
        smoothing = settings.smoothing(dataset.num_classes)
        self._loss = make_loss(settings.balance, dataset.train.labels, dataset.num_classes, smoothing)
        self._sums = torch.zeros(4, dtype=device.widest_float, device=device.device)

    @property
    def seconds(self) -> float:
        """How long the run has taken, interruptions not counted."""
        return time.monotonic() - self._began

    @property
    def phase(self) -> Phase:
        """The phase that the run is in."""
        return self.clock.phase

    @property
    def epoch(self) -> int:
        """How many epochs are finished."""
        return len(self.history)

    def remaining_phases(self, final_seconds: Callable[[Phase], float]) -> Iterator[Phase]:
        """Yield the phases that are left, one after the other; one that there is no time for is skipped.

        final_seconds: how long finalising takes where the run ends with a phase; only asked for in a run with a time
        budget. Raises ToolkitError where nothing can be learnt in it.
        """
        for number in range(self.phase_number, len(self.phases)):
            phase = self.phases[number]
            if number > self.phase_number:
                self.phase_number, self._resumed = number, None
                self.clock = PhaseClock(phase, self.epoch, self.seconds)
            if self.clock.epochs_are_over(self.epoch):  # a resumed run has this phase behind it
                continue
            if self.settings.time_budget is None or self._fits(final_seconds) or self._resumed:
                yield phase
            else:
                LOG.info("The time budget is too short for %s to learn.", WHAT_LEARNS[phase.frozen])

    def begin(self, loader: Loader) -> None:
        """Begin a phase with the batches of `loader`, or go on with it where an interrupted run left it."""
        self.loader = loader
        lowest = LOWEST_RATE if self.settings.pretrained and self.phase.frozen == "none" else 1.0
        self.optimizer = make_optimizer(loader.trainable, self.settings.pretrained, lowest)
        graphed = self.device.device.type == "cuda" and self.ranks.size == 1
        parameters = loader.trainable.parameters()
        self.step = GraphedStep(self._learn, parameters, self.device.device) if graphed else self._learn
        if self._resumed and self._resumed["optimizer"]:
            load_optimizer(self.optimizer, self._resumed["optimizer"])
            self.clock.learning_start = self._resumed["learning_start"]
        else:
            self.clock.learning_start = self.seconds

    def phase_goes_on(self) -> bool:
        """Return whether the phase has another epoch: its end is not reached, and patience is not exhausted."""
        return self._progress() < 1 and not self._is_stuck()

    def train_epoch(self, on_progress: Callable[[int], Any] = lambda _: None) -> EpochResult:
        """Train one epoch and validate. `on_progress` is called with the number of images after each step."""
        start = time.monotonic()
        train, count = self._train_steps(on_progress)
        train["images_per_second"] = count / (time.monotonic() - start)
        nothing = torch.empty(0, self.dataset.num_classes)
        return self.record(train, self.loader.validation_logits() if self.dataset.validates else nothing, start)

    def record(self, train: dict[str, float], logits: Tensor, start: float) -> EpochResult:
        """Enter an epoch into the history: its train metrics, its logits for the validation images, and its start.

        Where there are no images to validate with, each epoch counts as the best yet.
        """
        validates = self.dataset.validates
        validate = self.ranks.broadcast(score(logits, self.dataset.validate.labels)) if validates else {}
        row = {
            "epoch": self.epoch + 1,
            "seconds": round(time.monotonic() - start, 2),
            "images_per_second": round(train["images_per_second"], 1),
            "learning_rate": train["learning_rate"],
            "train_loss": train["loss"],
            "train_accuracy": train["accuracy"],
            **{f"validate_{name}": validate[name] for name in SHOWN if validates},
        }
        self.history.append(row)
        improved = not self.best or not validates or merit(validate) > merit(self.best)
        if improved:
            self.best = {"epoch": self.epoch, **validate}
            self.reference_features = None
        return EpochResult(row, train, validate, logits, improved)

    def seconds_to_predict(self, count: int) -> float:
        """Return how long it takes all ranks together to predict so many images."""
        return count * self._seconds_per_image / self.ranks.size

    def half_is_over(self) -> bool:
        """Return whether half of the phase's time has passed; without a time budget it never has."""
        return self.clock.end is not None and self.ranks.broadcast(self.seconds > self.clock.halfway())

    def deadline(self) -> float | None:
        """Return the moment (time.monotonic) at which the phase's time is over, None without a time budget."""
        return None if self.clock.end is None else self._began + self.clock.end

    def release(self) -> None:
        """Free the memory of optimizer and gradients, for what comes after training."""
        for name in ("optimizer", "loader", "step"):
            self.__dict__.pop(name, None)
        self.network.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Return all that it takes to go on, as tensors, numbers and containers of them, ready for a file."""
        place = (self.phase_number, self.clock.first_epoch, self.clock.start, self.clock.learning_start, self.seconds)
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict() if hasattr(self, "optimizer") else None,
            "history": self.history,
            "best": self.best,
            **dict(zip(POSITION, place, strict=True)),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; the optimizer's part waits for `begin`."""
        self.network.load_state_dict(state["network"])
        self.history, self.best, self.phase_number = state["history"], state["best"], state["phase_number"]
        self.clock = PhaseClock(self.phases[self.phase_number], state["first_epoch"], state["phase_start"])
        self._began = time.monotonic() - state["seconds"]
        self._resumed = state

    def _train_steps(self, on_progress: Callable[[int], Any]) -> tuple[dict[str, float], int]:
        """Take the steps of an epoch, or those for which the phase has time; return train metrics and images seen."""
        epoch, ranks = self.epoch, self.ranks
        torch.manual_seed(self.settings.seed * 1_000_003 + epoch)
        generator = Generator().manual_seed(torch.initial_seed())
        self.loader.train_mode()
        batches = epoch_batches(self.dataset.train.labels, self.settings.batch_size, generator, self.settings.balance)
        self._sums.zero_()
        for step, indices in enumerate(batches):
            progress = self._progress(step / len(batches))
            if progress >= 1 and step:
                break
            rate = learning_rate(self.phase.learning_rate, progress)
            set_learning_rate(self.optimizer, rate)
            self.step(len(indices), *self.loader.draw(indices, epoch, generator))
            on_progress(len(indices))
        loss_sum, right, norm_sum, count = ranks.sum(self._sums).tolist()
        if not math.isfinite(loss_sum):
            raise ToolkitError(f"the loss became {loss_sum / count} in epoch {epoch + 1}", "learning_rate")
        means = {"loss": loss_sum / count, "accuracy": right / count, "gradient_norm": norm_sum / count}
        return means | {"learning_rate": rate}, int(count)

    def _learn(self, count: int, *drawn: Tensor) -> None:
        """Take a step with this rank's slice of a batch of `count` images, as the loader drew it."""
        inputs, labels = self.loader.batch(*drawn)
        with self.ranks.whole_batch(count), self.device.autocast():
            logits = self.loader.wrapped(inputs)
        logits = logits.float()
        # Divided by the whole batch and not by this rank's slice, since slices differ by a row; DDP takes the mean
        # over ranks, where the sum is wanted.
        loss = self._loss(logits, labels).sum() * (self.ranks.size / count)
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.loader.trainable.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step()
        self._sums += _step_sums(logits.detach(), labels, norm, self._sums.dtype)

    def _progress(self, part: float = 0.0) -> float:
        """Return how far the phase is after `part` of the next epoch; all ranks go by the clock of the main one."""
        progress = self.clock.progress(self.epoch + part, self.seconds)
        return progress if self.clock.end is None else self.ranks.broadcast(progress)

    @cached_property
    def _seconds_per_image(self) -> float:
        """How long this rank takes to predict an image."""
        predictor = Predictor(self.network, self.normalisation, self.device)
        return seconds_per_image(predictor, self.dataset.train.pixels[:IMAGES_TO_MEASURE])

    def _fits(self, final_seconds: Callable[[Phase], float]) -> bool:
        """Return whether what the phase takes at least fits into the time budget, and set when it ends.

        Where no later phase fits behind it, it has all the time that there is. Where it does not fit and nothing has
        been learnt yet, it is begun all the same, but for a run that would take twice its budget: raises ToolkitError.
        A head whose features are known is solved in any case.
        """
        end, last_end = (run_end(self.settings, final_seconds(phase)) for phase in (self.phase, self.phases[-1]))
        needed = [self._seconds_needed(phase) for phase in self.phases[self.phase_number :]]
        alone = self.phase.is_last or self.seconds + sum(needed) > last_end
        lacking = self.seconds + needed[0] * (BEGUN_FROM if self.history else 1.0) - end
        lacking, self.clock.end = self.ranks.broadcast(
            (lacking, end if alone else phase_end(self.settings, self.phase))
        )
        if lacking > 0 and not self.history and self.frozen_features is None:
            announce_overrun(self.settings, lacking)
        return lacking <= 0 or not self.history

    def _seconds_needed(self, phase: Phase) -> float:
        """Return how long a phase takes at least."""
        if phase.frozen == "features" and self.frozen_features:
            return 0.0
        train, validate = len(self.dataset.train), len(self.dataset.validate)
        return self.seconds_to_predict(images_needed(phase, self.settings.pretrained, train, validate))

    def _is_stuck(self) -> bool:
        """Return whether the last `patience` epochs, all of this phase, brought nothing better."""
        if self.settings.patience is None or not self.best:
            return False
        return self.epoch - max(self.best["epoch"], self.clock.first_epoch) >= self.settings.patience


def _step_sums(logits: Tensor, labels: Tensor, norm: Tensor, dtype: torch.dtype) -> Tensor:
    """Return loss, right answers, gradient norm and number of images, (4,), all summed over a step's images.

    They stay on the device: to ask for a number after each step would make it wait.
    """
    loss = F.cross_entropy(logits, labels, reduction="sum")
    right = (logits.argmax(1) == labels).sum()
    count = torch.full_like(right, len(labels))
    return torch.stack([part.to(dtype) for part in (loss, right, norm.to(dtype) * len(labels), count)])


def merit(scores: dict[str, float]) -> tuple[float, float]:
    """Return what makes one network better than another: its accuracy, and where that is the same its loss."""
    return scores["accuracy"], -scores["loss"]


def score(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the scores of logits (n, classes): mean cross-entropy as `loss`, and `evaluation.metrics.summary`."""
    labels = labels.cpu()
    loss = F.cross_entropy(logits, labels).item()
    return {"loss": loss, **summary(labels.numpy(), logits.argmax(1).numpy())}
