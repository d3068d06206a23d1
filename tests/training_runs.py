"""Runs of train_classifier.py as tests make them: in the test's own process, in a directory of tiny drawn images."""

import contextlib
import csv
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import torch

import train_classifier
from models.device import Device
from models.networks import build_network
from tests.processes import Finished
from tests.tiny import write_image_folders
from training import sampling, saving
from training.dataset import TrainingData
from training.images import InMemoryImages
from training.settings import Settings
from training.trainer import Trainer

TOP = Path(__file__).resolve().parent.parent
SCRIPT = str(TOP / "train_classifier.py")
CPU = Device.choose("cpu", "fp32")
SMALL = ["--use_model", "squeezenet1_1", "--weights", "none", "--device", "cpu"]
PRETRAINED = ["--use_model", "squeezenet1_1", "--weights", "weights.pth", "--image_size", "40"]
PRETRAINED += ["--device", "cpu", "--precision", "fp32"]
MEASURED = ("seconds", "images_per_second")

# Most tests want epochs that end, not networks that have learnt, and states both saved at once and made to wait. What
# they start is forked with this.
sampling.STEPS_PER_EPOCH = 5
saving.EVERY = 0.1


def train(directory: Path, *arguments: object) -> Finished:
    """Run train_classifier.py in `directory`, where train/ and validate/ lie."""
    stdout, stderr, former = io.StringIO(), io.StringIO(), Path.cwd()
    os.chdir(directory)
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            try:
                status = train_classifier.main([str(argument) for argument in arguments])
            except SystemExit as error:
                status = error.code
    finally:
        os.chdir(former)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        torch.use_deterministic_algorithms(False)
    return Finished(status, stdout.getvalue(), stderr.getvalue())


def history(directory: Path) -> list[dict[str, str]]:
    """Read model.history.csv without what no two runs share."""
    with (directory / "model.history.csv").open() as file:
        return [{name: value for name, value in row.items() if name not in MEASURED} for row in csv.DictReader(file)]


def interrupt_when(monkeypatch, condition: Callable[[Trainer], bool]) -> None:
    """Let the next run end as by Ctrl-C after the epoch in which `condition` holds."""
    from training.run_folder import RunFolder

    epoch_end = RunFolder.epoch_end

    def stop(folder, trainer, result):
        epoch_end(folder, trainer, result)
        if condition(trainer):
            raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "epoch_end", stop)


def settings(*arguments: object) -> Settings:
    """Return the settings that a command line comes to."""
    return Settings.resolve(vars(train_classifier.build_parser().parse_args([str(each) for each in arguments])))


def drawn_data(count: int = 40, validate: int = 10, side: int = 8, value: int = 0) -> TrainingData:
    """Return data of two classes with images of one grey."""
    pixels = torch.full((count, 3, side, side), value, dtype=torch.uint8)
    images = InMemoryImages(pixels, torch.arange(count) % 2, [Path(f"{number}.png") for number in range(count)])
    return TrainingData(
        images, images[:validate], ["dark", "light"], side, [f"{number}.png" for number in range(count)]
    )


def write_pretrained(directory: Path, train: int = 6, validate: int = 3) -> Path:
    """Write tiny images and weights.pth of a whole squeezenet1_1 with random weights; return the directory."""
    write_image_folders(directory, train, validate)
    torch.manual_seed(1)
    torch.save(build_network("squeezenet1_1", 1000, 40).state_dict(), directory / "weights.pth")
    return directory
