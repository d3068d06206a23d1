"""Finalising a trained network: what it is worth, and how far its predictions may be trusted."""

from dataclasses import replace

import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor

from evaluation.calibration import Calibration
from evaluation.ood import OODDetector
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint
from models.device import Device
from models.prediction import MAX_TTA_VIEWS, Prediction, Predictor
from training.dataset import TrainingData
from training.features import FeatureCopies
from training.loaders import predict_by_rank
from training.orientation import FREE
from training.ranks import Ranks
from training.trainer import score

# How many training images serve as references for the out-of-distribution detector, in how many views (as they are, and
# augmented), and how many views there are at most of all of them: each costs time.
MAX_REFERENCES, VIEWS, MAX_VIEWS = 2000, 4, 4000


def tta_views(dataset: TrainingData, tta: bool) -> int:
    """Return how many views a prediction is averaged over: with `tta` all that the network learnt from equally."""
    if not tta:
        return 1
    return MAX_TTA_VIEWS if dataset.augmentation.max_rotation == FREE else 2


def images_predicted(dataset: TrainingData, tta: bool) -> int:
    """Return how many predictions of single images `finalise` makes."""
    return images_viewed_once(len(dataset.train), len(dataset.validate)) * tta_views(dataset, tta)


def images_viewed_once(train: int, validate: int) -> int:
    """Return how many predictions `finalise` makes of so many images, without test-time augmentation."""
    step, views = references(train)
    return validate + views * -(-train // step)


def finalise(
    checkpoint: Checkpoint, dataset: TrainingData, device: Device, ranks: Ranks, reference: Tensor | None = None
) -> tuple[Checkpoint, Prediction]:
    """Return a model with its scores and calibration, and its predictions of the validation images.

    reference: what `reference_features` would return, where it is known already.
    """
    predictor = checkpoint.predictor(device)
    validate = predict_by_rank(ranks, predictor, dataset.validate)
    reference = reference_features(predictor, dataset, ranks) if reference is None else reference
    detector = OODDetector.fit(reference, validate.features)
    return finish(checkpoint, dataset, validate, dataset.validate.labels.cpu(), detector), validate


def finish(
    checkpoint: Checkpoint, dataset: TrainingData, prediction: Prediction, labels: Tensor, detector: OODDetector
) -> Checkpoint:
    """Return a model with the scores and the calibration that predictions of unseen images, with labels (n,), give."""
    taxonomy = Taxonomy.of(dataset.classes, dataset.lineages)
    calibration = Calibration.fit(taxonomy, prediction, labels, detector)
    confusion = confusion_matrix(labels, prediction.logits.argmax(1), labels=range(dataset.num_classes))
    state = {**calibration.state(), "confusion": torch.from_numpy(confusion)}
    scores = {**checkpoint.scores, **score(prediction.logits, labels)}
    return replace(checkpoint, calibration=state, scores=scores)


def reference_features(predictor: Predictor, dataset: TrainingData, ranks: Ranks) -> Tensor:
    """Return the features of training images, (views, m, d): as they are, then augmented.

    Without the augmented views, a new rotation or light of a known image would seem out of distribution.
    """
    step, views = references(len(dataset.train))
    copies = FeatureCopies(predictor, dataset, ranks, step)
    return torch.stack([copies.next() for _ in range(views)])


def references(count: int) -> tuple[int, int]:
    """Return every how many-th of `count` training images serves as a reference, and in how many views."""
    step = -(-count // MAX_REFERENCES)
    return step, min(VIEWS, MAX_VIEWS // -(-count // step))
