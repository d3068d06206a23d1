"""The log that TensorBoard shows."""

import math
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix
from torch import Generator, Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams
from torchvision.transforms.v2.functional import resize
from torchvision.utils import make_grid

from models.device import Hardware
from models.prediction import Prediction
from models.preprocessing import IMAGENET, Store, draw_changes
from reports.grid import RIGHT, WRONG, wrap
from training.data import Data
from training.loop import Run
from training.stages import augmented_batch

PHASES = ("train", "validate")
SHOWN = 24
COLUMNS = 6
# A cell of the confusion matrix in inches, for many and for few classes; from WRITTEN on, shares stand in the cells.
CELLS = (0.15, 0.6)
WRITTEN = 0.3
# The projector's pictures lie on one sheet, which a browser takes up to 8,192 pixels wide; this is 2,160 at most, and
# what the browser has to download stays small. A hundred principal components keep nearly all of the distances.
EMBEDDED = 2000
THUMBNAIL = 48
COMPONENTS = 100


def _saying_what_failed(method: Callable[..., None]) -> Callable[..., None]:
    """Let a disk's refusal say that the log was to be written."""

    @wraps(method)
    def attempt(log: "TrainingLog", *arguments: Any) -> None:
        try:
            method(log, *arguments)
        except OSError as error:
            raise OSError(f"the log {log.directory} could not be written ({error.strerror or error})") from error

    return attempt


def _show_no_errors_of_tensorboard(arguments: threading.ExceptHookArgs) -> None:
    """Let TensorBoard's threads be silent: they hand their errors to whatever writes next, which reports them."""
    if not type(arguments.thread).__module__.startswith("tensorboard"):
        threading.__excepthook__(arguments)


class TrainingLog:
    """Writes a run's curves, histograms and pictures, one step for each epoch.

    Train and validate are two runs to TensorBoard, in sub-directories of those names, so that a quantity's two curves
    share a chart. What concerns the network itself stands with train. Where the disk refuses, each method raises
    OSError with a sentence for the user.
    """

    @_saying_what_failed
    def __init__(self, directory: Path):
        self.directory = directory
        threading.excepthook = _show_no_errors_of_tensorboard
        self.writers = {phase: SummaryWriter(str(directory / phase)) for phase in PHASES}

    @_saying_what_failed
    def epoch(self, run: Run, phases: dict[str, dict[str, float]]) -> None:
        """Write each phase's scalars by their names, and histograms of all weights and of the last step's gradients."""
        step = len(run.history)
        for phase, scalars in phases.items():
            for name, value in scalars.items():
                self.writers[phase].add_scalar(name, value, step)
        for name, parameter in run.network.named_parameters():
            self.writers["train"].add_histogram(f"weights/{name}", parameter.detach().float().cpu(), step)
            if parameter.grad is not None:
                self.writers["train"].add_histogram(f"gradients/{name}", parameter.grad.float().cpu(), step)

    @_saying_what_failed
    def pictures(self, run: Run, data: Data, hardware: Hardware) -> None:
        """Show a few pictures of each split as they enter the network, with normalisation undone."""
        step = len(run.history)
        chosen = spread(len(data.train), SHOWN)
        changes = draw_changes(len(chosen), Generator().manual_seed(step), data.turn)
        pictures, _ = augmented_batch(data.train, chosen, changes, hardware)
        self._show("train", pictures, step)
        chosen = spread(len(data.validate), SHOWN)
        self._show("validate", IMAGENET.apply(data.validate.pictures[chosen]), step)
        for writer in self.writers.values():
            writer.flush()  # or TensorBoard lags behind by two minutes

    def _show(self, phase: str, pictures: Tensor, step: int) -> None:
        grid = make_grid(IMAGENET.undo(pictures).float().cpu(), nrow=8)
        self.writers[phase].add_image("pictures", grid, step)

    @_saying_what_failed
    def answers(self, step: int, classes: list[str], store: Store, prediction: Prediction) -> None:
        """Show what the network answers after `step` epochs: `prediction` of the n pictures of `store`.

        For each class that has pictures: the share of them that is right, and the curve of precision and recall of its
        probability against all other classes. Over all: some pictures with their answers, and the confusion matrix.
        """
        writer = self.writers["validate"]
        actual, predicted = store.labels.cpu().numpy(), prediction.logits.argmax(1).numpy()
        probabilities = prediction.logits.double().softmax(1).numpy()
        for label in np.unique(actual):
            its, name = actual == label, classes[label]
            writer.add_scalar(f"accuracy by class/{name}", np.mean(predicted[its] == label), step)
            writer.add_pr_curve(f"precision and recall/{name}", its, probabilities[:, label], step)
        writer.add_figure("answers", draw_answers(classes, store, predicted, probabilities.max(1)), step)
        writer.add_figure("confusion matrix", draw_confusion(classes, actual, predicted), step)
        writer.flush()

    @_saying_what_failed
    def finish(
        self,
        options: dict[str, Any],
        scores: dict[str, float],
        classes: list[str],
        store: Store,
        prediction: Prediction,
    ) -> None:
        """Write what the run was and what became of it: its options with its scores, and the pictures in the projector.

        options: by their names, as hyper-parameters; scores: of the model that is kept, shown as "final/<name>";
        prediction: of that model for the n pictures of `store`, of which EMBEDDED at most, evenly spread, are shown.
        """
        writer = self.writers["validate"]
        final = {f"final/{name}": float(value) for name, value in scores.items()}
        plain = {name: value if isinstance(value, int | float | str) else str(value) for name, value in options.items()}
        # SummaryWriter.add_hparams would open another run, named by the time, where these would stand alone.
        for part in hparams(plain, final):
            writer.file_writer.add_summary(part)
        for tag, value in final.items():
            writer.add_scalar(tag, value)
        self._project(classes, store, prediction)
        writer.flush()

    def _project(self, classes: list[str], store: Store, prediction: Prediction) -> None:
        chosen = spread(len(store), EMBEDDED)
        actual, predicted = store.labels.cpu(), prediction.logits.argmax(1)
        rows = [
            [
                plain_text(classes[actual[index]]),
                plain_text(classes[predicted[index]]),
                "right" if actual[index] == predicted[index] else "wrong",
                plain_text(store.paths[index].name),
            ]
            for index in chosen.tolist()
        ]
        side = min(THUMBNAIL, store.pictures.shape[-1])
        thumbnails = [
            resize(store.pictures[part.to(store.pictures.device)], [side, side]) for part in chosen.split(256)
        ]
        self.writers["validate"].add_embedding(
            principal_components(prediction.features[chosen]),
            metadata=rows,
            metadata_header=["actual", "predicted", "answer", "file"],
            label_img=torch.cat(thumbnails).cpu().float() / 255,
            tag="validate",
        )

    @_saying_what_failed
    def close(self) -> None:
        """Finish the files of the log."""
        for writer in self.writers.values():
            writer.close()


def spread(count: int, wanted: int) -> Tensor:
    """Return `wanted` indices, or all where there are fewer, evenly spread over `count`: int64, rising."""
    return torch.linspace(0, count - 1, min(wanted, count)).long()


def plain_text(text: str) -> str:
    """Return a text without what would break a table of tabs and lines, or could not be written as UTF-8."""
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


def principal_components(features: Tensor) -> Tensor:
    """Return features (n, d) along their first COMPONENTS principal axes, or as many as there are."""
    centred = features.float() - features.float().mean(0)
    with torch.random.fork_rng(devices=[]):  # the method draws numbers, and must not disturb the run's own
        torch.manual_seed(0)
        left, strengths, _ = torch.pca_lowrank(centred, min(COMPONENTS, *centred.shape), center=False)
    return left * strengths


def draw_answers(classes: list[str], store: Store, predicted: np.ndarray, confidence: np.ndarray) -> Figure:
    """Draw some pictures, evenly spread over `store`, each with the answer and the actual class below it.

    predicted, confidence: label index and probability of each picture's answer, (n,).
    """
    chosen = spread(len(store), SHOWN).tolist()
    rows = math.ceil(len(chosen) / COLUMNS)
    figure = Figure(figsize=(2 * COLUMNS, 2.7 * rows))
    # Laid out by hand: matplotlib's own layout of so many cells would take a second of each epoch.
    figure.subplots_adjust(
        left=0.01, right=0.99, bottom=0.8 / (2.7 * rows), top=1 - 0.05 / rows, wspace=0.08, hspace=0.45
    )
    for place, index in enumerate(chosen, start=1):
        cell = figure.add_subplot(rows, COLUMNS, place, xticks=[], yticks=[])
        cell.imshow(store.pictures[index].cpu().permute(1, 2, 0).numpy())
        actual = int(store.labels[index])
        right = predicted[index] == actual
        style = RIGHT if right else WRONG
        for side in cell.spines.values():
            side.set(**style)
        said = wrap(f"{'✓' if right else '✗ wrong:'} {classes[predicted[index]]} ({confidence[index]:.0%})")
        said += "\n" + wrap(f"actual: {classes[actual]}")
        cell.set_xlabel(said, fontsize=8, color=style["color"], parse_math=False)
    return figure


def draw_confusion(classes: list[str], actual: np.ndarray, predicted: np.ndarray) -> Figure:
    """Draw which share of each class's pictures (rows) was answered as which class (columns).

    actual, predicted: label indices (n,). Classes that are neither are left out. The figure grows with their number,
    so that names can be read beside a hundred classes; the number of pictures stands behind each name.
    """
    seen = np.union1d(actual, predicted)
    shares = confusion_matrix(actual, predicted, labels=seen, normalize="true")
    cell = float(np.clip(9 / len(seen), *CELLS))
    letters = min(10, cell * 72 * 0.62)
    names = [classes[label] for label in seen]
    margin = (max(map(len, names)) + 5) * letters * 0.6 / 72 + 0.5
    side = max(2, cell * len(seen)) + margin
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(shares) if cell >= WRITTEN else ():
        colour = "white" if shares[row, column] > 0.55 else "black"
        text = f"{shares[row, column]:.0%}".rstrip("%")
        axes.text(column, row, text, ha="center", va="center", fontsize=letters, color=colour)
    ticks = range(len(seen))
    axes.set_xticks(ticks, names, rotation=90, fontsize=letters, parse_math=False)
    counted = [f"{name} ({np.sum(actual == label)})" for name, label in zip(names, seen, strict=True)]
    axes.set_yticks(ticks, counted, fontsize=letters, parse_math=False)
    axes.tick_params(length=0)
    between = np.arange(0.5, len(seen) - 1)
    for lines in (axes.hlines, axes.vlines):  # two artists, where a grid of minor ticks would be hundreds, and slow
        lines(between, -0.5, len(seen) - 0.5, color="0.9", linewidth=0.4)
    axes.set(ylabel=f"actual class ({len(actual)} pictures)", xlabel="class that the network answers")
    scale = figure.colorbar(image, shrink=0.6, format=lambda share, _: f"{share:.0%}")
    scale.set_label("of the actual class's pictures")
    return figure
