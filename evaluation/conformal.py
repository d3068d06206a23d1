"""Sets of classes that hold the true one as often as is asked for.

Split conformal prediction with a limit for each class (Vovk 2012, ACML; Sadinle, Lei & Wasserman 2019, J. Am. Stat.
Assoc. 114): a class stays in a picture's set where no more speaks against it than against most pictures of that class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from evaluation.taxonomy import Taxonomy

# With fewer validation pictures a class shares its limit with the other small classes.
CLASS_PICTURES = 30

# A class's place is that of so many of its pictures, or better. It is no best of several places, and it is asked for
# only where answers gain by more than so many standard errors: what is chosen on the pictures that set the limits makes
# sets hold the truth less often than asked for.
PLACED, CLEAR_GAIN = 0.95, 2.0

# The confidence at which the gain is measured. It is not the user's: sets of one confidence must lie within those of
# every higher one, so that they need one measure of what speaks against a class.
GAIN_MEASURED_AT = 0.9


@dataclass(frozen=True)
class Conformal:
    """What validation pictures taught about which classes can be ruled out.

    places: (classes,), see `misfits`; scores: (n,), for each validation picture the misfit of its class; labels: (n,),
    its class.
    """

    taxonomy: Taxonomy
    places: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    @classmethod
    def fit(cls, taxonomy: Taxonomy, probabilities: np.ndarray, labels: np.ndarray) -> Conformal:
        """Learn from probabilities (n, classes) of validation pictures and their labels (n,)."""
        places = choose_places(taxonomy, probabilities, labels)
        scores = misfits(taxonomy, probabilities, places)[np.arange(len(labels)), labels]
        return cls(taxonomy, places, scores, labels)

    def sets(self, probabilities: np.ndarray, confidence: float) -> np.ndarray:
        """Return for each picture, (n, classes), the classes that cannot be ruled out: bool (n, classes), never none.

        They hold the true class of a share `confidence` in (0, 1) of pictures, for each class that has
        `CLASS_PICTURES` validation pictures and for the rest together. A higher confidence only adds classes. With too
        few validation pictures for the confidence, all classes are in. Where a place is asked for, the share may fall
        short by a percent or so, because place and limit come from the same pictures. Raises ValueError for a
        confidence that is no share.
        """
        limits = np.empty(len(self.places))
        for members in _groups(self.labels, len(limits)):
            its = self.scores[np.isin(self.labels, members)]
            limits[members] = limit([its, self.scores], confidence)
        return misfits(self.taxonomy, probabilities, self.places) <= limits


def misfits(taxonomy: Taxonomy, probabilities: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Measure how badly each class fits where probabilities are (n, classes): (n, classes), in [0, 2].

    That is its doubt, and 1 more where it is not among the places[class] likeliest classes.
    """
    return doubts(taxonomy, probabilities) + (_places(probabilities) > places)


def choose_places(taxonomy: Taxonomy, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each class among how many of the likeliest it has to be, (classes,), or else fits badly.

    What is doubted is not all that speaks against a class. One that is often taken for another has a limit so high
    that it stays in most sets of all the others, and next to no picture is named any more; but for its own pictures it
    mostly comes second or third (Shi et al. 2024, NeurIPS, "Conformal prediction for class-wise coverage via augmented
    label rank calibration"). From probabilities (n, classes) and labels (n,) of validation pictures a place is asked
    for where that makes answers clearly more precise, all classes taken together, else none is: the place is the number
    of all classes. Classes that share a limit share their place.
    """
    count = probabilities.shape[1]
    places = np.full(count, count)
    if not len(labels):
        return places
    rows, likeliest = np.arange(len(labels)), probabilities.argmax(1)
    doubt, place = doubts(taxonomy, probabilities), _places(probabilities)
    depths = np.array([len(lineage) for lineage in taxonomy.lineages])
    shared = depths[:, None] - [[taxonomy.distance(a, b) for b in range(count)] for a in range(count)]

    def kept(members: np.ndarray, most: int) -> np.ndarray:
        """Return the depth of the answer, (n,), if only these classes, with this place, could make it wider."""
        scores = doubt + (place > most)
        own = scores[rows, labels]
        stay = scores[:, members] <= limit([own[np.isin(labels, members)], own], GAIN_MEASURED_AT)
        return np.where(stay, shared[likeliest][:, members], depths[likeliest][:, None]).min(1)

    groups = _groups(labels, count)
    answers = [kept(members, count) for members in groups]
    for number in np.argsort([depth.sum() for depth in answers], kind="stable"):
        members = groups[number]
        others = np.min([depths[likeliest], *answers[:number], *answers[number + 1 :]], axis=0)
        of_group = np.isin(labels, members)
        its = place[rows, labels][of_group if of_group.any() else rows]
        mostly = int(np.quantile(its, PLACED, method="higher"))
        placed = kept(members, mostly)
        gain = np.minimum(placed, others) - np.minimum(answers[number], others)
        if gain.sum() > CLEAR_GAIN * gain.std() * math.sqrt(len(gain)):
            places[members], answers[number] = mostly, placed
    return places


def _groups(labels: np.ndarray, count: int) -> list[np.ndarray]:
    """Return the classes of `count` that have a limit of their own, each as an array, and one with all others."""
    large = np.bincount(labels, minlength=count) >= CLASS_PICTURES
    groups = [np.array([index]) for index in np.flatnonzero(large)]
    return groups if large.all() else [*groups, np.flatnonzero(~large)]


def _places(probabilities: np.ndarray) -> np.ndarray:
    """Return the place of each class by probability, 1 for the likeliest, from (n, classes): int of that shape."""
    return rankdata(-probabilities, method="min", axis=1).astype(np.int64)


def doubts(taxonomy: Taxonomy, probabilities: np.ndarray) -> np.ndarray:
    """Measure what speaks against each class where probabilities are (n, classes): (n, classes), in [0, 1].

    If the truth is some class, then the likeliest class is wrong, and so are the taxa in which it lies, up to the first
    that holds both. The probability of the highest of these is the doubt; the likeliest class has none. So a set
    that leaves out what is doubted most holds whole taxa, and its common ancestor is no wider than need be: with
    1 - the class's own probability, one stray class in a set makes an answer of a whole order.
    """
    columns = {node: column for column, node in enumerate(taxonomy.nodes)}
    # what is not wrong at all has the probability of nothing
    sums = np.pad(taxonomy.node_probabilities(probabilities), ((0, 0), (0, 1)))
    measured = np.empty(np.shape(probabilities))
    likeliest = np.asarray(probabilities).argmax(1)
    for index in np.unique(likeliest):
        line = taxonomy.lineages[index]
        shared = [len(taxonomy.common_ancestor([index, other])) for other in range(len(taxonomy.names))]
        wrong = [columns[line[: depth + 1]] if depth < len(line) else -1 for depth in shared]
        rows = np.flatnonzero(likeliest == index)
        measured[rows] = sums[np.ix_(rows, wrong)]
    return measured


def limit(scores: list[np.ndarray], confidence: float) -> float:
    """Return the value that a new score does not exceed with a probability of `confidence` in (0, 1) or more.

    It is the ceil((n + 1) · confidence)-th smallest of the first n scores, if there are so many, else of the next
    scores, but never less than any of those before, so that it grows with the confidence; infinity where all are too
    few. Raises ValueError for a confidence that is no share.
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
