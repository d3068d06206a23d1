"""Turns own images into rows of predictions.csv."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from common.files import in_one_line
from common.pages import Page
from evaluation.calibration import IN_DISTRIBUTION_SHARE, SupportedTaxon
from evaluation.temperature import softmax
from models.checkpoint import CheckpointError
from models.prediction import Prediction, as_batch
from reports.fingerprint import fingerprint
from reports.image_files import OwnImage, sample_of
from reports.model import LoadedModel
from reports.prediction_table import ORDINALS, STAMPS
from reports.ranges import Range


class Classifier:
    """A model that names images, at a confidence in (0, 1), and holds what it says against the samples' age.

    names: of the classes, for people, no two alike; fingerprint: of all that a row depends on; confusion: counts of
    validation images by (actual, predicted) class, or None where the model file holds none.
    """

    def __init__(
        self, model: LoadedModel, confidence: float, age: float | None, ranges: Mapping[str, Range], page: Page = 1
    ):
        """Prepare for samples of one age in Ma, None where it is not known; ranges: (youngest, oldest) in Ma by taxon.

        page: which one of files with several pages is named.
        Raises CheckpointError where the model's calibration is damaged or does not fit its classes.
        """
        self.model, self.confidence, self.age = model, confidence, age
        self.ranges = ranges if age is not None else {}
        self.calibration = model.calibration
        self.confusion = validation_confusion(model)
        self.names = unique_names(model)
        self.page = page
        options = [confidence, IN_DISTRIBUTION_SHARE, age, sorted(self.ranges.items())]
        self.fingerprint = fingerprint(model.checkpoint, *options, *([page] if page != 1 else []))

    def predict(self, squares: Sequence[np.ndarray]) -> Prediction:
        """Predict a batch of images that were read into squares, uint8 (size, size, 3) each."""
        return self.model.predictor(as_batch(squares))

    def rows(self, images: Sequence[OwnImage], prediction: Prediction) -> list[dict[str, Any]]:
        """Return a row for each image of a batch, by the network's prediction of them."""
        return [self._row(*each) for each in zip(images, *self._answers(prediction), strict=True)]

    def _answers(self, prediction: Prediction) -> tuple[np.ndarray, list[SupportedTaxon]]:
        """Return probabilities (n, classes), and the lowest supported taxon of each image.

        A model without calibration supports none, so there it is the most probable class.
        """
        if self.calibration:
            taxa = self.calibration.lowest_supported_taxa(prediction, self.confidence)
            return self.calibration.probabilities(prediction.logits), taxa
        probabilities = softmax(prediction.logits)
        lineages, predicted = self.model.taxonomy.lineages, probabilities.argmax(1)
        taxa = [
            SupportedTaxon(self.names[label], lineages[label], float(row[label]), named=True)
            for row, label in zip(probabilities, predicted, strict=True)
        ]
        return probabilities, taxa

    def _row(self, image: OwnImage, probabilities: np.ndarray, taxon: SupportedTaxon) -> dict[str, Any]:
        row = {"sample": sample_of(image.name), "file": image.name}
        for kind in ("", "model_"):  # until a person has a word
            row |= {f"{kind}answer": taxon.title, f"{kind}answer_probability": f"{taxon.probability:.4f}"}
        for ordinal, label in zip(ORDINALS, np.argsort(-probabilities, kind="stable"), strict=False):
            row |= {ordinal: self.names[label], f"{ordinal}_probability": f"{probabilities[label]:.4f}"}
        row |= {"out_of_distribution": "no" if taxon.in_distribution else "yes"}
        row |= {"out_of_range": self._out_of_range(taxon)} | dict(zip(STAMPS, image.stamp, strict=True))
        return row | {"model": self.fingerprint}

    def _out_of_range(self, taxon: SupportedTaxon) -> str:
        """Return "yes" or "no", or "" where the age or the taxon's range is not known."""
        known = self.ranges.get(taxon.node[-1]) if taxon.node else None
        if self.age is None or known is None:
            return ""
        return "no" if known[0] <= self.age <= known[1] else "yes"


def unique_names(model: LoadedModel) -> list[str]:
    """Return the names of the classes for people, no two alike: where two are, those of their directories."""
    taken = Counter(model.taxonomy.names)
    both = zip(model.taxonomy.names, model.checkpoint.classes, strict=True)
    return [name if taken[name] == 1 else in_one_line(directory) for name, directory in both]


def validation_confusion(model: LoadedModel) -> np.ndarray | None:
    """Return the counts of validation images by (actual, predicted) class, None where the model file holds none.

    Raises CheckpointError where they do not fit its classes.
    """
    stored = model.checkpoint.calibration.get("confusion")
    if stored is None:
        return None
    try:
        confusion = np.asarray(stored, dtype=float)
    except (TypeError, ValueError, RuntimeError):  # what holds no numbers
        confusion = np.empty(0)
    sound = confusion.shape == (len(model.checkpoint.classes),) * 2 and np.isfinite(confusion).all()
    if not sound or (confusion < 0).any():
        raise CheckpointError("the model's confusion matrix does not fit its classes; train it again")
    return confusion
