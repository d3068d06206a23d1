"""Intervals of figures that are not plain shares: the bootstrap over groups of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from evaluation.metrics import Interval

BOUNDS = (0.025, 0.975)


class GroupBootstrap:
    """Resamples the groups of n images many times (Efron 1979, Ann. Stat. 7; Field & Welsh 2007, JRSS B 69).

    Whole groups are resampled, since images of one group (one specimen, one source) are not independent. All intervals
    that one object gives rest on the same resamples.
    """

    def __init__(self, groups: Sequence[Any], seed: int = 0, rounds: int = 1000):
        group = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
        count = len(group)
        self._sums_by_group = csr_array((np.ones(count), (group, np.arange(count))))
        number = self._sums_by_group.shape[0]
        random = np.random.default_rng(seed)
        self._times_drawn = random.multinomial(number, np.full(number, 1 / number), rounds).astype(float)

    def sums(self, values: ArrayLike) -> np.ndarray:
        """Return sums of the images' values, (n,) or (n, k), over each resample: (rounds,) or (rounds, k)."""
        return self._times_drawn @ (self._sums_by_group @ np.asarray(values, dtype=float))

    def mean_interval(self, values: np.ndarray, counted: np.ndarray | None = None) -> Interval | None:
        """Return the 95 % interval of the mean of values (n,), over the images in `counted`, bool (n,), or over all.

        None where no resample has any of them.
        """
        counted = np.ones(len(values), bool) if counted is None else counted
        return percentile_interval(_ratio(self.sums(values * counted), self.sums(counted)))

    def macro_intervals(
        self, actual: np.ndarray, predicted: np.ndarray, num_classes: int
    ) -> dict[str, Interval | None]:
        """Return the 95 % intervals of macro_f1 and balanced_accuracy from labels (n,).

        In each resample the means are over the classes that occur in it.
        """
        one_hot = np.eye(num_classes)
        right = one_hot[actual] * (actual == predicted)[:, None]
        support, named, right = (self.sums(values) for values in (one_hot[actual], one_hot[predicted], right))
        shares = {"macro_f1": 2 * _ratio(right, support + named), "balanced_accuracy": _ratio(right, support)}
        return {
            name: percentile_interval(_ratio(np.where(support > 0, share, 0).sum(1), (support > 0).sum(1)))
            for name, share in shares.items()
        }

    def calibration_error_interval(self, gaps: np.ndarray) -> Interval:
        """Return the 95 % interval of an expected calibration error from `metrics.calibration_gaps`, (n, bins).

        Chance alone makes the error of few images large, and that of a resample of them larger still. So the interval
        is the basic one, which takes off what resampling has added (Davison & Hinkley 1997, Bootstrap Methods, 5.2),
        widened to hold the error itself.
        """
        error = np.abs(gaps.sum(0)).sum() / len(gaps)
        low, high = np.quantile(np.abs(self.sums(gaps)).sum(1) / self.sums(np.ones(len(gaps))), BOUNDS)
        return max(0.0, float(2 * error - high)), float(max(2 * error - low, error))


def percentile_interval(resampled: np.ndarray) -> Interval | None:
    """Return the 95 % interval of a figure from its value in each resample, (rounds,).

    A resample that has no such figure is NaN and left out; None where no resample has one.
    """
    resampled = resampled[~np.isnan(resampled)]
    if not resampled.size:
        return None
    low, high = np.quantile(resampled, BOUNDS)
    return float(low), float(high)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the quotient; NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
