"""Drawn predictions of five species in clusters, for the tests of calibration and of out-of-distribution detection."""

import torch

from evaluation.calibration import Calibration
from evaluation.ood import OODDetector
from evaluation.taxonomy import Taxonomy
from models.prediction import Prediction

TAXONOMY = Taxonomy(
    [
        ("Coccolithophores", "Syracosphaera", "Syracosphaera pulchra"),
        ("Coccolithophores", "Syracosphaera", "Syracosphaera corolla"),
        ("Coccolithophores", "Emiliania", "Emiliania huxleyi"),
        ("Coccolithophores", "Gephyrocapsa", "Gephyrocapsa oceanica"),
        ("Coccolithophores", "Gephyrocapsa", "Gephyrocapsa muellerae"),
    ]
)
CENTRES = torch.eye(5, 600) * 4  # in more directions than there are images
HARD = 2.2  # clusters so wide that one image in three lies nearer to another's centre


def drawn(counts, seed, spread=1.0):
    """Return a prediction of images in five overlapping clusters of features, with logits too sure, and labels."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(5), torch.tensor(counts))
    noise = torch.randn(len(labels), 600, generator=random) * torch.where(torch.arange(600) < 8, 1.2 * spread, 0.02)
    features = CENTRES[labels] + noise
    return Prediction(features @ CENTRES.T, features), labels


def fitted(validate=(200, 120, 60, 10, 8), seed=1):
    """Return a calibration on so many validation images of each cluster."""
    train, _ = drawn((80, 80, 80, 20, 20), 0)
    prediction, labels = drawn(validate, seed)
    return Calibration.fit(TAXONOMY, prediction, labels, OODDetector.fit(train.features[None], prediction.features))


CALIBRATION = fitted()
