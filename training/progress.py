"""The bar that shows what is being learnt and how long it still takes."""

from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from training.loop import Run
from training.stages import WHAT_LEARNS, Stage

CLOCK = "{desc}: {percentage:3.0f}%|{bar}| {elapsed} passed, {remaining} left"


def progress_bar(run: Run, stage: Stage, end: float | None, length: int) -> tqdm:
    """Make a bar that says what learns and shows the time left.

    It goes over a stage's epochs, each of `length` pictures, or over its seconds where it has an end.
    """
    what = f"Training {WHAT_LEARNS[stage.frozen]}"
    if end is not None:
        done, total = run.seconds - run.stage_start, end - run.stage_start
        return tqdm(desc=what, initial=done, total=total, leave=False, mininterval=1, bar_format=CLOCK)
    done, total = length * (len(run.history) - run.stage_epoch), length * stage.epochs
    return tqdm(desc=what, initial=done, total=total, unit=" pictures", leave=False, mininterval=1)


def tick_of(bar: tqdm, run: Run, end: float | None) -> Callable[[int], Any]:
    """Return what moves the bar on after a step: by its pictures, or to the second that it is."""
    if end is None:
        return bar.update
    return lambda _: bar.update(max(0.0, min(run.seconds, end) - run.stage_start - bar.n))
