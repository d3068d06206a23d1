"""At how many pixels images are trained, where the user does not say."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from common.image_folder import ImageFolder
from common.images import ImageError
from common.processes import core_count
from common.squares import Preparation, native_size, read_square
from models.device import Device, keep_freed_memory
from models.networks import normalisation, own_image_size, size_step
from models.prediction import IMAGES_TO_MEASURE, MAX_TTA_VIEWS, Predictor, seconds_per_image
from training.finalise import images_viewed_once
from training.pretrained import build_fitting_network, image_size_of_weights
from training.ranks import Ranks
from training.schedule import images_needed, plan_phases, run_end
from training.settings import Settings

# What the images' own size is kept within, in pixels: what pretrained layers need at least, what is worth its time.
SMALLEST_PRETRAINED, SMALLEST_FROM_SCRATCH = 120, 32
LARGEST, LARGEST_IN_A_TIME_BUDGET = 224, 160

# What frozen layers see: the size that ImageNet's weights learnt from, and what comes next where time is short. More
# pixels make better features, also of smaller images, and more so than augmented copies in the same time (NOTES.md).
LEARNT_FROM, SMALLER = 224, (192, 160, 128)
# Where all layers have no time to learn at the images' own size, they learn at this one, if it is smaller: some epochs
# of them are better than a head alone that sees more pixels (NOTES.md).
SMALLEST_FOR_ALL = 128
# Of the time that is left, for the frozen layers; the rest is for solving the head, or one for each fold and one more.
FROZEN_SHARE, FROZEN_SHARE_OF_FOLDS = 0.6, 0.3

READ_TO_MEASURE, SECONDS_TO_READ = 20, 1.0  # images, and after how long no further one is read


def size_bounds(settings: Settings) -> tuple[int, int]:
    """Return what the images' own size is kept within, in pixels."""
    smallest = SMALLEST_PRETRAINED if settings.pretrained else SMALLEST_FROM_SCRATCH
    return smallest, LARGEST if settings.time_budget is None else LARGEST_IN_A_TIME_BUDGET


def choose_image_size(
    settings: Settings, folders: Mapping[str, ImageFolder], device: Device, ranks: Ranks, began: float
) -> int:
    """Return the side in pixels at which images are trained.

    That is what the user says, what the network prefers, or the images' own size within `size_bounds`; where a time
    budget is too short for all layers to learn at that, SMALLEST_FOR_ALL. Where only the head of a pretrained network
    learns, or nothing else fits into the time budget, it is the size that the weights learnt from, or as much of it as
    there is time for.

    folders: the listed data set; began: the moment (time.monotonic) from which the time budget counts.
    """
    if size := settings.image_size or own_image_size(settings.use_model):
        return size
    paths = [path for path, _ in folders["train"].samples]
    native = native_size(paths, *size_bounds(settings), size_step(settings.use_model))
    if not settings.pretrained:
        return native
    if settings.time_budget is None and len(plan_phases(settings)) > 1:
        return native
    learnt_from = image_size_of_weights(settings.weights) or LEARNT_FROM
    if settings.time_budget is None:
        return learnt_from
    seconds = _seconds_per_image(settings, folders, native, device) / ranks.size
    budget = TimeBudget(settings, {split: len(folder.samples) for split, folder in folders.items()}, native, seconds)
    reading = _seconds_to_read([path for folder in folders.values() for path, _ in folder.samples], native)
    return ranks.broadcast(budget.best_size(learnt_from, time.monotonic() - began + reading))


class TimeBudget:
    """What fits into a time budget.

    counts: images by split; native: their own size, at which it takes `seconds` to predict one.
    """

    def __init__(self, settings: Settings, counts: Mapping[str, int], native: int, seconds: float):
        self._settings, self._native, self._seconds = settings, native, seconds
        self._train, self._validate = counts["train"], counts["validate"]

    def best_size(self, learnt_from: int, begin: float) -> int:
        """Return the size at which all phases fit after `begin` (seconds of the run), else what suits the head.

        The former is the native size or SMALLEST_FOR_ALL. The latter is the largest one at which the frozen layers'
        share of the time is enough, or else the smallest.
        """
        left = run_end(self._settings, final_seconds=0.0) - begin
        if len(plan_phases(self._settings)) > 1:
            sizes = self._down_from(self._native, (SMALLEST_FOR_ALL,))
            if size := self._first_fitting(sizes, self._images_for_all(), left):
                return size
        share = FROZEN_SHARE_OF_FOLDS if self._settings.folds else FROZEN_SHARE
        sizes = self._down_from(learnt_from, SMALLER)
        return self._first_fitting(sizes, self._train + self._validate, share * left) or sizes[-1]

    def _down_from(self, largest: int, smaller: Sequence[int]) -> list[int]:
        """Return the largest size and those of the smaller ones that are below it and that the network takes."""
        step = size_step(self._settings.use_model)
        return [largest, *(size for size in smaller if size < largest and size % step == 0)]

    def _first_fitting(self, sizes: Sequence[int], images: int, seconds: float) -> int | None:
        """Return the first size at which it takes no longer than so many seconds to predict so many images, if any."""
        at_native = images * self._seconds
        return next((size for size in sizes if at_native * (size / self._native) ** 2 <= seconds), None)

    def _images_for_all(self) -> int:
        """Return what all phases and the end of the run take at least, in images predicted."""
        train, validate = self._train, self._validate
        head, *rest = (images_needed(phase, True, train, validate) for phase in plan_phases(self._settings))
        views = MAX_TTA_VIEWS if self._settings.tta else 1
        end = validate + views * images_viewed_once(train, validate)
        runs = (self._settings.folds or 0) + 1  # the frozen layers see all images once for all of them
        return head + runs * (sum(rest) + end)


def _seconds_per_image(settings: Settings, folders: Mapping[str, ImageFolder], size: int, device: Device) -> float:
    """Return how long it takes to predict an image, measured on a network with random weights."""
    network = device.place(build_fitting_network(settings.use_model, len(folders["train"].classes), size))
    predictor = Predictor(network, normalisation(settings.use_model), device)
    keep_freed_memory()  # as the run does: without it, prediction takes twice as long
    return seconds_per_image(predictor, torch.zeros(IMAGES_TO_MEASURE, 3, size, size, dtype=torch.uint8))


def _seconds_to_read(paths: Sequence[Path], size: int) -> float:
    """Return how long it takes to read all images on all cores, measured on a few that are evenly spaced."""
    start, count = time.monotonic(), 0
    for path in paths[:: -(-len(paths) // READ_TO_MEASURE)]:
        with suppress(ImageError):  # whoever reads them all reports it
            read_square(path, Preparation(size))
        count += 1
        if time.monotonic() - start > SECONDS_TO_READ:
            break
    return (time.monotonic() - start) * len(paths) / count / core_count()
