"""The data set that a run learns from."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common import dataset_info, manifest
from common.dataset_info import DatasetInfo, read_dataset_info
from common.errors import ToolkitError
from common.folders import LeftOut, comparable
from common.image_folder import ImageFolder, list_image_folder
from common.manifest import read_manifest
from common.pages import Page
from common.progress import Progress
from common.remarks import remarks
from common.squares import Preparation
from training.augmentation import Augmentation
from training.images import InMemoryImages, ReadImages, read_images
from training.orientation import max_rotation
from training.settings import Settings

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FilesRead:
    """What the files of both splits were.

    learnt: fingerprints of the training images, uint8 (n, 16), and validated: of the validation images; left_out: files
    that are not used, by their names below the data set; remarks: sentences that the user should read; page: which one
    of files with several pages was read.
    """

    learnt: np.ndarray
    validated: np.ndarray
    left_out: list[LeftOut]
    remarks: list[str]
    page: Page = 1


@dataclass(frozen=True)
class TrainingData:
    """Both splits at one image size in pixels, how they are augmented, and what dataset.json knows of their classes.

    groups and validation_groups: by image of either split, what must stay together; lineages: full names by class, root
    first; digest: hash of the data set; lineages and digest are empty for a layout made by hand; files: what was read,
    and what was not.
    """

    train: InMemoryImages
    validate: InMemoryImages
    classes: list[str]
    image_size: int
    groups: list[str]
    augmentation: Augmentation = field(default_factory=Augmentation)
    lineages: dict[str, list[str]] = field(default_factory=dict)
    digest: str = ""
    files: FilesRead | None = None
    validation_groups: list[str] = field(default_factory=list)

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    def to(self, device: torch.device) -> TrainingData:
        """Return the same data with the images on `device`, where they are augmented."""
        return replace(self, train=self.train.to(device), validate=self.validate.to(device))

    @property
    def validates(self) -> bool:
        """Whether there are images to validate with; a network that learns from all of them has none."""
        return len(self.validate) > 0

    def together(self) -> TrainingData:
        """Return the same data with the images of both splits to learn from, and none to validate with."""
        train, validate = self.train, self.validate
        images = InMemoryImages.together([train, validate])
        files = self.files and replace(
            self.files,
            learnt=np.concatenate([self.files.learnt, self.files.validated]),
            validated=self.files.validated[:0],
        )
        groups = [*self.groups, *self.validation_groups]
        return replace(self, train=images, validate=images[:0], groups=groups, validation_groups=[], files=files)

    def fold(self, rows: Tensor, held_out: Tensor) -> TrainingData:
        """Return data that learn from some of the training images and validate with others, each at int64 indices."""
        parts = ([self.groups[row] for row in index.tolist()] for index in (rows, held_out))
        groups, validation_groups = parts
        return replace(
            self,
            train=self.train.rows(rows),
            validate=self.train.rows(held_out),
            groups=groups,
            validation_groups=validation_groups,
        )

    def identity(self) -> dict[str, Any]:
        """Return what tells one data set from another, as plain values: files that were moved about by hand, too."""
        files = [[(path.parent.name, path.name) for path in split.paths] for split in (self.train, self.validate)]
        listed = hashlib.sha256(repr(files).encode("utf-8", "surrogateescape")).hexdigest()
        read = {"image_size": self.image_size, "padded_first": Preparation.padded_first}
        return {"classes": self.classes, "dataset": self.digest, "files": listed, **read}


def list_dataset(directory: Path) -> dict[str, ImageFolder]:
    """Return what lies in train/ and validate/, by their names.

    Raises OSError or ToolkitError, with a sentence for the user, where a split, its classes or their images are
    missing.
    """
    train = list_image_folder(directory / "train")
    folders = {"train": train, "validate": list_image_folder(directory / "validate", train.classes)}
    if len(train.classes) < 2:
        raise ToolkitError(
            f"{directory / 'train'} has one class only, {train.classes[0]}: there is nothing to learn to distinguish"
        )
    _refuse_empty(directory, {split: folder.empty for split, folder in folders.items()})
    return folders


def read_dataset(settings: Settings, folders: Mapping[str, ImageFolder], size: int) -> TrainingData:
    """Return the images of listed train/ and validate/ in squares of `size` pixels.

    Images that cannot be read are left out with a warning that names them all. Raises OSError or ToolkitError, with a
    sentence for the user, where none of a class is left.
    """
    directory = settings.directory
    samples, classes = folders["train"].samples, folders["train"].classes
    info = _described(directory / dataset_info.NAME, classes)
    page = settings.page if settings.page is not None else info.page
    both = [*samples, *folders["validate"].samples]
    with Progress(total=len(both), desc="Reading pictures", unit=" pictures", leave=False) as bar:
        read = read_images(both, Preparation(size, page), bar.update)
    count = sum(path not in read.faults for path, _ in samples)
    train, validate = read.images[:count], read.images[count:]
    _refuse_unread(directory, classes, folders, read)
    files = FilesRead(
        learnt=read.fingerprints[:count],
        validated=read.fingerprints[count:],
        left_out=_left_out(directory, folders, read),
        remarks=remarks(
            {_name(directory, path): pages for path, pages in read.pages.items()},
            [_name(directory, path) for path in read.one_colour],
            page,
        ),
        page=page,
    )
    augmentation = Augmentation(max_rotation(settings.rotation, train))
    lineages = {name: list(info.classes[name].lineage) for name in classes if info.classes}
    groups = _groups(directory, [*train.paths, *validate.paths])
    known = (augmentation, lineages, info.hash, files, groups[count:])
    return TrainingData(train, validate, classes, size, groups[:count], *known)


def _groups(directory: Path, paths: Sequence[Path]) -> list[str]:
    """Return the groups of images as the manifest knows them; an image that it does not name is its own."""
    try:
        known = {row.path: row.group for row in read_manifest(directory / manifest.NAME)}
    except FileNotFoundError:  # of a layout made by hand
        known = {}
    names = [_name(directory, path) for path in paths]
    return [known.get(name) or name for name in names]


def _name(directory: Path, path: Path) -> str:
    return path.relative_to(directory).as_posix()


def _left_out(directory: Path, folders: Mapping[str, ImageFolder], read: ReadImages) -> list[LeftOut]:
    """Return all files that are not used: what is no picture, and what cannot be read, of which a warning tells."""
    others = [
        replace(left, name=f"{split}/{left.name}") for split, folder in folders.items() for left in folder.left_out
    ]
    if missed := [left for left in others if left.unreadable]:
        named = "; ".join(f"{left.name} ({left.reason})" for left in missed)
        LOG.warning("%d files that may be pictures are left out: %s", len(missed), named)
    unread = [LeftOut(_name(directory, path), f"unreadable: {why}", True) for path, why in read.faults.items()]
    if unread:
        named = "; ".join(f"{path} ({why})" for path, why in read.faults.items())
        LOG.warning("%d pictures cannot be read and are left out: %s", len(unread), named)
    return [*unread, *others]


def _refuse_empty(directory: Path, empty: Mapping[str, Sequence[str]]) -> None:
    """Raise ToolkitError where directories of classes hold no picture."""
    named = [str(directory / split / name) for split, names in empty.items() for name in names]
    if named:
        raise ToolkitError(f"there is no picture of a class in {', '.join(named)}; add some, or remove the directory")


def _refuse_unread(
    directory: Path, classes: Sequence[str], folders: Mapping[str, ImageFolder], read: ReadImages
) -> None:
    """Raise ToolkitError where none of the pictures of a class, or of a split, can be read."""
    for split, folder in folders.items():
        left = {label for path, label in folder.samples if path not in read.faults}
        if lost := sorted({label for _, label in folder.samples} - left):
            why = "; ".join(f"{path} ({why})" for path, why in read.faults.items())
            named = ", ".join(str(directory / split / classes[label]) for label in lost)
            raise ToolkitError(f"no picture of a class in {named} can be read: {why}")


def _described(path: Path, classes: list[str]) -> DatasetInfo:
    """Return what dataset.json says of a data set; of a layout made by hand nothing is known."""
    if not path.is_file():
        return DatasetInfo(classes={})
    info = read_dataset_info(path)
    by_name = {comparable(name): facts for name, facts in info.classes.items()}
    if missing := sorted({comparable(name) for name in classes} - by_name.keys()):
        raise ToolkitError(f"{path} does not describe train/ (it lacks {missing[0]}); run prepare_image_model.py again")
    return replace(info, classes={name: by_name[comparable(name)] for name in classes})
