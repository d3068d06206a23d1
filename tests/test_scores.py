import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from models.scores import bootstrap_macro_f1, by_class, by_rank, mean_mistake_distance, summary, wilson
from models.taxonomy import Taxonomy

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


def test_wilson_of_no_pictures_says_nothing():
    assert wilson(0, 0) == (0, 1)


def test_bootstrap_equals_sklearns_score_of_each_round():
    random = np.random.default_rng(3)
    actual = random.integers(0, 3, 40)
    predicted = np.where(random.random(40) < 0.6, actual, random.integers(0, 4, 40))
    groups = random.choice(["a", "b", "c", "d", "e", "f"], 40)
    names = np.unique(groups)
    scores = []
    for times in np.random.default_rng(5).multinomial(6, np.full(6, 1 / 6), 50):
        pictures = np.concatenate(
            [np.repeat(np.flatnonzero(groups == n), t) for n, t in zip(names, times, strict=True)]
        )
        present = np.unique(actual[pictures])
        scores.append(f1_score(actual[pictures], predicted[pictures], labels=present, average="macro", zero_division=0))
    expected = np.quantile(scores, [0.025, 0.975])
    assert bootstrap_macro_f1(actual, predicted, groups, seed=5, rounds=50) == pytest.approx(expected, abs=1e-12)


def test_fewer_groups_make_a_wider_interval():
    actual = np.repeat([0, 1], 100)
    predicted = np.where(np.arange(200) % 5 == 0, 1 - actual, actual)
    low, high = bootstrap_macro_f1(actual, predicted, np.arange(200))
    assert low < f1_score(actual, predicted, average="macro") < high
    predicted = np.where(np.arange(200) // 10 % 5 == 0, 1 - actual, actual)  # the mistakes fill whole groups
    alike = bootstrap_macro_f1(actual, predicted, np.arange(200) // 10)
    assert alike[1] - alike[0] > 2 * (high - low)


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


def test_mistake_distance_by_hand():
    assert mean_mistake_distance(TREE, np.array([0, 0, 2, 3, 3]), np.array([2, 1, 0, 3, 0])) == (2 + 1 + 2 + 1) / 4
    assert mean_mistake_distance(TREE, ACTUAL, ACTUAL) == 0


def test_by_rank_without_mistakes():
    rows = by_rank(TREE, np.eye(4), np.arange(4))
    assert [row["accuracy"] for row in rows] == [1, 1, 1]
    assert [row["mistakes_inside"] for row in rows] == [None, None, None]
