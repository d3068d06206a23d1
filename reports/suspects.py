"""Labels that are probably wrong."""

import warnings
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


def suspect_rows(evaluated: EvaluatedSplit) -> list[dict[str, Any]]:
    """Return a row of SUSPECT_COLUMNS for each image whose label is probably wrong, the least credible first.

    file: as the manifest knows it, so that a correction holds whatever becomes of the data set; path: where it is now.
    Confident learning (Northcutt et al. 2021, JAIR 70) on predictions that were not calibrated on the images
    themselves. Quality lies in [0, 1]. Classes that no image of the split is labelled with are left out, as cleanlab
    asks.
    """
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
    rows = []
    for index in issues:
        known = evaluated.split.manifest[index]
        suggested = predictions.names[present[probabilities[index].argmax()]]
        cells = (
            in_one_line(known.file) or evaluated.split.files[index],
            predictions.names[predictions.actual[index]],
            "",
            suggested,
            round(float(quality[index]), DIGITS),
            known.source,
            known.url,
            evaluated.split.files[index],
        )
        rows.append(dict(zip(SUSPECT_COLUMNS, cells, strict=True)))
    return rows
