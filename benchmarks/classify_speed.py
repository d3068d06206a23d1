"""How fast a folder of 10,000 pictures is classified by VGG11 at 120 px: the targets are 40 pictures a second and 2 GB.

    python -m benchmarks.classify_speed                 some minutes on two cores
    python -m benchmarks.classify_speed --pictures 1000

The pictures are drawn as in prepare_speed.py and lie in a temporary directory, in ten sub-folders. The weights of the
model are random, and so is all that it knows of training and validation pictures, in the sizes of a large set. The time
is that of `name_own_pictures` as a whole, tables and contact sheet included; the memory is the most that its process
ever held. Where others use the machine too, the rate for a core's own time tells more. Prints one line; ends with
status 1 where a target is missed.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from sklearn.metrics import confusion_matrix

from benchmarks.prepare_speed import draw
from evaluation.calibration import Calibration
from evaluation.ood import OODDetector
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint, save_checkpoint
from models.networks import build_network, head_name
from models.prediction import Prediction
from reports.model import LoadedModel
from reports.own_pictures import name_own_pictures
from reports.settings import VisualiseSettings

PER_SECOND, MEGABYTES = 40, 2000
CLASSES, VALIDATED = 40, 1000
VIEWS, REFERENCES = 2, 2000  # as many as training takes of a large set


class Measured(NamedTuple):
    """What classifying took: seconds by the clock and of the cores' own time, and the most memory in bytes."""

    seconds: float
    busy: float
    memory: int


def write_model(path: Path) -> None:
    """Write a model file that holds all that training writes."""
    random = torch.Generator().manual_seed(0)
    network = build_network("vgg11", CLASSES, 120)
    width = network.get_parameter(f"{head_name(network)}.weight").shape[1]
    classes = [f"class {label}" for label in range(CLASSES)]
    labels = torch.arange(VALIDATED) % CLASSES
    logits = torch.randn(VALIDATED, CLASSES, generator=random)
    validation = Prediction(logits, torch.rand(VALIDATED, width, generator=random))
    reference = torch.rand(VIEWS, REFERENCES, width, generator=random)
    detector = OODDetector.fit(reference, validation.features)
    calibration = Calibration.fit(Taxonomy.of(classes, {}), validation, labels, detector).state()
    calibration["confusion"] = torch.from_numpy(confusion_matrix(labels, logits.argmax(1)))
    save_checkpoint(path, Checkpoint("vgg11", 120, classes, network.state_dict(), calibration=calibration))


def classify(folder: Path, output: Path, model: Path) -> Measured:
    """Classify a folder in this process, and measure it."""
    loaded = LoadedModel.load(model)
    start, busy = time.perf_counter(), time.process_time()
    name_own_pictures(folder, VisualiseSettings(report=output), loaded)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Measured(time.perf_counter() - start, time.process_time() - busy, memory)


def main() -> int:
    """Run the benchmark. Returns 0, or 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000, metavar="N", help="how many pictures (10000)")
    pictures = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "pictures"
        for number in range(pictures):
            sample = folder / f"sample {number * 10 // pictures}"
            sample.mkdir(parents=True, exist_ok=True)
            draw(number).save(sample / f"{number:05}.jpg", quality=85)
        model = Path(directory) / "model"
        write_model(model)
        # A new process, not a copy of this one, whose memory it would begin with.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            measured = pool.submit(classify, folder, Path(directory) / "results", model).result()
    rate = pictures / measured.seconds
    print(
        f"{pictures} pictures: {rate:.1f} a second, {pictures / measured.busy:.1f} in a second of one core's time, "
        f"at most {measured.memory / 1e6:.0f} MB, on {os.cpu_count()} cores"
    )
    return int(rate < PER_SECOND or measured.memory > MEGABYTES * 1e6)


if __name__ == "__main__":
    sys.exit(main())
