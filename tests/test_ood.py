"""How far images lie from those that a network learned: by hand, and as scikit-learn measures all distances."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from evaluation.ood import NEIGHBOURS, OODDetector
from models.checkpoint import CheckpointError
from models.prediction import Prediction
from tests.clusters import CALIBRATION, CENTRES


def predicted(features, ood_scores=None):
    """Return a prediction of images of these features."""
    return Prediction(features, features, ood_scores)


def test_what_lies_in_directions_that_are_not_held_is_still_far_away():
    elsewhere = torch.zeros(1, 600)
    elsewhere[0, 599] = 3  # training images do not reach there, and so no direction points there
    assert CALIBRATION.out_of_distribution(predicted(elsewhere), 0.95).all()
    assert not CALIBRATION.out_of_distribution(predicted(CENTRES), 0.95).any()


def test_what_cross_validation_said_counts_and_not_the_features_of_a_network_that_has_seen_the_images():
    limit = np.quantile(CALIBRATION.ood_detector.validation_scores, 0.95)
    held_out = predicted(CENTRES[:3], torch.tensor([limit / 2, limit * 2, limit / 3], dtype=torch.float64))
    assert CALIBRATION.out_of_distribution(held_out, 0.95).tolist() == [False, True, False]
    assert CALIBRATION.out_of_distribution(held_out.select(torch.tensor([1, 0])), 0.95).tolist() == [True, False]


def test_ood_scores_by_hand():
    reference = torch.tensor([[[2.0, 0, 0], [0, 3.0, 0]]])  # their squared distance on the unit circle is 2
    seen = torch.tensor([[5.0, 0, 0], [1.0, 1.0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    detector = OODDetector.fit(reference, seen)
    # the mean of the squared distances to both, 2 - 2 cos each, by the root of what lies between these
    assert detector.validation_scores == pytest.approx(np.array([1, 2 - 2**0.5, 2, 3]) / 2**0.5, abs=1e-3)
    other = detector.calibrated_on(detector.scores_of(predicted(seen[:2])))
    assert other.validation_scores == pytest.approx(detector.validation_scores[:2], abs=1e-3)
    assert other.ood_score(seen) == pytest.approx(detector.validation_scores, abs=1e-3)


@pytest.mark.parametrize("negative, power", [(False, 0.5), (True, 1)])
def test_ood_scores_are_what_scikit_learn_makes_of_all_distances(negative, power):
    random = np.random.default_rng(0)
    reference, seen = (random.gamma(0.5, size=shape) for shape in ((3, 9, 8), (20, 8)))
    if negative:
        reference, seen = reference - 0.5, seen - 0.5
    known, new = (normalize(np.sign(each) * np.abs(each) ** power) for each in (reference.reshape(-1, 8), seen))
    image = np.tile(np.arange(9), 3)
    separation = np.where(image[:, None] == image, np.inf, euclidean_distances(known, squared=True))
    spread = np.sort(separation, axis=1)[:, :NEIGHBOURS].mean(1)
    distances, near = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(known).kneighbors(new)
    expected = (distances**2).mean(1) / np.sqrt(spread[near].mean(1))
    detector = OODDetector.fit(torch.from_numpy(reference), torch.from_numpy(seen))
    assert detector.validation_scores == pytest.approx(expected, rel=0.01)


def test_copies_among_the_references_do_not_make_all_else_far_away():
    detector = OODDetector.fit(torch.ones(1, 9, 4), torch.eye(4))
    assert np.isfinite(detector.validation_scores).all() and detector.ood_score(torch.ones(1, 4))[0] < 0.01


def test_one_training_image_is_enough_to_measure_by():
    detector = OODDetector.fit(torch.tensor([[[1.0, 0]], [[0, 1.0]]]), torch.tensor([[1.0, 0], [-1.0, 0]]))
    assert detector.validation_scores == pytest.approx([1, 3], abs=1e-3)


def test_features_of_another_network_are_refused():
    with pytest.raises(CheckpointError, match="do not fit its network"):
        CALIBRATION.ood_detector.ood_score(torch.ones(2, 7))
