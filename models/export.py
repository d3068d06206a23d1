"""A trained network as an ONNX file, which other programs run without PyTorch.

ONNX (https://onnx.ai) is a file format for networks. Normalisation, test-time augmentation and the calibrated softmax
are part of the file: another program feeds pixels in [0, 1] and gets probabilities.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxscript  # noqa: F401 - torch.onnx writes with it, and says less clearly that it is missing
import torch
from torch import Tensor, nn

from common.errors import ToolkitError
from models.checkpoint import Checkpoint
from models.prediction import tta_views

INPUT, OUTPUT = "image", "pred"
# Old enough for programs that are not new (onnxruntime from 1.14 on), new enough for all networks here.
OPSET, IR_VERSION = 18, 8
BATCH = 16  # images that are run at a time


class ExportedNetwork(nn.Module):
    """A network that takes images (n, 3, size, size) in [0, 1] and returns probabilities (n, classes), in float32.

    With test-time augmentation, it is the mean over all views of an image, as in `models.prediction.Predictor`.
    """

    def __init__(self, checkpoint: Checkpoint, temperature: float):
        super().__init__()
        self.network = checkpoint.network()
        self.size, self.classes, self.views = checkpoint.image_size, len(checkpoint.classes), checkpoint.tta_views
        self.normalisation, self.temperature = checkpoint.normalisation, temperature

    def forward(self, images: Tensor) -> Tensor:
        """Return the probabilities of all classes."""
        views = torch.cat(list(tta_views(self.normalisation.apply(255 * images), self.views)))
        logits = self.network(views).view(self.views, -1, self.classes).mean(0)
        return (logits / self.temperature).softmax(1)


def write_onnx(path: Path, network: ExportedNetwork) -> None:
    """Write a network as one ONNX file that onnx.checker accepts and that names no path of this machine.

    Raises ToolkitError where the network cannot be written so.
    """
    example = torch.zeros(2, 3, network.size, network.size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecations inside torch
            program = torch.onnx.export(
                network,
                (example,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
        assert program is not None  # as always with dynamo
        model = program.model_proto
        _forget_sources(model)
        onnx.checker.check_model(model, full_check=True)
        path.write_bytes(model.SerializeToString())
    except (torch.onnx.OnnxExporterError, onnx.checker.ValidationError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ToolkitError(f"this network cannot be written as ONNX ({reason})", "model") from error


def _forget_sources(model: onnx.ModelProto) -> None:
    """Remove what torch notes of the code that each node comes from, with paths of this machine."""
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version, model.doc_string = "", "", ""
    graphs = [model.graph, *model.functions]
    for part in [model, *graphs, *(node for graph in graphs for node in graph.node)]:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for value in (*model.graph.initializer, *model.graph.value_info, *model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")


def run_onnx(path: Path, squares: np.ndarray) -> tuple[np.ndarray, float]:
    """Run an ONNX file by onnxruntime on images, uint8 (n, size, size, 3).

    Returns its probabilities, float32 (n, classes), and the seconds that an image took.
    """
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    images = np.ascontiguousarray(squares.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
    batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    began = time.perf_counter()
    found = np.concatenate([session.run([OUTPUT], {INPUT: batch})[0] for batch in batches])
    return found, (time.perf_counter() - began) / len(images)
