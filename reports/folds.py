"""The predictions of cross-validation: of each image by a network that had seen neither it nor its group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from common.errors import ToolkitError
from common.files import in_one_line
from common.fold_table import FoldRow, fold_table, read_fold_table
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
    Images that the table does not name are left out, which a remark says. Raises ToolkitError where the table is of
    other pictures or is damaged.
    """
    path = fold_table(settings.model)
    if not model.checkpoint.options.get("folds") or not path.is_file():
        return None
    here = settings.validate.resolve().parent
    parts = [predict_split(model, here / name, page=settings.page) for name in SPLITS if (here / name).is_dir()]
    rows = {comparable(row.file): row for row in read_fold_table(path)}
    classes = {in_one_line(name): place for place, name in enumerate(model.checkpoint.classes)}
    paths = [image for part in parts for image in part.paths]
    found = [rows.get(comparable(in_one_line(image.relative_to(here).as_posix()))) for image in paths]
    logits = [_logits(path, row, classes) for row in found if row]
    if not logits:
        raise ToolkitError(f"{path} names no picture in {here}; it belongs to another data set", "validate")
    missing = len(found) - len(logits)
    whole = PredictedSplit(
        name=NAME,
        paths=paths,
        files=[file for part in parts for file in part.files],
        labels=torch.cat([part.labels for part in parts]),
        prediction=Prediction.concatenate([part.prediction for part in parts]),
        manifest=[row for part in parts for row in part.manifest],
        page=parts[-1].page,
        left_out=[left for part in parts for left in part.left_out],
        remarks=[
            *(remark for part in parts for remark in part.remarks),
            *([f"{path} does not name {missing} of {len(found)} pictures, which are left out."] if missing else []),
        ],
    ).select(np.array([row is not None for row in found]))
    ood_scores = torch.tensor([row.ood_score for row in found if row], dtype=torch.float64)
    return replace(whole, prediction=whole.prediction._replace(logits=torch.stack(logits), ood_scores=ood_scores))


def _logits(path: Path, row: FoldRow, classes: Mapping[str, int]) -> torch.Tensor:
    """Return the logarithms of a row's probabilities; what it does not name shares what is left of 1."""
    try:
        named = {classes[name]: probability for name, probability in row.answers}
    except KeyError as error:
        raise ToolkitError(
            f"{path} does not fit the model, which has no class {error}; train again with --folds"
        ) from error
    rest = max(1 - sum(named.values()), 0.0) / max(len(classes) - len(named), 1)
    return torch.tensor([named.get(place, rest) for place in range(len(classes))]).clamp(min=SMALLEST).log()
