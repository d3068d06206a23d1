"""Labels that are probably wrong."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from common.corrections import COLUMNS as CORRECTIONS_COLUMNS
from common.files import in_one_line
from evaluation.cross_fit import EvaluatedSplit

# The first columns are those of corrections.csv: a row whose label a person has put right is one.
SUSPECT_COLUMNS = (*CORRECTIONS_COLUMNS, "suggested", "quality", "source", "URL", "path")
DIGITS = 6
TINY = 1e-12


@dataclass(frozen=True)
class Suspect:
    """An image whose label is probably wrong: where it is in its split, and how credible its label is, in [0, 1]."""

    evaluated: EvaluatedSplit
    index: int
    quality: float

    @property
    def likeliest(self) -> list[int]:
        """The classes that it may be of instead, the most probable first, without those that no image is labelled."""
        present = np.unique(self.evaluated.predictions.actual)
        probabilities = self.evaluated.predictions.probabilities[self.index, present]
        return [int(present[place]) for place in np.argsort(-probabilities, kind="stable")]

    def row(self) -> dict[str, Any]:
        """Return its row of SUSPECT_COLUMNS.

        file: as the manifest knows it, so that a correction holds whatever becomes of the data set; path: where it is
        now.
        """
        split, names = self.evaluated.split, self.evaluated.predictions.names
        known, label = split.manifest[self.index], self.evaluated.predictions.actual[self.index]
        cells = (
            in_one_line(known.file) or split.files[self.index],
            names[label],
            "",
            names[self.likeliest[0]],
            round(self.quality, DIGITS),
            known.source,
            known.url,
            split.files[self.index],
        )
        return dict(zip(SUSPECT_COLUMNS, cells, strict=True))


def suspect_rows(evaluated: EvaluatedSplit) -> list[dict[str, Any]]:
    """Return a row of SUSPECT_COLUMNS for each image whose label is probably wrong, the least credible first."""
    return [suspect.row() for suspect in find_suspects(evaluated)]


def find_suspects(evaluated: EvaluatedSplit) -> list[Suspect]:
    """Return the images whose labels are probably wrong, the least credible first.

    Confident learning (Northcutt et al. 2021, JAIR 70) on predictions that were not calibrated on the images
    themselves. Images that the model learnt from are not judged: it says of them what it was told. Classes that no
    image of the split is labelled with are left out, as cleanlab asks.
    """
    learnt = evaluated.split.learnt
    if learnt is not None and learnt.any():
        evaluated = evaluated.select(~learnt)
    predictions = evaluated.predictions
    present, labels = np.unique(predictions.actual, return_inverse=True)
    if len(present) < 2:
        return []
    probabilities = predictions.probabilities[:, present]
    probabilities = probabilities / np.maximum(probabilities.sum(1, keepdims=True), TINY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with one image is not judged
        issues = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    quality = get_label_quality_scores(labels, probabilities)
    return [Suspect(evaluated, int(index), float(quality[index])) for index in issues]
