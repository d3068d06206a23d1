"""What takes note of a run: the terminal, the run folder and TensorBoard are recorders."""

from __future__ import annotations

from models.checkpoint import Checkpoint
from models.prediction import Prediction
from training.trainer import EpochResult, Trainer


class Recorder:
    """Receives the events of a run; each method does nothing unless a recorder needs it."""

    def run_begin(self, trainer: Trainer) -> None:
        """Take note that a run begins, or is resumed."""

    def epoch_end(self, trainer: Trainer, result: EpochResult) -> None:
        """Take note of an epoch."""

    def close(self) -> None:
        """Finish what it writes, where a run ends that leaves no model behind."""

    def run_end(self, trainer: Trainer, checkpoint: Checkpoint, validate: Prediction) -> None:
        """Take note of the finished model and its predictions of the validation images."""
