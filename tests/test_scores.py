import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, f1_score

from evaluation.calibration import calibration_gaps
from evaluation.metrics import (
    by_class,
    by_rank,
    calibration_limits,
    draw_classes,
    draw_groups,
    f1_limits,
    limits,
    macro_limits,
    mean_limits,
    mistake_steps,
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


def test_wilson_of_no_pictures_says_nothing():
    assert wilson(0, 0) == (0, 1)


def redrawn(groups, seed, rounds):
    """Return the pictures of each draw: the same draws of whole groups, spelt out."""
    names = np.unique(groups)
    for times in np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), rounds):
        yield np.concatenate([np.repeat(np.flatnonzero(groups == n), t) for n, t in zip(names, times, strict=True)])


def drawn_by_chance():
    """Return actual and predicted labels of 40 pictures, and their groups."""
    random = np.random.default_rng(3)
    actual = random.integers(0, 3, 40)
    predicted = np.where(random.random(40) < 0.6, actual, random.integers(0, 4, 40))
    return actual, predicted, random.choice(["a", "b", "c", "d", "e", "f"], 40)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_intervals_equal_sklearns_scores_of_each_draw():
    actual, predicted, groups = drawn_by_chance()
    macro, balanced = [], []
    for pictures in redrawn(groups, 5, 50):
        true, named = actual[pictures], predicted[pictures]
        macro.append(f1_score(true, named, labels=np.unique(true), average="macro", zero_division=0))
        balanced.append(balanced_accuracy_score(true, named))
    found = macro_limits(draw_classes(draw_groups(groups, seed=5, rounds=50), actual, predicted, 5))
    for name, expected in (("macro_f1", macro), ("balanced_accuracy", balanced)):
        assert found[name] == pytest.approx(np.quantile(expected, [0.025, 0.975]), abs=1e-12)


def test_f1_of_a_class_by_hand():
    # 3 right, 1 missed, 2 called so wrongly: j = 3 / 6
    interval = binomtest(3, 6).proportion_ci(method="wilson")
    expected = [2 * interval.low / (1 + interval.low), 2 * interval.high / (1 + interval.high)]
    assert f1_limits(3, 4, 5) == pytest.approx(expected)
    assert f1_limits(0, 12, 0)[1] > 0.3  # twelve wrong answers do not prove that it is always wrong


def test_intervals_of_means_equal_those_of_each_draw():
    actual, predicted, groups = drawn_by_chance()
    values, counted = np.random.default_rng(0).random(40), actual != predicted
    draws = draw_groups(groups, seed=5, rounds=50)
    for some in (None, counted):
        means = [
            values[pictures][slice(None) if some is None else some[pictures]].mean()
            for pictures in redrawn(groups, 5, 50)
        ]
        assert mean_limits(draws, values, some) == pytest.approx(np.quantile(means, [0.025, 0.975]))
    assert mean_limits(draws, values, np.zeros(40, bool)) is None


def test_limits_leave_out_draws_without_a_figure():
    assert limits(np.array([np.nan, *np.linspace(0, 1, 41)])) == pytest.approx((0.025, 0.975))


@pytest.mark.parametrize(("sharpness", "least"), [(1.0, 25), (1.5, 34)])
def test_the_interval_of_a_calibration_error_holds_it_and_mostly_the_truth(sharpness, least):
    """Where confidences c are right for c^sharpness. Of a perfect model, percentiles of the draws never hold it."""
    random = np.random.default_rng(0)

    def pictures(count):
        confidence = random.beta(4, 1.2, count)
        right = random.random(count) < confidence**sharpness
        return np.stack([confidence, np.zeros(count)], axis=1), (~right).astype(int)

    truth = np.abs(calibration_gaps(*pictures(300_000)).mean(0)).sum()
    held, naive = 0, 0
    for _ in range(40):
        gaps = calibration_gaps(*pictures(400))
        draws = draw_groups(np.arange(400), rounds=200)
        low, high = calibration_limits(draws, gaps)
        assert 0 <= low <= np.abs(gaps.mean(0)).sum() <= high + 1e-9
        held += low - 0.005 <= truth <= high
        naive += np.quantile(np.abs(draws(gaps)).sum(1) / 400, 0.025) <= truth
    assert held >= least and (sharpness > 1 or naive <= 5)


def test_fewer_groups_make_a_wider_interval():
    actual = np.repeat([0, 1], 100)
    predicted = np.where(np.arange(200) % 5 == 0, 1 - actual, actual)
    low, high = macro_limits(draw_classes(draw_groups(np.arange(200)), actual, predicted, 2))["macro_f1"]
    assert low < f1_score(actual, predicted, average="macro") < high
    predicted = np.where(np.arange(200) // 10 % 5 == 0, 1 - actual, actual)  # the mistakes fill whole groups
    alike = macro_limits(draw_classes(draw_groups(np.arange(200) // 10), actual, predicted, 2))["macro_f1"]
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
    assert [row["mistakes"] for row in rows] == [3, 3, 3]
    assert [(row["inside_low"], row["inside_high"]) for row in rows] == [wilson(3, 3), wilson(1, 3), wilson(0, 3)]


def test_mistake_steps_by_hand():
    steps = mistake_steps(TREE, np.array([0, 0, 2, 3, 3]), np.array([2, 1, 0, 3, 0]))
    assert steps.tolist() == [2, 1, 2, 0, 1]
    assert not mistake_steps(TREE, ACTUAL, ACTUAL).any()


def test_by_rank_without_mistakes():
    rows = by_rank(TREE, np.eye(4), np.arange(4))
    assert [row["accuracy"] for row in rows] == [1, 1, 1]
    assert [row["mistakes_inside"] for row in rows] == [row["inside_high"] for row in rows] == [None, None, None]
