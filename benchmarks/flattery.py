"""What it flatters to quote the pictures that chose the best epoch: validation beside test pictures, best beside last.

    python -m benchmarks.flattery --pictures ../shared/pictures --use_model mobilenet_v2 \\
                                  --weights ../shared/weights/mobilenet_v2.pth --image_size 128

For each set and seed the pictures are laid out with a fifth of them in test/, which nothing looks at in training.
Prints a row with accuracy and macro-F1 of the best epoch on the validation pictures (what is quoted), and of the best
and the last epoch on those of test/; then the means. Options that are not known here go to train_classifier.py.
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.accuracy import lay_out
from benchmarks.folds import train
from models.checkpoint import Checkpoint, load_checkpoint, load_tensors
from models.device import Device
from reports.model import LoadedModel
from reports.splits import predict_split
from training.trainer import score

SCORES = ("accuracy", "macro_f1")
COLUMNS = ("best on validate/", "last on validate/", "best on test/", "last on test/")


def measure(directory: Path, options: Sequence[str]) -> list[dict[str, float]]:
    """Train on a data set with test/; return the scores of each of COLUMNS."""
    train(directory, options)
    best = load_checkpoint(directory / "model")
    last = replace(best, weights=load_tensors(directory / "model.last")["trainer"]["network"])
    return [scores(each, directory / split) for split in ("validate", "test") for each in (best, last)]


def scores(checkpoint: Checkpoint, split: Path) -> dict[str, float]:
    """Return what a network reaches on the pictures of a split."""
    predicted = predict_split(LoadedModel.of(checkpoint, Device.choose("cpu")), split)
    return score(predicted.prediction.logits, predicted.labels)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="directory with radiolaria/ and plankton/")
    parser.add_argument("--sets", nargs="+", default=["radiolaria:2", "radiolaria:3"], metavar="NAME:DEPTH")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options, more = parser.parse_known_args()
    print(f"{'set':14} seed  " + "  ".join(f"{name:>17}" for name in COLUMNS))
    for each in options.sets:
        name, _, depth = each.partition(":")
        found = []
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as folder:
                lay_out(options.pictures / name, depth, seed, Path(folder), "--test_share", "0.2")
                found.append(measure(Path(folder), [*more, "--seed", str(seed)]))
            print(f"{each:14} {seed:4}  " + row(found[-1]), flush=True)
        means = [{key: statistics.mean(run[at][key] for run in found) for key in SCORES} for at in range(len(COLUMNS))]
        print(f"{each:14} mean  {row(means)}", flush=True)


def row(columns: Sequence[dict[str, float]]) -> str:
    """Return accuracy and macro-F1 of each column as text."""
    return "  ".join(f"{f'{column[SCORES[0]]:.1%}, {column[SCORES[1]]:.3f}':>17}" for column in columns)


if __name__ == "__main__":
    main()
