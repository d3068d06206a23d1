"""What a model's answers may be trusted with: honest probabilities, sets that hold the truth, and "unknown".

Everything is learnt from the validation pictures, which the network did not learn from. It holds for new pictures
that come as those came: from the same sites, ages and microscopes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from evaluation.conformal import Conformal, limit
from evaluation.ood import Familiarity
from evaluation.taxonomy import Node, Taxonomy, holds
from models.checkpoint import Checkpoint, CheckpointError
from models.prediction import Prediction

# The share of pictures of known classes that `Calibration.answers` does not take for something unknown: with a tenth of
# them most strangers go (NOTES.md). It is not the user's confidence: that would make an answer more precise the more
# confidence is asked for.
FAMILIAR = 0.9
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """What may be said of a picture: `title` of `node`, which holds the truth with the confidence asked for.

    `probability` is that of all classes in the node, in [0, 1]. Where nothing is known, the node is (), and the
    probability 1, since everything lies below it: because the picture is not `familiar`, that is, unlike anything
    learnt (title "unknown"), or because the classes that stay possible share no taxon (title "indet.").
    """

    title: str
    node: Node
    probability: float
    known: bool
    familiar: bool = True


@dataclass(frozen=True)
class Calibration:
    """What the validation pictures taught: `temperature` divides the logits (above 1 the network was too sure).

    conformal: which classes can be ruled out; familiarity: which pictures are unlike anything learnt.
    """

    taxonomy: Taxonomy
    temperature: float
    conformal: Conformal
    familiarity: Familiarity | None

    @classmethod
    def fit(
        cls,
        taxonomy: Taxonomy,
        validate: Prediction,
        labels: Tensor | np.ndarray,
        familiarity: Familiarity | None = None,
    ) -> Calibration:
        """Learn from what the network says of n validation pictures and their labels (n,).

        Without a familiarity no picture is called unlike anything learnt.
        """
        labels = np.asarray(labels, dtype=np.int64)
        temperature = fit_temperature(validate.logits, labels)
        conformal = Conformal.fit(taxonomy, softmax(validate.logits, temperature), labels)
        return cls(taxonomy, temperature, conformal, familiarity)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Calibration | None:
        """Return what a model file keeps, None where it keeps none. Raises CheckpointError where it is damaged."""
        if not checkpoint.calibration.keys() - {"confusion"}:
            return None
        return cls.from_state(Taxonomy.of(checkpoint.classes, checkpoint.lineages), checkpoint.calibration)

    def probabilities(self, logits: Tensor) -> np.ndarray:
        """Turn logits (n, classes) into calibrated probabilities (n, classes), float64."""
        return softmax(logits, self.temperature)

    def sets(self, logits: Tensor, confidence: float) -> np.ndarray:
        """Return for each picture the classes that cannot be ruled out, bool (n, classes): see `Conformal.sets`."""
        return self.conformal.sets(self.probabilities(logits), confidence)

    def unfamiliar(self, features: Tensor, confidence: float) -> np.ndarray:
        """Tell which pictures (n, d) are unlike all that was learnt, bool (n,).

        A share `confidence` of pictures of the known classes is not called so, somewhat less in classes with few
        training pictures, which lie further from the next one; where nothing was learnt, none is.
        """
        if self.familiarity is None:
            return np.zeros(len(features), dtype=bool)
        return self.familiarity.strangeness(features) > limit([self.familiarity.usual], confidence)

    def answers(self, prediction: Prediction, confidence: float) -> list[Answer]:
        """Say of each picture what can be defended: the deepest taxon that holds all classes of its set.

        A higher confidence never makes an answer more precise. What is unlike anything learnt is "unknown".
        """
        unfamiliar = self.unfamiliar(prediction.features, FAMILIAR)
        probabilities = self.probabilities(prediction.logits)
        answers = []
        for row, members in enumerate(self.sets(prediction.logits, confidence)):
            node = () if unfamiliar[row] else self.taxonomy.common_ancestor(np.flatnonzero(members))
            below = [holds(node, lineage) for lineage in self.taxonomy.lineages]
            share = min(float(probabilities[row, below].sum()), 1.0)
            title = UNKNOWN if unfamiliar[row] else self.taxonomy.title(node)
            answers.append(Answer(title, node, share, bool(node), not unfamiliar[row]))
        return answers

    def state(self) -> dict[str, Any]:
        """Return what a model file keeps: tensors and numbers only."""
        state: dict[str, Any] = {
            "temperature": self.temperature,
            "places": torch.from_numpy(self.conformal.places),
            "scores": torch.from_numpy(self.conformal.scores),
            "labels": torch.from_numpy(self.conformal.labels),
        }
        return state if self.familiarity is None else {**state, "familiarity": self.familiarity.state()}

    @classmethod
    def from_state(cls, taxonomy: Taxonomy, state: dict[str, Any]) -> Calibration:
        """Read what `state` gave. Raises CheckpointError, with a sentence, where it makes no sense."""
        try:
            temperature = float(state["temperature"])
            scores = np.asarray(state["scores"], dtype=np.float64)
            labels = np.asarray(state["labels"], dtype=np.int64)
            count = len(taxonomy.names)
            # before format 3 there were no places
            places = np.asarray(state.get("places", np.full(count, count)), dtype=np.int64)
            kept = state.get("familiarity")
            # what was kept before format 4 was measured otherwise, and says nothing now
            knows = kept is not None and "pictures" not in kept
            sound = (
                0 < temperature < math.inf
                and places.shape == (count,)
                and (places > 0).all()
                and scores.shape == labels.shape == (len(labels),)
                and np.isfinite(scores).all()
                and np.isin(labels, np.arange(count)).all()
            )
            if not sound:
                raise ValueError("its numbers make no sense")
            conformal = Conformal(taxonomy, places, scores, labels)
            return cls(taxonomy, temperature, conformal, Familiarity.from_state(kept) if knows else None)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the model's calibration is damaged ({error}); train the model again") from error


def softmax(logits: Tensor, temperature: float) -> np.ndarray:
    """Turn logits (n, classes), divided by the temperature, into probabilities, float64."""
    return (torch.as_tensor(logits).double() / temperature).softmax(1).numpy()


def fit_temperature(logits: Tensor, labels: np.ndarray) -> float:
    """Find the temperature that makes labels (n,) likeliest under logits (n, classes) (Guo et al. 2017, ICML).

    It lies in [0.05, 20], and `temperature_prior` holds it near 1.
    """

    def loss(log_temperature: float) -> float:
        tried = np.exp([log_temperature])
        return float(temperature_losses(logits, labels, tried).sum() + temperature_prior(tried)[0])

    return math.exp(minimize_scalar(loss, bounds=(-math.log(20), math.log(20)), method="bounded").x)


def temperature_prior(temperatures: np.ndarray) -> np.ndarray:
    """Return what temperatures (k,) cost by themselves, (k,): their logarithms are held near 0.

    It weighs about as much as one picture, so that a few pictures, or faultless answers, move them little.
    """
    return np.log(temperatures) ** 2 / 2


def temperature_losses(logits: Tensor, labels: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """Return what each of k temperatures costs each picture, (n, k): the negative logarithm of its class's probability.

    logits: (n, classes); labels: (n,).
    """
    logits, target = torch.as_tensor(logits).double(), torch.as_tensor(labels)
    losses = [torch.nn.functional.cross_entropy(logits / each, target, reduction="none") for each in temperatures]
    return torch.stack(losses, dim=1).numpy()


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Measure how far confidence lies from the share that is right, in [0, 1] (Naeini et al. 2015, AAAI).

    Pictures with probabilities (n, classes) and labels (n,) go by their highest probability into bins of equal width;
    the bins' differences are averaged with the pictures as weights.
    """
    return float(np.abs(calibration_gaps(probabilities, labels, bins).sum(0)).sum() / len(labels))


def calibration_gaps(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> np.ndarray:
    """Return 1 or 0, right or not, less the confidence of each picture, in the column of its bin: (n, bins), else 0."""
    confidence = probabilities.max(1)
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.zeros((len(labels), bins))
    gaps[np.arange(len(labels)), bin_of] = (probabilities.argmax(1) == labels) - confidence
    return gaps
