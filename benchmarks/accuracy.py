"""How good ten minutes of training are, beside the same minutes spent on plain fine-tuning, on the same pictures.

    python -m benchmarks.accuracy ours   --data ../shared/pictures/radiolaria --depth 2 --use_model squeezenet1_1 \\
                                         --weights ../shared/weights/squeezenet1_1.pth
    python -m benchmarks.accuracy plain  …   # torchvision's SGD, cosine, label smoothing, random crops, float32
    python -m benchmarks.accuracy frozen …   # logistic regression on the features of the network as it is

For each seed prepare_image_model.py lays the pictures out anew (grouped: near-copies are on one side), and each way
learns from train/ and is measured on validate/. Options that are not known here go to train_classifier.py, so that
`ours … --minutes 0 --epochs 14 --rotation free` tells what one choice does, on a busy machine too.
"""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from evaluation.metrics import summary
from models.checkpoint import load_checkpoint
from models.device import Device
from models.prediction import Predictor, predict
from models.preprocessing import IMAGENET
from train_classifier import read_settings
from training.dataset import read_dataset
from training.pretrained import build_pretrained

PLAIN_SIZE, FROZEN_SIZE = 128, 160


@dataclass(frozen=True)
class Comparison:
    """What is compared: on which pictures, with which network, for how long.

    data: directory with data/ and images/; minutes: of each training, 0 for as long as `more` says; rate: highest
    learning rate of `plain`; more: options for train_classifier.py.
    """

    data: Path
    depth: int
    use_model: str
    weights: str
    minutes: float
    rate: float
    more: tuple[str, ...]


def lay_out(options: Comparison, seed: int, directory: Path) -> None:
    """Prepare train/ and validate/ below `directory`."""
    command = [sys.executable, "prepare_image_model.py", "--data", str(options.data / "data"), "--seed", str(seed)]
    command += ["--images", str(options.data / "images"), "--depth", str(options.depth), "--train", str(directory)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ours(options: Comparison, seed: int, directory: Path) -> dict[str, float]:
    """Train with train_classifier.py and its defaults; return the scores that the model file holds."""
    model = directory / "model"
    command = [sys.executable, "train_classifier.py", "--directory", str(directory), "--save_model", str(model)]
    command += ["--use_model", options.use_model, "--weights", options.weights, "--seed", str(seed)]
    command += options.more
    if options.minutes:
        command += ["--time_budget", str(options.minutes)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return load_checkpoint(model).scores


def plain(options: Comparison, seed: int, directory: Path) -> dict[str, float]:
    """Fine-tune all layers in the way of torchvision's references, until the minutes are over."""
    start = time.monotonic()
    torch.manual_seed(seed)
    prepare = [transforms.ToTensor(), transforms.Normalize(IMAGENET.mean, IMAGENET.std)]
    crops = transforms.Compose([transforms.RandomResizedCrop(PLAIN_SIZE), transforms.RandomHorizontalFlip(), *prepare])
    middle = transforms.Compose([transforms.Resize(PLAIN_SIZE), transforms.CenterCrop(PLAIN_SIZE), *prepare])
    learn, validate = ImageFolder(directory / "train", crops), ImageFolder(directory / "validate", middle)
    network = build_pretrained(options.use_model, len(learn.classes), PLAIN_SIZE, options.weights)
    optimizer = torch.optim.SGD(network.parameters(), lr=options.rate, momentum=0.9, weight_decay=1e-4)
    smoothed_loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    budget = 60 * options.minutes - 20  # what validating takes
    while time.monotonic() - start < budget:
        network.train()
        for pictures, labels in DataLoader(learn, batch_size=32, shuffle=True, num_workers=2):
            passed = min(1.0, (time.monotonic() - start) / budget)
            for group in optimizer.param_groups:
                group["lr"] = options.rate * (1 + math.cos(math.pi * passed)) / 2
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


def frozen(options: Comparison, seed: int, directory: Path) -> dict[str, float]:
    """Fit a logistic regression on the features of the network as its weights come."""
    command = ["--directory", str(directory), "--image_size", str(FROZEN_SIZE), "--use_model", options.use_model]
    data = read_dataset(read_settings(command))
    device = Device.choose()
    network = device.place(build_pretrained(options.use_model, data.num_classes, FROZEN_SIZE, options.weights))
    predictor = Predictor(network, IMAGENET, device)
    learn, validate = (predict(predictor, images.pixels) for images in (data.train, data.validate))
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500, random_state=seed))
    regression.fit(learn.features, data.train.labels)
    return summary(data.validate.labels.numpy(), regression.predict(validate.features))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=("ours", "plain", "frozen"))
    parser.add_argument("--data", type=Path, required=True, help="directory with data/ and images/")
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--use_model", default="squeezenet1_1")
    parser.add_argument("--weights", default="none")
    parser.add_argument("--minutes", type=float, default=10, help="0 leaves it to --epochs, for ours (default: 10)")
    parser.add_argument("--rate", type=float, default=0.01, help="highest learning rate of plain (default: 0.01)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    known, more = parser.parse_known_args()
    given = vars(known)
    way, seeds = given.pop("way"), given.pop("seeds")
    options = Comparison(**given, more=tuple(more))
    if options.minutes < 1 and way == "plain":
        parser.error("plain goes by its minutes; give --minutes 1 or more")
    train = {"ours": ours, "plain": plain, "frozen": frozen}[way]
    print(f"{way}, {options.use_model}, {options.data.name} at depth {options.depth}", *options.more)
    found = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            lay_out(options, seed, Path(folder))
            start = time.monotonic()
            found.append(train(options, seed, Path(folder)))
        print(
            f"seed {seed}: accuracy {found[-1]['accuracy']:.1%}, macro-F1 {found[-1]['macro_f1']:.3f}, "
            f"{(time.monotonic() - start) / 60:.1f} minutes",
            flush=True,
        )
    for name in ("accuracy", "macro_f1"):
        values = [scores[name] for scores in found]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name}: mean {statistics.mean(values):.3f}, standard deviation {spread:.3f}, {len(values)} seeds")


if __name__ == "__main__":
    main()
