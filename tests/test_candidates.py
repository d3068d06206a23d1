"""Candidates: as few classes as hold the truth as often as asked for, and what a flat tree answers with them."""

import numpy as np
import pytest
import torch
from scipy import stats

from evaluation.calibration import Calibration
from evaluation.candidates import Candidates
from evaluation.conformal import Conformal
from evaluation.taxonomy import Taxonomy
from evaluation.temperature import softmax
from models.checkpoint import CheckpointError
from models.prediction import Prediction
from reports.person import INDETERMINATE, Titles, as_counted
from tests.clusters import HARD, TAXONOMY, drawn

COUNTS = (40, 20, 20, 12, 12)  # one class with a quantile of its own
FLAT = Taxonomy([[f"class {letter}"] for letter in "abcde"])


def test_candidates_by_hand():
    own = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15])
    candidates = Candidates(own, np.zeros(9, int))
    # the 9th smallest of nine nonconformities, 0.85, is the quantile at 0.9
    asked = np.array([[0.6, 0.25, 0.15], [0.5, 0.36, 0.14], [0.14, 0.13, 0.73]])
    assert candidates.sets(asked, 0.9).tolist() == [[True, True, True], [True, True, False], [False, False, True]]
    assert candidates.sets(np.full((1, 10), 0.1), 0.9).all()  # equals are candidates together, and never none is
    assert candidates.sets(asked, 0.95).all()  # too few images for such a confidence


def test_they_hold_the_truth_as_often_as_asked_for():
    held = []
    for seed in range(60):
        prediction, labels = drawn((24,) * 5, 200 + seed, HARD)
        calibration = Calibration.fit(TAXONOMY, prediction, labels)
        new, actual = drawn((20,) * 5, 20_000 + seed, HARD)
        held.append(calibration.sets(new.logits, 0.9)[np.arange(len(actual)), actual].sum())
    rank = np.ceil(121 * 0.9)
    once = stats.betabinom(100, rank, 121 - rank)  # Vovk 2012
    assert abs(np.mean(held) - once.mean()) < 3.3 * once.std() / np.sqrt(len(held))


def test_they_are_fewer_than_by_the_score_of_the_tree():
    prediction, labels = drawn((24,) * 5, 1, HARD)
    new, _ = drawn((40,) * 5, 2, HARD)
    probabilities, asked = softmax(prediction.logits), softmax(new.logits)
    few = Candidates.fit(probabilities, labels.numpy()).sets(asked, 0.9)
    for taxonomy in (FLAT, TAXONOMY):
        assert few.sum() < Conformal.fit(taxonomy, probabilities, labels.numpy()).sets(asked, 0.9).sum()


def test_a_flat_tree_answers_with_candidates():
    prediction, labels = drawn((24,) * 5, 1, HARD)
    new, _ = drawn((40,) * 5, 2, HARD)
    calibration = Calibration.fit(FLAT, prediction, labels)
    sets = calibration.sets(new.logits, 0.9)
    taxa = calibration.lowest_supported_taxa(new, 0.9)
    assert {len(set(np.flatnonzero(members))) for members in sets} >= {1, 2}
    for taxon, members in zip(taxa, sets, strict=True):
        names = [FLAT.names[label] for label in np.flatnonzero(members)]
        assert sorted(taxon.title.split(" or ")) == sorted(names) and taxon.named == (len(names) == 1)
    several = next(taxon for taxon in taxa if not taxon.named)
    rows = [{"answer": title, "checked": checked} for title in (several.title, "class a") for checked in ("", "yes")]
    counted = [row["answer"] for row in as_counted(rows, Titles(FLAT, FLAT.names, FLAT.names))]
    assert counted == [INDETERMINATE, several.title, "class a", "class a"]


def test_many_candidates_are_indeterminate():
    many = Taxonomy([[f"class {number}"] for number in range(12)])
    labels = torch.arange(12).repeat(3)
    prediction = Prediction(torch.zeros(36, 12), torch.zeros(36, 1))
    taxa = Calibration.fit(many, prediction, labels).lowest_supported_taxa(prediction, 0.9)
    assert {taxon.title for taxon in taxa} == {"indet."}


def test_they_are_kept_in_the_model_file_and_checked():
    prediction, labels = drawn(COUNTS, 3, HARD)
    calibration = Calibration.fit(FLAT, prediction, labels)
    state = calibration.state()
    again = Calibration.from_state(FLAT, state)
    assert np.array_equal(again.sets(prediction.logits, 0.8), calibration.sets(prediction.logits, 0.8))
    for wrong in (
        torch.full((len(labels),), 1.5, dtype=torch.float64),
        torch.zeros(3),
        torch.full((len(labels),), torch.nan),
    ):
        with pytest.raises(CheckpointError, match="calibration is damaged"):
            Calibration.from_state(FLAT, {**state, "own_probability": wrong})
    del state["own_probability"]  # a model of an older version
    old = Calibration.from_state(FLAT, state)
    asked = old.probabilities(prediction.logits)
    assert np.array_equal(old.sets(prediction.logits, 0.8), old.conformal.sets(asked, 0.8))
