"""Cross-validation: each image is predicted once, by a network that has seen neither it nor its group.

So all images are judged and not a fifth of them, and the model learns from all of them in the end. Nothing is chosen on
the images that are quoted but one thing, on all of them together: whether the layers below the head learn, too.
"""

from __future__ import annotations

import copy
import logging
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.errors import ToolkitError
from common.fold_table import LIKELIEST, FoldRow
from evaluation.bootstrap import GroupBootstrap
from evaluation.calibration import Calibration
from evaluation.group_folds import group_folds
from evaluation.metrics import summary
from evaluation.ood import OODDetector
from models.checkpoint import Checkpoint
from models.prediction import Prediction, Predictor
from training.console import Console
from training.dataset import TrainingData
from training.features import FrozenFeatures
from training.finalise import finish, images_predicted, reference_features, tta_views
from training.head_phase import compute_features
from training.loaders import predict_by_rank
from training.recorder import Recorder
from training.run import Run, epochs, learn, start_network, tensorboard_log
from training.run_folder import signals_delayed
from training.schedule import WHAT_LEARNS, WRITING_SECONDS, Phase, phase_end, plan_phases
from training.trainer import Trainer, merit, score

LOG = logging.getLogger(__name__)

# What a network says of images that it has not seen: logits float32 (m, classes), ood_scores float64 (m,).
HeldOut = dict[str, Tensor]
JUDGED = ("logits", "ood_scores")


def cross_validate(run: Run, last: Mapping[str, Any] | None) -> Checkpoint:
    """Return a model that learnt from all images, with scores and calibration from as many folds as the settings say.

    last: what an interrupted run saved, which goes on with the fold in hand. Raises ToolkitError where there are fewer
    groups than folds.
    """
    return CrossValidation(run, last).run_folds()


def assign_folds(dataset: TrainingData, count: int, seed: int) -> np.ndarray:
    """Return in which of `count` folds each training image is predicted, int64 (n,): stratified, groups kept together.

    Raises ToolkitError where there are fewer groups than folds.
    """
    groups = len(set(dataset.groups))
    if groups < count:
        raise ToolkitError(f"{groups} groups of pictures cannot be parted into {count} folds", "folds")
    labels = dataset.train.labels.cpu().numpy()
    fold_of = np.empty(len(labels), dtype=np.int64)
    for number, (_, held_out) in enumerate(group_folds(labels, dataset.groups, count, seed)):
        fold_of[held_out] = number
    return fold_of


class CrossValidation:
    """The folds of a run, one after the other, and the run on all images that follows them."""

    def __init__(self, run: Run, last: Mapping[str, Any] | None):
        assert run.settings.folds
        self._run, self._count = run, run.settings.folds
        self._data = run.dataset.together()
        self._fold_of = assign_folds(self._data, self._count, run.settings.seed)
        self._network = start_network(run)  # each fold begins with a copy of it
        self._last = last
        # What is saved with every epoch: the folds that are finished, what is known of the one in hand, the seconds
        # that the finished ones took, and the minutes that the one in hand may take.
        empty = {"finished": [], "current": {}, "seconds": 0.0, "minutes": None}
        self._state: dict[str, Any] = last["folds"] if last else empty
        run.folder.folds = self._state

    def run_folds(self) -> Checkpoint:
        """Learn from all but one fold at a time, then from all."""
        run, finished = self._run, self._state["finished"]
        whole = Trainer(self._network, run.settings, self._data, run.device, run.ranks, run.began)
        if run.ranks.is_main:
            run.folder.run_begin(whole)
        features = self._frozen_features(whole)
        self._state["seconds"] += time.monotonic() - run.began
        while len(finished) < self._count:
            self._run_fold(len(finished), features)
        return self._run_on_all(features)

    def _frozen_features(self, whole: Trainer) -> FrozenFeatures | None:
        """Return what the frozen layers see of all images, computed once; None where nothing is pretrained."""
        if not whole.settings.pretrained:
            return None
        if whole.settings.time_budget is not None:
            whole.clock.end = phase_end(whole.settings, whole.phase)
        return compute_features(whole)

    def _run_fold(self, number: int, features: FrozenFeatures | None) -> None:
        held_out = torch.from_numpy(np.flatnonzero(self._fold_of == number))
        rows = torch.from_numpy(np.flatnonzero(self._fold_of != number))
        LOG.info("Fold %d of %d", number + 1, self._count)
        trainer = self._trainer(self._data.fold(rows, held_out), features and features.fold(rows, held_out))
        recorders = self._recorders(trainer, f"fold {number + 1}")
        for recorder in recorders:
            recorder.run_begin(trainer)
        current = self._state["current"]
        for _ in trainer.remaining_phases(partial(self._seconds_to_judge, trainer)):
            for result in epochs(trainer):
                if trainer.phase.frozen == "features":
                    current["features"] = self._judge(trainer, result.logits)
                with signals_delayed():
                    for recorder in recorders:
                        recorder.epoch_end(trainer, result)
                    self._save(trainer)
        if trainer.phase.frozen not in current and trainer.epoch > trainer.clock.first_epoch:
            current[trainer.phase.frozen] = self._judge(trainer)
        for recorder in recorders:
            recorder.close()
        trainer.release()
        self._state["finished"].append(current)
        self._state |= {"current": {}, "seconds": self._state["seconds"] + trainer.seconds}

    def _run_on_all(self, features: FrozenFeatures | None) -> Checkpoint:
        run = self._run
        phase, judged = self._choose()
        LOG.info("All pictures to learn from; what learns: %s", WHAT_LEARNS[phase])
        trainer = self._trainer(self._data, features)
        frozen = [each.frozen for each in trainer.phases]
        trainer.phases = trainer.phases[: frozen.index(phase) + 1]
        recorders: list[Recorder] = [Console(), run.folder] if run.ranks.is_main else []
        if run.ranks.is_main:
            recorders[0].run_begin(trainer)
        learn(trainer, recorders)
        trainer.release()
        best = run.ranks.broadcast(run.folder.load_best() if run.ranks.is_main else None)
        best.tta_views = tta_views(self._data, run.settings.tta)
        reference = trainer.reference_features
        if reference is None:
            reference = reference_features(best.predictor(run.device), self._data, run.ranks)
        detector = OODDetector.fit(reference, reference[0, :0])
        detector = detector.calibrated_on(judged["ood_scores"].numpy())
        no_features = torch.empty(len(judged["logits"]), 0)
        prediction = Prediction(judged["logits"], no_features)
        checkpoint = finish(best, self._data, prediction, self._data.train.labels.cpu(), detector)
        checkpoint.scores |= self._scores(judged["logits"]) | {"folds": self._count}
        if run.ranks.is_main:
            run.folder.write_folds(self._rows(checkpoint, judged))
            run.folder.run_end(trainer, checkpoint, prediction)
        return checkpoint

    def _trainer(self, data: TrainingData, features: FrozenFeatures | None) -> Trainer:
        """Return a trainer with its share of the time budget, or as it was when it was interrupted."""
        run, state = self._run, self._state
        last, self._last = self._last, None
        began = time.monotonic()
        if last is None and run.settings.time_budget is not None:
            left = 60 * run.settings.time_budget - WRITING_SECONDS - state["seconds"]
            share = left / (self._count + 1 - len(state["finished"])) + WRITING_SECONDS
            state["minutes"] = run.ranks.broadcast(max(share, 1.0) / 60)
        settings = replace(run.settings, time_budget=state["minutes"])
        trainer = Trainer(copy.deepcopy(self._network), settings, data, run.device, run.ranks, began)
        trainer.frozen_features = features
        if last:
            trainer.load_state_dict(last["trainer"])
        return trainer

    def _judge(self, trainer: Trainer, logits: Tensor | None = None) -> HeldOut:
        """Return what the network says of the images that it has not seen; logits: of a head that was just solved."""
        run, data, features = self._run, trainer.dataset, trainer.frozen_features
        predictor = Predictor(trainer.network, trainer.normalisation, run.device, tta_views(data, trainer.settings.tta))
        if logits is not None and features and not trainer.settings.tta:
            prediction = Prediction(logits, features.validate)
        else:
            prediction = predict_by_rank(run.ranks, predictor, data.validate)
        reference = trainer.reference_features
        if logits is None or reference is None:
            reference = reference_features(predictor, data, run.ranks)
        detector = OODDetector.fit(reference, prediction.features)
        return {"logits": prediction.logits, "ood_scores": torch.from_numpy(detector.validation_scores)}

    def _seconds_to_judge(self, trainer: Trainer, phase: Phase) -> float:
        """Return how long `_judge` takes at the end of a phase; where its head was just solved, next to nothing."""
        if phase.frozen == "features" and trainer.frozen_features and not trainer.settings.tta:
            return 0.0
        return trainer.seconds_to_predict(images_predicted(trainer.dataset, trainer.settings.tta))

    def _choose(self) -> tuple[str, HeldOut]:
        """Return the phase at whose end networks are best, of those that all folds came to, and what they said."""
        finished, labels = self._state["finished"], self._data.train.labels.cpu()
        best: tuple[str, HeldOut] = ("", {})
        scores: dict[str, float] = {}
        for phase in plan_phases(self._run.settings):
            if all(phase.frozen in fold for fold in finished):
                judged = {name: self._whole([fold[phase.frozen][name] for fold in finished]) for name in JUDGED}
                found = score(judged["logits"], labels)
                if not scores or merit(found) > merit(scores):
                    best, scores = (phase.frozen, judged), found
        return best

    def _whole(self, parts: Sequence[Tensor]) -> Tensor:
        """Return rows of the folds' held-out images in the order of all images."""
        whole = parts[0].new_empty(len(self._fold_of), *parts[0].shape[1:])
        for number, part in enumerate(parts):
            whole[torch.from_numpy(self._fold_of == number)] = part
        return whole

    def _scores(self, logits: Tensor) -> dict[str, float]:
        """Return of each score its standard deviation over folds, and the bounds of its interval over groups."""
        labels, predicted = self._data.train.labels.cpu().numpy(), logits.argmax(1).numpy()
        bootstrap = GroupBootstrap(self._data.groups)
        intervals = bootstrap.macro_intervals(labels, predicted, self._data.num_classes)
        intervals["accuracy"] = bootstrap.mean_interval(labels == predicted)
        folds = [summary(labels[own], predicted[own]) for own in (self._fold_of == n for n in range(self._count))]
        scores: dict[str, float] = {}
        for name, interval in intervals.items():
            low, high = interval or (math.nan, math.nan)
            deviation = statistics.stdev(fold[name] for fold in folds)
            scores |= {f"{name}_sd": deviation, f"{name}_low": low, f"{name}_high": high}
        return scores

    def _rows(self, checkpoint: Checkpoint, judged: HeldOut) -> list[FoldRow]:
        """Return the rows of model.folds.csv."""
        calibration = Calibration.of(checkpoint)
        assert calibration
        probabilities, names = calibration.probabilities(judged["logits"]), self._data.classes
        labels, paths = self._data.train.labels.tolist(), self._data.train.paths
        ood_scores = judged["ood_scores"].tolist()
        likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :LIKELIEST]
        rows = []
        for index, fold in enumerate(self._fold_of.tolist()):
            file = paths[index].relative_to(self._run.settings.directory).as_posix()
            answers = tuple((names[label], float(probabilities[index, label])) for label in likeliest[index])
            rows.append(FoldRow(file, names[labels[index]], fold + 1, answers, ood_scores[index]))
        return rows

    def _recorders(self, trainer: Trainer, name: str) -> list[Recorder]:
        if not self._run.ranks.is_main:
            return []
        return [Console(), *tensorboard_log(self._run, trainer, name)]

    def _save(self, trainer: Trainer) -> None:
        if self._run.ranks.is_main:
            self._run.folder.save_fold(trainer)
