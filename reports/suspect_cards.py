"""Labels that look wrong, as the page shows them: each with its picture, and what it may be instead."""

from typing import Any

import numpy as np

from evaluation.cross_fit import EvaluatedSplit
from reports.gallery import thumbnail
from reports.image_files import escape_name
from reports.page import safe_link
from reports.pairs import References
from reports.suspects import Suspect, find_suspects

SUSPECTS_SHOWN = 30
CANDIDATES, NEAREST = 3, 2  # likeliest taxa, and training images of each
SMALL = 110  # pixels of their thumbnails


def suspect_cards(parts: list[EvaluatedSplit], references: References) -> dict[str, Any]:
    """Return what the page shows of labels that look wrong: the first SUSPECTS_SHOWN, and the number of all."""
    found = sorted((each for part in parts for each in find_suspects(part)), key=lambda each: each.quality)
    cards = [_card(suspect, references) for suspect in found[:SUSPECTS_SHOWN]]
    return {"suspect_cards": cards, "suspects_in_all": len(found)}


def _card(suspect: Suspect, references: References) -> dict[str, Any]:
    predictions, split = suspect.evaluated.predictions, suspect.evaluated.split
    row = suspect.row()
    label = int(predictions.actual[suspect.index])
    likeliest = suspect.likeliest[:CANDIDATES]
    candidates = likeliest if label in likeliest else [*likeliest, label]
    return {
        **row,
        "link": safe_link(row["URL"]),
        "image": thumbnail(split.paths[suspect.index], split.page),
        "name": escape_name(predictions.caption(suspect.index)),
        "candidates": [
            {
                "name": predictions.names[taxon],
                "probability": float(predictions.probabilities[suspect.index, taxon]),
                "is_label": taxon == label,
                "nearest": [
                    {"image": thumbnail(path, split.page, SMALL), "file": escape_name(file)}
                    for path, file in _nearest(suspect, references, taxon)
                ],
            }
            for taxon in candidates
        ],
    }


def _nearest(suspect: Suspect, references: References, taxon: int) -> list[Any]:
    return references.most_similar(suspect.evaluated.split, np.array([suspect.index]), taxon)[:NEAREST]
