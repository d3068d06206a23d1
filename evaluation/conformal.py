"""Sets of classes that hold the true one as often as is asked for.

Split conformal prediction with a quantile for each class (Vovk 2012, ACML; Sadinle, Lei & Wasserman 2019, J. Am. Stat.
Assoc. 114): a class stays in an image's set where its nonconformity is no higher than that of most images of the class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from evaluation.taxonomy import Taxonomy

# A class with fewer validation images shares one quantile with all others of that kind.
MIN_CLASS_IMAGES = 30

# A rank limit, where there is one, is that rank within which this share of the class's validation images lie. It is not
# the best of several ranks, and it is set only where it gains more than so many standard errors: what is chosen on the
# same images as the quantiles makes sets hold the truth less often than asked for.
RANK_LIMIT_SHARE, CLEAR_GAIN = 0.95, 2.0

# The confidence at which the gain is measured. It is not the user's: sets of one confidence must lie within those of
# every higher one, so that all need the same nonconformity.
GAIN_CONFIDENCE = 0.9


@dataclass(frozen=True)
class Conformal:
    """What validation images tell about which classes can be ruled out.

    rank_limits: int64 (classes,), see `nonconformity`; nonconformity: (n,), of each validation image's own class;
    labels: int64 (n,), its class.
    """

    taxonomy: Taxonomy
    rank_limits: np.ndarray
    nonconformity: np.ndarray
    labels: np.ndarray

    @classmethod
    def fit(cls, taxonomy: Taxonomy, probabilities: np.ndarray, labels: np.ndarray) -> Conformal:
        """Return sets fitted to probabilities (n, classes) of validation images and their labels (n,)."""
        rank_limits = choose_rank_limits(taxonomy, probabilities, labels)
        own = nonconformity(taxonomy, probabilities, rank_limits)[np.arange(len(labels)), labels]
        return cls(taxonomy, rank_limits, own, labels)

    @classmethod
    def from_state(cls, taxonomy: Taxonomy, state: Mapping[str, Any]) -> Conformal:
        """Return what a model file holds. Raises KeyError, TypeError or ValueError where it is not valid."""
        count = len(taxonomy.names)
        scores = np.asarray(state["nonconformity"], dtype=np.float64)
        labels = np.asarray(state["labels"], dtype=np.int64)
        # before format 3 there were no rank limits
        rank_limits = np.asarray(state.get("rank_limits", np.full(count, count)), dtype=np.int64)
        if not (
            rank_limits.shape == (count,)
            and (rank_limits > 0).all()
            and scores.shape == labels.shape == (len(labels),)
            and np.isfinite(scores).all()
            and np.isin(labels, np.arange(count)).all()
        ):
            raise ValueError("its numbers are not valid")
        return cls(taxonomy, rank_limits, scores, labels)

    def sets(self, probabilities: np.ndarray, confidence: float) -> np.ndarray:
        """Return for each image, (n, classes), the classes that cannot be ruled out: bool (n, classes), never none.

        They hold the true class of a share `confidence` in (0, 1) of images, for each class that has MIN_CLASS_IMAGES
        validation images and for the rest together. A higher confidence only adds classes. With too few validation
        images for the confidence, all classes are in. Where there is a rank limit, the share may fall short by a
        percent or so, because limit and quantile come from the same images. Raises ValueError for a confidence that is
        not a share.
        """
        quantiles = class_quantiles(self.nonconformity, self.labels, len(self.rank_limits), confidence)
        return nonconformity(self.taxonomy, probabilities, self.rank_limits) <= quantiles


def nonconformity(taxonomy: Taxonomy, probabilities: np.ndarray, rank_limits: np.ndarray) -> np.ndarray:
    """Return how badly each class fits an image, (n, classes), in [0, 2], from probabilities (n, classes).

    It is the class's `taxonomic_nonconformity`, and 1 more where the class is not among the rank_limits[class] most
    probable ones.
    """
    return taxonomic_nonconformity(taxonomy, probabilities) + (_probability_ranks(probabilities) > rank_limits)


def taxonomic_nonconformity(taxonomy: Taxonomy, probabilities: np.ndarray) -> np.ndarray:
    """Return how probable it is that each class is wrong, (n, classes), in [0, 1], from probabilities (n, classes).

    If the truth is some class, then the most probable class is wrong, and so are the taxa in which it lies, up to the
    common ancestor of both. The probability of the highest of these is the nonconformity; the most probable class has
    none. So a set that leaves out the highest nonconformity holds whole taxa, and its common ancestor is no wider than
    need be: with 1 - the class's own probability, one stray class in a set would widen it to a whole order.
    """
    columns = {node: column for column, node in enumerate(taxonomy.nodes)}
    # the column of zeros is for classes under which nothing is wrong
    sums = np.pad(taxonomy.node_probabilities(probabilities), ((0, 0), (0, 1)))
    scores = np.empty(np.shape(probabilities))
    predicted = np.asarray(probabilities).argmax(1)
    for index in np.unique(predicted):
        lineage = taxonomy.lineages[index]
        shared = [len(taxonomy.common_ancestor([index, other])) for other in range(len(taxonomy.names))]
        wrong = [columns[lineage[: depth + 1]] if depth < len(lineage) else -1 for depth in shared]
        rows = np.flatnonzero(predicted == index)
        scores[rows] = sums[np.ix_(rows, np.array(wrong))]
    return scores


def choose_rank_limits(taxonomy: Taxonomy, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each class among how many of the most probable classes it has to be, (classes,), or else fits badly.

    Taxonomic nonconformity does not see all that speaks against a class. One that is often taken for another has a
    quantile so high that it stays in most sets of all the others, and hardly any image is named any more; but for its
    own images it mostly comes second or third (Shi et al. 2024, NeurIPS, "Conformal prediction for class-wise coverage
    via augmented label rank calibration"). From probabilities (n, classes) and labels (n,) of validation images a limit
    is set where that makes supported taxa clearly more precise, all classes taken together; else it is the number of
    all classes. Classes that share a quantile share their limit.
    """
    return _RankLimits(taxonomy, probabilities, labels).choose()


class _RankLimits:
    """The search for rank limits, group of classes by group; see `choose_rank_limits`."""

    def __init__(self, taxonomy: Taxonomy, probabilities: np.ndarray, labels: np.ndarray):
        self.labels = labels
        self.count = count = probabilities.shape[1]
        self.rows, self.predicted = np.arange(len(labels)), probabilities.argmax(1)
        self.scores, self.ranks = taxonomic_nonconformity(taxonomy, probabilities), _probability_ranks(probabilities)
        self.depths = np.array([len(lineage) for lineage in taxonomy.lineages])
        distances = [[taxonomy.distance(a, b) for b in range(count)] for a in range(count)]
        self.shared_depths = self.depths[:, None] - distances

    def choose(self) -> np.ndarray:
        """Return the limits, (classes,)."""
        limits = np.full(self.count, self.count)
        if not len(self.labels):
            return limits
        groups = _class_groups(self.labels, self.count)
        supported = [self._supported_depths(members, self.count) for members in groups]
        # the group that widens sets most comes first
        for number in np.argsort([depth.sum() for depth in supported], kind="stable"):
            members = groups[number]
            others = np.min([self.depths[self.predicted], *supported[:number], *supported[number + 1 :]], axis=0)
            limit = self._own_rank(members)
            limited = self._supported_depths(members, limit)
            gain = np.minimum(limited, others) - np.minimum(supported[number], others)
            if gain.sum() > CLEAR_GAIN * gain.std() * math.sqrt(len(gain)):
                limits[members], supported[number] = limit, limited
        return limits

    def _supported_depths(self, members: np.ndarray, limit: int) -> np.ndarray:
        """Return the depths of the supported taxa, (n,), if only these classes, with this limit, could widen sets."""
        scores = self.scores + (self.ranks > limit)
        own = scores[self.rows, self.labels]
        quantile = conformal_quantile([own[np.isin(self.labels, members)], own], GAIN_CONFIDENCE)
        shared = self.shared_depths[self.predicted][:, members]
        return np.where(scores[:, members] <= quantile, shared, self.depths[self.predicted][:, None]).min(1)

    def _own_rank(self, members: np.ndarray) -> int:
        """Return the rank within which RANK_LIMIT_SHARE of the classes' own images lie, of all images without any."""
        own = np.isin(self.labels, members)
        ranks = self.ranks[self.rows, self.labels][own if own.any() else self.rows]
        return int(np.quantile(ranks, RANK_LIMIT_SHARE, method="higher"))


def class_quantiles(scores: np.ndarray, labels: np.ndarray, count: int, confidence: float) -> np.ndarray:
    """Return each class's quantile, (count,), of the nonconformity (n,) of validation images with labels (n,).

    Classes with fewer than MIN_CLASS_IMAGES share one. Raises ValueError for a confidence that is not a share.
    """
    quantiles = np.empty(count)
    for members in _class_groups(labels, count):
        quantiles[members] = conformal_quantile([scores[np.isin(labels, members)], scores], confidence)
    return quantiles


def conformal_quantile(scores: list[np.ndarray], confidence: float) -> float:
    """Return the value that a new score does not exceed with a probability of `confidence` in (0, 1) or more.

    It is the ceil((n + 1) · confidence)-th smallest of the first n scores, if there are so many, else of the next
    scores, but never less than any of those before, so that it grows with the confidence; infinity where all are too
    few. Raises ValueError for a confidence that is not a share.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, such as 0.9, and not at {confidence:g}")
    floor = -math.inf
    for some in scores:
        rank = math.ceil((len(some) + 1) * confidence - 1e-9)
        if rank <= len(some):
            return max(floor, float(np.partition(some, rank - 1)[rank - 1]))
        floor = max(floor, some.max(initial=-math.inf))
    return math.inf


def _class_groups(labels: np.ndarray, count: int) -> list[np.ndarray]:
    """Return the classes of `count` that have a quantile of their own, each as an array, and one with all others."""
    large = np.bincount(labels, minlength=count) >= MIN_CLASS_IMAGES
    groups = [np.array([index]) for index in np.flatnonzero(large)]
    return groups if large.all() else [*groups, np.flatnonzero(~large)]


def _probability_ranks(probabilities: np.ndarray) -> np.ndarray:
    """Return the rank of each class by probability, (n, classes): 1 for the most probable, the same for equals."""
    return rankdata(-probabilities, method="min", axis=1).astype(np.int64)
