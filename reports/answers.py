"""What a model said of labelled pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Answers:
    """Pictures with their actual classes and the model's answers.

    paths: of the n pictures; names: of the classes, for people; actual: label indices (n,); probabilities: (n, classes)
    with the sum 1 in each row.
    """

    paths: list[Path]
    names: list[str]
    actual: np.ndarray
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def predicted(self) -> np.ndarray:
        """Label indices (n,) of the most probable classes."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidence(self) -> np.ndarray:
        """Probabilities (n,) of the predicted classes."""
        return self.probabilities.max(axis=1)
