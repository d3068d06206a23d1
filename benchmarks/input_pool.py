"""Where vgg11_adaptive should average: runs from scratch that differ in that alone, on the same pictures.

    python -m benchmarks.input_pool --pictures ../shared/pictures --time_budget 10

For each set, seed and variant, prints accuracy and macro-F1 on validate/ and how many epochs there was time for. A
variant averages the picture to so many pixels before the first convolution, or ("inner") the first convolution's maps
to 24 pixels, in place of the first max pool. On a machine that does other work too, `48:15` instead of `48` gives a
variant 15 epochs, in place of minutes. Options that are not known here go to train_classifier.py.
"""

import argparse
import csv
import itertools
import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from torch import nn

import train_classifier
from benchmarks.accuracy import lay_out
from models import vgg
from models.checkpoint import load_checkpoint

PIXELS, INNER = (48, 64, 96), 24


def train(variant: str, arguments: Sequence[str]) -> None:
    """Train a variant of vgg11_adaptive from scratch: so many pixels, or "inner"; exit with its status."""
    with mock.patch.object(vgg, "AdaptiveVGG", adaptive_as(variant)):
        sys.exit(train_classifier.main([*arguments, "--use_model", "vgg11_adaptive", "--weights", "none"]))


def adaptive_as(variant: str) -> type[vgg.AdaptiveVGG]:
    """Return the class of a variant of AdaptiveVGG."""

    class Variant(vgg.AdaptiveVGG):
        def __init__(self, features: nn.Sequential, num_classes: int):
            super().__init__(features, num_classes)
            if variant == "inner":
                self.input_pool = nn.AdaptiveAvgPool2d((None, None))  # as many pixels as come in
                first = next(at for at, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d))
                features[first] = nn.AdaptiveAvgPool2d(INNER)
            else:
                self.input_pool = nn.AdaptiveAvgPool2d(int(variant))

    return Variant


def measure(directory: Path, variant: str, arguments: Sequence[str]) -> str:
    """Train a variant on train/ below a directory; return its scores on validate/ and its epochs, as a row of text."""
    model = directory / variant
    line = ["--directory", str(directory), "--save_model", str(model), *arguments]
    # Each in a process of its own, since a time budget counts from when that began.
    run = multiprocessing.get_context("spawn").Process(target=train, args=(variant, line))
    run.start()
    run.join()
    if run.exitcode:
        sys.exit(1)  # the script has said why
    scores = load_checkpoint(model).scores
    with model.with_name(f"{variant}.history.csv").open() as history:
        epochs = len(list(csv.DictReader(history)))
    return f"{variant:7}  {scores['accuracy']:8.3f}  {scores['macro_f1']:8.3f}  {epochs:6}"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="directory with radiolaria/ and plankton/")
    parser.add_argument("--sets", nargs="+", default=["radiolaria:3"], metavar="NAME:DEPTH")
    parser.add_argument("--variants", nargs="+", default=[*map(str, PIXELS), "inner"], metavar="VARIANT[:EPOCHS]")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options, more = parser.parse_known_args()
    print(f"{'set':14} seed  variant  accuracy  macro-F1  epochs")
    for each, seed in itertools.product(options.sets, options.seeds):
        name, _, depth = each.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            lay_out(options.pictures / name, depth, seed, Path(folder))
            for variant, _, epochs in (variant.partition(":") for variant in options.variants):
                arguments = ["--seed", str(seed), *more, *(["--epochs", epochs] if epochs else [])]
                print(f"{each:14} {seed:4}  {measure(Path(folder), variant, arguments)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
