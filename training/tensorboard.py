"""The logs of a run that TensorBoard shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams
from torchvision.transforms.v2.functional import resize
from torchvision.utils import make_grid

from evaluation.captions import CaptionedImage, GridStyle, draw_captioned
from evaluation.figures import CAPTION_LETTERS, draw_confusion, shorten, verdict
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint
from models.prediction import Prediction
from training.augmentation import augment
from training.images import InMemoryImages
from training.recorder import Recorder
from training.trainer import EpochResult, Trainer

SPLITS = ("train", "validate")
SHOWN = 24
COLUMNS = 6
# Classes at most in the confusion matrix, those that are confused most often, and with curves of their own: a thousand
# would take longer to write than an epoch to learn, and nobody finds one among them.
BLOCK = 60
# The projector's pictures lie on one sheet, which a browser takes up to 8,192 pixels wide; this is 2,160 at most, and
# what the browser has to download stays small. A hundred principal components keep nearly all of the distances.
EMBEDDED = 2000
# Hyper-parameters that people change, in this order, before all others.
TRIED_FIRST = (
    *("data", "use_model", "weights", "freeze", "image_size", "learning_rate", "batch_size", "epochs", "time_budget"),
    *("balance", "label_smoothing", "rotation", "tta", "augmented_copies", "seed"),
)
BEST, BEST_SCORES = "best so far", ("accuracy", "balanced_accuracy", "macro_f1", "loss")
THUMBNAIL = 48
COMPONENTS = 100


def _names_the_log(method: Callable[..., None]) -> Callable[..., None]:
    """Let an error of the disk say that it was the log that was to be written."""

    @wraps(method)
    def attempt(log: TensorBoardLog, *arguments: Any) -> None:
        try:
            method(log, *arguments)
        except OSError as error:
            raise OSError(f"the log {log.directory} could not be written ({error.strerror or error})") from error

    return attempt


def _ignore_errors_of_tensorboard(arguments: threading.ExceptHookArgs) -> None:
    """Print nothing of errors in TensorBoard's threads: they are raised again by whatever writes next."""
    if not type(arguments.thread).__module__.startswith("tensorboard"):
        threading.__excepthook__(arguments)


class TensorBoardLog(Recorder):
    """Writes a run's curves, histograms and images, one step for each epoch.

    Train and validate are two runs to TensorBoard, in sub-directories of those names, so that a quantity's two curves
    share a chart. What concerns the network itself is listed with train. Where the disk refuses, each method raises
    OSError with a sentence for the user. data: the name of the data set; first_step: what a killed run wrote of it and
    of later ones is void.
    """

    @_names_the_log
    def __init__(self, directory: Path, data: str = "", first_step: int = 1):
        self.directory, self.data = directory, data
        threading.excepthook = _ignore_errors_of_tensorboard
        self.writers = {split: SummaryWriter(str(directory / split), purge_step=first_step) for split in SPLITS}

    @_names_the_log
    def epoch_end(self, trainer: Trainer, result: EpochResult) -> None:
        """Write scalars, histograms of weights and of the last step's gradients, images and predictions."""
        step, dataset = trainer.epoch, trainer.dataset
        for split, scalars in zip(SPLITS, (result.train, result.validate), strict=True):
            for name, value in scalars.items():
                self.writers[split].add_scalar(name, value, step)
        for name in BEST_SCORES:
            if name in trainer.best:
                self.writers["validate"].add_scalar(f"{BEST}/{name}", trainer.best[name], step)
        for name, parameter in trainer.network.named_parameters():
            self.writers["train"].add_histogram(f"weights/{name}", parameter.detach().float().cpu(), step)
            if parameter.grad is not None:
                self.writers["train"].add_histogram(f"gradients/{name}", parameter.grad.float().cpu(), step)
        chosen = evenly_spaced(len(dataset.train), SHOWN)
        parameters = dataset.augmentation.draw(len(chosen), Generator().manual_seed(step))
        self._show("train", augment(dataset.train.pixels[chosen], parameters), step)
        chosen = evenly_spaced(len(dataset.validate), SHOWN)
        self._show("validate", dataset.validate.pixels[chosen], step)
        taxonomy = Taxonomy.of(dataset.classes, dataset.lineages)
        self.write_predictions(step, taxonomy, dataset.validate, result.logits)
        for writer in self.writers.values():
            writer.flush()  # or TensorBoard lags behind by two minutes

    def run_end(self, trainer: Trainer, checkpoint: Checkpoint, validate: Prediction) -> None:
        """Write what the run was and what became of it, and close the files."""
        self.write_hyperparameters({"data": self.data, **checkpoint.options}, checkpoint.scores)
        taxonomy = Taxonomy.of(checkpoint.classes, checkpoint.lineages)
        self.write_embedding(taxonomy.names, trainer.dataset.validate, validate)
        self.close()

    @_names_the_log
    def write_predictions(self, step: int, taxonomy: Taxonomy, images: InMemoryImages, logits: Tensor) -> None:
        """Show what the network predicts of n images after `step` epochs, from its logits (n, classes).

        For classes that have images, up to BLOCK: the share of them that is right, and the curve of precision and
        recall of its probability against all other classes. Over all: some images with their predictions, and the
        confusion matrix.
        """
        writer = self.writers["validate"]
        actual, predicted = images.labels.cpu().numpy(), logits.argmax(1).numpy()
        probabilities = logits.double().softmax(1).numpy()
        for label in commonest(actual, BLOCK):
            own, name = actual == label, taxonomy.names[label]
            writer.add_scalar(f"accuracy by class/{name}", np.mean(predicted[own] == label), step)
            writer.add_pr_curve(f"precision and recall/{name}", own, probabilities[:, label], step)
        writer.add_figure("answers", draw_predictions(taxonomy.names, images, predicted, probabilities.max(1)), step)
        writer.add_figure("confusion matrix", draw_confusion(taxonomy, actual, predicted, "shares", BLOCK), step)

    @_names_the_log
    def write_hyperparameters(self, settings: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        """Write the settings of the run as hyper-parameters, what is tried first, and the scores of its model as text.

        The table of hyper-parameters shows the curves of "best so far/<name>", of which the last value is the model's.
        """
        writer = self.writers["validate"]
        order = [*(name for name in TRIED_FIRST if name in settings), *(name for name in settings)]
        plain = {name: settings[name] for name in dict.fromkeys(order)}
        plain = {name: value if isinstance(value, int | float | str) else str(value) for name, value in plain.items()}
        # SummaryWriter.add_hparams would open another run, named by the time, where these would be alone.
        for part in hparams(plain, dict.fromkeys((f"{BEST}/{name}" for name in BEST_SCORES), 0.0)):
            writer._get_file_writer().add_summary(part)
        rows = [f"| {name} | {float(value):.4g} |" for name, value in scores.items()]
        writer.add_text("scores of the model", "\n".join(["| score | of validate/ |", "|---|---|", *rows]))

    @_names_the_log
    def write_embedding(self, classes: list[str], images: InMemoryImages, prediction: Prediction) -> None:
        """Show up to EMBEDDED of n images, evenly spaced, in the projector, by the features of their prediction."""
        chosen = evenly_spaced(len(images), EMBEDDED)
        actual, predicted = images.labels.cpu(), prediction.logits.argmax(1)
        rows = [
            [
                plain_text(classes[actual[index]]),
                plain_text(classes[predicted[index]]),
                "right" if actual[index] == predicted[index] else "wrong",
                plain_text(images.paths[index].name),
            ]
            for index in chosen.tolist()
        ]
        side = min(THUMBNAIL, images.pixels.shape[-1])
        thumbnails = [resize(images.pixels[part.to(images.pixels.device)], [side, side]) for part in chosen.split(256)]
        self.writers["validate"].add_embedding(
            principal_components(prediction.features[chosen]),
            metadata=rows,
            metadata_header=["actual", "predicted", "answer", "file"],
            label_img=torch.cat(thumbnails).cpu().float() / 255,
            tag="validate",
        )

    @_names_the_log
    def close(self) -> None:
        """Finish the files of the log."""
        for writer in self.writers.values():
            writer.close()

    def _show(self, split: str, images: Tensor, step: int) -> None:
        """Show images (n, 3, s, s) with values in [0, 255] on one sheet."""
        self.writers[split].add_image("pictures", make_grid(images.float().cpu() / 255, nrow=8), step)


def evenly_spaced(count: int, wanted: int) -> Tensor:
    """Return `wanted` indices, or all where there are fewer, evenly spaced over `count`: int64, rising."""
    return torch.linspace(0, count - 1, min(wanted, count)).long()


def commonest(labels: np.ndarray, most: int) -> np.ndarray:
    """Return up to `most` of the classes in labels (n,), those with the most images; of equals the first. They rise."""
    classes, counts = np.unique(labels, return_counts=True)
    return np.sort(classes[np.argsort(-counts, kind="stable")[:most]])


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


def draw_predictions(
    classes: list[str], images: InMemoryImages, predicted: np.ndarray, confidence: np.ndarray
) -> Figure:
    """Draw some images, evenly spaced, each with the predicted class above it and the actual class below.

    predicted, confidence: label index and probability of each image's prediction, (n,).
    """
    cells = []
    for index in evenly_spaced(len(images), SHOWN).tolist():
        actual = int(images.labels[index])
        right = bool(predicted[index] == actual)
        cells.append(
            CaptionedImage(
                image=images.pixels[index].cpu().permute(1, 2, 0).numpy(),
                above=verdict(classes[predicted[index]], float(confidence[index]), right),
                below=f"actual: {shorten(classes[actual], CAPTION_LETTERS)}",
                right=right,
            )
        )
    return draw_captioned(cells, GridStyle(COLUMNS, width=1.9, height=1.9, letters=8))
