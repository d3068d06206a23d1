"""Shares of taxa in a sample, corrected for what the model confuses."""

import numpy as np
import pytest
from scipy.stats import binomtest

from reports.assemblage import assemblage_rows, corrected_rows, corrected_shares, wide_rows


def test_two_classes_are_unmixed_as_on_paper():
    # 80 % of A are called A, 90 % of B are called B: 66 of 100 were called A, and the share of A is
    # (0.66 - 0.1) / (0.8 - 0.1) = 0.8.
    confusion = np.array([[80_000, 20_000], [10_000, 90_000]])
    shares, low, high = corrected_shares(np.array([66, 34]), confusion)
    assert shares == pytest.approx([0.8, 0.2], abs=1e-3)
    # With so many validation images only the sample's own chance is left: sqrt(0.66 * 0.34 / 100) / 0.7 = 0.068.
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * 0.068, rel=0.1)
    _, wide_low, wide_high = corrected_shares(np.array([66, 34]), confusion // 4000)
    assert wide_high[0] - wide_low[0] > 1.3 * (high[0] - low[0])


def test_few_validation_images_are_not_taken_for_certainty():
    shares, low, high = corrected_shares(np.array([300, 300]), np.diag([3, 3]))
    assert shares == pytest.approx([0.5, 0.5])
    assert high[0] - low[0] > 1.5 * 2 * 1.96 * (0.25 / 600) ** 0.5
    nothing_known, _, _ = corrected_shares(np.array([30, 10]), np.zeros((2, 2)))
    assert nothing_known.argmax() == 0 and nothing_known.sum() == pytest.approx(1)


def test_what_a_person_said_and_what_is_unknown_is_not_corrected():
    """Of 160 pictures 40 are checked and 20 unknown; the other 100 are those on paper above: 80 of A and 20 of B."""
    said = [("A", "yes")] * 10 + [("B", "yes")] * 20 + [("Fam indet.", "yes")] * 5 + [("indet.", "yes")] * 5
    said += [("", "dropped")] * 7 + [("unknown", "")] * 20
    said += [("A", "")] * 60 + [("Fam indet.", "")] * 10 + [("indet.", "")] * 30  # all by the likeliest class
    first = ["B"] * 67 + ["A"] * 66 + ["B"] * 34
    rows = [
        {"answer": answer, "checked": checked, "first": name}
        for (answer, checked), name in zip(said, first, strict=True)
    ]
    confusion = np.array([[80_000, 20_000], [10_000, 90_000]])
    found = {row["taxon"]: row for row in corrected_rows("core", ["A", "B"], rows, confusion)}
    assert list(found) == ["A", "B", "Fam indet.", "indet.", "unknown"]
    assert [(row["counted"], row["likeliest"]) for row in found.values()] == [
        (10, 66),
        (20, 34),
        (5, 0),
        (5, 0),
        (20, 0),
    ]
    shares = [row["corrected"] for row in found.values()]
    assert shares == pytest.approx([90 / 160, 40 / 160, 5 / 160, 5 / 160, 20 / 160], abs=1e-3)
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    for row in found.values():
        assert row["corrected_low"] < row["corrected"] < row["corrected_high"]
    width = found["unknown"]["corrected_high"] - found["unknown"]["corrected_low"]
    assert width == pytest.approx(2 * 1.96 * (20 / 160 * 140 / 160 / 160) ** 0.5, rel=0.1)


def test_a_sample_that_a_person_has_checked_needs_no_correction():
    rows = [{"answer": name, "checked": "yes", "first": "B"} for name in "AAAB"]
    found = corrected_rows("core", ["A", "B"], rows, np.array([[1, 9], [0, 10]]))
    assert [(row["taxon"], row["corrected"]) for row in found] == [("A", 0.75), ("B", 0.25)]
    assert corrected_rows("core", ["A", "B"], [rows[0] | {"answer": "", "checked": "dropped"}], np.eye(2)) == []


def rows_of(counts):
    """Return rows of predictions.csv with so many answers of each taxon."""
    names = [name for name, count in zip("abcdef", counts, strict=True) for _ in range(count)]
    return [{"file": str(n), "answer": name, "checked": ""} for n, name in enumerate(names)]


@pytest.mark.slow
def test_corrected_intervals_hold_the_truth():
    """In 95 % of samples, within what chance allows; the shares as counted are off by more than their interval."""
    random = np.random.default_rng(5)
    inside, counted = [], []
    for _ in range(40):
        rates = 0.75 * np.eye(6) + 0.25 * random.dirichlet(np.full(6, 0.2), 6)
        confusion = np.stack([random.multinomial(40, row) for row in rates])
        truth = random.dirichlet(np.full(6, 2.0))
        counts = random.multinomial(300, truth @ rates)
        _, low, high = corrected_shares(counts, confusion)
        inside += list((low <= truth) & (truth <= high))
        rows = {row["taxon"]: row for row in assemblage_rows("", rows_of(counts), 0)}
        counted += [
            float(rows[name]["share_low"]) <= share <= float(rows[name]["share_high"])
            for name, share in zip("abcdef", truth, strict=True)
            if name in rows
        ]
    assert binomtest(sum(inside), len(inside), 0.95).pvalue > 0.001, np.mean(inside)
    assert np.mean(counted) < 0.85


def test_samples_and_taxa_that_are_called_as_the_totals_are_told_from_them():
    rows = [
        {"sample": sample, "taxon": taxon, "count": 2} for sample in ("total", "b") for taxon in ("sample", "total")
    ]
    columns, table = wide_rows(rows)
    assert columns == ["sample", "sample (taxon)", "total (taxon)", "total"]
    assert [(row["sample"], row["total"]) for row in table] == [("total (sample)", 4), ("b", 4), ("total", 8)]
