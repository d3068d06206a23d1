"""The files of a run: the model, its history, and what a resumed run goes on from. Nothing else writes them."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.errors import ToolkitError
from common.files import clear_leftovers, copy_whole, in_one_line, write_csv
from common.fingerprints import are_known
from common.fold_table import FoldRow, fold_table, write_fold_table
from common.locks import exclusive_lock
from common.names import safe_part
from models.checkpoint import Checkpoint, load_checkpoint, load_tensors, save_checkpoint, save_tensors
from models.prediction import Prediction
from training.dataset import TrainingData
from training.pretrained import weights_fingerprints
from training.recorder import Recorder
from training.saving import BackgroundSaver, RunState
from training.settings import Settings
from training.trainer import POSITION, EpochResult, Trainer

LOG = logging.getLogger(__name__)

HISTORY = [
    "epoch",
    "seconds",
    "images_per_second",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validate_loss",
    "validate_accuracy",
    "validate_macro_f1",
]


# Settings that a run's name tells, but for these values of theirs.
TOLD = {"weights": "imagenet", "freeze": None, "balance": "none", "image_size": None, "time_budget": None, "seed": 0}


def run_name(settings: Settings) -> str:
    """Return the name of a run for TensorBoard: when it began, its data set, network, and what is particular to it."""
    told = [settings.directory.resolve().name, settings.use_model, f"lr{settings.learning_rate:g}"]
    for name, usual in TOLD.items():
        value = getattr(settings, name)
        if value != usual:
            told.append(f"{name}-{Path(str(value)).name}")
    return safe_part(time.strftime("%Y-%m-%d_%H.%M.%S_") + "_".join(told))


class RunFolder(Recorder):
    """Writes `model` (the best state), `model.history.csv` (a row for each epoch) and `model.last` (for a resumed run).

    Also, where files of the data set are not used, `model.left_out.csv`.

    log_directory: where TensorBoard's logs of the run lie; a resumed run goes on writing there.
    """

    def __init__(self, settings: Settings):
        self.settings, self.model = settings, settings.save_model
        self.log_directory = Path("logs", run_name(settings))
        self._last = settings.last
        self._history, self._left_out, _, self._previous, self._previous_history = settings.files[2:]
        # Of all images that the network has learnt from, here and where its weights come from.
        self._fingerprints: Tensor | None = None
        self._identity: dict[str, Any] = {}
        self.folds: dict[str, Any] = {}  # what is saved of cross-validation (`training.folds`)
        self.can_be_resumed = False  # whether this run has saved a state to go on from
        self._model_is_own = False  # whether `model` is of this run
        self._keeps_former = True  # whether one of another run is worth keeping
        self._saver = BackgroundSaver(self._write)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep the files to this process, and clear away what killed runs left of them.

        Raises ToolkitError where another run is writing them.
        """
        with exclusive_lock(self.model.with_name(f".{self.model.name}.training"), self.model):
            clear_leftovers(self.model.parent, [path.name for path in self.settings.files])
            yield

    def load_last(self) -> dict[str, Any]:
        """Return what an interrupted run saved: its settings, its trainer's state, and what tells its data.

        Raises CheckpointError where there is nothing, ToolkitError where an older version saved it.
        """
        last = load_tensors(self._last)
        parts = {"trainer": set(POSITION), "settings": {*self.settings.recorded(), *self.settings.places()}}
        missing = {name for part, names in parts.items() for name in names - last.get(part, {}).keys()}
        missing |= {"model_is_own", "keeps_former", "padded_first"} - last.keys()
        if missing:
            raise ToolkitError(
                f"{self._last} was saved by an older version of this program (it lacks {', '.join(sorted(missing))}); "
                "begin a new run"
            )
        self.log_directory, self.can_be_resumed = Path(last["log"]), True
        self._model_is_own, self._keeps_former = last["model_is_own"], last["keeps_former"]
        return last

    def identify(self, dataset: TrainingData, last: dict[str, Any] | None) -> None:
        """Take note of what tells the run's data from others, for what is saved.

        Raises ToolkitError where an interrupted run, which saved `last`, learnt from other images than are there now.
        """
        self._identity = dataset.identity()
        if last and any(last.get(name) != fact for name, fact in self._identity.items()):
            raise ToolkitError(
                f"{self._last} was saved by a run on other pictures than those in "
                f"{self.settings.directory / 'train'}; begin a new run"
            )

    def run_begin(self, trainer: Trainer) -> None:
        """Say which files are not used, what the weights have learnt from, and what becomes of a former model."""
        self._device = trainer.device
        if not self._model_is_own and self.model.exists():
            former = _loaded(self.model)
            if not self.can_be_resumed:
                self._keeps_former = self._last.exists() or not _is_unfinished(former)
            what = f"will be kept as {self._previous}" if self._keeps_former else "was killed in its first epoch"
            LOG.info("%s is of a former run%s: it %s.", self.model, _score(former), what)
        files = trainer.dataset.files
        if files is None:
            return
        for remark in files.remarks:
            LOG.info("%s", remark)
        self._left_out.unlink(missing_ok=True)
        if files.left_out:
            rows = [{"file": in_one_line(left.name), "reason": in_one_line(left.reason)} for left in files.left_out]
            write_csv(self._left_out, ("file", "reason"), rows)
            LOG.info("%d files are left out; %s says why.", len(rows), self._left_out)
        inherited = weights_fingerprints(self.settings.weights, self.model)
        self._fingerprints = torch.from_numpy(np.unique(np.concatenate([files.learnt, inherited]), axis=0))
        judged = files.validated if len(files.validated) else files.learnt
        if known := int(are_known(judged, inherited).sum()):
            LOG.warning(
                "%d of the %d validation pictures are among those that %s learnt from: the figures will be too good",
                known,
                len(judged),
                self.settings.weights,
            )

    def epoch_end(self, trainer: Trainer, result: EpochResult) -> None:
        """Have the network saved if it is the best yet, then the state to go on from, then the history."""
        state = trainer.state_dict()
        best = self._checkpoint(trainer, state["network"]) if result.improved else None
        self._saver.save(RunState(state, self.folds, is_fold=False, best=best), trainer.device)

    def save_fold(self, trainer: Trainer) -> None:
        """Have the state saved that a resumed run goes on from, after an epoch of a fold."""
        self._saver.save(RunState(trainer.state_dict(), self.folds, is_fold=True), trainer.device)

    def finish_saving(self) -> None:
        """Wait until what is to be saved is on the disk. Raises OSError where the disk refuses."""
        self._saver.finish()

    def load_best(self) -> Checkpoint:
        """Return the best state that was saved."""
        self.finish_saving()
        return load_checkpoint(self.model)

    def run_end(self, trainer: Trainer, checkpoint: Checkpoint, validate: Prediction) -> None:
        """Save the finished model, and the history, whose last row a run that was killed may not have written."""
        self.finish_saving()
        save_checkpoint(self.model, checkpoint)
        write_csv(self._history, HISTORY, trainer.history)

    def write_folds(self, rows: Sequence[FoldRow]) -> None:
        """Write what cross-validation predicted of each image."""
        write_fold_table(fold_table(self.model), rows)

    def _write(self, state: RunState) -> None:
        """Write a state: the best network first, which the state to go on from relies on."""
        with self._device.beside():
            if state.best:
                self._keep_former()
                weights = {name: tensor.cpu() for name, tensor in state.best.weights.items()}
                save_checkpoint(self.model, replace(state.best, weights=weights))
            content: dict[str, Any] = {"trainer": state.trainer, "folds": state.folds}
            content |= {"model_is_own": self._model_is_own, "keeps_former": self._keeps_former}
            content |= {"settings": self.settings.recorded() | self.settings.places(), "log": str(self.log_directory)}
            save_tensors(self._last, content | self._identity)
        self.can_be_resumed = True
        if not state.is_fold:
            write_csv(self._history, HISTORY, state.trainer["history"])

    def _keep_former(self) -> None:
        """Keep the model and the history of a former run under another name, before the first one of this run."""
        if self._model_is_own:
            return
        for path, kept in ((self.model, self._previous), (self._history, self._previous_history)):
            if self._keeps_former:
                kept.unlink(missing_ok=True)
                if path.exists():
                    copy_whole(path, kept)
        if not self.can_be_resumed:
            self._last.unlink(missing_ok=True)  # of the former run, which must not be resumed with this one's model
        self._model_is_own = True

    def _checkpoint(self, trainer: Trainer, weights: dict[str, Tensor]) -> Checkpoint:
        dataset = trainer.dataset
        return Checkpoint(
            architecture=self.settings.use_model,
            image_size=dataset.image_size,
            classes=dataset.classes,
            weights=weights,
            mean=trainer.normalisation.mean,
            std=trainer.normalisation.std,
            lineages=dataset.lineages,
            scores=trainer.best,
            options=self.settings.recorded() | {"page": dataset.files.page if dataset.files else 1},
            dataset=dataset.digest,
            versions={library: version(library) for library in ("torch", "torchvision")},
            trained=time.strftime("%Y-%m-%d"),
            fingerprints=self._fingerprints,
            train_counts=torch.bincount(dataset.train.labels.cpu(), minlength=dataset.num_classes).tolist(),
        )


def _loaded(path: Path) -> Checkpoint | None:
    """Return a former model, None where the file is something else."""
    try:
        return load_checkpoint(path)
    except (ToolkitError, OSError):
        return None


def _is_unfinished(former: Checkpoint | None) -> bool:
    """Return whether the run of a former model did not come to its end; before 1.0 not all models were calibrated."""
    return former is not None and former.toolkit != "" and not former.calibration


def _score(former: Checkpoint | None) -> str:
    """Return what a former model reached, as a part of a sentence; "" where the file does not say it."""
    accuracy = former.scores.get("accuracy") if former else None
    return "" if accuracy is None else f", of whose validation pictures {accuracy:.1%} were right"


@contextmanager
def signals_delayed() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block ends."""
    received: list[int] = []
    former = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in former:
        signal.signal(each, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)
    for number in received:
        signal.raise_signal(number)
