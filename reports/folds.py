"""The predictions of cross-validation: of each image by a network that had seen neither it nor its group."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from common.errors import ToolkitError
from common.files import unguard_cell
from common.folders import comparable
from evaluation.cross_fit import PredictedSplit
from models.prediction import Prediction
from reports.model import LoadedModel
from reports.settings import VisualiseSettings
from reports.splits import predict_split

NAME = "folds"
SPLITS = ("train", "validate")
SMALLEST = 1e-8  # probability, in a table that rounds


def predict_folds(settings: VisualiseSettings, model: LoadedModel) -> PredictedSplit | None:
    """Return the images of train/ and validate/ with the predictions that MODEL.folds.csv holds of them.

    None where the model was made without cross-validation, or the table is not there. The features are the model's own.
    Images that the table does not name are left out. Raises ToolkitError where the table is of other pictures or is
    damaged.
    """
    path = settings.model.with_name(settings.model.name + ".folds.csv")
    if not model.checkpoint.options.get("folds") or not path.is_file():
        return None
    here = settings.validate.resolve().parent
    parts = [predict_split(model, here / name, page=settings.page) for name in SPLITS if (here / name).is_dir()]
    rows = _read(path)
    classes = {name: place for place, name in enumerate(model.checkpoint.classes)}
    known, logits = [], []
    for part in parts:
        for image in part.paths:
            row = rows.get(comparable(image.relative_to(here).as_posix()))
            known.append(row is not None)
            if row is not None:
                logits.append(_logits(path, row, classes))
    if not logits:
        raise ToolkitError(f"{path} names no picture in {here}; it belongs to another data set", "validate")
    whole = PredictedSplit(
        name=NAME,
        paths=[image for part in parts for image in part.paths],
        files=[file for part in parts for file in part.files],
        labels=torch.cat([part.labels for part in parts]),
        prediction=Prediction.concatenate([part.prediction for part in parts]),
        manifest=[row for part in parts for row in part.manifest],
        page=parts[-1].page,
        left_out=[left for part in parts for left in part.left_out],
        remarks=[remark for part in parts for remark in part.remarks],
    ).select(np.array(known))
    return replace(whole, prediction=Prediction(torch.stack(logits), whole.prediction.features))


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [
                {name: unguard_cell(cell or "") for name, cell in row.items() if name} for row in csv.DictReader(file)
            ]
        return {comparable(row["file"]): row for row in rows}
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise ToolkitError(f"{path} is no table of cross-validation ({error}); train again with --folds") from error


def _logits(path: Path, row: Mapping[str, str], classes: Mapping[str, int]) -> torch.Tensor:
    """Return the logarithms of a row's probabilities; what it does not name shares what is left of 1."""
    try:
        named = {
            classes[row[f"answer_{place}"]]: float(row[f"probability_{place}"])
            for place in range(1, len(classes) + 1)
            if row.get(f"answer_{place}")
        }
        rest = max(1 - sum(named.values()), 0.0) / max(len(classes) - len(named), 1)
        return torch.tensor([named.get(place, rest) for place in range(len(classes))]).clamp(min=SMALLEST).log()
    except (KeyError, ValueError) as error:
        raise ToolkitError(
            f"{path} does not fit the model ({row.get('file')}: {error}); train again with --folds"
        ) from error
