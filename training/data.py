"""The data set that a run learns from."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from tqdm import tqdm

from models.preprocessing import Store, list_pictures, native_size, read_store
from training.orientation import FREELY, largest_turn


@dataclass(frozen=True)
class Data:
    """Both splits in memory, at one picture size in pixels, and what dataset.json knows of their classes.

    turn: the angle in radians up to which a picture may be turned.
    """

    train: Store
    validate: Store
    classes: list[str]
    size: int
    lineages: dict[str, list[str]] = field(default_factory=dict)
    digest: str = ""
    turn: float = FREELY

    def to(self, device: torch.device) -> "Data":
        """Return the same data with the pictures on `device`, where they are augmented."""
        return replace(self, train=self.train.to(device), validate=self.validate.to(device))


def read_data(
    directory: Path,
    size: int | None = None,
    smallest: int = 32,
    largest: int = 224,
    step: int = 8,
    rotation: str = "free",
) -> Data:
    """Read train/ and validate/ below `directory`, at `size` pixels or at the pictures' own, see `native_size`.

    rotation: "free", "slight", or "auto", which looks whether the pictures have an up (`training.orientation`).
    Raises OSError or ValueError, with a sentence for the user, where a split, its classes or its pictures are missing
    or cannot be read.
    """
    samples, classes = list_pictures(directory / "train")
    validate_samples, _ = list_pictures(directory / "validate", classes)
    if len(classes) < 2:
        raise ValueError(f"{directory / 'train'} has one class only, {classes[0]}: nothing can be told apart")
    size = size or native_size([path for path, _ in samples], smallest, largest, step)
    both = [*samples, *validate_samples]
    with tqdm(total=len(both), desc="Reading pictures", unit=" pictures", leave=False) as bar:
        read = read_store(both, size, bar.update)
    lineages, digest = _dataset_facts(directory / "dataset.json", classes)
    train, validate = read[: len(samples)], read[len(samples) :]
    return Data(train, validate, classes, size, lineages, digest, largest_turn(rotation, train))


def _dataset_facts(path: Path, classes: list[str]) -> tuple[dict[str, list[str]], str]:
    """Return the lineages of `classes` and the data set's hash from dataset.json; a layout made by hand has none."""
    if not path.is_file():
        return {}, ""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        lineages = {name: list(facts["classes"][name]["lineage"]) for name in classes}
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path} does not describe train/ ({error!r}); run prepare_image_model.py again") from error
    return lineages, str(facts.get("hash", ""))
