"""How fast training is, beside the recipe of the first version of this toolkit, on the same drawn pictures.

    python -m benchmarks.train_speed                       # images per second, ratios and memory, some minutes
    python -m benchmarks.train_speed --pictures 10000      # the same with a whole collection, half an hour

The first version: torchvision's VGG11 at 224 px, batches of 4, float32, pictures opened by Pillow in a DataLoader.
Ours: `vgg11` at 120 px, batches of 32, the device's arithmetic, pictures in memory. All weights are random: speed does
not depend on them. Each figure is of steps after the first ones, which warm up; the memory is the most that
the figure's process took, with reading the pictures and running the frozen layers in one view. At the end: the memory
that whole commands take, from start to saved model.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

from models.device import Device, keep_freed_memory
from models.networks import build_network
from train_classifier import build_parser
from training.dataset import list_dataset, read_dataset
from training.loaders import make_loader
from training.schedule import PhaseClock
from training.settings import Settings
from training.trainer import Trainer

CLASSES = 27
SIZE = 120
TOP = Path(__file__).resolve().parent.parent
PARTS = {"all layers": "none", "last block": "block"}  # the head is solved, not trained
# The first epoch is the solved head; of the default of four augmented copies, frozen layers see as many as follow.
COMMANDS = ("--freeze none --epochs 2", "--freeze block --epochs 5")
BATCH = 32


def draw_folder(directory: Path, count: int) -> None:
    """Write `count` noisy pictures for training and a tenth as many for validation, as 120-pixel JPEGs."""
    generator = torch.Generator().manual_seed(0)
    for split, number in (("train", count), ("validate", max(CLASSES, count // 10))):
        for index in range(number):
            coarse = torch.randint(0, 255, (12, 12, 3), dtype=torch.uint8, generator=generator)
            folder = directory / split / f"class{index % CLASSES:02d}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(coarse.numpy()).resize((SIZE, SIZE)).save(folder / f"{index:05d}.jpg")


def first_version(directory: Path, steps: int) -> float:
    """Train as the first version did; return images per second."""
    transform = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    loader = DataLoader(ImageFolder(str(directory / "train"), transform), batch_size=4, shuffle=True)
    network = models.vgg11(weights=None, num_classes=CLASSES)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    start = 0.0
    for step, (pictures, labels) in enumerate(loader):
        if step == 1:
            start = time.perf_counter()
        if step > steps:
            break
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(pictures), labels).backward()
        optimizer.step()
    return 4 * steps / (time.perf_counter() - start)


def ours(directory: Path, steps: int, frozen: str) -> float:
    """Train two epochs of `steps` steps as we do, with a part frozen; return images per second of the second."""
    command = ["--directory", str(directory), "--image_size", str(SIZE), "--freeze", frozen, "--learning_rate", "1e-4"]
    command += ["--batch_size", str(BATCH), "--augmented_copies", "1", "--epochs", "2"]
    settings = Settings.resolve(vars(build_parser().parse_args(command)))
    device = Device.choose()
    data = read_dataset(settings, list_dataset(directory), SIZE).to(device.device)
    network = device.place(build_network("vgg11", CLASSES, SIZE))
    keep_freed_memory()
    # An epoch is as long as there are training images: those that are left out have been read all the same.
    trainer = Trainer(network, settings, replace(data, train=data.train[: steps * BATCH]), device)
    trainer.clock = PhaseClock(trainer.phases[-1], first_epoch=0, start=0.0)  # not the head before it
    trainer.begin(make_loader(trainer))
    return [trainer.train_epoch().train["images_per_second"] for _ in range(2)][1]


def whole_command(directory: Path, options: str) -> None:
    """Run train_classifier.py with these options, from the weights beside the pictures."""
    files = ["--directory", directory, "--weights", directory / "weights.pth", "--save_model", directory / "model"]
    command = [sys.executable, "train_classifier.py", *map(str, files), *options.split()]
    subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.DEVNULL)


def measured(train: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Return what `train` returns in a process of its own, and the most memory that it took, in GB (on Linux)."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        given = process.submit(train, *arguments).result()
        return given, process.submit(peak_memory).result()


def peak_memory() -> float:
    """Return the most memory that this process has taken, or one that it started, in GB."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(each).ru_maxrss for each in whose) * 1024 / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=640, help="pictures to learn from (default: 640)")
    parser.add_argument("--steps", type=int, default=20, help="steps of each figure (default: 20, our least)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        draw_folder(directory, options.pictures)
        old, old_peak = measured(first_version, directory, options.steps)
        parts = {name: measured(ours, directory, options.steps, frozen) for name, frozen in PARTS.items()}
        torch.save(models.vgg11(weights=None).state_dict(), directory / "weights.pth")
        commands = {command: measured(whole_command, directory, command)[1] for command in COMMANDS}
    machine = f"{Device.choose()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{machine}, {options.pictures} pictures, {options.steps} steps")
    print(f"{'first version':14} {old:9.1f} images/s {'':30} {old_peak:5.2f} GB")
    for name, (speed, peak) in parts.items():
        print(f"{name:14} {speed:9.1f} images/s  {speed / old:6.1f} times the first version  {peak:5.2f} GB")
    for command, peak in commands.items():
        print(f"train_classifier.py {command:35} {peak:5.2f} GB")


if __name__ == "__main__":
    main()
