"""The saved model file: everything that a prediction needs, and nothing that can run code.

It is a file of torch.save that torch.load reads with weights_only=True, which refuses everything but tensors, numbers,
texts and containers of them.
"""

import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from common.files import write_whole
from models.device import Hardware
from models.networks import build_network
from models.prediction import TURNS, Predictor
from models.preprocessing import IMAGENET, Normalisation

FORMAT = "mikrotax classifier"
VERSION = 4


class CheckpointError(Exception):
    """A file that was given as a model is none, is damaged, or is newer than this program; the text says which."""


@dataclass
class Checkpoint:
    """A trained classifier as it lies in the file.

    architecture: name for `models.networks.build_network`; image_size: side in pixels of the square that it takes;
    classes: names in the order of the network's outputs; lineages: for each class its full names, root first, where
    known; weights: the network's state dict; turns: in how many positions a picture is looked at (see
    `models.prediction`); calibration: what `evaluation.calibration` learnt from validate/, empty where nothing was; scores:
    what the network reached on validate/; options: the command line's; dataset: hash of the data set that it learnt;
    versions: of the libraries that made it.
    """

    architecture: str
    image_size: int
    classes: list[str]
    weights: dict[str, Tensor]
    mean: tuple[float, ...] = IMAGENET.mean
    std: tuple[float, ...] = IMAGENET.std
    lineages: dict[str, list[str]] = field(default_factory=dict)
    turns: int = 1
    calibration: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    dataset: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def normalisation(self) -> Normalisation:
        """What turns pictures in [0, 255] into the network's input."""
        return Normalisation(self.mean, self.std)

    def predictor(self, hardware: Hardware) -> Predictor:
        """Return what names pictures on `hardware`. Raises CheckpointError where the weights do not fit the network."""
        return Predictor(hardware.place(self.network()), self.normalisation, hardware, self.turns)

    def network(self) -> nn.Module:
        """Build the network with its weights, ready to predict. Raises CheckpointError where they do not fit."""
        try:
            with torch.device("meta"):  # no memory and no time for random weights that are replaced at once
                network = build_network(self.architecture, len(self.classes), self.image_size)
            network.load_state_dict(self.weights, assign=True)
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(f"its weights do not fit the network {self.architecture}: {error}") from error
        return network.eval()


def save_checkpoint(path: Path | str, checkpoint: Checkpoint) -> None:
    """Write the model file, whole or not at all."""
    save_tensors(path, {"format": FORMAT, "version": VERSION, **vars(checkpoint)})


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a model file without running any code from it. Raises CheckpointError with a sentence where it is none."""
    content = load_tensors(path)
    if content.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path} is no model of train_classifier.py")
    version = content.pop("version", None)
    if version not in range(1, VERSION + 1):  # what an older format lacks has a default
        raise CheckpointError(f"{path} has format version {version}, and this program reads {VERSION}; update it")
    try:
        checkpoint = Checkpoint(**content)
    except TypeError as error:
        raise CheckpointError(f"{path} is a damaged model ({error})") from error
    _check(checkpoint, path)
    return checkpoint


def _check(checkpoint: Checkpoint, path: Path | str) -> None:
    """Refuse values that no training writes, before anything relies on them."""
    sound = (
        _are_texts(checkpoint.classes)
        and len(set(checkpoint.classes)) == len(checkpoint.classes) > 0
        and isinstance(checkpoint.lineages, dict)
        and all(_are_texts(lineage) for lineage in checkpoint.lineages.values())
        and isinstance(checkpoint.calibration, dict)
        and isinstance(checkpoint.image_size, int)
        and 0 < checkpoint.image_size <= 4096
        and checkpoint.turns in range(1, TURNS + 1)
        and isinstance(checkpoint.weights, dict)
        and all(isinstance(value, Tensor) for value in checkpoint.weights.values())
        and all(isinstance(each, tuple | list) and len(each) == 3 for each in (checkpoint.mean, checkpoint.std))
        and all(isinstance(value, int | float) for value in (*checkpoint.mean, *checkpoint.std))
        and all(value > 0 for value in checkpoint.std)
    )
    if not sound:
        raise CheckpointError(f"{path} is a damaged model: its classes, picture size or weights make no sense")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def save_tensors(path: Path | str, content: dict[str, Any]) -> None:
    """Write a dictionary of tensors, numbers, texts and containers of them, whole or not at all.

    Raises OSError, with a sentence for the user, where the disk refuses.
    """

    def write(file: BinaryIO) -> None:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch stumbles once more, over the end of a file that the disk refused
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise

    write_whole(path, write)


def load_tensors(path: Path | str) -> dict[str, Any]:
    """Read a dictionary that `save_tensors` wrote, to the CPU.

    Raises CheckpointError with a sentence where there is none.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"there is no file {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} is no file of tensors, or holds code, which is never run") from error
    except (RuntimeError, ValueError, EOFError, OSError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is no file of tensors, or is damaged ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no dictionary of tensors")
    return content
