"""network_info.xml, by which ParticleTrieur, MISO and the RaCAM camera know what an ONNX file is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from common.files import in_one_line, write_bytes
from models.checkpoint import Checkpoint

NAME = "network_info.xml"
FORMAT_VERSION = "2.1"

Values = Sequence[tuple[str, Any]]  # tags, each with its text or what lies below it, in order


@dataclass(frozen=True)
class Network:
    """What network_info.xml tells of a model.

    onnx: name of the ONNX file; ends: names of its input and its output; labels: names of the classes, in the order of
    the output; confusion: counts of validation images by (actual, predicted) class, None where they are not known;
    seconds: that an image takes.
    """

    checkpoint: Checkpoint
    onnx: str
    ends: tuple[str, str]
    labels: Sequence[str]
    confusion: np.ndarray | None
    seconds: float

    def write(self, path: Path) -> None:
        """Write network_info.xml. What is not known is 0."""
        root = ElementTree.Element("network", version=FORMAT_VERSION)
        _append(root, [*self._model(), *self._shapes(), *self._scored_labels(), *self._training()])
        ElementTree.indent(root)
        write_bytes(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))

    def _model(self) -> Values:
        checkpoint = self.checkpoint
        name = f"{checkpoint.architecture}, {len(checkpoint.classes)} classes"
        trained = checkpoint.trained or time.strftime("%Y-%m-%d")
        description = f"{name}, trained by the Mikrotax classifier {checkpoint.toolkit}".rstrip()
        told = [("name", name), ("description", description), ("type", checkpoint.architecture)]
        return [*told, ("date", f"{trained}_000000"), ("protobuf", self.onnx)]

    def _shapes(self) -> Values:
        side, classes = self.checkpoint.image_size, len(self.labels)
        image, pred = self.ends
        inputs = [("name", image), ("operation", image), ("height", side), ("width", side), ("channels", 3)]
        outputs = [("name", pred), ("operation", pred), ("height", classes), ("width", 0), ("channels", 0)]
        return [("inputs", [("input", inputs)]), ("outputs", [("output", outputs)])]

    def _scored_labels(self) -> Values:
        counts, support = self._counts, self._confusion.sum(1)
        labels = [
            [("code", _code(name, label)), ("count", counts[label]), *_shares(shares), ("support", support[label])]
            for label, (name, shares) in enumerate(zip(self.labels, self._class_scores, strict=True))
        ]
        digest = self.checkpoint.dataset
        source = [("source_data", f"data set {digest}" if digest else ""), ("source_size", counts.sum())]
        return [*source, ("labels", [("label", label) for label in labels])]

    def _training(self) -> Values:
        scored = self._class_scores[self._confusion.sum(1) > 0]
        scores = self.checkpoint.scores
        load = [
            ("training_epochs", int(scores.get("epoch", 0))),
            ("training_time", 0),
            ("training_split", f"{self._confusion.sum() / max(self._counts.sum(), 1):.6f}"),
            ("training_time_per_image", 0),
            ("inference_time_per_image", f"{self.seconds:.6f}"),
        ]
        return [
            ("prepro", [("name", "rescale"), ("params", [("param", value) for value in (255, 0, 1)])]),
            ("accuracy", f"{scores.get('accuracy', 0.0):.6f}"),
            *_shares(scored.mean(0) if len(scored) else np.zeros(3)),
            ("load", load),
        ]

    @property
    def _confusion(self) -> np.ndarray:
        count = len(self.labels)
        return np.zeros((count, count), int) if self.confusion is None else self.confusion.astype(int)

    @property
    def _counts(self) -> np.ndarray:
        """Return how many pictures of each class are known: those learnt from, and the validation pictures."""
        return self._confusion.sum(1) + np.array(self.checkpoint.train_counts or [0] * len(self.labels))

    @property
    def _class_scores(self) -> np.ndarray:
        """Return precision, recall and F1 of each class, (classes, 3)."""
        right, support, answers = self._confusion.diagonal(), self._confusion.sum(1), self._confusion.sum(0)
        of = np.stack([answers, support, (answers + support) / 2], axis=1)
        return right[:, None] / np.maximum(of, 0.5)


def _append(parent: ElementTree.Element, values: Values) -> None:
    for tag, value in values:
        element = ElementTree.SubElement(parent, tag)
        if isinstance(value, list):
            _append(element, value)
        else:
            element.text = str(value)


def _shares(values: np.ndarray) -> Values:
    return [(name, f"{value:.6f}") for name, value in zip(("precision", "recall", "f1score"), values, strict=True)]


def _code(name: str, label: int) -> str:
    """Return a class's name without what XML cannot hold; never blank, since readers leave out such labels."""
    return in_one_line(name).replace("\ufffe", "").replace("\uffff", "").strip() or f"class {label + 1}"
