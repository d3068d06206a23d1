"""What a model said of labelled pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.taxonomy import Taxonomy

LEAST = 1e-12


@dataclass(frozen=True)
class Answers:
    """Pictures with their actual classes and the model's answers.

    paths: of the n pictures; taxonomy: of the model's classes; actual: label indices (n,); probabilities: (n, classes)
    with the sum 1 in each row.
    """

    paths: list[Path]
    taxonomy: Taxonomy
    actual: np.ndarray
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def names(self) -> list[str]:
        """Names of the classes, for people."""
        return self.taxonomy.names

    @property
    def predicted(self) -> np.ndarray:
        """Label indices (n,) of the most probable classes."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidence(self) -> np.ndarray:
        """Probabilities (n,) of the predicted classes."""
        return self.probabilities.max(axis=1)

    @property
    def right(self) -> np.ndarray:
        """Whether each picture's class was named: bool (n,)."""
        return self.predicted == self.actual

    @property
    def losses(self) -> np.ndarray:
        """Negative logarithms (n,) of the probabilities that the actual classes were given; at most 27.6."""
        return -np.log(np.maximum(self.probabilities[np.arange(len(self)), self.actual], LEAST))

    @property
    def margins(self) -> np.ndarray:
        """How far (n,) the best answer's probability lies above the second's; small where the model hesitates."""
        if self.probabilities.shape[1] == 1:
            return self.probabilities[:, 0]
        best = np.sort(self.probabilities, axis=1)
        return best[:, -1] - best[:, -2]
