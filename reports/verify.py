"""A random sample of each assemblage that a person checks, and what it tells of the whole."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from evaluation.prediction_powered import powered_shares
from reports.person import DROPPED
from reports.prediction_table import ORDINALS, Row

LEAST = 10  # checked pictures from which shares are estimated, where a sample has so many
LEVEL = 0.95


class Verified(NamedTuple):
    """Shares of taxa with their bounds, in [0, 1], and the number of pictures that a person has checked for them."""

    shares: dict[str, tuple[float, float, float]]
    checked: int


def verification_order(rows: Iterable[Row], seed: int) -> list[Row]:
    """Return the pictures of one sample in an order of chance, which depends on nothing but their names and the seed.

    So whoever checks the first N of them has checked a random sample, and so has whoever stops before.
    """
    return sorted(rows, key=lambda row: hashlib.sha256(f"{seed} {row['file']}".encode(errors="replace")).digest())


def verified_shares(rows: Sequence[Row], titles: Sequence[str], seed: int) -> Verified | None:
    """Estimate the shares of taxa in one sample from the pictures that were checked, and what the model says of all.

    rows: of the sample, in predictions.csv; titles: of the taxa. The checked pictures count up to the first, in the
    order of chance, that nobody has checked: what else was checked was chosen, for being doubtful or easy, and tells
    nothing of the whole. Intervals have 95 % confidence. None where too few were checked.
    """
    order = verification_order(rows, seed)
    count = next((place for place, row in enumerate(order) if not row["checked"]), len(order))
    if not count or count < min(LEAST, len(order)):
        return None
    checked = order[:count]
    labels = np.array([[row["answer"] == title for title in titles] for row in checked], dtype=float)
    predicted = _predicted(order, titles)
    counted = np.array([row["checked"] != DROPPED for row in checked])
    found = powered_shares(labels, predicted[:count], predicted[count:], LEVEL, counted)
    return Verified(dict(zip(titles, zip(*(map(float, each) for each in found), strict=True), strict=True)), count)


def _predicted(rows: Sequence[Row], titles: Sequence[str]) -> np.ndarray:
    """Return how probable the model finds each taxon: a class by its probability, another by the model's answer."""
    column = {title: place for place, title in enumerate(titles)}
    found = np.zeros((len(rows), len(titles)))
    for line, row in enumerate(rows):
        for name in ORDINALS:
            if row[name] in column:
                found[line, column[row[name]]] = float(row[f"{name}_probability"])
        if row["model_answer"] in column:
            found[line, column[row["model_answer"]]] = float(row["model_answer_probability"])
    return found
