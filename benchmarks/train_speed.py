"""How fast training is, beside the recipe of the first version of this toolkit, on the same drawn pictures.

    python -m benchmarks.train_speed                       # images per second, ratios and memory, some five minutes
    python -m benchmarks.train_speed --pictures 10000      # memory for a whole collection

The first version: torchvision's VGG11 at 224 px, batches of 4, float32, pictures opened by Pillow in a DataLoader.
Ours: `vgg11` at 120 px, batches of 32, the device's arithmetic, pictures in memory. All weights are random: speed does
not ask what a network knows. Each figure is of steps after the first, which warms up.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

from models.hardware import choose_hardware
from models.networks import build_network
from training.data import read_data
from training.loop import Recipe, Run, make_optimizer, train_epoch
from training.stages import CachedSource, PictureSource, Timetable

CLASSES = 27
SIZE = 120
RECIPE = Recipe(batch_size=32, learning_rate=1e-4, seed=0, adaptive=True)


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
    """Train as the first version did; give images per second."""
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


def ours(make_source: Callable[[nn.Module], PictureSource | CachedSource], labels: torch.Tensor) -> float:
    """Train two epochs of ours; give the images per second of the second."""
    hardware = choose_hardware()
    network = hardware.place(build_network("vgg11", CLASSES, SIZE))
    source = make_source(network)
    run = Run(network, make_optimizer(source.module, adaptive=True))
    for _ in range(2):
        start = time.perf_counter()
        timetable = Timetable(0, 2, 0, None)
        learnt = train_epoch(run, source, labels, CLASSES, RECIPE, timetable, hardware)
        speed = learnt["pictures"] / (time.perf_counter() - start)
        run.history.append({})
    return speed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=640, help="pictures to learn from (default: 640)")
    parser.add_argument("--steps", type=int, default=20, help="steps of the first version (default: 20)")
    options = parser.parse_args()
    hardware = choose_hardware()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        draw_folder(directory, options.pictures)
        data = read_data(directory, SIZE).to(hardware.device)
        labels = data.train.labels
        figures = {
            "all layers": ours(lambda network: PictureSource(network, data, hardware, True), labels),
            "last block": ours(lambda network: CachedSource(network, "block", data, hardware, 1, 0), labels),
            "head": ours(lambda network: CachedSource(network, "features", data, hardware, 1, 0), labels),
        }
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        old = first_version(directory, options.steps)
    print(f"{hardware}, {torch.get_num_threads()} threads, torch {torch.__version__}, {options.pictures} pictures")
    print(f"{'first version':14} {old:9.1f} images/s")
    for name, speed in figures.items():
        print(f"{name:14} {speed:9.1f} images/s  {speed / old:6.1f} times the first version")
    print(f"Peak memory of ours: {peak:.2f} GiB")


if __name__ == "__main__":
    main()
