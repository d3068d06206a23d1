"""What a GPU is used for: training beside a plain loop, a whole command, and naming the pictures of a folder.

    python -m benchmarks.gpu                                        # on a GPU, about five minutes
    python -m benchmarks.gpu --device cpu --pictures 200 --epochs 1   # whether all of it runs

Pictures are drawn: 120 px, nine classes. Ours are the scripts as anyone starts them, from scratch; their pictures a
second are those of `model.history.csv`, the median of the epochs after the first one. The plain loop is torchvision's
VGG11 with ImageFolder and a DataLoader of as many workers as there are cores, in bf16, channels last, on the same
pictures. "Beyond importing" is the time of a whole command less that of importing torch and torchvision.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

from benchmarks.where_time_goes import draw
from models.device import Device

TOP = Path(__file__).resolve().parent.parent
CLASSES, SIDE = 9, 120
BATCHES = (32, 512)  # the default, and one that fills a GPU


def settled(rates: list[float]) -> float:
    """Return the median of what was measured in each epoch but the first, if there are more."""
    return statistics.median(rates[1:] or rates)


def seconds_of(*command: object) -> float:
    """Run Python with these arguments; return how long it took."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *map(str, command)], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def train(directory: Path, device: str, network: str, batch: int, epochs: int) -> float:
    """Run train_classifier.py into directory/NETWORK-BATCH/model; return its seconds."""
    options = ["--device", device, "--use_model", network, "--weights", "none", "--batch_size", batch]
    model = directory / f"{network}-{batch}" / "model"
    return seconds_of(
        "train_classifier.py", "--directory", directory, "--save_model", model, "--epochs", epochs, *options
    )


def rate(directory: Path, network: str, batch: int) -> float:
    """Return how many pictures a second that run learnt from."""
    with (directory / f"{network}-{batch}" / "model.history.csv").open(encoding="utf-8") as file:
        return settled([float(row["images_per_second"]) for row in csv.DictReader(file)])


def plain_loop(directory: Path, device: torch.device, batch: int, epochs: int) -> float:
    """Train as a tutorial does; return pictures a second, the median of the epochs after the first one."""
    steps = [transforms.Resize((SIDE, SIDE)), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    pictures = ImageFolder(str(directory / "train"), transforms.Compose(steps))
    loader = DataLoader(pictures, batch, shuffle=True, num_workers=os.cpu_count() or 1, persistent_workers=True)
    network = models.vgg11(weights=None, num_classes=CLASSES).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    rates = []
    for _ in range(epochs):
        start = time.perf_counter()
        for images, labels in loader:
            images = images.to(device, memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                loss = F.cross_entropy(network(images), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss.item()  # waits for the GPU
        rates.append(len(pictures) / (time.perf_counter() - start))
    return settled(rates)


def named(directory: Path, split: str, device: str) -> tuple[int, float]:
    """Name the pictures of a split with the first model; return how many they are, and the seconds that it took."""
    count = sum(1 for _ in (directory / split).rglob("*.jpg"))
    model = directory / f"vgg11-{BATCHES[0]}" / "model"
    report = directory / f"own-{split}"
    options = ["--model", model, "--images", directory / split, "--report", report, "--device", device]
    return count, seconds_of("visualise_results.py", *options)


def main() -> int:
    """Measure and print. Returns 1 where there is no GPU and no other device was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="where to compute (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=10_800, help="drawn pictures (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=4, help="of each figure (default: %(default)s)")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("gpu.py: there is no GPU here that torch can use; --device cpu shows whether all of it runs")
        return 1
    print(
        f"{Device.choose(options.device)}, {os.cpu_count()} cores, torch {torch.__version__}, {options.pictures} drawn"
    )
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        draw(directory, options.pictures, SIDE, CLASSES)
        importing = seconds_of("-c", "import torch, torchvision")
        for batch in BATCHES:
            plain = plain_loop(directory, torch.device(options.device), batch, options.epochs)
            print(f"batch {batch:3}  plain loop      {plain:9.0f} pictures/s")
            for network in ("vgg11", "vgg11_adaptive"):
                train(directory, options.device, network, batch, options.epochs)
                ours = rate(directory, network, batch)
                print(
                    f"batch {batch:3}  {network:14}  {ours:9.0f} pictures/s  {ours / plain:5.1f} times the plain loop"
                )
        seconds = train(directory, options.device, "vgg11_adaptive", BATCHES[0], 4 * options.epochs)
        print(f"a whole command of {4 * options.epochs} epochs: {seconds - importing:.1f} s beyond importing")
        few, many = (named(directory, split, options.device) for split in ("validate", "train"))
        print(
            f"--images: {(many[0] - few[0]) / (many[1] - few[1]):.0f} files/s, beyond what a run takes for "
            f"{few[0]} files; {many[0]} take {many[1] - importing:.1f} s beyond importing, with review page and tables"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
