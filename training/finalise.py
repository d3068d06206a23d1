"""Finalising a trained network: what it is worth, and how far its predictions may be trusted."""

from dataclasses import replace

import torch
from sklearn.metrics import confusion_matrix
from torch import Generator, Tensor

from evaluation.calibration import Calibration
from evaluation.ood import OODDetector
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint
from models.device import Device
from models.prediction import BATCH_SIZE, MAX_TTA_VIEWS, Prediction, Predictor
from training.augmentation import augment
from training.dataset import TrainingData
from training.images import InMemoryImages
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
    references, views = _references(dataset)
    return (len(dataset.validate) + views * len(references)) * tta_views(dataset, tta)


def finalise(
    checkpoint: Checkpoint, dataset: TrainingData, device: Device, ranks: Ranks
) -> tuple[Checkpoint, Prediction]:
    """Return a model with its scores and calibration, and its predictions of the validation images."""
    predictor = checkpoint.predictor(device)
    validate = predict_by_rank(ranks, predictor, dataset.validate)
    labels = dataset.validate.labels.cpu()
    taxonomy = Taxonomy.of(dataset.classes, dataset.lineages)
    detector = OODDetector.fit(reference_features(predictor, dataset, ranks), validate.features)
    calibration = Calibration.fit(taxonomy, validate, labels, detector)
    confusion = confusion_matrix(labels, validate.logits.argmax(1), labels=range(dataset.num_classes))
    state = {**calibration.state(), "confusion": torch.from_numpy(confusion)}
    scores = {**checkpoint.scores, **score(validate.logits, labels)}
    return replace(checkpoint, calibration=state, scores=scores), validate


def reference_features(predictor: Predictor, dataset: TrainingData, ranks: Ranks) -> Tensor:
    """Return the features of training images, (views, m, d): as they are, then augmented.

    Without the augmented views, a new rotation or light of a known image would seem out of distribution.
    """
    references, views = _references(dataset)
    generator = Generator().manual_seed(0)
    versions = (_augmented(dataset, references, generator) if view else references for view in range(views))
    return torch.stack([predict_by_rank(ranks, predictor, images).features for images in versions])


def _references(dataset: TrainingData) -> tuple[InMemoryImages, int]:
    """Return the training images that serve as references, evenly spread over the classes, and in how many views."""
    references = dataset.train[:: -(-len(dataset.train) // MAX_REFERENCES)]
    return references, min(VIEWS, MAX_VIEWS // len(references))


def _augmented(dataset: TrainingData, images: InMemoryImages, generator: Generator) -> InMemoryImages:
    parameters = dataset.augmentation.draw(len(images), generator)
    batches = zip(images.pixels.split(BATCH_SIZE), parameters.split(BATCH_SIZE), strict=True)
    return replace(images, pixels=torch.cat([augment(*batch).round().byte() for batch in batches]))
