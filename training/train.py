"""A run from beginning to end: what train_classifier.py does once its command line is understood."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from common.errors import ToolkitError
from models.checkpoint import Checkpoint
from models.device import Device, compute_reproducibly
from training.console import Console
from training.dataset import TrainingData, list_dataset, read_dataset
from training.errors import InterruptedRun
from training.finalise import finalise, tta_views
from training.folds import cross_validate
from training.image_size import choose_image_size
from training.ranks import Ranks
from training.recorder import Recorder
from training.run import Run, learn, start_network, tensorboard_log
from training.run_folder import RunFolder, signals_delayed
from training.sampling import smallest_batch
from training.settings import Settings
from training.trainer import Trainer


def train(settings: Settings, ranks: Ranks) -> Checkpoint:
    """Train a network phase by phase and epoch by epoch, and return its best state, which is saved.

    Raises InterruptedRun where the disk refuses after some epochs; OSError or ToolkitError, with a sentence for the
    user, where the run cannot begin or go on.
    """
    began = time.monotonic()
    folder = RunFolder(settings)
    with folder.opened() if ranks.is_main else nullcontext(), saved_epochs_named(folder):
        last = ranks.broadcast(folder.load_last() if settings.resume and ranks.is_main else None)
        if last:
            settings = folder.settings = settings.resumed(last["settings"])
            settings.check_directory()
        device = Device.choose(device_of_rank(settings.device, ranks), settings.precision)
        compute_reproducibly(settings.deterministic)
        folders = list_dataset(settings.directory)
        size = last["image_size"] if last else choose_image_size(settings, folders, device, ranks, began)
        dataset = read_dataset(settings, folders, size).to(device.device)
        check_same_on_all_ranks(ranks, dataset, settings)
        folder.identify(dataset, last)
        run = Run(settings, dataset, device, ranks, folder, began)
        return cross_validate(run, last) if settings.folds else train_once(run, last)


def train_once(run: Run, last: dict[str, Any] | None) -> Checkpoint:
    """Learn from train/, choose by validate/, and return the finished best state; `last`: what is resumed."""
    settings, dataset, ranks, folder = run.settings, run.dataset, run.ranks, run.folder
    network = start_network(run, resumed=last is not None)
    trainer = Trainer(network, settings, dataset, run.device, ranks, run.began)
    if last:
        trainer.load_state_dict(last["trainer"])
    recorders: list[Recorder] = [Console(), folder, *tensorboard_log(run, trainer)] if ranks.is_main else []
    for recorder in recorders:
        recorder.run_begin(trainer)
    learn(trainer, recorders)
    trainer.release()
    best = ranks.broadcast(folder.load_best() if ranks.is_main else None)
    best.tta_views = tta_views(dataset, settings.tta)
    checkpoint, validate = finalise(best, dataset, run.device, ranks, trainer.reference_features)
    for recorder in recorders:
        recorder.run_end(trainer, checkpoint, validate)
    return checkpoint


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
    return f"cuda:{index}"


def check_same_on_all_ranks(ranks: Ranks, dataset: TrainingData, settings: Settings) -> None:
    """Raise ToolkitError where ranks have other images than the main one, or are too many for the smallest batch."""
    smallest = smallest_batch(len(dataset.train), settings.batch_size)
    if ranks.size > smallest:
        raise ToolkitError(f"{ranks.size} processes cannot share a batch of {smallest}; start fewer", "batch_size")
    facts = (dataset.identity(), dataset.augmentation)
    if ranks.broadcast(facts) != facts:
        raise ToolkitError("not all processes of this run find the same pictures; copy one data set to all machines")


@contextmanager
def saved_epochs_named(folder: RunFolder) -> Iterator[None]:
    """Let what ends a run also say whether there is something to go on from: Ctrl-C, or an OSError (a full disk)."""
    try:
        try:
            yield
        finally:  # inside, since what is written last may fail, too
            with signals_delayed():
                folder.finish_saving()
    except OSError as error:
        if not folder.can_be_resumed:
            raise
        raise InterruptedRun(
            f"{error}. What was saved before is kept: once that is fixed, the run can be resumed"
        ) from error
    except KeyboardInterrupt as interruption:
        if not folder.can_be_resumed:
            raise
        raise KeyboardInterrupt(
            "interrupted; the finished epochs are saved, and --resume goes on after them"
        ) from interruption
