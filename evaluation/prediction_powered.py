"""Shares of a sample from a few pictures that a person has checked and the predictions of all: valid for any model.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan & Zrnic 2023, Science 382, "Prediction-powered
inference") takes the mean of the predictions and corrects it by how far they were off where a person has looked. Power
tuning (Angelopoulos, Duchi & Zrnic 2023, arXiv 2311.01453, "PPI++") lets the predictions count only as much as they
help, so that a useless model costs nothing. The numbers are those of the authors' library, ppi-python, which is not
used itself because it brings numba, statsmodels and pandas along for one mean.

Its intervals are those of a normal distribution, which miss the truth too often where a taxon has few pictures among
those checked. So here the variance is turned into the number of checked pictures that alone would have told as much,
and the interval is Wilson's for that number (the effective sample size of Korn & Graubard 1998, Survey Methodology 24).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

# Beside the checked pictures, so many of each of the four kinds (of the taxon or not, predicted so or not), lest a
# taxon that was right in all of five pictures counts as known for certain (Agresti & Min 2005, Statistics in Medicine
# 24, take 0.5). Fewer leave too little, more too much: `python -m benchmarks.assemblage_intervals` measures it.
PSEUDO_PICTURES = 0.1


class PoweredMean(NamedTuple):
    """A prediction-powered mean of k quantities, each float64 (k,): the mean, its variance, and the tuned power."""

    mean: np.ndarray
    variance: np.ndarray
    power: np.ndarray


def tuned_power(labels: np.ndarray, predicted: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how much predictions should count, (k,), in [0, 1]; for the arguments see `powered_mean`."""
    count, rest = len(labels), len(others)
    if not rest:
        return np.zeros(labels.shape[1])
    covariance = ((labels - labels.mean(0)) * (predicted - predicted.mean(0))).mean(0)
    variance = np.concatenate([predicted, others]).var(0, ddof=1)
    known = np.divide(covariance, (1 + count / rest) * variance, out=np.zeros_like(variance), where=variance > 0)
    return np.clip(known, 0, 1)


def powered_mean(
    labels: np.ndarray, predicted: np.ndarray, others: np.ndarray, power: np.ndarray | float | None = None
) -> PoweredMean:
    """Return the prediction-powered mean of k quantities.

    labels: what a person says of n pictures, drawn by chance, (n, k); predicted: what the model says of the same, (n,
    k); others: what it says of the N others, (N, k), which may be none; power: 1 for plain prediction-powered
    inference, 0 for the mean of the labels alone, None to tune it.
    """
    tuned = tuned_power(labels, predicted, others) if power is None else np.broadcast_to(power, labels.shape[1:])
    rectifier = labels - tuned * predicted
    imputed, imputed_variance = np.zeros(labels.shape[1]), np.zeros(labels.shape[1])
    if len(others):
        imputed, imputed_variance = (tuned * others).mean(0), (tuned * others).var(0) / len(others)
    variance = imputed_variance + rectifier.var(0) / len(labels)
    return PoweredMean(imputed + rectifier.mean(0), variance, np.asarray(tuned, dtype=float))


def powered_shares(
    labels: np.ndarray, predicted: np.ndarray, others: np.ndarray, confidence: float, counted: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the shares of k taxa, with the bounds of their intervals at a confidence in (0, 1): each (k,), in [0, 1].

    labels: whether each of n checked pictures is of each taxon, (n, k), 0 or 1; predicted and others: see
    `powered_mean`; counted: which of the checked pictures are of any taxon at all, bool (n,), all of them if None. The
    shares are of those that are counted (the ratio of two means, by the delta method).
    """
    labels = np.asarray(labels, dtype=float)
    kept = np.ones(len(labels)) if counted is None else np.asarray(counted, dtype=float)
    whole = kept.mean()
    if not whole:
        nothing = np.zeros(labels.shape[1])
        return nothing, nothing, np.ones(labels.shape[1])
    power = tuned_power(labels, predicted, others)
    share = powered_mean(labels, predicted, others, power).mean / whole
    linear = (labels - share * kept[:, None]) / whole + share
    found = powered_mean(linear, predicted / whole, others / whole, power)
    share = np.clip(share, 0, 1)
    size = _effective_size(linear, predicted / whole, found)
    low, high = _wilson(share, size, confidence)
    return share, low, high


def _effective_size(labels: np.ndarray, predicted: np.ndarray, found: PoweredMean) -> np.ndarray:
    """Return how many checked pictures would tell as much without a model, (k,)."""
    count, power = len(labels), found.power
    padded = count + 4 * PSEUDO_PICTURES
    rectifier = labels - power * predicted
    squares = (rectifier**2).sum(0) + PSEUDO_PICTURES * (1 + power**2 + (1 - power) ** 2)
    own = (squares / padded - ((rectifier.sum(0) + 2 * PSEUDO_PICTURES * (1 - power)) / padded) ** 2) / padded
    imputed = found.variance - rectifier.var(0) / count
    alone = (labels.sum(0) + 2 * PSEUDO_PICTURES) / padded
    alone_squares = ((labels**2).sum(0) + 2 * PSEUDO_PICTURES) / padded
    return count * (alone_squares - alone**2) / padded / (own + imputed)


def _wilson(share: np.ndarray, size: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's interval for shares (k,) seen in `size` (k,) pictures, which need not be whole numbers."""
    z = ndtri((1 + confidence) / 2)
    middle = share + z**2 / (2 * size)
    half = z * np.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    return np.maximum((middle - half) / (1 + z**2 / size), 0), np.minimum((middle + half) / (1 + z**2 / size), 1)
