"""The log that TensorBoard shows."""

from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.utils.tensorboard import SummaryWriter
from torchvision.utils import make_grid

from models.hardware import Hardware
from models.images import IMAGENET
from training.data import Data
from training.loop import Run, augmented_batch

PHASES = ("train", "validate")
SHOWN = 24


class TrainingLog:
    """Writes a run's curves, histograms and pictures, one step for each epoch.

    Train and validate are two runs to TensorBoard, in sub-directories of those names, so that a quantity's two curves
    share a chart. What concerns the network itself stands with train.
    """

    def __init__(self, directory: Path):
        self.writers = {phase: SummaryWriter(str(directory / phase)) for phase in PHASES}

    def epoch(self, run: Run, phases: dict[str, dict[str, float]]) -> None:
        """Write each phase's scalars by their names, and histograms of all weights and of the last step's gradients."""
        step = len(run.history)
        for phase, scalars in phases.items():
            for name, value in scalars.items():
                self.writers[phase].add_scalar(name, value, step)
        for name, parameter in run.network.named_parameters():
            self.writers["train"].add_histogram(f"weights/{name}", parameter.detach().float().cpu(), step)
            if parameter.grad is not None:
                self.writers["train"].add_histogram(f"gradients/{name}", parameter.grad.float().cpu(), step)

    def pictures(self, run: Run, data: Data, hardware: Hardware) -> None:
        """Show a few pictures of each split as they enter the network, with normalisation undone."""
        step = len(run.history)
        chosen = torch.linspace(0, len(data.train) - 1, SHOWN).long()
        pictures, _ = augmented_batch(data.train, chosen, Generator().manual_seed(step), hardware)
        self._show("train", pictures, step)
        chosen = torch.linspace(0, len(data.validate) - 1, SHOWN).long()
        self._show("validate", IMAGENET.apply(data.validate.pictures[chosen]), step)
        for writer in self.writers.values():
            writer.flush()  # or TensorBoard lags behind by two minutes

    def _show(self, phase: str, pictures: Tensor, step: int) -> None:
        grid = make_grid(IMAGENET.undo(pictures).float().cpu(), nrow=8)
        self.writers[phase].add_image("pictures", grid, step)

    def close(self) -> None:
        """Finish the files of the log."""
        for writer in self.writers.values():
            writer.close()
