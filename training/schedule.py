"""The schedule of a run: its phases, the time that each may take, and the learning rate at every step."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from common.errors import ToolkitError
from training.settings import Settings

LOG = logging.getLogger(__name__)

WHAT_LEARNS = {"features": "the head", "block": "the last block and the head", "none": "all layers"}

# The head of a pretrained network comes first, solved on features computed once (`training.head`): it is what all else
# has to beat, and a random one's gradients would distort what the layers before it know (Kumar et al., "Fine-tuning can
# distort pretrained features and underperform out-of-distribution", ICLR 2022, https://arxiv.org/abs/2202.10054).
HEAD_TIME_SHARE = 0.15

# Other layers are planned only where so many epochs of them fit into the time budget; once the head is solved, they
# begin if this share of that is left, since the head may have taken longer than it had to. After fewer epochs a head
# alone that sees more pixels is better, in particular of many classes (NOTES.md).
MIN_EPOCHS = 4
BEGUN_FROM = 0.5
LEARNING_COST = 3  # to learn from an image takes so many times as long as to predict it

WARMUP_SHARE = 0.1
WRITING_SECONDS = 5.0  # that are set aside of a time budget for reading and writing files


@dataclass(frozen=True)
class Phase:
    """A part of a run: what is frozen meanwhile (a key of WHAT_LEARNS), its highest learning rate, and its end.

    It ends after `epochs`, and when `time_share` of the run's time budget has passed, where there is one.
    """

    frozen: str
    epochs: int | None
    learning_rate: float
    time_share: float = 1.0

    @property
    def is_last(self) -> bool:
        """Whether the run ends with this phase."""
        return self.time_share == 1.0


def plan_phases(settings: Settings) -> list[Phase]:
    """Return the phases of a run: of a pretrained network first the head, which counts as an epoch, then the rest."""
    epochs, rate = settings.epochs, settings.learning_rate
    if settings.freeze == "features":
        return [Phase("features", 1, 0.0)]
    if not settings.pretrained:
        return [Phase(settings.freeze, epochs, rate)]
    if epochs == 1:
        return [Phase("features", 1, 0.0)]
    rest = Phase(settings.freeze, None if epochs is None else epochs - 1, rate)
    return [Phase("features", 1, 0.0, HEAD_TIME_SHARE), rest]


def images_needed(phase: Phase, pretrained: bool, train: int, validate: int) -> int:
    """Return what a phase takes at least, in images predicted: frozen layers see all once, others learn MIN_EPOCHS.

    A network that starts at random learns for as long as there is time.
    """
    if phase.frozen != "none":
        return train + validate
    return MIN_EPOCHS * (LEARNING_COST * train + validate) if pretrained else 0


@dataclass
class PhaseClock:
    """Where a phase is between its begin (progress 0) and its end (1), by epochs or by seconds, whichever is further.

    first_epoch, start: the epochs and seconds of the run that had passed when the phase began; end: the second at which
    it ends, None without a time budget; learning_start: the second at which its first epoch began.
    """

    phase: Phase
    first_epoch: int
    start: float
    end: float | None = None
    learning_start: float = 0.0

    def progress(self, epoch: float, seconds: float) -> float:
        """Return how far the phase is, when `epoch` epochs and `seconds` of the whole run have passed."""
        by_epoch = (epoch - self.first_epoch) / self.phase.epochs if self.phase.epochs else 0.0
        if self.end is None:
            return by_epoch
        return max(by_epoch, (seconds - self.learning_start) / max(self.end - self.learning_start, 1e-3))

    def epochs_are_over(self, epoch: int) -> bool:
        """Tell whether the phase has had all its epochs when `epoch` epochs of the run are finished."""
        return self.phase.epochs is not None and epoch - self.first_epoch >= self.phase.epochs

    def halfway(self) -> float:
        """Return the second at which half of the phase's time has passed, which is that of its learning."""
        assert self.end is not None
        return (self.start + self.end) / 2


def phase_end(settings: Settings, phase: Phase) -> float:
    """Return the second of a run with a time budget at which a phase before the last one ends."""
    assert settings.time_budget is not None
    return phase.time_share * 60 * settings.time_budget


def run_end(settings: Settings, final_seconds: float) -> float:
    """Return the second of a run with a time budget by which learning ends.

    final_seconds: what finalising the trained model will take.
    """
    assert settings.time_budget is not None
    return 60 * settings.time_budget - WRITING_SECONDS - final_seconds


def announce_overrun(settings: Settings, seconds: float) -> None:
    """Say that a run takes so many seconds longer than its time budget, since in less nothing would be learnt.

    Raises ToolkitError where it would take more than twice the budget.
    """
    assert settings.time_budget is not None
    if seconds > 60 * settings.time_budget:
        raise ToolkitError(
            "the time budget is too short for these pictures: what must be done beside learning takes all of it; it "
            f"needs {math.ceil(seconds / 60) + 1} minutes more, or smaller pictures",
            "time_budget",
            "image_size",
        )
    LOG.info("The time budget is too short for these pictures: the run takes about %d seconds longer.", seconds)


def learning_rate(highest: float, progress: float) -> float:
    """Return the learning rate at `progress` through a phase, from 0 to 1.

    A linear warm-up, then half a cosine down to nothing (Loshchilov & Hutter, "SGDR", ICLR 2017,
    https://arxiv.org/abs/1608.03983).
    """
    if progress < WARMUP_SHARE:
        return highest * (0.05 + 0.95 * progress / WARMUP_SHARE)
    progress = min(progress, 1.0)
    return highest * (1 + math.cos(math.pi * (progress - WARMUP_SHARE) / (1 - WARMUP_SHARE))) / 2
