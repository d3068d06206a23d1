"""What cross-validation is worth: does its interval hold the mean of other splits, does it find labels that are wrong?

    python -m benchmarks.folds --pictures ../shared/pictures/radiolaria --depth 3 --use_model mobilenet_v2 \\
                               --weights ../shared/weights/mobilenet_v2.pth --time_budget 10

Options that are not known here go to train_classifier.py. Prints the scores of `--folds` with their intervals and the
time that they took, then those of as many other splits as are asked for, each prepared and trained anew; then, of
labels that were exchanged on purpose, how many are among the first suspects of the report.
"""

import argparse
import csv
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accuracy import lay_out
from common.manifest import NAME, ManifestRow, read_manifest, write_manifest
from models.checkpoint import load_checkpoint

FOLDS = 5
SCORES = ("accuracy", "macro_f1")


def train(directory: Path, options: Sequence[str]) -> dict[str, float]:
    """Train on a data set and return the scores of the model."""
    command = [sys.executable, "train_classifier.py", "--directory", str(directory), *options]
    command += ["--save_model", str(directory / "model")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return load_checkpoint(directory / "model").scores


def exchange_labels(directory: Path, count: int, seed: int) -> set[str]:
    """Exchange the labels of `count` pictures in train/ with each other; return the names of their files now."""
    rows = {row.path: row for row in read_manifest(directory / NAME)}
    by_class: dict[str, list[str]] = {}
    for path in sorted(rows):
        if path.startswith("train/"):
            by_class.setdefault(path.split("/")[1], []).append(path)
    chance = random.Random(seed)
    classes = chance.sample(sorted(name for name, members in by_class.items() if len(members) > 2), count)
    chosen = [chance.choice(by_class[name]) for name in classes]
    moved: set[str] = set()
    for path, other in zip(chosen, [*classes[1:], classes[0]], strict=True):
        place = f"train/{other}/exchanged-{Path(path).name}"
        (directory / path).rename(directory / place)
        rows[path] = ManifestRow(path=place, label=other, group=rows[path].group)
        moved.add(place)
    write_manifest(directory / NAME, list(rows.values()))
    return moved


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="directory with data/ and images/")
    parser.add_argument("--depth", default="3")
    parser.add_argument("--splits", type=int, default=10, help="other splits (default: 10)")
    parser.add_argument("--exchanged", type=int, default=40, help="labels that are exchanged (default: 40)")
    options, more = parser.parse_known_args()
    folds = [*more, "--folds", str(FOLDS)]
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "0"
        lay_out(options.pictures, options.depth, 0, directory)
        start = time.monotonic()
        scores = train(directory, folds)
        print(f"{FOLDS} folds: {(time.monotonic() - start) / 60:.1f} minutes")
        for name in SCORES:
            low, high, deviation = (scores[f"{name}_{bound}"] for bound in ("low", "high", "sd"))
            print(f"    {name} {scores[name]:.3f} ({low:.3f} to {high:.3f}; over folds ± {deviation:.3f})", flush=True)
        if options.splits:
            found: list[dict[str, float]] = []
            for seed in range(1, options.splits + 1):
                lay_out(options.pictures, options.depth, seed, Path(folder) / str(seed))
                found.append(train(Path(folder) / str(seed), more))
            for name in SCORES:
                values = [each[name] for each in found]
                inside = scores[f"{name}_low"] <= statistics.mean(values) <= scores[f"{name}_high"]
                told = "inside the interval" if inside else "outside the interval"
                print(f"{len(values)} other splits: {name} {statistics.mean(values):.3f}, {told}", flush=True)
        if options.exchanged:
            moved = exchange_labels(directory, options.exchanged, 0)
            train(directory, folds)
            command = [sys.executable, "visualise_results.py", "--model", str(directory / "model"), "--validate"]
            command += [str(directory / "validate"), "--output", str(directory / "test.png"), "--report"]
            subprocess.run([*command, str(directory / "report")], check=True, stdout=subprocess.DEVNULL)
            with (directory / "report" / "suspects.csv").open(encoding="utf-8-sig", newline="") as file:
                first = [row["path"] for row in csv.DictReader(file)][: 2 * options.exchanged]
            print(
                f"of {len(moved)} exchanged labels, {len(moved & {*first})} are among the first {len(first)} suspects"
            )


if __name__ == "__main__":
    main()
