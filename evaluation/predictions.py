"""What a model predicts of labelled images."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from common.images import read_image
from common.pages import Page
from evaluation.taxonomy import Taxonomy

MIN_PROBABILITY = 1e-12  # probability; a smaller one costs no more


@dataclass(frozen=True)
class LabelledPredictions:
    """Images with their actual classes and the model's probabilities.

    paths: of the n images; taxonomy: of the model's classes; actual: label indices, int64 (n,); probabilities: float64
    (n, classes) with the sum 1 in each row; page: which one of files with several pages was predicted; captions: what
    the images are called, their files' names where it is empty.
    """

    paths: list[Path]
    taxonomy: Taxonomy
    actual: np.ndarray
    probabilities: np.ndarray
    page: Page = 1
    captions: list[str] = field(default_factory=list)

    def caption(self, index: int) -> str:
        """Return what an image is called."""
        return self.captions[index] if self.captions else self.paths[index].name

    def image(self, index: int) -> Image.Image:
        """Return an image, read again, to show it. Raises ImageError where it cannot be read any more."""
        return read_image(self.paths[index], self.page)

    def select(self, index: np.ndarray) -> "LabelledPredictions":
        """Return the images at `index`, bool (n,) or int64 (k,)."""
        chosen = np.arange(len(self))[index]
        paths = [self.paths[place] for place in chosen]
        captions = [self.captions[place] for place in chosen] if self.captions else []
        arrays = {"actual": self.actual[chosen], "probabilities": self.probabilities[chosen]}
        return replace(self, paths=paths, captions=captions, **arrays)

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
        """Whether each image's class was predicted: bool (n,)."""
        return self.predicted == self.actual

    @property
    def losses(self) -> np.ndarray:
        """Negative logarithms (n,) of the probabilities of the actual classes; at most 27.6."""
        return -np.log(np.maximum(self.probabilities[np.arange(len(self)), self.actual], MIN_PROBABILITY))

    @property
    def margins(self) -> np.ndarray:
        """How far (n,) the highest probability lies above the second; small where the model hesitates."""
        if self.probabilities.shape[1] == 1:
            return self.probabilities[:, 0]
        ascending = np.sort(self.probabilities, axis=1)
        return ascending[:, -1] - ascending[:, -2]
