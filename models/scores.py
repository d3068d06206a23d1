"""What a model is worth: shares of pictures that are right, in all, by class and by rank, and how sure they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.metrics import f1_score, precision_recall_fscore_support, recall_score

from models.taxonomy import Taxonomy


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
    """Give the interval in which the true share lies where `right` of `count` are right (Wilson 1927, JASA 22).

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


def bootstrap_macro_f1(
    actual: np.ndarray, predicted: np.ndarray, groups: Sequence[Any], seed: int = 0, rounds: int = 1000
) -> tuple[float, float]:
    """Give the 95 % interval of macro-F1 by drawing whole groups of pictures anew (Field & Welsh 2007, JRSS B 69).

    All arguments are (n,); pictures of one group (one specimen, one source) are alike, so that they count together.
    In each round the mean is over the classes that occur in it.
    """
    classes = max(actual.max(), predicted.max()) + 1
    true, named, right = draw_groups(actual, predicted, groups, classes, seed, rounds)
    f1 = 2 * right / np.maximum(true + named, 1)
    low, high = np.quantile(f1.sum(1, where=true > 0) / (true > 0).sum(1), [0.025, 0.975])
    return float(low), float(high)


def draw_groups(
    actual: np.ndarray, predicted: np.ndarray, groups: Sequence[Any], classes: int, seed: int = 0, rounds: int = 1000
) -> np.ndarray:
    """Draw the groups anew many times (Efron 1979, Ann. Stat. 7), and count (3, rounds, classes).

    Counted are each class's pictures, its answers, and the right ones among them. Whole groups are drawn, since
    pictures of one group say the same thing twice.
    """
    group = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    right = actual == predicted
    counts = np.zeros((3, group.max() + 1, classes))
    np.add.at(counts[0], (group, actual), 1)
    np.add.at(counts[1], (group, predicted), 1)
    np.add.at(counts[2], (group[right], actual[right]), 1)
    number = counts.shape[1]
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), rounds).astype(float)
    return np.stack([drawn @ each for each in counts])


def by_rank(taxonomy: Taxonomy, probabilities: np.ndarray, actual: np.ndarray) -> list[dict[str, float | int | None]]:
    """Score predictions at each depth of the tree, the roots first, from probabilities (n, classes) and labels (n,).

    accuracy: share of the n (`count`) pictures whose taxon at the depth (of `classes` taxa there) has the highest sum
    of probabilities, with its 95 % interval from `low` to `high`. mistakes_inside: of the pictures of which the
    likeliest class is wrong, the share that is named as a class inside the true taxon at this depth, in [0, 1]; None
    where there are no mistakes.
    """
    likeliest = np.asarray(probabilities).argmax(1)
    wrong = likeliest != actual
    rows = []
    for depth in range(1, taxonomy.depths + 1):
        nodes, sums = taxonomy.at_depth(probabilities, depth)
        node_of = np.array([nodes.index(lineage[:depth]) for lineage in taxonomy.lineages])
        right = int((sums.argmax(1) == node_of[actual]).sum())
        inside = int((node_of[likeliest] == node_of[actual])[wrong].sum())
        low, high = wilson(right, len(actual))
        rows.append({"depth": depth, "accuracy": right / len(actual), "count": len(actual), "low": low, "high": high})
        rows[-1] |= {"classes": len(nodes), "mistakes_inside": inside / int(wrong.sum()) if wrong.any() else None}
    return rows


def mean_mistake_distance(taxonomy: Taxonomy, actual: np.ndarray, predicted: np.ndarray) -> float:
    """Give how far mistakes go: the mean steps from the true class up to the first taxon that holds both.

    Both arguments are labels (n,). It is 1 where all mistakes are sister species, and 0 where there are no mistakes.
    """
    steps = [taxonomy.distance(a, p) for a, p in zip(actual, predicted, strict=True) if a != p]
    return float(np.mean(steps)) if steps else 0.0
