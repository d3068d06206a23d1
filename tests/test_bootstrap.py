"""Intervals of the bootstrap over groups, held against scores of each resample, and against the truth."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from evaluation.bootstrap import GroupBootstrap, percentile_interval
from evaluation.metrics import calibration_gaps


def resamples(groups, seed, rounds):
    """Return the images of each resample: the same resamples of whole groups, spelt out."""
    names = np.unique(groups)
    for times in np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), rounds):
        yield np.concatenate([np.repeat(np.flatnonzero(groups == n), t) for n, t in zip(names, times, strict=True)])


def drawn_by_chance():
    """Return actual and predicted labels of 40 images, and their groups."""
    random = np.random.default_rng(3)
    actual = random.integers(0, 3, 40)
    predicted = np.where(random.random(40) < 0.6, actual, random.integers(0, 4, 40))
    return actual, predicted, random.choice(["a", "b", "c", "d", "e", "f"], 40)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_intervals_equal_sklearns_scores_of_each_draw():
    actual, predicted, groups = drawn_by_chance()
    macro, balanced = [], []
    for chosen in resamples(groups, 5, 50):
        true, named = actual[chosen], predicted[chosen]
        macro.append(f1_score(true, named, labels=np.unique(true), average="macro", zero_division=0))
        balanced.append(balanced_accuracy_score(true, named))
    found = GroupBootstrap(groups, seed=5, rounds=50).macro_intervals(actual, predicted, 5)
    for name, expected in (("macro_f1", macro), ("balanced_accuracy", balanced)):
        assert found[name] == pytest.approx(np.quantile(expected, [0.025, 0.975]), abs=1e-12)


def test_intervals_of_means_equal_those_of_each_draw():
    actual, predicted, groups = drawn_by_chance()
    values, counted = np.random.default_rng(0).random(40), actual != predicted
    bootstrap = GroupBootstrap(groups, seed=5, rounds=50)
    for some in (None, counted):
        means = [
            values[chosen][slice(None) if some is None else some[chosen]].mean() for chosen in resamples(groups, 5, 50)
        ]
        assert bootstrap.mean_interval(values, some) == pytest.approx(np.quantile(means, [0.025, 0.975]))
    assert bootstrap.mean_interval(values, np.zeros(40, bool)) is None


def test_intervals_leave_out_resamples_without_a_figure():
    assert percentile_interval(np.array([np.nan, *np.linspace(0, 1, 41)])) == pytest.approx((0.025, 0.975))


@pytest.mark.parametrize(("sharpness", "least"), [(1.0, 25), (1.5, 34)])
def test_the_interval_of_a_calibration_error_holds_it_and_mostly_the_truth(sharpness, least):
    """Where confidences c are right for c^sharpness. Of a perfect model, percentiles of the resamples never hold it."""
    random = np.random.default_rng(0)

    def images(count):
        confidence = random.beta(4, 1.2, count)
        right = random.random(count) < confidence**sharpness
        return np.stack([confidence, np.zeros(count)], axis=1), (~right).astype(int)

    truth = np.abs(calibration_gaps(*images(300_000)).mean(0)).sum()
    held, naive = 0, 0
    for _ in range(40):
        gaps = calibration_gaps(*images(400))
        bootstrap = GroupBootstrap(np.arange(400), rounds=200)
        low, high = bootstrap.calibration_error_interval(gaps)
        assert 0 <= low <= np.abs(gaps.mean(0)).sum() <= high + 1e-9
        held += low - 0.005 <= truth <= high
        naive += np.quantile(np.abs(bootstrap.sums(gaps)).sum(1) / 400, 0.025) <= truth
    assert held >= least and (sharpness > 1 or naive <= 5)


def test_fewer_groups_make_a_wider_interval():
    actual = np.repeat([0, 1], 100)
    predicted = np.where(np.arange(200) % 5 == 0, 1 - actual, actual)
    low, high = GroupBootstrap(np.arange(200)).macro_intervals(actual, predicted, 2)["macro_f1"]
    assert low < f1_score(actual, predicted, average="macro") < high
    predicted = np.where(np.arange(200) // 10 % 5 == 0, 1 - actual, actual)  # the mistakes fill whole groups
    alike = GroupBootstrap(np.arange(200) // 10).macro_intervals(actual, predicted, 2)["macro_f1"]
    assert alike[1] - alike[0] > 2 * (high - low)
