"""Which classes can be ruled out: places by hand, and what one hard class does to the answers for all others."""

import numpy as np
import pytest

from evaluation.calibration import Calibration
from evaluation.conformal import CLASS_PICTURES, Conformal, choose_places, misfits
from evaluation.taxonomy import Taxonomy

FLAT = Taxonomy([("A",), ("B",), ("C",), ("D",)])


def test_misfits_by_hand():
    shares = np.array([[0.5, 0.3, 0.15, 0.05], [0.4, 0.4, 0.1, 0.1]])
    doubts = np.array([[0, 0.5, 0.5, 0.5], [0, 0.4, 0.4, 0.4]])
    assert misfits(FLAT, shares, np.full(4, 4)) == pytest.approx(doubts)
    # equal shares have the better place of the two: both A and B come first in the second row, C and D third
    beyond = np.array([[0, 0, 1, 1], [0, 0, 1, 0]])
    assert misfits(FLAT, shares, np.array([1, 2, 2, 3])) == pytest.approx(doubts + beyond)


def one_hard_class(each=100):
    """Return probabilities and labels: A, B and C are known by 0.9, and D is taken for A and comes second to it."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), each)
    shares = random.uniform(0.01, 0.05, (len(labels), 4))
    shares[np.arange(len(labels)), labels] = 0.9
    shares[labels == 3] = (0.95, 0.005, 0.005, 0.04)
    return shares / shares.sum(1, keepdims=True), labels


def test_a_hard_class_keeps_out_of_the_answers_for_others_and_is_held_itself():
    shares, labels = one_hard_class()
    calibrated, new = np.arange(400) % 2 == 0, np.arange(400) % 2 == 1
    by_doubt = Conformal(FLAT, np.full(4, 4), *_scores(shares[calibrated], labels[calibrated], np.full(4, 4)))
    fitted = Conformal.fit(FLAT, shares[calibrated], labels[calibrated])
    others = new & np.isin(labels, [1, 2])
    # its limit by doubt alone is so high that it is never ruled out
    assert by_doubt.sets(shares[others], 0.9)[:, 3].mean() > 0.8
    assert fitted.places.tolist() == [4, 4, 4, 2]
    assert fitted.sets(shares[others], 0.9)[:, 3].mean() < 0.5
    held = fitted.sets(shares[new], 0.9)[np.arange(new.sum()), labels[new]]
    assert all(held[labels[new] == index].mean() >= 0.8 for index in range(4))


def _scores(shares, labels, places):
    return misfits(FLAT, shares, places)[np.arange(len(labels)), labels], labels


def test_no_place_is_asked_for_where_none_makes_an_answer_more_precise():
    sure = np.full((4, 4), 0.01) + 0.96 * np.eye(4)
    labels = np.repeat(np.arange(4), CLASS_PICTURES)
    assert choose_places(FLAT, sure[labels], labels).tolist() == [4] * 4
    assert choose_places(FLAT, sure[:0], labels[:0]).tolist() == [4] * 4


def test_small_classes_share_their_place_as_they_share_their_limit():
    shares, labels = one_hard_class(CLASS_PICTURES - 1)
    places = choose_places(FLAT, shares, labels)
    assert len(set(places)) == 1


def test_a_model_of_an_older_format_has_no_places():
    shares, labels = one_hard_class()
    state = Calibration(
        FLAT, 1.0, Conformal(FLAT, np.full(4, 4), *_scores(shares, labels, np.full(4, 4))), None
    ).state()
    del state["places"]
    assert Calibration.from_state(FLAT, state).conformal.places.tolist() == [4] * 4


def test_a_place_costs_no_class_the_truth_that_was_asked_for():
    """Over many draws, with a hard class for which a place is asked: coverage by class and in all stays near 0.9."""
    rounds, covered, placed = 40, np.zeros((40, 4)), 0
    for seed in range(rounds):
        random = np.random.default_rng(seed)

        def drawn(each, random=random):
            labels = np.repeat(np.arange(4), each)
            logits = 4 * np.eye(4)[labels] + random.normal(0, 1.6, (len(labels), 4))
            logits[labels == 3, 0] += 6
            shares = np.exp(logits)
            return shares / shares.sum(1, keepdims=True), labels

        fitted = Conformal.fit(FLAT, *drawn(60))
        placed += fitted.places[3] < 4
        shares, labels = drawn(200)
        held = fitted.sets(shares, 0.9)[np.arange(800), labels]
        covered[seed] = held.reshape(4, 200).mean(1)
    assert placed > rounds / 2
    assert covered.mean(0).min() > 0.88  # not below; above, where the likeliest class is right oftener than asked
    assert 0.895 < covered.mean() < 0.915
