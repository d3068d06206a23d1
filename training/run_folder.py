"""The files of a run: the model, its history, and what a resumed run goes on from. Nothing else writes them."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.errors import ToolkitError
from common.files import in_one_line, write_csv
from common.fingerprints import BYTES, are_known
from common.names import safe_part
from models.checkpoint import Checkpoint, load_checkpoint, load_tensors, save_checkpoint, save_tensors
from models.prediction import Prediction
from training.dataset import TrainingData
from training.pretrained import weights_fingerprints
from training.recorder import Recorder
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
        self._settings, self.model = settings, settings.save_model
        self.log_directory = Path("logs", run_name(settings))
        self._last = settings.last
        self._history = self.model.with_name(self.model.name + ".history.csv")
        self._left_out = self.model.with_name(self.model.name + ".left_out.csv")
        self._folds = self.model.with_name(self.model.name + ".folds.csv")
        self._inherited = np.empty((0, BYTES), np.uint8)
        self._identity: dict[str, Any] = {}
        self.folds: dict[str, Any] = {}  # what is saved of cross-validation (`training.folds`)
        self.can_be_resumed = False  # whether this run has saved a state to go on from

    def load_last(self) -> dict[str, Any]:
        """Return what an interrupted run with the same settings saved: its trainer's state, and what tells its data.

        Raises CheckpointError where there is nothing, ToolkitError where it was saved by another run.
        """
        last = load_tensors(self._last)
        if missing := set(POSITION) - last.get("trainer", {}).keys():
            raise ToolkitError(
                f"{self._last} was saved by an older version of this program (it lacks {', '.join(sorted(missing))}); "
                "begin a new run"
            )
        for name, value in self._settings.recorded().items():
            if last["settings"].get(name) != value:
                raise ToolkitError(
                    f"{self._last} was saved by a run with {name} {last['settings'].get(name)}, not {value}; a run is "
                    "resumed with the options that it was begun with"
                )
        self.log_directory, self.can_be_resumed = Path(last["log"]), True
        return last

    def identify(self, dataset: TrainingData, last: dict[str, Any] | None) -> None:
        """Take note of what tells the run's data from others, for what is saved.

        Raises ToolkitError where an interrupted run, which saved `last`, learnt from other images than are there now.
        """
        self._identity = dataset.identity()
        if last and any(last.get(name) != fact for name, fact in self._identity.items()):
            raise ToolkitError(
                f"{self._last} was saved by a run on other pictures than those in "
                f"{self._settings.directory / 'train'}; begin a new run"
            )

    def run_begin(self, trainer: Trainer) -> None:
        """Say which files are not used, and what the weights that the run begins with have learnt from."""
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
        self._inherited = weights_fingerprints(self._settings.weights, self.model)
        judged = files.validated if len(files.validated) else files.learnt
        if known := int(are_known(judged, self._inherited).sum()):
            LOG.warning(
                "%d of the %d validation pictures are among those that %s learnt from: the figures will be too good",
                known,
                len(judged),
                self._settings.weights,
            )

    def epoch_end(self, trainer: Trainer, result: EpochResult) -> None:
        """Save the network if it is the best yet, then the state to go on from, then the history."""
        if result.improved:
            save_checkpoint(self.model, self._checkpoint(trainer))
        self.save_last(trainer)
        self._write_history(trainer)

    def save_last(self, trainer: Trainer) -> None:
        """Save the state that a resumed run goes on from."""
        content = {"trainer": trainer.state_dict(), "settings": self._settings.recorded(), "folds": self.folds}
        save_tensors(self._last, content | {"log": str(self.log_directory)} | self._identity)
        self.can_be_resumed = True

    def load_best(self) -> Checkpoint:
        """Return the best state that was saved."""
        return load_checkpoint(self.model)

    def run_end(self, trainer: Trainer, checkpoint: Checkpoint, validate: Prediction) -> None:
        """Save the finished model, and the history, whose last row a run that was killed may not have written."""
        save_checkpoint(self.model, checkpoint)
        self._write_history(trainer)

    def write_folds(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write what cross-validation predicted of each image."""
        write_csv(self._folds, rows[0], rows)

    def _write_history(self, trainer: Trainer) -> None:
        write_csv(self._history, HISTORY, trainer.history)

    def _checkpoint(self, trainer: Trainer) -> Checkpoint:
        dataset = trainer.dataset
        return Checkpoint(
            architecture=self._settings.use_model,
            image_size=dataset.image_size,
            classes=dataset.classes,
            weights={name: tensor.cpu() for name, tensor in trainer.network.state_dict().items()},
            mean=trainer.normalisation.mean,
            std=trainer.normalisation.std,
            lineages=dataset.lineages,
            scores=trainer.best,
            options=self._settings.recorded() | {"page": dataset.files.page if dataset.files else 1},
            dataset=dataset.digest,
            versions={library: version(library) for library in ("torch", "torchvision")},
            trained=time.strftime("%Y-%m-%d"),
            fingerprints=self._fingerprints(dataset),
            train_counts=torch.bincount(dataset.train.labels.cpu(), minlength=dataset.num_classes).tolist(),
        )

    def _fingerprints(self, dataset: TrainingData) -> Tensor | None:
        """Return those of all images that the network has learnt from, here and where its weights come from."""
        if dataset.files is None:
            return None
        return torch.from_numpy(np.unique(np.concatenate([dataset.files.learnt, self._inherited]), axis=0))


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
