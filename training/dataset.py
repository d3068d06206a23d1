"""The data set that a run learns from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from common import dataset_info
from common.dataset_info import read_dataset_info
from common.errors import ToolkitError
from common.images import list_image_folder
from models.networks import size_step
from models.preprocessing import native_size
from training.augmentation import Augmentation
from training.images import InMemoryImages, read_images
from training.orientation import max_rotation
from training.settings import Settings


@dataclass(frozen=True)
class TrainingData:
    """Both splits at one image size in pixels, how they are augmented, and what dataset.json knows of their classes.

    lineages: full names by class, root first; digest: hash of the data set; both empty for a layout made by hand.
    """

    train: InMemoryImages
    validate: InMemoryImages
    classes: list[str]
    image_size: int
    augmentation: Augmentation = field(default_factory=Augmentation)
    lineages: dict[str, list[str]] = field(default_factory=dict)
    digest: str = ""

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    def to(self, device: torch.device) -> TrainingData:
        """Return the same data with the images on `device`, where they are augmented."""
        return replace(self, train=self.train.to(device), validate=self.validate.to(device))

    def identity(self) -> dict[str, Any]:
        """Return what tells one data set from another, as plain values: files that were moved about by hand, too."""
        files = [[(path.parent.name, path.name) for path in split.paths] for split in (self.train, self.validate)]
        listed = hashlib.sha256(repr(files).encode("utf-8", "surrogateescape")).hexdigest()
        return {"classes": self.classes, "dataset": self.digest, "image_size": self.image_size, "files": listed}


def read_dataset(settings: Settings) -> TrainingData:
    """Read train/ and validate/ at the size that is set, or at the images' own (`models.preprocessing.native_size`).

    Raises OSError, ValueError or ToolkitError, with a sentence for the user, where a split, its classes or its images
    are missing or cannot be read.
    """
    directory = settings.directory
    samples, classes = list_image_folder(directory / "train")
    validate_samples, _ = list_image_folder(directory / "validate", classes)
    if len(classes) < 2:
        raise ToolkitError(f"{directory / 'train'} has one class only, {classes[0]}: nothing can be told apart")
    size = settings.image_size or native_size(
        [path for path, _ in samples], *settings.size_bounds, size_step(settings.use_model)
    )
    both = [*samples, *validate_samples]
    with tqdm(total=len(both), desc="Reading pictures", unit=" pictures", leave=False) as bar:
        images = read_images(both, size, bar.update)
    train, validate = images[: len(samples)], images[len(samples) :]
    augmentation = Augmentation(max_rotation(settings.rotation, train))
    lineages, digest = _described(directory / dataset_info.NAME, classes)
    return TrainingData(train, validate, classes, size, augmentation, lineages, digest)


def _described(path: Path, classes: list[str]) -> tuple[dict[str, list[str]], str]:
    """Return the lineages of `classes` and the data set's hash from dataset.json; a layout made by hand has none."""
    if not path.is_file():
        return {}, ""
    info = read_dataset_info(path)
    if missing := sorted(set(classes) - info.classes.keys()):
        raise ToolkitError(f"{path} does not describe train/ (it lacks {missing[0]}); run prepare_image_model.py again")
    return {name: list(info.classes[name].lineage) for name in classes}, info.hash
