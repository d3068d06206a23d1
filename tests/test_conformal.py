"""Which classes can be ruled out: rank limits by hand, and what one hard class does to the sets of all others."""

import numpy as np
import pytest

from evaluation.calibration import Calibration
from evaluation.conformal import (
    MIN_CLASS_IMAGES,
    Conformal,
    choose_rank_limits,
    conformal_quantile,
    nonconformity,
    taxonomic_nonconformity,
)
from evaluation.taxonomy import Taxonomy
from tests.clusters import TAXONOMY

FLAT = Taxonomy([("A",), ("B",), ("C",), ("D",)])


def test_nonconformity_by_hand():
    shares = np.array([[0.5, 0.3, 0.15, 0.05], [0.4, 0.4, 0.1, 0.1]])
    base = np.array([[0, 0.5, 0.5, 0.5], [0, 0.4, 0.4, 0.4]])
    assert nonconformity(FLAT, shares, np.full(4, 4)) == pytest.approx(base)
    # equal shares have the better rank of the two: both A and B come first in the second row, C and D third
    beyond = np.array([[0, 0, 1, 1], [0, 0, 1, 0]])
    assert nonconformity(FLAT, shares, np.array([1, 2, 2, 3])) == pytest.approx(base + beyond)


def test_taxonomic_nonconformity_by_hand():
    shares = np.array([[0.4, 0.2, 0.3, 0.1, 0.0], [0.1, 0.0, 0.1, 0.3, 0.5]])
    expected = [[0, 0.4, 0.6, 0.6, 0.6], [0.8, 0.8, 0.8, 0.5, 0]]  # the species within its genus, else the genus
    assert taxonomic_nonconformity(TAXONOMY, shares) == pytest.approx(np.array(expected))
    nested = Taxonomy([("A",), ("A", "B"), ("C",)])  # B is too precise for an A, but A is right for a B
    shares, expected = np.array([[0.2, 0.5, 0.3], [0.5, 0.2, 0.3]]), np.array([[0.5, 0, 0.7], [0, 0, 0.7]])
    assert taxonomic_nonconformity(nested, shares) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [
        (0.5, 3),  # ceil(6 · 0.5) = the third of five
        (0.8, 5),
        (0.83, 5),  # ceil(6 · 0.83) = 5
        (0.9, 9),  # none of five; ceil(11 · 0.9) = the tenth of the ten others
        (0.95, np.inf),
    ],
)
def test_the_quantile_by_hand(confidence, expected):
    assert conformal_quantile([np.array([3.0, 1, 5, 2, 4]), np.arange(10.0)], confidence) == expected


def test_the_quantile_never_falls_where_it_is_taken_from_more_scores():
    assert conformal_quantile([np.array([3.0, 1, 5, 2, 4]), np.zeros(10)], 0.9) == 5


def one_hard_class(each=100):
    """Return probabilities and labels: A, B and C are known by 0.9, and D is taken for A and comes second to it."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), each)
    shares = random.uniform(0.01, 0.05, (len(labels), 4))
    shares[np.arange(len(labels)), labels] = 0.9
    shares[labels == 3] = (0.95, 0.005, 0.005, 0.04)
    return shares / shares.sum(1, keepdims=True), labels


def test_a_hard_class_keeps_out_of_the_sets_of_others_and_is_held_itself():
    shares, labels = one_hard_class()
    calibrated, new = np.arange(400) % 2 == 0, np.arange(400) % 2 == 1
    unlimited = Conformal(FLAT, np.full(4, 4), *_scores(shares[calibrated], labels[calibrated], np.full(4, 4)))
    fitted = Conformal.fit(FLAT, shares[calibrated], labels[calibrated])
    others = new & np.isin(labels, [1, 2])
    # without a rank limit its quantile is so high that it is never ruled out
    assert unlimited.sets(shares[others], 0.9)[:, 3].mean() > 0.8
    assert fitted.rank_limits.tolist() == [4, 4, 4, 2]
    assert fitted.sets(shares[others], 0.9)[:, 3].mean() < 0.5
    held = fitted.sets(shares[new], 0.9)[np.arange(new.sum()), labels[new]]
    assert all(held[labels[new] == index].mean() >= 0.8 for index in range(4))


def _scores(shares, labels, rank_limits):
    return nonconformity(FLAT, shares, rank_limits)[np.arange(len(labels)), labels], labels


def test_no_rank_limit_is_set_where_none_makes_a_supported_taxon_more_precise():
    sure = np.full((4, 4), 0.01) + 0.96 * np.eye(4)
    labels = np.repeat(np.arange(4), MIN_CLASS_IMAGES)
    assert choose_rank_limits(FLAT, sure[labels], labels).tolist() == [4] * 4
    assert choose_rank_limits(FLAT, sure[:0], labels[:0]).tolist() == [4] * 4


def test_small_classes_share_their_rank_limit_as_they_share_their_quantile():
    shares, labels = one_hard_class(MIN_CLASS_IMAGES - 1)
    rank_limits = choose_rank_limits(FLAT, shares, labels)
    assert len(set(rank_limits)) == 1


def test_a_model_of_an_older_format_has_no_rank_limits():
    shares, labels = one_hard_class()
    state = Calibration(
        FLAT, 1.0, Conformal(FLAT, np.full(4, 4), *_scores(shares, labels, np.full(4, 4))), None
    ).state()
    del state["rank_limits"]
    assert Calibration.from_state(FLAT, state).conformal.rank_limits.tolist() == [4] * 4


def test_a_rank_limit_costs_no_class_the_truth_that_was_asked_for():
    """Over many draws, with a hard class for which a rank limit is set: coverage by class and in all stays near 0.9."""
    rounds, covered, limited = 40, np.zeros((40, 4)), 0
    for seed in range(rounds):
        random = np.random.default_rng(seed)

        def drawn(each, random=random):
            labels = np.repeat(np.arange(4), each)
            logits = 4 * np.eye(4)[labels] + random.normal(0, 1.6, (len(labels), 4))
            logits[labels == 3, 0] += 6
            shares = np.exp(logits)
            return shares / shares.sum(1, keepdims=True), labels

        fitted = Conformal.fit(FLAT, *drawn(60))
        limited += fitted.rank_limits[3] < 4
        shares, labels = drawn(200)
        held = fitted.sets(shares, 0.9)[np.arange(800), labels]
        covered[seed] = held.reshape(4, 200).mean(1)
    assert limited > rounds / 2
    assert covered.mean(0).min() > 0.88  # not below; above, where the likeliest class is right oftener than asked
    assert 0.895 < covered.mean() < 0.915
