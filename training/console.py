"""What a run shows in the terminal: a bar with the time left, and a line for each epoch."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.progress import Progress
from training.dataset import TrainingData
from training.orientation import FREE
from training.recorder import Recorder
from training.sampling import epoch_length
from training.schedule import WHAT_LEARNS
from training.trainer import EpochResult, Trainer

LOG = logging.getLogger(__name__)

HEADING = "Epoch  train loss  accuracy  validate loss  accuracy  pictures/s"
CLOCK = "{desc}: {percentage:3.0f}%|{bar}| {elapsed} passed, {remaining} left"


class Console(Recorder):
    """Logs the course of a run, line by line."""

    def run_begin(self, trainer: Trainer) -> None:
        """Say what there is to learn, and with what."""
        LOG.info("%s\n%s on %s\n%s", describe(trainer.dataset), trainer.settings.use_model, trainer.device, HEADING)

    def epoch_end(self, trainer: Trainer, result: EpochResult) -> None:
        """Show an epoch as a line below HEADING."""
        row = result.row
        validated = f"{'-':>14} {'-':>9}"
        if result.validate:
            validated = f"{row['validate_loss']:14.4f} {row['validate_accuracy']:9.1%}"
        LOG.info(
            f"{row['epoch']:5d} {row['train_loss']:11.4f} {row['train_accuracy']:9.1%} {validated} "
            f"{row['images_per_second']:11.1f}"
        )


def describe(dataset: TrainingData) -> str:
    """Return what there is to learn, in words."""
    free = dataset.augmentation.max_rotation == FREE
    validate = f" and {len(dataset.validate)} to validate with" if dataset.validates else ""
    return (
        f"{len(dataset.train)} pictures to learn from{validate}, "
        f"{dataset.num_classes} classes, {dataset.image_size}x{dataset.image_size} pixels, "
        f"{'rotated freely' if free else 'rotated by up to 15 degrees'}"
    )


def conclusion(best: dict[str, float], model: Path) -> str:
    """Return how good the best epoch is, or the folds were, and what to do next."""
    which = f"The best epoch was {best['epoch']:.0f}: {best['accuracy']:.1%} of the validation pictures are right"
    more = ""
    if "folds" in best:
        which = f"In cross-validation, {best['folds']} folds, {best['accuracy']:.1%} of all pictures are right"
        spread = [f"{best[f'{name}_low']:.3f} to {best[f'{name}_high']:.3f}" for name in ("accuracy", "macro_f1")]
        deviations = [f"{best[f'{name}_sd']:.3f}" for name in ("accuracy", "macro_f1")]
        more = (
            f"95 % intervals: accuracy {spread[0]}, macro-F1 {spread[1]}; standard deviations over folds: "
            f"{deviations[0]}, {deviations[1]}.\nEach picture was predicted by a network that had not seen it nor its "
            f"group ({model}.folds.csv); the model itself has learnt from all of them, in the same way.\n"
        )
    return (
        f"{which} (balanced accuracy {best['balanced_accuracy']:.1%}, macro-F1 {best['macro_f1']:.3f}; always "
        f"answering with the commonest class would reach {best['majority']:.1%}).\n"
        f"{more}Wrote {model}. To see what it does: python visualise_results.py --model {model}"
    )


@contextmanager
def progress_bar(trainer: Trainer) -> Iterator[Callable[[int], Any]]:
    """Show a bar over the epochs of the trainer's phase, or over its seconds where it has an end.

    Yields what moves it on after a step, called with the step's number of images.
    """
    clock, what = trainer.clock, f"Training {WHAT_LEARNS[trainer.phase.frozen]}"
    if clock.end is not None:
        end, start = clock.end, clock.start
        done, total = trainer.seconds - start, end - start
        with Progress(desc=what, initial=done, total=total, leave=False, mininterval=1, bar_format=CLOCK) as bar:
            yield lambda _: bar.update(max(0.0, min(trainer.seconds, end) - start - bar.n))
        return
    assert trainer.phase.epochs is not None
    length = epoch_length(len(trainer.dataset.train), trainer.settings.batch_size)
    done, total = length * (trainer.epoch - clock.first_epoch), length * trainer.phase.epochs
    with Progress(desc=what, initial=done, total=total, unit=" pictures", leave=False, mininterval=1) as bar:
        yield bar.update
