"""A run's parts, and what all runs do: start a network, learn phase by phase, take note of each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from models.device import Device, keep_freed_memory
from training.console import progress_bar
from training.dataset import TrainingData
from training.finalise import images_predicted
from training.head_phase import solve_head_phase
from training.loaders import make_loader
from training.pretrained import build_pretrained
from training.ranks import Ranks
from training.recorder import Recorder
from training.run_folder import RunFolder, signals_delayed
from training.schedule import Phase
from training.settings import Settings
from training.trainer import EpochResult, Trainer


@dataclass(frozen=True)
class Run:
    """What a run consists of; began: the moment (time.monotonic) from which a time budget counts."""

    settings: Settings
    dataset: TrainingData
    device: Device
    ranks: Ranks
    folder: RunFolder
    began: float


def tensorboard_log(run: Run, trainer: Trainer, part: str = "") -> list[Recorder]:
    """Return what writes the logs that TensorBoard shows, of a part of the run or of all of it, if they are wanted."""
    if not run.settings.log:
        return []
    from training.tensorboard import TensorBoardLog  # TensorBoard is slow to import

    data = run.settings.directory.resolve().name
    return [TensorBoardLog(run.folder.log_directory / part, data, trainer.epoch + 1)]


def start_network(run: Run, resumed: bool = False) -> nn.Module:
    """Return the network that the run starts from, the same on all ranks; a resumed one is filled later."""
    settings, dataset, ranks = run.settings, run.dataset, run.ranks
    torch.manual_seed(settings.seed)
    weights = settings.weights if ranks.is_main and not resumed else "none"
    network = build_pretrained(settings.use_model, dataset.num_classes, dataset.image_size, weights)
    network = ranks.broadcast_parameters(run.device.place(network))
    keep_freed_memory()  # only now: what pretrained weights took is not needed again
    return network


def learn(trainer: Trainer, recorders: Sequence[Recorder]) -> None:
    """Go through the phases that are left; what is saved of an epoch and what is logged belong together."""
    for _ in trainer.remaining_phases(partial(final_seconds, trainer)):
        for result in epochs(trainer):
            with signals_delayed():
                for recorder in recorders:
                    recorder.epoch_end(trainer, result)


def epochs(trainer: Trainer) -> Iterator[EpochResult]:
    """Go through a trainer's phase and yield the result of each epoch; to solve the head counts as one."""
    if trainer.phase.frozen == "features":
        yield solve_head_phase(trainer)
        return
    trainer.begin(make_loader(trainer))
    with progress_bar(trainer) as on_progress:
        while trainer.phase_goes_on():
            yield trainer.train_epoch(on_progress)


def final_seconds(trainer: Trainer, phase: Phase) -> float:
    """Return how long the end of a run takes that ends with a phase: to validate once more, and to finalise.

    A solved head leaves the features of the images that it learnt from.
    """
    dataset, tta = trainer.dataset, trainer.settings.tta
    if phase.frozen == "features" and not tta:
        return trainer.seconds_to_predict(len(dataset.validate))
    return trainer.seconds_to_predict(len(dataset.validate) + images_predicted(dataset, tta))
