"""What a model is worth: shares of pictures that are right, in all, by class and by rank, and how sure they are."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtri
from sklearn.metrics import f1_score, precision_recall_fscore_support, recall_score

from evaluation.taxonomy import Taxonomy

LIMITS = (0.025, 0.975)


def summary(actual: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Score predictions, both arguments label indices (n,); every score lies in [0, 1].

    accuracy: share of pictures that are right. balanced_accuracy: mean of the classes' shares that
    are right. macro_f1: mean of the classes' F1 (harmonic mean of precision and recall); both means are over the
    classes that occur. majority: what always answering with the commonest class would reach, the accuracy to beat.
    """
    present = np.unique(actual)
    return {
        "accuracy": float(np.mean(actual == predicted)),
        "balanced_accuracy": float(recall_score(actual, predicted, labels=present, average="macro", zero_division=0)),
        "macro_f1": float(f1_score(actual, predicted, labels=present, average="macro", zero_division=0)),
        "majority": float(np.bincount(actual).max() / len(actual)),
    }


def by_class(actual: np.ndarray, predicted: np.ndarray, classes: list[str]) -> list[dict[str, float | str]]:
    """Score each class: its pictures (support), recall (share of them that is right), precision and F1, in [0, 1]."""
    precision, recall, f1, support = precision_recall_fscore_support(
        actual, predicted, labels=range(len(classes)), zero_division=0
    )
    return [
        {"class": name, "support": int(n), "recall": float(r), "precision": float(p), "f1": float(f)}
        for name, n, r, p, f in zip(classes, support, recall, precision, f1, strict=True)
    ]


def wilson(right: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval in which the true share lies where `right` of `count` are right (Wilson 1927, JASA 22).

    Of no pictures nothing is known: (0, 1).
    """
    if not count:
        return 0.0, 1.0
    z = ndtri((1 + confidence) / 2)
    share = right / count
    middle = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = (middle - half) / (1 + z**2 / count), (middle + half) / (1 + z**2 / count)
    return max(0.0, float(low)), min(1.0, float(high))


def f1_limits(right: int, support: int, answered: int) -> tuple[float, float]:
    """Return the 95 % interval of a class's F1 from its pictures, how often it was answered, and how often rightly.

    F1 is 2 j / (1 + j), where j is the share of right answers in all pictures that are of the class or were called so;
    the limits are those of j's Wilson interval.
    """
    low, high = wilson(right, support + answered - right)
    return 2 * low / (1 + low), 2 * high / (1 + high)


Draws = Callable[[np.ndarray], np.ndarray]


def draw_groups(groups: Sequence[Any], seed: int = 0, rounds: int = 1000) -> Draws:
    """Draw the groups of n pictures anew many times (Efron 1979, Ann. Stat. 7; Field & Welsh 2007, JRSS B 69).

    Returns a function that sums a value of each picture, (n,) or (n, k), over the pictures of each draw: (rounds,) or
    (rounds, k). Whole groups are drawn, since pictures of one group (one specimen, one source) say the same thing
    twice. All that one function sums rests on the same draws.
    """
    group = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    count = len(group)
    gather = csr_array((np.ones(count), (group, np.arange(count))))
    number = gather.shape[0]
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), rounds).astype(float)
    return lambda values: drawn @ (gather @ np.asarray(values, dtype=float))


def draw_classes(draws: Draws, actual: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count each class's pictures, its answers, and the right ones among them in each draw: (3, rounds, classes)."""
    one = np.eye(classes)
    right = one[actual] * (actual == predicted)[:, None]
    return np.stack([draws(values) for values in (one[actual], one[predicted], right)])


def limits(drawn: np.ndarray) -> tuple[float, float] | None:
    """Return the 95 % interval of a figure from what it came to in each draw, (rounds,).

    A draw that has no such figure is NaN and left out; None where no draw has one.
    """
    drawn = drawn[~np.isnan(drawn)]
    return tuple(np.quantile(drawn, LIMITS).tolist()) if drawn.size else None


def mean_limits(draws: Draws, values: np.ndarray, counted: np.ndarray | None = None) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of values (n,), over the pictures in `counted`, bool (n,), or over all."""
    counted = np.ones(len(values), bool) if counted is None else counted
    return limits(_ratio(draws(values * counted), draws(counted)))


def macro_limits(drawn: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return the 95 % intervals of macro-F1 and of the balanced accuracy from `draw_classes`, (3, rounds, classes).

    In each draw the means are over the classes that occur in it.
    """
    support, answered, right = drawn
    shares = {"macro_f1": 2 * _ratio(right, support + answered), "balanced_accuracy": _ratio(right, support)}
    return {
        name: limits(_ratio(np.where(support > 0, f, 0).sum(1), (support > 0).sum(1))) for name, f in shares.items()
    }


def calibration_limits(draws: Draws, gaps: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of an expected calibration error from `calibration_gaps` (n, bins).

    Chance alone makes the error of few pictures large, and that of a draw from them larger still. So the interval is
    the basic one, which takes off what drawing has added (Davison & Hinkley 1997, Bootstrap Methods, 5.2), widened to
    hold the error itself.
    """
    error = np.abs(gaps.sum(0)).sum() / len(gaps)
    low, high = np.quantile(np.abs(draws(gaps)).sum(1) / draws(np.ones(len(gaps))), LIMITS)
    return max(0.0, float(2 * error - high)), float(max(2 * error - low, error))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide, NaN where there is nothing to share."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def by_rank(taxonomy: Taxonomy, probabilities: np.ndarray, actual: np.ndarray) -> list[dict[str, float | int | None]]:
    """Score predictions at each depth of the tree, the roots first, from probabilities (n, classes) and labels (n,).

    accuracy: share of the n (`count`) pictures whose taxon at the depth (of `classes` taxa there) has the highest sum
    of probabilities, with its 95 % interval from `low` to `high`. mistakes_inside: of the `mistakes`, the pictures of
    which the likeliest class is wrong, the share that is named as a class inside the true taxon at this depth, in
    [0, 1], with its 95 % interval; None where there are no mistakes.
    """
    likeliest = np.asarray(probabilities).argmax(1)
    wrong = likeliest != actual
    rows = []
    for depth in range(1, taxonomy.depths + 1):
        nodes, sums = taxonomy.at_depth(probabilities, depth)
        node_of = np.array([nodes.index(lineage[:depth]) for lineage in taxonomy.lineages])
        right = int((sums.argmax(1) == node_of[actual]).sum())
        inside = int((node_of[likeliest] == node_of[actual])[wrong].sum())
        mistakes = int(wrong.sum())
        low, high = wilson(right, len(actual))
        row = {"depth": depth, "accuracy": right / len(actual), "count": len(actual), "low": low, "high": high}
        row |= {"classes": len(nodes), "mistakes": mistakes}
        shares = (inside / mistakes, *wilson(inside, mistakes)) if mistakes else (None,) * 3
        rows.append(row | dict(zip(("mistakes_inside", "inside_low", "inside_high"), shares, strict=True)))
    return rows


def mistake_steps(taxonomy: Taxonomy, actual: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return how far each mistake goes, int (n,): the steps from the true class up to the first taxon that holds both.

    Both arguments are labels (n,). It is 1 where a sister species is answered, and 0 where the answer is right.
    """
    return np.array([taxonomy.distance(a, p) for a, p in zip(actual, predicted, strict=True)], dtype=int)
