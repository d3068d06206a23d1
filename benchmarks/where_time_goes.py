"""Where the time of a whole training goes, from the command to the saved model, on any device.

    python -m benchmarks.where_time_goes --pictures 2000 -- --use_model vgg11_adaptive --weights none --epochs 3

What follows `--` are options of train_classifier.py. Pictures are drawn, or, with `--directory`, those of a data set.
Each row is a part of the run; "all else" is what none of them covers. A part that lies in another one counts as itself
alone. Of saving, only what learning waits for counts. With bf16 or a GPU, the first step also holds what is compiled or
loaded once.
"""

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import train_classifier

# The parts of a run, each with the functions that do it: module and name.
PARTS: dict[str, list[tuple[str, str]]] = {
    "reading pictures": [("training.dataset", "read_images"), ("training.dataset", "list_image_folder")],
    "orientation": [("training.dataset", "max_rotation")],
    "building the network": [("training.run", "start_network")],
    "solving the head": [("training.run", "solve_head_phase")],
    "learning": [],  # see `time_first_step`
    "validating": [
        ("training.loaders", "ImageLoader.validation_logits"),
        ("training.loaders", "FeatureLoader.validation_logits"),
    ],
    "saving": [
        ("training.run_folder", f"RunFolder.{name}") for name in ("epoch_end", "save_fold", "finish_saving", "run_end")
    ],
    "calibration": [("training.train", "finalise")],
}
FIRST = "first step"


class Stopwatch:
    """Seconds by part; a part that begins inside another one stops its clock."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = time.perf_counter()

    def switch(self, part: str | None) -> None:
        """Begin a part, or end the one in hand with None."""
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now
        if part is None:
            self._running.pop()
        else:
            self._running.append(part)

    def rename(self, part: str, other: str) -> None:
        """Let the part in hand, where it is `part`, count as another one from now on."""
        if self._running[-1] == part:
            self.switch(None)
            self.switch(other)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same, and whose seconds count for a part."""

        def call(*arguments: Any, **named: Any) -> Any:
            self.switch(part)
            try:
                return function(*arguments, **named)
            finally:
                self.switch(None)

        return call


def install(stopwatch: Stopwatch) -> None:
    """Let the functions of PARTS be timed, and the first step of learning by itself."""
    for part, places in PARTS.items():
        for module, name in places:
            owner: Any = importlib.import_module(module)
            *classes, name = name.split(".")
            for each in classes:
                owner = getattr(owner, each)
            setattr(owner, name, stopwatch.timed(part, getattr(owner, name)))
    time_first_step(stopwatch)


def time_first_step(stopwatch: Stopwatch) -> None:
    """Let the first step of learning be timed by itself: until it is done, what is learning is the first step."""
    trainer = importlib.import_module("training.trainer").Trainer
    steps = trainer._train_steps

    def train_steps(self: Any, on_progress: Callable[[int], Any]) -> Any:
        def progress(count: int) -> None:
            stopwatch.rename(FIRST, "learning")
            on_progress(count)

        if FIRST not in stopwatch.seconds:
            stopwatch.rename("learning", FIRST)
        return steps(self, progress)

    trainer._train_steps = stopwatch.timed("learning", train_steps)


def draw(directory: Path, count: int, side: int, classes: int) -> None:
    """Write so many JPEG pictures into train/ and a fifth of them into validate/, of blocks with a grain."""
    chance = np.random.default_rng(0)
    for label in range(classes):
        blocks = Image.fromarray(chance.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((side, side), 3)
        for number in range(count // classes):
            split = "validate" if number % 5 == 0 else "train"
            path = directory / split / f"class{label}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            grain = chance.normal(0, 20, (side, side, 1))
            Image.fromarray(np.clip(np.asarray(blocks) + grain, 0, 255).astype(np.uint8)).save(path)


def main() -> None:
    """Train once and print the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, help="a data set (default: drawn pictures)")
    parser.add_argument("--pictures", type=int, default=2000, help="drawn pictures (default: %(default)s)")
    parser.add_argument("--side", type=int, default=120, help="their side in pixels (default: %(default)s)")
    parser.add_argument("--classes", type=int, default=9, help="of drawn pictures (default: %(default)s)")
    parser.add_argument("options", nargs="*", help="options of train_classifier.py, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        directory = arguments.directory.resolve() if arguments.directory else Path("drawn")
        os.chdir(place)
        if not arguments.directory:
            draw(directory, arguments.pictures, arguments.side, arguments.classes)
        stopwatch = Stopwatch()
        stopwatch.switch("all else")
        stopwatch.switch("importing")
        importlib.import_module("training.train")
        stopwatch.switch(None)
        install(stopwatch)
        status = train_classifier.main(["--directory", str(directory), *arguments.options])
        stopwatch.switch(None)
    if status:
        sys.exit(status)
    whole = sum(stopwatch.seconds.values())
    print(f"{'part':24} {'seconds':>8} {'share':>6}")
    for part in ("importing", *PARTS, "all else"):
        for name in (FIRST, part) if part == "learning" else (part,):
            print(f"{name:24} {stopwatch.seconds[name]:8.2f} {stopwatch.seconds[name] / whole:6.1%}")
    print(f"{'whole command':24} {whole:8.2f}")


if __name__ == "__main__":
    main()
