import numpy as np
import pytest

from models.scores import by_class, summary

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
