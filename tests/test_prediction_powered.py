"""Prediction-powered shares: the numbers of ppi-python, and intervals that hold whatever the model does."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from evaluation.prediction_powered import powered_mean, powered_shares

LABELS = np.array([1, 0, 0, 1, 1, 0, 1, 0, 0, 1.0])[:, None]
PREDICTED = np.array([0.9, 0.2, 0.1, 0.8, 0.4, 0.3, 0.7, 0.0, 0.6, 0.9])[:, None]
OTHERS = np.array([0.1, 0.9, 0.8, 0.3, 0.2, 0.7, 0.5, 0.6, 0.95, 0.05, 0.4, 0.85, 0.15, 0.65, 0.75])[:, None]
# ppi_py.ppi_mean_pointestimate and ppi_mean_ci(alpha=0.1) of ppi-python 0.2.3 on the same numbers, by power (lam).
PPI_PYTHON = {
    0: (0.5, 0.23992581, 0.76007419),
    1: (0.53666667, 0.3287639, 0.74456944),
    0.5: (0.51833333, 0.3070866, 0.72958007),
    None: (0.52818826, 0.32524613, 0.7311304),
}


@pytest.mark.parametrize("power", PPI_PYTHON)
def test_the_numbers_of_ppi_python(power):
    found = powered_mean(LABELS, PREDICTED, OTHERS, power)
    half = norm.ppf(0.95) * found.variance**0.5
    numbers = [found.mean[0], found.mean[0] - half[0], found.mean[0] + half[0]]
    assert numbers == pytest.approx(PPI_PYTHON[power], abs=1e-7)


def test_without_other_pictures_or_a_model_that_helps_it_is_wilsons_interval():
    wilson = binomtest(5, 10).proportion_ci(0.9, method="wilson")
    for predicted, others in ((PREDICTED, np.empty((0, 1))), (np.full((10, 1), 0.3), np.full((15, 1), 0.3))):
        share, low, high = powered_shares(LABELS, predicted, others, 0.9)
        assert (share[0], low[0], high[0]) == pytest.approx((0.5, wilson.low, wilson.high), abs=1e-9)


def test_a_perfect_model_tells_as_much_as_all_pictures():
    random = np.random.default_rng(0)
    truth = (random.random((1000, 1)) < 0.3).astype(float)
    share, low, high = powered_shares(truth[:100], truth[:100], truth[100:], 0.9)
    alone = binomtest(int(truth[:100].sum()), 100).proportion_ci(0.9, method="wilson")
    assert high[0] - low[0] < 0.6 * (alone.high - alone.low)
    assert share[0] == pytest.approx(truth.mean(), abs=0.01)


def test_shares_are_of_what_is_counted():
    kept = np.array([True] * 8 + [False] * 2)
    labels = LABELS * kept[:, None]
    share, low, high = powered_shares(labels, np.zeros((10, 1)), np.zeros((5, 1)), 0.9, kept)
    assert share[0] == pytest.approx(4 / 8) and 0 < low[0] < 0.5 < high[0] < 1
    nothing = powered_shares(labels, PREDICTED, OTHERS, 0.9, np.zeros(10))
    assert [each[0] for each in nothing] == [0, 0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("skill", [0.95, 0.6, 0.0])
def test_intervals_hold_however_wrong_the_model_is(skill):
    """Of six taxa, 60 of 300 checked; the model is right in a share `skill`, and always says the first taxon else."""
    random = np.random.default_rng(7)
    inside, widths, alone = [], [], []
    for _ in range(150):
        truth = random.dirichlet(np.full(6, 2.0))
        labels = np.eye(6)[random.choice(6, 300, p=truth)]
        wrong = random.random(300) >= skill
        predicted = np.where(wrong[:, None], np.eye(6)[0], labels)
        _, low, high = powered_shares(labels[:60], predicted[:60], predicted[60:], 0.9)
        inside.append((low <= truth) & (truth <= high))
        widths.append((high - low).mean())
        bounds = [binomtest(int(n), 60).proportion_ci(0.9, method="wilson") for n in labels[:60].sum(0)]
        alone.append(np.mean([each.high - each.low for each in bounds]))
    assert 0.87 <= np.mean(inside) <= 0.95
    assert np.mean(widths) < (0.75 if skill == 0.95 else 0.92 if skill else 1.02) * np.mean(alone)
