"""Scores of predictions: shares of images that are right, in all, by class and by rank, and errors of calibration."""

from typing import TypedDict

import numpy as np
from scipy.special import ndtri
from sklearn.metrics import f1_score, precision_recall_fscore_support, recall_score

from evaluation.taxonomy import Taxonomy

Interval = tuple[float, float]  # lower and upper bound, mostly of 95 % confidence

BINS = 15  # of confidence, in calibration errors and reliability diagrams


class ClassScores(TypedDict):
    """Scores of one class: its name, its number of images, and shares in [0, 1]."""

    name: str
    support: int
    recall: float
    precision: float
    f1: float


class RankScores(TypedDict):
    """Scores at one depth of the tree, with 95 % intervals; see `by_rank`."""

    depth: int
    accuracy: float
    count: int
    low: float
    high: float
    classes: int
    mistakes: int
    mistakes_inside: float | None
    inside_low: float | None
    inside_high: float | None


def summary(actual: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the scores of predictions, both label indices (n,); every score lies in [0, 1].

    accuracy: share of images that are right. balanced_accuracy: mean of the classes' shares that are right. macro_f1:
    mean of the classes' F1 (harmonic mean of precision and recall); both means are over the classes that occur.
    majority: what always predicting the commonest class would reach, the accuracy to beat.
    """
    present = np.unique(actual)
    return {
        "accuracy": float(np.mean(actual == predicted)),
        "balanced_accuracy": float(recall_score(actual, predicted, labels=present, average="macro", zero_division=0)),
        "macro_f1": float(f1_score(actual, predicted, labels=present, average="macro", zero_division=0)),
        "majority": float(np.bincount(actual).max() / len(actual)),
    }


def by_class(actual: np.ndarray, predicted: np.ndarray, names: list[str]) -> list[ClassScores]:
    """Return each class's scores: support, recall (share of its images that is right), precision and F1."""
    scores = precision_recall_fscore_support(actual, predicted, labels=range(len(names)), zero_division=0)
    return [
        {"name": name, "support": int(support), "recall": float(recall), "precision": float(precision), "f1": float(f1)}
        for name, precision, recall, f1, support in zip(names, *scores, strict=True)
    ]


def wilson(part: int, count: int, confidence: float = 0.95) -> Interval:
    """Return the interval of a share that was seen in `part` of `count` cases (Wilson 1927, J. Am. Stat. Assoc. 22).

    Without any case it is (0, 1).
    """
    if not count:
        return 0.0, 1.0
    z = ndtri((1 + confidence) / 2)
    share = part / count
    middle = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = (middle - half) / (1 + z**2 / count), (middle + half) / (1 + z**2 / count)
    return max(0.0, float(low)), min(1.0, float(high))


def f1_interval(right: int, support: int, predicted: int) -> Interval:
    """Return the 95 % interval of a class's F1 from its images, how often it was predicted, and how often rightly.

    F1 is 2 j / (1 + j), where j is the share of right predictions in all images that are of the class or were
    predicted to be; the bounds are those of j's Wilson interval.
    """
    low, high = wilson(right, support + predicted - right)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def by_rank(taxonomy: Taxonomy, probabilities: np.ndarray, actual: np.ndarray) -> list[RankScores]:
    """Return scores at each depth of the tree, the roots first, of probabilities (n, classes) and labels (n,).

    accuracy: share of the n (`count`) images whose taxon at the depth (one of `classes` there) has the highest sum of
    probabilities, with its 95 % interval from `low` to `high`. mistakes_inside: of the `mistakes`, the images of which
    the most probable class is wrong, the share that is predicted as a class inside the true taxon at this depth, in
    [0, 1], with its 95 % interval; None without mistakes.
    """
    predicted = np.asarray(probabilities).argmax(1)
    wrong = predicted != actual
    count, mistakes = len(actual), int(wrong.sum())
    rows: list[RankScores] = []
    for depth in range(1, taxonomy.depths + 1):
        nodes, sums = taxonomy.at_depth(probabilities, depth)
        node_of = np.array([nodes.index(lineage[:depth]) for lineage in taxonomy.lineages])
        right = int((sums.argmax(1) == node_of[actual]).sum())
        inside = int((node_of[predicted] == node_of[actual])[wrong].sum())
        low, high = wilson(right, count)
        inside_low, inside_high = wilson(inside, mistakes) if mistakes else (None, None)
        rows.append(
            {
                "depth": depth,
                "accuracy": right / count,
                "count": count,
                "low": low,
                "high": high,
                "classes": len(nodes),
                "mistakes": mistakes,
                "mistakes_inside": inside / mistakes if mistakes else None,
                "inside_low": inside_low,
                "inside_high": inside_high,
            }
        )
    return rows


def mistake_distances(taxonomy: Taxonomy, actual: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return how far each mistake goes, (n,): the steps from the true class up to its common ancestor with the other.

    Both arguments are labels (n,). It is 1 where a sister species is predicted, and 0 where the prediction is right.
    """
    return np.array([taxonomy.distance(a, p) for a, p in zip(actual, predicted, strict=True)], dtype=np.int64)


def confusion_counts(taxonomy: Taxonomy, actual: np.ndarray, predicted: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Return how often each class (rows) was predicted as each (columns), int64 (k, k), from labels (n,).

    Returns the k labels too: those that occur or are predicted, in taxonomic order.
    """
    seen = np.union1d(actual, predicted)
    labels = [label for label in taxonomy.order if label in seen]
    counts = np.zeros((len(taxonomy.names),) * 2, dtype=np.int64)
    np.add.at(counts, (actual, predicted), 1)
    return labels, counts[np.ix_(labels, labels)]


def most_confused(counts: np.ndarray, most: int) -> list[int]:
    """Return the positions of up to `most` classes that are confused most often, rising, from counts (k, k).

    Pairs of classes are taken in the order of how often the two are taken for each other, then classes without a
    mistake, until there are enough.
    """
    both = np.triu(counts + counts.T, 1)
    rows, columns = np.nonzero(both)
    order = np.argsort(-both[rows, columns], kind="stable")
    ranked = dict.fromkeys(np.stack([rows[order], columns[order]], axis=1).ravel().tolist())
    return sorted([*ranked, *(place for place in range(len(counts)) if place not in ranked)][:most])


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Return how far confidence lies from the share that is right, in [0, 1] (Naeini et al. 2015, AAAI).

    Images with probabilities (n, classes) and labels (n,) go by their highest probability into bins of equal width;
    the bins' differences are averaged with the numbers of images as weights.
    """
    return float(np.abs(calibration_gaps(probabilities, labels, bins).sum(0)).sum() / len(labels))


def calibration_gaps(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return 1 or 0, right or not, less the confidence of each image, in the column of its bin: (n, bins), else 0."""
    confidence = probabilities.max(1)
    gaps = np.zeros((len(labels), bins))
    gaps[np.arange(len(labels)), confidence_bins(confidence, bins)] = (probabilities.argmax(1) == labels) - confidence
    return gaps


def confidence_bins(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the bin of each confidence (n,), from 0 to bins - 1; a value on a bound belongs to the bin below it."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
