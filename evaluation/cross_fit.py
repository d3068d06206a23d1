"""Labelled pictures as a model answers them, calibrated on other pictures than those that it is measured on."""

import csv
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from torch import Tensor

from evaluation.calibration import Answer, Calibration
from evaluation.metrics import Draws, draw_groups
from evaluation.ood import Familiarity
from evaluation.predictions import Answers
from evaluation.taxonomy import Taxonomy
from models.prediction import Prediction


@dataclass(frozen=True)
class Split:
    """The pictures of train/, validate/ or test/, and what the network said of them.

    labels: int64 (n,); records: for each picture its row of manifest.csv, empty where there is none.
    """

    name: str
    paths: list[Path]
    labels: Tensor
    prediction: Prediction
    records: list[dict[str, str]]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def groups(self) -> list[str]:
        """What each picture must not be parted from; without a manifest each picture is a group of its own."""
        return [record.get("group") or str(path) for record, path in zip(self.records, self.paths, strict=True)]


@dataclass(frozen=True)
class Examined:
    """A split with calibrated answers, none of them calibrated on itself.

    raw: the network's own probabilities (n, classes); sets: bool (n, classes), the classes that stay possible;
    defended: for each picture the answer at the rank that can be defended.
    """

    name: str
    answers: Answers
    raw: np.ndarray
    sets: np.ndarray
    defended: list[Answer]
    records: list[dict[str, str]]
    groups: list[str]

    @cached_property
    def draws(self) -> Draws:
        """Draws of the groups anew, one drawing for the intervals of all figures."""
        return draw_groups(self.groups)


def read_manifest(directory: Path) -> dict[Path, dict[str, str]]:
    """Read the rows of the manifest.csv beside a directory such as validate/, by path; none where there is no file.

    Raises OSError or ValueError, with a sentence for the user, where it cannot be read as such.
    """
    place = directory.parent / "manifest.csv"
    try:
        with place.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, restval="")
            if "path" not in (table.fieldnames or ()):
                raise ValueError(f"its first line has no column path, but: {', '.join(table.fieldnames or ())}")
            return {directory.parent / row["path"]: row for row in table if row["path"]}
    except FileNotFoundError:
        return {}
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{place} cannot be read ({error}); run prepare_image_model.py again") from error


def thin_out(samples: list[tuple[Path, int]], limit: int | None) -> list[tuple[Path, int]]:
    """Keep at most `limit` pictures of each class from (path, label), evenly spread over its files."""
    if limit is None:
        return samples
    of_class: dict[int, list[tuple[Path, int]]] = {}
    for sample in samples:
        of_class.setdefault(sample[1], []).append(sample)
    return [each for members in of_class.values() for each in members[:: -(-len(members) // limit)]]


def cross_fit(taxonomy: Taxonomy, split: Split, familiarity: Familiarity | None, confidence: float) -> Examined:
    """Calibrate on one half of a split and answer for the other, both ways; groups stay in one half.

    familiarity: what the model remembers of its training pictures, if anything. Raises ValueError where the split has
    fewer than two groups.
    """
    if len(set(split.groups)) < 2:
        raise ValueError(f"{split.name} has pictures of one group only; a report needs two, to measure calibration")
    several = split.labels.bincount().max() > 1
    halves = StratifiedGroupKFold(2, shuffle=True, random_state=0) if several else GroupKFold(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with one picture stands in one half only
        folds = list(halves.split(split.paths, split.labels.numpy(), split.groups))
    parts = [
        (test, *_calibrated(fit_calibration(taxonomy, split, familiarity, fit), split, test, confidence))
        for fit, test in folds
    ]
    place = np.argsort(np.concatenate([part[0] for part in parts]))
    probabilities, sets = (np.concatenate([part[which] for part in parts])[place] for which in (1, 2))
    defended = [answer for part in parts for answer in part[3]]
    return _examined(taxonomy, split, probabilities, sets, [defended[index] for index in place])


def examine(taxonomy: Taxonomy, split: Split, calibration: Calibration, confidence: float) -> Examined:
    """Answer for a split with a calibration that comes from another one."""
    return _examined(taxonomy, split, *_calibrated(calibration, split, np.arange(len(split)), confidence))


def fit_calibration(
    taxonomy: Taxonomy, split: Split, familiarity: Familiarity | None, part: np.ndarray | None = None
) -> Calibration:
    """Calibrate on a split, or the pictures with the indices `part` of it."""
    chosen = torch.arange(len(split)) if part is None else torch.as_tensor(part)
    said = _part(split.prediction, chosen)
    measured = familiarity and familiarity.measured_on(said.features)
    return Calibration.fit(taxonomy, said, split.labels[chosen], measured)


def _part(prediction: Prediction, chosen: Tensor) -> Prediction:
    return Prediction(*(each[chosen] for each in prediction))


def _calibrated(
    calibration: Calibration, split: Split, part: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray, list[Answer]]:
    """Return probabilities, conformal sets and defensible answers of the pictures with the indices `part`."""
    said = _part(split.prediction, torch.as_tensor(part))
    sets = calibration.sets(said.logits, confidence)
    return calibration.probabilities(said.logits), sets, calibration.answers(said, confidence)


def _examined(
    taxonomy: Taxonomy, split: Split, probabilities: np.ndarray, sets: np.ndarray, defended: list[Answer]
) -> Examined:
    raw = torch.softmax(split.prediction.logits.double(), dim=1).numpy()
    answers = Answers(split.paths, taxonomy, split.labels.numpy(), probabilities)
    return Examined(split.name, answers, raw, sets, defended, split.records, split.groups)
