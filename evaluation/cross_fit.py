"""Labelled images evaluated with a calibration that was fitted on other images than those that it is measured on."""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from common.errors import ToolkitError
from common.folders import LeftOut
from common.manifest import ManifestRow
from common.pages import Page
from evaluation.bootstrap import GroupBootstrap
from evaluation.calibration import Calibration, SupportedTaxon
from evaluation.group_folds import group_folds
from evaluation.ood import OODDetector
from evaluation.predictions import LabelledPredictions
from evaluation.taxonomy import Taxonomy
from evaluation.temperature import softmax
from models.prediction import Prediction


@dataclass(frozen=True)
class PredictedSplit:
    """The images of train/, validate/ or test/, and the network's prediction of them.

    files: the images' names for tables, such as `validate/Ring/ring1.png`; labels: int64 (n,); manifest: each image's
    row of manifest.csv, an empty one where there is none; learnt: which images the model learnt from, bool (n,), None
    where it does not know; page: which one of files with several pages was predicted; left_out: files of the split that
    are not used; remarks: sentences on odd images.
    """

    name: str
    paths: list[Path]
    files: list[str]
    labels: Tensor
    prediction: Prediction
    manifest: list[ManifestRow]
    learnt: np.ndarray | None = None
    page: Page = 1
    left_out: list[LeftOut] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def select(self, index: np.ndarray) -> "PredictedSplit":
        """Return the images at `index`, bool (n,)."""
        chosen = np.flatnonzero(index)
        return replace(
            self,
            paths=[self.paths[place] for place in chosen],
            files=[self.files[place] for place in chosen],
            manifest=[self.manifest[place] for place in chosen],
            labels=self.labels[chosen],
            prediction=self.prediction.select(torch.as_tensor(chosen)),
            learnt=None if self.learnt is None else self.learnt[chosen],
        )

    def __len__(self) -> int:
        return len(self.paths)

    def labelled(self, taxonomy: Taxonomy, probabilities: np.ndarray) -> LabelledPredictions:
        """Return the images with their labels and some probabilities (n, classes) of them."""
        return LabelledPredictions(
            self.paths, taxonomy, self.labels.numpy(), probabilities, page=self.page, captions=self.captions
        )

    @cached_property
    def captions(self) -> list[str]:
        """What the images are called: their files' own names, with digits of a hash only where two are the same."""
        own = [PurePosixPath(row.file).name or path.name for row, path in zip(self.manifest, self.paths, strict=True)]
        taken = Counter(own)
        return [name if taken[name] == 1 else path.name for name, path in zip(own, self.paths, strict=True)]

    @property
    def groups(self) -> list[str]:
        """What each image must not be parted from; without a manifest each image is a group of its own."""
        return [row.group or str(path) for row, path in zip(self.manifest, self.paths, strict=True)]


@dataclass(frozen=True)
class EvaluatedSplit:
    """A split with calibrated predictions, none of them calibrated on itself.

    predictions: with calibrated probabilities; uncalibrated: the network's own (n, classes); conformal_sets: the
    classes that cannot be ruled out, bool (n, classes); supported_taxa: the lowest supported taxon of each image.
    """

    split: PredictedSplit
    predictions: LabelledPredictions
    uncalibrated: np.ndarray
    conformal_sets: np.ndarray
    supported_taxa: list[SupportedTaxon]

    def __len__(self) -> int:
        return len(self.split)

    def select(self, index: np.ndarray) -> "EvaluatedSplit":
        """Return the images at `index`, bool (n,), as they were evaluated together with the others."""
        return EvaluatedSplit(
            self.split.select(index),
            self.predictions.select(index),
            self.uncalibrated[index],
            self.conformal_sets[index],
            [self.supported_taxa[place] for place in np.flatnonzero(index)],
        )

    @property
    def name(self) -> str:
        """The name of the split."""
        return self.split.name

    @cached_property
    def bootstrap(self) -> GroupBootstrap:
        """Resamples of the split's groups, the same for the intervals of all figures."""
        return GroupBootstrap(self.split.groups)


def cross_fit(
    taxonomy: Taxonomy, split: PredictedSplit, ood_detector: OODDetector | None, confidence: float
) -> EvaluatedSplit:
    """Return a split evaluated in halves, each calibrated on the other; groups stay in one half.

    ood_detector: of the model, if it has one; confidence: of the conformal sets, in (0, 1). Raises ToolkitError where
    the split has fewer than two groups.
    """
    if len(set(split.groups)) < 2:
        raise ToolkitError(f"{split.name} has pictures of one group only; a report needs two, to measure calibration")
    shape = tuple(split.prediction.logits.shape)
    probabilities, sets = np.empty(shape), np.empty(shape, dtype=bool)
    taxa: dict[int, SupportedTaxon] = {}
    for fitted_on, held_out in group_folds(split.labels.numpy(), split.groups, 2):
        calibration = calibrate(taxonomy, split, ood_detector, fitted_on)
        prediction = split.prediction.select(torch.as_tensor(held_out))
        probabilities[held_out] = calibration.probabilities(prediction.logits)
        sets[held_out] = calibration.sets(prediction.logits, confidence)
        taxa |= zip(held_out.tolist(), calibration.lowest_supported_taxa(prediction, confidence), strict=True)
    return _evaluated(taxonomy, split, probabilities, sets, [taxa[index] for index in range(len(split))])


def evaluate(taxonomy: Taxonomy, split: PredictedSplit, calibration: Calibration, confidence: float) -> EvaluatedSplit:
    """Return the evaluation of a split, at a confidence in (0, 1), with a calibration that was fitted on another."""
    return _evaluated(
        taxonomy,
        split,
        calibration.probabilities(split.prediction.logits),
        calibration.sets(split.prediction.logits, confidence),
        calibration.lowest_supported_taxa(split.prediction, confidence),
    )


def calibrate(
    taxonomy: Taxonomy,
    split: PredictedSplit,
    ood_detector: OODDetector | None,
    chosen: np.ndarray | None = None,
) -> Calibration:
    """Return a calibration on a split, or on its images at the indices `chosen`."""
    index = torch.arange(len(split)) if chosen is None else torch.as_tensor(chosen)
    prediction = split.prediction.select(index)
    detector = ood_detector and ood_detector.calibrated_on(ood_detector.scores_of(prediction))
    return Calibration.fit(taxonomy, prediction, split.labels[index], detector)


def _evaluated(
    taxonomy: Taxonomy,
    split: PredictedSplit,
    probabilities: np.ndarray,
    sets: np.ndarray,
    taxa: list[SupportedTaxon],
) -> EvaluatedSplit:
    predictions = split.labelled(taxonomy, probabilities)
    return EvaluatedSplit(split, predictions, softmax(split.prediction.logits), sets, taxa)
