"""How fast a folder of 10,000 pictures is classified by VGG11 at 120 px: the targets are 40 pictures a second and 2 GB.

    python -m benchmarks.classify_speed                 some minutes on two cores
    python -m benchmarks.classify_speed --pictures 1000

The pictures are drawn as in prepare_speed.py and lie in a temporary directory, in ten sub-folders. The weights of the
model are random, and so is all that it remembers of training and validation pictures, in the sizes of a large set. The
time is that of `classify_folder` as a whole, tables and contact sheet included; the memory is the most that
its process ever held. Where others use the machine too, the rate for a core's own time tells more. Prints one line;
ends with status 1 where a target is missed.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from sklearn.metrics import confusion_matrix
from training.final import LOOKS, REMEMBERED

from benchmarks.prepare_speed import draw
from evaluation.calibration import Calibration
from evaluation.ood import Familiarity
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint, save_checkpoint
from models.networks import build_network, head_name
from models.prediction import Prediction

PER_SECOND, MEGABYTES = 40, 2000
CLASSES, VALIDATED = 40, 1000
CLASSIFY = """
import sys, time
from pathlib import Path
from models.checkpoint import load_checkpoint
from models.device import choose_hardware
from reports.own_pictures import classify_folder

model = load_checkpoint(sys.argv[3])
start, busy = time.perf_counter(), time.process_time()
classify_folder(Path(sys.argv[1]), Path(sys.argv[2]), model, choose_hardware())
print(time.perf_counter() - start, time.process_time() - busy)
"""


def write_model(path: Path) -> None:
    """Write a model file that holds all that training writes."""
    random = torch.Generator().manual_seed(0)
    network = build_network("vgg11", CLASSES, 120)
    width = network.get_submodule(head_name(network)).in_features
    classes = [f"class {label}" for label in range(CLASSES)]
    labels = torch.arange(VALIDATED) % CLASSES
    logits = torch.randn(VALIDATED, CLASSES, generator=random)
    validate = Prediction(logits, torch.rand(VALIDATED, width, generator=random))
    views, pictures = LOOKS // REMEMBERED, REMEMBERED
    familiarity = Familiarity.fit(torch.rand(views, pictures, width, generator=random), validate.features)
    calibration = Calibration.fit(Taxonomy.of(classes, {}), validate, labels, familiarity).state()
    calibration["confusion"] = torch.from_numpy(confusion_matrix(labels, logits.argmax(1)))
    save_checkpoint(path, Checkpoint("vgg11", 120, classes, network.state_dict(), calibration=calibration))


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
        command = [sys.executable, "-c", CLASSIFY, str(folder), str(Path(directory) / "results"), str(model)]
        root = Path(__file__).resolve().parent.parent
        child = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True)
    if child.returncode:
        return 1
    seconds, busy = map(float, child.stdout.split()[-2:])
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    rate = pictures / seconds
    print(
        f"{pictures} pictures: {rate:.1f} a second, {pictures / busy:.1f} in a second of one core's time, "
        f"at most {memory / 1e6:.0f} MB, on {os.cpu_count()} cores"
    )
    return int(rate < PER_SECOND or memory > MEGABYTES * 1e6)


if __name__ == "__main__":
    sys.exit(main())
