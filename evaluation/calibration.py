"""How far a model's predictions may be trusted: calibrated probabilities, conformal sets, and "unknown".

Everything is fitted on the validation images, from which the network did not learn. It holds for new images that come
as those came: from the same sites, ages and microscopes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evaluation.candidates import Candidates
from evaluation.conformal import Conformal, conformal_quantile
from evaluation.ood import OODDetector
from evaluation.taxonomy import Node, Taxonomy, holds
from evaluation.temperature import fit_temperature, softmax
from models.checkpoint import Checkpoint, CheckpointError
from models.prediction import Prediction

# The share of images of known classes that count as in distribution: with a tenth of them most images of unseen taxa
# are rejected (NOTES.md). It is not the user's confidence: that would make a more precise taxon supported the more
# confidence is asked for.
IN_DISTRIBUTION_SHARE = 0.9
UNKNOWN = "unknown"
MOST_NAMED = 5


@dataclass(frozen=True)
class SupportedTaxon:
    """The lowest taxon that holds all classes of an image's conformal set, and so the truth with that confidence.

    title: of `node`, in open nomenclature; probability: of all classes in the node, in [0, 1]. The node is () and
    `named` false where the classes share no taxon that tells anything (title "indet."; see `Taxonomy.lowest_taxon`), or
    where the image is not `in_distribution`, that is, unlike all training images (title "unknown"); the probability is
    then that of the most probable class. In a flat tree up to MOST_NAMED candidates are named instead of "indet.", as
    "A or B or C", and the probability is that of all of them.
    """

    title: str
    node: Node
    probability: float
    named: bool
    in_distribution: bool = True


@dataclass(frozen=True)
class Calibration:
    """What was fitted on the validation images: `temperature` divides the logits (above 1 the network was too sure).

    conformal: tells which taxon is the lowest supported one; candidates: which classes an image may be of, None in
    models of older versions; ood_detector: which images are unlike all training images, None where that is not known.
    """

    taxonomy: Taxonomy
    temperature: float
    conformal: Conformal
    ood_detector: OODDetector | None
    candidates: Candidates | None = None

    @classmethod
    def fit(
        cls,
        taxonomy: Taxonomy,
        validation: Prediction,
        labels: Tensor | np.ndarray,
        ood_detector: OODDetector | None = None,
    ) -> Calibration:
        """Return a calibration fitted to the network's predictions of n validation images and their labels (n,).

        Without a detector every image counts as in distribution.
        """
        labels = np.asarray(labels, dtype=np.int64)
        temperature = fit_temperature(validation.logits, labels)
        probabilities = softmax(validation.logits, temperature)
        conformal = Conformal.fit(taxonomy, probabilities, labels)
        return cls(taxonomy, temperature, conformal, ood_detector, Candidates.fit(probabilities, labels))

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Calibration | None:
        """Return what a model file holds, None where it holds none. Raises CheckpointError where it is damaged."""
        if not checkpoint.calibration.keys() - {"confusion"}:
            return None
        return cls.from_state(Taxonomy.of(checkpoint.classes, checkpoint.lineages), checkpoint.calibration)

    def probabilities(self, logits: Tensor) -> np.ndarray:
        """Return calibrated probabilities (n, classes), float64, of logits (n, classes)."""
        return softmax(logits, self.temperature)

    def sets(self, logits: Tensor, confidence: float) -> np.ndarray:
        """Return for each image its candidates, bool (n, classes): see `Candidates.sets`.

        With a model of an older version they are the sets that the lowest supported taxon comes from.
        """
        return (self.candidates or self.conformal).sets(self.probabilities(logits), confidence)

    def out_of_distribution(self, prediction: Prediction, share: float) -> np.ndarray:
        """Return which of n predicted images are unlike all training images, bool (n,).

        A `share` of images of the known classes is not; somewhat less in classes with few training images, which lie
        further from the next one. Without a detector no image is.
        """
        if self.ood_detector is None:
            return np.zeros(len(prediction.logits), dtype=bool)
        scores = self.ood_detector.scores_of(prediction)
        return scores > conformal_quantile([self.ood_detector.validation_scores], share)

    def lowest_supported_taxa(self, prediction: Prediction, confidence: float) -> list[SupportedTaxon]:
        """Return for each image the lowest taxon that holds all classes of its conformal set, by the tree's score.

        A tree that is flat has no taxa between the classes and the root: there it is the candidates' one class, or they
        are named one by one. A higher confidence never makes it more precise. An image unlike all training images is
        "unknown".
        """
        outside = self.out_of_distribution(prediction, IN_DISTRIBUTION_SHARE)
        probabilities, flat = self.probabilities(prediction.logits), self.taxonomy.is_flat
        sets = self.sets(prediction.logits, confidence) if flat else self.conformal.sets(probabilities, confidence)
        taxa = []
        for row, members in enumerate(sets):
            node = () if outside[row] else self.taxonomy.lowest_taxon(np.flatnonzero(members))
            title = UNKNOWN if outside[row] else self.taxonomy.title(node)
            counted = (
                [holds(node, lineage) for lineage in self.taxonomy.lineages] if node else probabilities[row].argmax()
            )
            if flat and not node and not outside[row] and members.sum() <= MOST_NAMED:
                counted = sorted(np.flatnonzero(members), key=lambda label: -probabilities[row, label])
                title = " or ".join(self.taxonomy.names[label] for label in counted)
            probability = min(float(probabilities[row, counted].sum()), 1.0)
            taxa.append(SupportedTaxon(title, node, probability, bool(node), not outside[row]))
        return taxa

    def state(self) -> dict[str, Any]:
        """Return what a model file holds: tensors and numbers only."""
        state: dict[str, Any] = {
            "temperature": self.temperature,
            "rank_limits": torch.from_numpy(self.conformal.rank_limits),
            "nonconformity": torch.from_numpy(self.conformal.nonconformity),
            "labels": torch.from_numpy(self.conformal.labels),
        }
        if self.candidates:
            state["own_probability"] = torch.from_numpy(self.candidates.own_probability)
        return state if self.ood_detector is None else {**state, "ood_detector": self.ood_detector.state()}

    @classmethod
    def from_state(cls, taxonomy: Taxonomy, state: Mapping[str, Any]) -> Calibration:
        """Return what `state` saved. Raises CheckpointError, with a sentence, where it is not valid."""
        try:
            temperature = float(state["temperature"])
            if not 0 < temperature < math.inf:
                raise ValueError("its temperature is not valid")
            detector = state.get("ood_detector")
            if detector is not None and "pictures" in detector:
                detector = None  # before format 4 the distances were measured otherwise, and say nothing now
            return cls(
                taxonomy,
                temperature,
                Conformal.from_state(taxonomy, state),
                None if detector is None else OODDetector.from_state(detector),
                _candidates(state),
            )
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the model's calibration is damaged ({error}); train the model again") from error


def _candidates(state: Mapping[str, Any]) -> Candidates | None:
    """Return what a model file says of candidates, None before there were some. Raises ValueError or TypeError."""
    if "own_probability" not in state:
        return None
    own, labels = np.asarray(state["own_probability"], np.float64), np.asarray(state["labels"], np.int64)
    if own.shape != labels.shape or not ((own >= 0) & (own <= 1)).all():
        raise ValueError("its candidates are not valid")
    return Candidates(own, labels)
