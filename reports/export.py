"""A model for other programs: ONNX, network_info.xml, the classes' names, and a page that says what to feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from common.directories import whole_directory
from common.errors import ToolkitError
from common.files import write_text
from common.image_folder import list_image_folder
from common.manifest import ARROW
from common.squares import Preparation, Square, read_squares
from common.tables import write_table
from evaluation.temperature import softmax
from models.checkpoint import Checkpoint
from models.device import Device
from models.prediction import as_batch, predict
from reports.classifier import unique_names, validation_confusion
from reports.model import LoadedModel
from reports.network_info import NAME as NETWORK_INFO
from reports.network_info import Network
from reports.settings import VisualiseSettings

ONNX, LABELS, PAGE = "model.onnx", "labels.csv", "README.md"
FILES = (ONNX, NETWORK_INFO, LABELS, PAGE)
PICTURES = 200  # with which the exported network is compared with the model, and
DRAWN = 16  # as many where there are none
TOLERANCE = 1e-4  # of a probability: float32, summed in another order
SAME_ANSWERS = 0.99  # the share of pictures below which the user is told why


@dataclass(frozen=True)
class Checked:
    """How the exported network was compared with the model.

    pictures: with how many of `source`, "" for drawn ones; difference: the largest between two probabilities; same: the
    share that gets the same answer where it is read and prepared as the format says, None for drawn ones; older:
    whether the model prepares pictures otherwise; seconds: that onnxruntime took for an image.
    """

    pictures: int
    source: str
    difference: float
    same: float | None
    older: bool
    seconds: float


def write_export(settings: VisualiseSettings, model: LoadedModel) -> str:
    """Write a model for other programs into the directory of the settings, and return what to tell the user.

    The directory appears as a whole, once the network in it has been run and answers like the model, or not at all.
    Raises ToolkitError where it does not, a library is missing, or other files lie in the directory.
    """
    try:
        from models.export import INPUT, OUTPUT, ExportedNetwork, write_onnx
    except ModuleNotFoundError as error:
        raise ToolkitError(f"an export needs {error.name}: python -m pip install -r requirements.txt") from error

    assert settings.export is not None
    checkpoint, confusion = model.checkpoint, validation_confusion(model)
    with whole_directory(settings.export, FILES, "export") as directory:
        write_onnx(directory / ONNX, ExportedNetwork(checkpoint, _temperature(model)))
        checked = check(directory / ONNX, model, settings)
        labels = unique_names(model)
        Network(checkpoint, ONNX, (INPUT, OUTPUT), labels, confusion, checked.seconds).write(directory / NETWORK_INFO)
        _write_labels(directory / LABELS, model, labels)
        write_text(directory / PAGE, _page(model, labels, checked))
    return f"Wrote {settings.export}: {', '.join(FILES)}\n{_told(checked)}"


def check(onnx: Path, model: LoadedModel, settings: VisualiseSettings) -> Checked:
    """Compare an ONNX file with the model that it was made of. Raises ToolkitError where they answer differently."""
    from models.export import run_onnx

    checkpoint = model.checkpoint
    preparation = checkpoint.preparation(model.page if settings.page is None else settings.page)
    paths = _some_pictures(settings.validate, checkpoint)
    read = zip(paths, read_squares(paths, preparation), strict=True)
    pictures = [(path, square.pixels) for path, square in read if isinstance(square, Square)]
    squares = np.stack([pixels for _, pixels in pictures]) if pictures else _drawn(checkpoint.image_size)
    found, seconds = run_onnx(onnx, squares)
    predictor = checkpoint.predictor(Device.choose("cpu", "fp32"))
    expected = softmax(predict(predictor, as_batch(list(squares))).logits, _temperature(model))
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:  # so also where it is not a number
        raise ToolkitError(
            f"the exported network answers otherwise than the model, by up to {difference:.2g}; nothing was written"
        )
    same = None
    if pictures:
        field = np.stack([_by_the_format(path, checkpoint.image_size) for path, _ in pictures])
        same = float(np.mean(run_onnx(onnx, field)[0].argmax(1) == expected.argmax(1)))
    source = f"{settings.validate.resolve().name}/" if pictures else ""
    return Checked(len(squares), source, difference, same, not checkpoint.padded_first, seconds)


def _temperature(model: LoadedModel) -> float:
    return model.calibration.temperature if model.calibration else 1.0


def _some_pictures(directory: Path, checkpoint: Checkpoint) -> list[Path]:
    """Return up to PICTURES files of an ImageFolder, evenly spaced; none where there is no such folder."""
    if not directory.is_dir():
        return []
    samples = list_image_folder(directory, checkpoint.classes).samples
    chosen = np.unique(np.linspace(0, len(samples) - 1, PICTURES).round().astype(int))
    return [samples[index][0] for index in chosen]


def _by_the_format(path: Path, size: int) -> np.ndarray:
    """Return an image as readers of the format prepare it: whatever its file notes of a rotation is left out."""
    try:
        with Image.open(path) as image:
            return Preparation(size).square(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError):  # which Pillow alone does not read
        return np.zeros((size, size, 3), np.uint8)


def _drawn(size: int) -> np.ndarray:
    """Return images of coarse blocks with a grain."""
    chance = np.random.default_rng(0)
    blocks = chance.integers(0, 200, (DRAWN, 8, 8, 3)).repeat(-(-size // 8), 1).repeat(-(-size // 8), 2)
    return (blocks[:, :size, :size] + chance.integers(0, 56, (DRAWN, size, size, 3))).astype(np.uint8)


def _write_labels(path: Path, model: LoadedModel, labels: Sequence[str]) -> None:
    rows = [
        {"index": index, "label": label, "class": name, "lineage": ARROW.join(lineage)}
        for index, (label, name, lineage) in enumerate(
            zip(labels, model.checkpoint.classes, model.taxonomy.lineages, strict=True)
        )
    ]
    write_table(path, ("index", "label", "class", "lineage"), rows)


def _page(model: LoadedModel, labels: Sequence[str], checked: Checked) -> str:
    """Return what another program has to know, as Markdown."""
    environment = Environment(loader=PackageLoader("reports", ""), undefined=StrictUndefined, trim_blocks=True)
    checkpoint = model.checkpoint
    return environment.get_template("export.md.jinja").render(
        checkpoint=checkpoint,
        classes=len(labels),
        size=checkpoint.image_size,
        calibrated=model.calibration is not None,
        temperature=_temperature(model),
        accuracy=checkpoint.scores.get("accuracy"),
        told=_told(checked),
        files={"onnx": ONNX, "info": NETWORK_INFO, "labels": LABELS},
    )


def _told(checked: Checked) -> str:
    """Say in a sentence or two how well the exported network agrees with the model."""
    on = f"{checked.pictures} pictures of {checked.source}" if checked.source else f"{checked.pictures} drawn pictures"
    told = f"Run by onnxruntime on {on}, it answers as the model does (largest difference {checked.difference:.0e})."
    if checked.same is None:
        return told
    told += f" Read and prepared as ParticleTrieur and MISO do it, {checked.same:.1%} of them get the same answer."
    if checked.older:
        return f"{told} The model was trained by an older version, which prepared pictures otherwise; train it again."
    if checked.same < SAME_ANSWERS:
        return (
            f"{told} Those programs leave out a rotation that the camera noted (EXIF), and read pictures of more than "
            "8 bits or with transparent parts otherwise: convert such pictures for them."
        )
    return told
