"""What a budget of minutes brings, beside the two simple things to do with a pretrained network, on the same pictures.

    python -m benchmarks.accuracy --pictures ../shared/pictures --use_model mobilenet_v2 \\
                                  --weights ../shared/weights/mobilenet_v2.pth

prints a row for each set, seed, way and budget: accuracy, macro-F1 and the time that it really took. The ways:
ours (train_classifier.py with its defaults), frozen (scikit-learn's logistic regression on the features of the network
as it comes, its strength searched by groups; it needs no budget) and plain (torchvision's recipe: all layers, SGD,
cosine, label smoothing, random crops, float32).

For each set and seed prepare_image_model.py lays the pictures out anew (grouped: near-copies are on one side), and
each way learns from train/ and is measured on validate/. Options that are not known here go to train_classifier.py, so
that `--ways ours --budgets 0 --epochs 14 --rotation free` tells what one choice does, on a busy machine too.
"""

import argparse
import itertools
import math
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from evaluation.metrics import summary
from models.checkpoint import load_checkpoint
from models.device import Device
from models.networks import normalisation
from models.prediction import Predictor, predict
from models.preprocessing import IMAGENET
from train_classifier import read_settings
from training.dataset import list_dataset, read_dataset
from training.pretrained import build_pretrained

PLAIN_SIZE, FROZEN_SIZE = 128, 160
PLAIN_SECONDS_TO_VALIDATE = 20
STRENGTHS = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]  # C of LogisticRegression
SETS = ("radiolaria:2", "radiolaria:3", "plankton:2")


@dataclass(frozen=True)
class Task:
    """What a way has to learn from, in how many minutes (0: as long as it takes); more: for train_classifier.py."""

    directory: Path
    seed: int
    minutes: float
    use_model: str
    weights: str
    rate: float
    more: list[str]


def lay_out(pictures: Path, depth: str, seed: int, directory: Path, *more: str) -> None:
    """Prepare train/ and validate/ below `directory` from data/ and images/ below `pictures`; more: options."""
    command = [sys.executable, "prepare_image_model.py", "--data", str(pictures / "data"), "--seed", str(seed)]
    command += ["--images", str(pictures / "images"), "--depth", depth, "--train", str(directory), *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ours(task: Task) -> dict[str, float]:
    """Train with train_classifier.py and its defaults; return the scores that the model file holds."""
    model = task.directory / "model"
    command = [sys.executable, "train_classifier.py", "--directory", str(task.directory), "--save_model", str(model)]
    command += ["--use_model", task.use_model, "--weights", task.weights, "--seed", str(task.seed), *task.more]
    if task.minutes:
        command += ["--time_budget", str(task.minutes)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return load_checkpoint(model).scores


def plain(task: Task) -> dict[str, float]:
    """Fine-tune all layers in the way of torchvision's references, until the minutes are over."""
    start = time.monotonic()
    torch.manual_seed(task.seed)
    prepare = [transforms.ToTensor(), transforms.Normalize(IMAGENET.mean, IMAGENET.std)]
    crops = transforms.Compose([transforms.RandomResizedCrop(PLAIN_SIZE), transforms.RandomHorizontalFlip(), *prepare])
    middle = transforms.Compose([transforms.Resize(PLAIN_SIZE), transforms.CenterCrop(PLAIN_SIZE), *prepare])
    learn, validate = ImageFolder(task.directory / "train", crops), ImageFolder(task.directory / "validate", middle)
    network = build_pretrained(task.use_model, len(learn.classes), PLAIN_SIZE, task.weights)
    optimizer = torch.optim.SGD(network.parameters(), lr=task.rate, momentum=0.9, weight_decay=1e-4)
    smoothed_loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    budget = 60 * task.minutes - PLAIN_SECONDS_TO_VALIDATE
    while time.monotonic() - start < budget:
        network.train()
        for pictures, labels in DataLoader(learn, batch_size=32, shuffle=True, num_workers=2):
            passed = min(1.0, (time.monotonic() - start) / budget)
            for group in optimizer.param_groups:
                group["lr"] = task.rate * (1 + math.cos(math.pi * passed)) / 2
            optimizer.zero_grad()
            smoothed_loss(network(pictures), labels).backward()
            optimizer.step()
            if passed == 1:
                break
    network.eval()
    with torch.inference_mode():
        given = [(network(pictures), labels) for pictures, labels in DataLoader(validate, batch_size=64)]
    logits, labels = (torch.cat(parts) for parts in zip(*given, strict=True))
    return summary(labels.numpy(), logits.argmax(1).numpy())


def frozen(task: Task) -> dict[str, float]:
    """Fit a logistic regression on the features of the network as its weights come, its strength searched by groups."""
    settings = read_settings(["--directory", str(task.directory), "--use_model", task.use_model])
    data = read_dataset(settings, list_dataset(task.directory), FROZEN_SIZE)
    device = Device.choose()
    network = device.place(build_pretrained(task.use_model, data.num_classes, FROZEN_SIZE, task.weights))
    predictor = Predictor(network, normalisation(task.use_model), device)
    learn, validate = (predict(predictor, images.pixels) for images in (data.train, data.validate))
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=task.seed)
    search = GridSearchCV(regression, {"logisticregression__C": STRENGTHS}, scoring="f1_macro", cv=folds, n_jobs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer pictures than folds
        search.fit(learn.features.numpy(), data.train.labels.numpy(), groups=data.groups)
    return summary(data.validate.labels.numpy(), search.predict(validate.features.numpy()))


WAYS = {"ours": ours, "frozen": frozen, "plain": plain}


def tasks(options: argparse.Namespace, directory: Path, seed: int) -> Iterator[tuple[str, Task]]:
    """Yield which way has to do what."""
    for way in options.ways:
        for minutes in [0.0] if way == "frozen" else options.budgets:
            if way != "plain" or 60 * minutes > PLAIN_SECONDS_TO_VALIDATE:
                network = (options.use_model, options.weights, options.rate)
                yield way, Task(directory, seed, minutes, *network, options.more)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="directory in which the sets lie")
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="NAME:DEPTH", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--budgets", nargs="+", type=float, default=[0.5, 1, 2, 5, 10], metavar="MINUTES")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--use_model", default="mobilenet_v2")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--rate", type=float, default=0.01, help="highest learning rate of plain (default: 0.01)")
    options, more = parser.parse_known_args()
    options.more = more
    print(f"{options.use_model}, {torch.get_num_threads()} threads, torch {torch.__version__}", *options.more)
    print(f"{'set':14} {'seed':>4} {'way':7} {'budget':>6} {'accuracy':>9} {'macro-F1':>9} {'minutes':>8}")
    found: dict[tuple[str, str, float], list[float]] = {}
    for name, seed in itertools.product(options.sets, options.seeds):
        pictures, _, depth = name.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            lay_out(options.pictures / pictures, depth, seed, Path(folder))
            for way, task in tasks(options, Path(folder), seed):
                start = time.monotonic()
                scores = WAYS[way](task)
                minutes = (time.monotonic() - start) / 60
                found.setdefault((name, way, task.minutes), []).append(scores["macro_f1"])
                print(
                    f"{name:14} {seed:4} {way:7} {task.minutes:6g} {scores['accuracy']:9.3f} "
                    f"{scores['macro_f1']:9.3f} {minutes:8.2f}",
                    flush=True,
                )
    print("Macro-F1, mean and standard deviation over seeds:")
    for (name, way, budget), values in found.items():
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name:14} {way:7} {budget:6g} {statistics.mean(values):.3f} ± {spread:.3f}")


if __name__ == "__main__":
    main()
