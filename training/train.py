"""A run from beginning to end: what train_classifier.py does once its command line is understood."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from common.errors import ToolkitError
from models.checkpoint import Checkpoint
from models.device import Device, keep_freed_memory
from training.console import Console, progress_bar
from training.dataset import TrainingData, read_dataset
from training.errors import InterruptedRun
from training.finalise import finalise, images_predicted, tta_views
from training.head_phase import solve_head_phase
from training.loaders import make_loader
from training.pretrained import build_pretrained
from training.ranks import Ranks
from training.recorder import Recorder
from training.run_folder import RunFolder, signals_delayed
from training.sampling import smallest_batch
from training.schedule import Phase
from training.settings import Settings
from training.trainer import EpochResult, Trainer


def train(settings: Settings, ranks: Ranks) -> Checkpoint:
    """Train a network phase by phase and epoch by epoch, and return its best state, which is saved.

    Raises InterruptedRun where the disk refuses after some epochs; OSError or ToolkitError, with a sentence for the
    user, where the run cannot begin or go on.
    """
    began = time.monotonic()
    device = Device.choose(device_of_rank(settings.device, ranks), settings.precision)
    torch.use_deterministic_algorithms(settings.deterministic)
    folder = RunFolder(settings)
    last = ranks.broadcast(folder.load_last() if settings.resume and ranks.is_main else None)
    dataset = read_dataset(settings).to(device.device)
    check_same_on_all_ranks(ranks, dataset, settings)
    network = start_network(settings, dataset, device, ranks, resumed=last is not None)
    trainer = Trainer(network, settings, dataset, device, ranks, began)
    if last:
        folder.check_same_data(last, dataset)
        trainer.load_state_dict(last["trainer"])
    recorders = make_recorders(settings, folder) if ranks.is_main else []
    for recorder in recorders:
        recorder.run_begin(trainer)

    with saved_epochs_named(trainer, folder):
        for _ in trainer.remaining_phases(partial(final_seconds, trainer)):
            for result in epochs(trainer):
                with signals_delayed():  # what is saved of an epoch and what is logged belong together
                    for recorder in recorders:
                        recorder.epoch_end(trainer, result)

        trainer.release()
        best = ranks.broadcast(folder.load_best() if ranks.is_main else None)
        best.tta_views = tta_views(dataset, settings.tta)
        checkpoint, validate = finalise(best, dataset, device, ranks, trainer.reference_features)
        for recorder in recorders:
            recorder.run_end(trainer, checkpoint, validate)
    return checkpoint


def epochs(trainer: Trainer) -> Iterator[EpochResult]:
    """Go through a trainer's phase and yield the result of each epoch; to solve the head counts as one."""
    if trainer.phase.frozen == "features":
        yield solve_head_phase(trainer)
        return
    trainer.begin(make_loader(trainer))
    with progress_bar(trainer) as on_progress:
        while trainer.phase_goes_on():
            yield trainer.train_epoch(on_progress)


def device_of_rank(wanted: str | None, ranks: Ranks) -> str | None:
    """Return the name of this process's device: an NVIDIA GPU of its own, or the CPU. Raises ToolkitError."""
    if ranks.size == 1:
        return wanted
    if wanted not in (None, "cpu", "cuda"):
        raise ToolkitError(f"{ranks.size} processes cannot all have the device {wanted}", "device")
    if wanted == "cpu" or not (torch.cuda.is_available() or wanted):
        return "cpu"
    index, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if index >= count:
        raise ToolkitError(f"there are {count} NVIDIA GPUs, and each process needs its own; start fewer", "device")
    torch.cuda.set_device(index)
    return f"cuda:{index}"


def check_same_on_all_ranks(ranks: Ranks, dataset: TrainingData, settings: Settings) -> None:
    """Raise ToolkitError where ranks have other images than the main one, or are too many for the smallest batch."""
    smallest = smallest_batch(len(dataset.train), settings.batch_size)
    if ranks.size > smallest:
        raise ToolkitError(f"{ranks.size} processes cannot share a batch of {smallest}; start fewer", "batch_size")
    facts = (dataset.identity(), dataset.augmentation)
    if ranks.broadcast(facts) != facts:
        raise ToolkitError("not all processes of this run find the same pictures; copy one data set to all machines")


def start_network(settings: Settings, dataset: TrainingData, device: Device, ranks: Ranks, resumed: bool) -> nn.Module:
    """Return the network that the run starts from, the same on all ranks; a resumed one is filled later."""
    torch.manual_seed(settings.seed)
    weights = settings.weights if ranks.is_main and not resumed else "none"
    network = build_pretrained(settings.use_model, dataset.num_classes, dataset.image_size, weights)
    network = ranks.broadcast_parameters(device.place(network))
    keep_freed_memory()  # only now: what pretrained weights took is not needed again
    return network


def make_recorders(settings: Settings, folder: RunFolder) -> list[Recorder]:
    """Return what takes note of the run."""
    recorders: list[Recorder] = [Console(), folder]
    if settings.log:
        from training.tensorboard import TensorBoardLog  # TensorBoard is slow to import

        recorders.append(TensorBoardLog(folder.log_directory, settings.directory.resolve().name))
    return recorders


def final_seconds(trainer: Trainer, phase: Phase) -> float:
    """Return how long the end of a run takes that ends with a phase: to validate once more, and to finalise.

    A solved head leaves the features of the images that it learnt from.
    """
    dataset, tta = trainer.dataset, trainer.settings.tta
    if phase.frozen == "features" and not tta:
        return trainer.seconds_to_predict(len(dataset.validate))
    return trainer.seconds_to_predict(len(dataset.validate) + images_predicted(dataset, tta))


@contextmanager
def saved_epochs_named(trainer: Trainer, folder: RunFolder) -> Iterator[None]:
    """Let an OSError that ends a run, such as that of a full disk, also say that there is something to go on from."""
    try:
        yield
    except OSError as error:
        if not folder.can_be_resumed or trainer.epoch < 2:
            raise
        raise InterruptedRun(
            f"{error}. The epochs before are saved: once that is fixed, the run can be resumed"
        ) from error
