"""Scores by hand, with scipy and with scikit-learn."""

import numpy as np
import pytest
from scipy.stats import binomtest

from evaluation.metrics import (
    by_class,
    by_rank,
    confusion_counts,
    expected_calibration_error,
    f1_interval,
    mistake_distances,
    summary,
    wilson,
)
from evaluation.taxonomy import Taxonomy

ACTUAL = np.array([0, 0, 0, 0, 1, 1])
PREDICTED = np.array([0, 0, 0, 1, 1, 2])


def test_summary_by_hand():
    scores = summary(ACTUAL, PREDICTED)
    assert scores["accuracy"] == pytest.approx(4 / 6)
    assert scores["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    # F1 = 2 · right / (actual + predicted): 2·3/(4+3) and 2·1/(2+2); class 2 does not occur
    assert scores["macro_f1"] == pytest.approx((6 / 7 + 1 / 2) / 2)
    assert scores["majority"] == pytest.approx(4 / 6)


def test_by_class_by_hand():
    rows = by_class(ACTUAL, PREDICTED, ["a", "b", "c"])
    assert [row["support"] for row in rows] == [4, 2, 0]
    assert [row["recall"] for row in rows] == pytest.approx([3 / 4, 1 / 2, 0])
    assert [row["precision"] for row in rows] == pytest.approx([1, 1 / 2, 0])


@pytest.mark.parametrize(("right", "count"), [(0, 1), (0, 12), (5, 5), (7, 9), (90, 100), (12345, 99999)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_equals_scipys(right, count, confidence):
    expected = binomtest(right, count).proportion_ci(confidence, method="wilson")
    assert wilson(right, count, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_of_no_images_is_everything():
    assert wilson(0, 0) == (0, 1)


def test_f1_of_a_class_by_hand():
    # 3 right, 1 missed, 2 called so wrongly: j = 3 / 6
    interval = binomtest(3, 6).proportion_ci(method="wilson")
    expected = [2 * interval.low / (1 + interval.low), 2 * interval.high / (1 + interval.high)]
    assert f1_interval(3, 4, 5) == pytest.approx(expected)
    assert f1_interval(0, 12, 0)[1] > 0.3  # twelve wrong answers do not prove that it is always wrong


TREE = Taxonomy([("R", "G", "G a"), ("R", "G", "G b"), ("R", "H", "H c"), ("Q",)])
SHARES = np.array(
    [
        [0.3, 0.3, 0.4, 0.0],  # H c, though G is likelier than H
        [0.1, 0.6, 0.2, 0.1],  # G b
        [0.3, 0.1, 0.3, 0.3],  # G a, the first of the likeliest
        [0.2, 0.3, 0.0, 0.5],  # Q; R and Q are as likely, and Q comes first
        [0.3, 0.2, 0.1, 0.4],  # Q, though R is likelier, and G than Q
    ]
)


def test_by_rank_by_hand():
    rows = by_rank(TREE, SHARES, np.array([0, 0, 2, 3, 3]))
    assert [row["depth"] for row in rows] == [1, 2, 3]
    assert [row["classes"] for row in rows] == [2, 3, 4]
    assert [row["count"] for row in rows] == [5, 5, 5]
    assert [row["accuracy"] for row in rows] == pytest.approx([4 / 5, 3 / 5, 2 / 5])
    assert [(row["low"], row["high"]) for row in rows] == [wilson(4, 5), wilson(3, 5), wilson(2, 5)]
    # wrong: H c for G a (in R), G b for G a (in G), G a for H c (in R)
    assert [row["mistakes_inside"] for row in rows] == pytest.approx([1, 1 / 3, 0])
    assert [row["mistakes"] for row in rows] == [3, 3, 3]
    assert [(row["inside_low"], row["inside_high"]) for row in rows] == [wilson(3, 3), wilson(1, 3), wilson(0, 3)]


def test_mistake_distances_by_hand():
    steps = mistake_distances(TREE, np.array([0, 0, 2, 3, 3]), np.array([2, 1, 0, 3, 0]))
    assert steps.tolist() == [2, 1, 2, 0, 1]
    assert not mistake_distances(TREE, ACTUAL, ACTUAL).any()


def test_by_rank_without_mistakes():
    rows = by_rank(TREE, np.eye(4), np.arange(4))
    assert [row["accuracy"] for row in rows] == [1, 1, 1]
    assert [row["mistakes_inside"] for row in rows] == [row["inside_high"] for row in rows] == [None, None, None]


def test_confusions_by_hand():
    labels, counts = confusion_counts(TREE, np.array([0, 0, 2, 3, 3]), np.array([0, 2, 2, 3, 0]))
    assert [TREE.names[label] for label in labels] == ["Q", "G a", "H c"]  # G b neither occurs nor is predicted
    assert counts.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_expected_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.86, 0.14], [0.35, 0.65], [0.0, 1.0]])
    labels = np.array([0, 1, 1, 1])
    # with ten bins: (0.8, 0.9] holds 0.9 right and 0.86 wrong, (0.6, 0.7] 0.65 right, (0.9, 1] 1.0 right
    expected = (2 * abs(1 / 2 - 0.88) + abs(1 - 0.65) + 0) / 4
    assert expected_calibration_error(probabilities, labels, bins=10) == pytest.approx(expected)
