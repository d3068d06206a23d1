"""The review of labelled pictures, those that a report is about: labels that look wrong come first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.files import in_one_line
from evaluation.cross_fit import EvaluatedSplit, PredictedSplit
from reports.classifier import unique_names
from reports.model import LoadedModel
from reports.nearest import Features, Training
from reports.review import (
    CANDIDATES,
    DIFFERS,
    LOW,
    MOST,
    NEAREST,
    SUSPECT,
    UNKNOWN,
    UNSURE,
    Candidate,
    Review,
    ReviewPicture,
    write_review,
)
from reports.settings import VisualiseSettings
from reports.taxon_facts import read_taxon_facts


def write_report_review(
    path: Path,
    settings: VisualiseSettings,
    model: LoadedModel,
    parts: Sequence[EvaluatedSplit],
    suspects: Sequence[dict[str, Any]],
    train: PredictedSplit | None,
) -> None:
    """Write review.html of all pictures of evaluated splits, or of the MOST that are most doubtful.

    suspects: rows of suspects.csv, the least credible first; train: training pictures, where there are some.
    """
    rank = {row["path"]: place for place, row in enumerate(suspects)}
    names, beside, features = unique_names(model), Training(train), Features()
    order = []
    for part in parts:
        features.add(part.split.files, part.split.prediction.features)
        actual = part.predictions.actual
        for index, file in enumerate(part.split.files):
            flags = ([SUSPECT] if file in rank else []) + _flags(part, index)
            credible = float(part.predictions.probabilities[index, actual[index]])
            place = (0, rank.get(file, len(rank)), credible, "") if flags else (1, 0, 0.0, names[actual[index]])
            order.append((place, file, flags, part, index))
    order.sort(key=lambda each: each[:2])
    pictures = [_card(part, index, names, flags, beside, features) for _, _, flags, part, index in order[:MOST]]
    facts = read_taxon_facts(settings.data)
    page = parts[0].split.page
    write_review(path, Review(model.taxonomy, names, pictures, beside.paths, facts, len(order), False, page))


def _flags(part: EvaluatedSplit, index: int) -> list[str]:
    found = [] if part.supported_taxa[index].in_distribution else [UNKNOWN]
    found += [UNSURE] if part.predictions.confidence[index] < LOW else []
    return found + ([] if part.predictions.right[index] else [DIFFERS])


def _card(
    part: EvaluatedSplit, index: int, names: Sequence[str], flags: list[str], training: Training, features: Features
) -> ReviewPicture:
    predictions, split = part.predictions, part.split
    probabilities = predictions.probabilities[index]
    labels = [int(label) for label in np.argsort(-probabilities, kind="stable")[:CANDIDATES]]
    shown = training.nearest(features.get(split.files[index]), labels, NEAREST)
    actual = names[predictions.actual[index]]
    return ReviewPicture(
        file=in_one_line(split.manifest[index].file) or split.files[index],
        path=split.paths[index],
        answer=f"labelled {actual}",
        label=actual,
        candidates=[
            Candidate(label, float(probabilities[label]), nearest) for label, nearest in zip(labels, shown, strict=True)
        ],
        flags=flags,
    )
