"""The saved model file: everything that a prediction needs, and nothing that can run code.

It is a file of torch.save that torch.load reads with weights_only=True, which refuses everything but tensors, numbers,
texts and containers of them.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

import common
from common.errors import ToolkitError
from common.files import write_whole
from common.fingerprints import BYTES
from common.pages import Page
from common.squares import Preparation
from models.content import are_numbers, are_texts, check_archive, check_content
from models.device import Device
from models.network_names import TIMM
from models.networks import build_network
from models.prediction import MAX_TTA_VIEWS, Predictor
from models.preprocessing import IMAGENET, Normalisation

FORMAT = "mikrotax classifier"
VERSION = 7

# What the calibration in formats up to 4 called what newer ones hold; "turns" beside it became `tta_views`.
RENAMED = {
    "places": "rank_limits",
    "scores": "nonconformity",
    "familiarity": "ood_detector",
    "looks": "reference_features",
    "usual": "validation_scores",
}


class CheckpointError(ToolkitError):
    """A file that was given as a model is something else, damaged, or newer than this program; the text says which."""


@dataclass
class Checkpoint:
    """A trained classifier as it lies in the file.

    architecture: name for `models.networks.build_network`; image_size: side in pixels of the square that it takes;
    classes: names in the order of the network's outputs; lineages: for each class its full names, root first, where
    known; weights: the network's state dict; tta_views: see `models.prediction.Predictor`; calibration: what
    `evaluation.calibration` learnt from validate/, empty where nothing was; scores: what the network reached on
    validate/; options: of the training; dataset: hash of the data set that it learnt from; toolkit: version of this
    toolkit, and versions: of the libraries, that made it; trained: the date, such as 2026-11-26; fingerprints: of
    the pictures that it learnt from, and that the model learnt from whose weights it began with, uint8 (n, 16)
    (`common.fingerprints`), None where the file holds none; padded_first: how images are prepared (`Preparation`);
    train_counts: how many pictures of each class it learnt from, empty where that is not known.
    """

    architecture: str
    image_size: int
    classes: list[str]
    weights: dict[str, Tensor]
    mean: tuple[float, ...] = IMAGENET.mean
    std: tuple[float, ...] = IMAGENET.std
    lineages: dict[str, list[str]] = field(default_factory=dict)
    tta_views: int = 1
    calibration: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    dataset: str = ""
    toolkit: str = common.__version__
    versions: dict[str, str] = field(default_factory=dict)
    trained: str = ""
    fingerprints: Tensor | None = None
    padded_first: bool = True
    train_counts: list[int] = field(default_factory=list)

    def preparation(self, page: Page = 1) -> Preparation:
        """Return how image files become what the network takes; page: which one of files with several."""
        return Preparation(self.image_size, page, self.padded_first)

    @property
    def normalisation(self) -> Normalisation:
        """What turns images in [0, 255] into the network's input."""
        return Normalisation(self.mean, self.std)

    def predictor(self, device: Device) -> Predictor:
        """Return what predicts images on `device`. Raises CheckpointError where the weights do not fit the network."""
        return Predictor(device.place(self.network()), self.normalisation, device, self.tta_views)

    def network(self) -> nn.Module:
        """Return the network with its weights, ready to predict. Raises CheckpointError where they do not fit."""
        try:
            # No memory and no time for random weights that are replaced at once; timm's networks also have tensors that
            # are not among them.
            with torch.device("cpu" if self.architecture.startswith(TIMM) else "meta"):
                network = build_network(self.architecture, len(self.classes), self.image_size)
            kinds = {name: tensor.dtype for name, tensor in network.state_dict().items()}
            network.load_state_dict(self.weights, assign=True)
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(f"its weights do not fit the network {self.architecture}: {error}") from error
        for name, tensor in self.weights.items():
            if tensor.dtype != kinds[name]:
                raise CheckpointError(f"its weights are numbers of another kind: {name} has {tensor.dtype}")
        return network.eval()


def save_checkpoint(path: Path | str, checkpoint: Checkpoint) -> None:
    """Write the model file, whole or not at all."""
    save_tensors(path, {"format": FORMAT, "version": VERSION, **vars(checkpoint)})


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Return what a model file holds, of this format or an older one, without running any code from it.

    Raises CheckpointError, with a sentence for the user, where it is something else.
    """
    content = load_tensors(path)
    if content.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path} is not a model of train_classifier.py")
    version = content.pop("version", None)
    if version not in range(1, VERSION + 1):  # what an older format lacks has a default
        raise CheckpointError(
            f"{path} has format version {version}, and this program reads versions up to {VERSION}: update the program"
        )
    if version < 5:
        content = {"toolkit": "", **_with_new_names(content)}
    if version < 7:
        content = {"padded_first": False, **content}
    try:
        checkpoint = Checkpoint(**content)
    except TypeError as error:
        raise CheckpointError(f"{path} is a damaged model ({error})") from error
    _check(checkpoint, path)
    return checkpoint


def _with_new_names(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of an older model file by today's names."""

    def renamed(part: Any) -> Any:
        if not isinstance(part, Mapping):
            return part
        return {RENAMED.get(name, name): renamed(value) for name, value in part.items()}

    whole = {"tta_views" if name == "turns" else name: value for name, value in content.items()}
    return whole | {"calibration": renamed(whole.get("calibration", {}))}


def _check(checkpoint: Checkpoint, path: Path | str) -> None:
    """Refuse values that no training writes, before anything relies on them."""
    mappings = (checkpoint.lineages, checkpoint.calibration, checkpoint.scores, checkpoint.options, checkpoint.versions)
    texts = (checkpoint.architecture, checkpoint.dataset, checkpoint.toolkit, checkpoint.trained)
    counts = checkpoint.train_counts
    sound = (
        are_texts(checkpoint.classes)
        and len(set(checkpoint.classes)) == len(checkpoint.classes) > 0
        and all(isinstance(value, dict) and are_texts(list(value)) for value in mappings)
        and all(are_texts(lineage) for lineage in checkpoint.lineages.values())
        and all(isinstance(value, str) for value in texts)
        and type(checkpoint.image_size) is int
        and 0 < checkpoint.image_size <= 4096
        and type(checkpoint.tta_views) is int
        and checkpoint.tta_views in range(1, MAX_TTA_VIEWS + 1)
        and isinstance(checkpoint.weights, dict)
        and are_texts(list(checkpoint.weights))
        and all(isinstance(value, Tensor) for value in checkpoint.weights.values())
        and are_numbers(checkpoint.mean, 3)
        and are_numbers(checkpoint.std, 3)
        and all(value > 0 for value in checkpoint.std)
        and all(type(value) in (int, float) for value in checkpoint.scores.values())
        and _are_fingerprints(checkpoint.fingerprints)
        and isinstance(checkpoint.padded_first, bool)
        and isinstance(counts, list)
        and are_numbers(counts, len(counts))
        and len(counts) in (0, len(checkpoint.classes))
    )
    if not sound:
        raise CheckpointError(f"{path} is a damaged model: its classes, image size or weights are not valid")
    if not all(value.isfinite().all() for value in checkpoint.weights.values()):
        raise CheckpointError(f"{path} is a spoilt model: its weights are not all numbers; train it again")


def _are_fingerprints(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, Tensor) and value.dtype == torch.uint8 and value.ndim == 2 and value.shape[1] == BYTES


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
    """Return a dictionary that `save_tensors` wrote, on the CPU.

    Raises CheckpointError, with a sentence for the user, where there is none.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"there is no file {path}")
    try:
        check_archive(Path(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
        check_content(content)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} is not a file of tensors, or holds code, which is never run") from error
    except Exception as error:  # on bytes that are no file of its own, torch raises whatever it comes to
        reason = str(error) if type(error) is ValueError and str(error).startswith("it ") else type(error).__name__
        raise CheckpointError(f"{path} is not a file of tensors, or is damaged ({reason})") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} does not hold a dictionary of tensors")
    return content
