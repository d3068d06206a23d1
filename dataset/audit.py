"""The proof that nothing leaks: the finished directories are read again, and not the plan."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dataset import DataSetError
from dataset.descriptors import Look, alike_pairs, look_at_all
from dataset.layout import SPLITS


def audit(directory: Path, progress: Callable[[Iterable, int], Iterable] = lambda looks, _: looks) -> dict[str, Any]:
    """Read every picture below train/, validate/ and test/ of `directory` and the groups in its manifest.csv.

    Returns the number of pictures, the counts across splits of identical bytes, of pairs that look alike, of groups,
    and each class's share of its pictures in each split. Raises DataSetError for a picture that cannot be read, or that
    the manifest lacks, or that only stands in the manifest.
    """
    splits = [split for split in SPLITS if (directory / split).is_dir()]
    paths = sorted(path for split in splits for path in (directory / split).rglob("*") if path.is_file())
    names = [path.relative_to(directory).as_posix() for path in paths]
    with (directory / "manifest.csv").open(encoding="utf-8", newline="") as table:
        group_of = {row["path"]: row["group"] for row in csv.DictReader(table)}
    if set(names) != set(group_of):
        raise DataSetError(f"The audit found other pictures in {directory} than its manifest.csv lists.")
    looks = list(progress(look_at_all(paths), len(paths)))
    faults = [f"{name}: {look}" for name, look in zip(names, looks, strict=True) if not isinstance(look, Look)]
    if faults:
        raise DataSetError(f"The audit could not read {faults[0]}.")
    split_of = [name.split("/")[0] for name in names]
    alike = sum(split_of[i] != split_of[j] for i, j in alike_pairs(looks))
    return {
        "pictures": len(names),
        "identical_bytes_across_splits": _across(zip((look.sha256 for look in looks), split_of, strict=True)),
        "near_duplicates_across_splits": alike,
        "groups_across_splits": _across(zip((group_of[name] for name in names), split_of, strict=True)),
        "share": _shares(names, splits),
    }


def leaks(result: dict[str, Any]) -> int:
    """Return how much an audit found that stands on two sides of the split."""
    return sum(number for what, number in result.items() if what.endswith("_across_splits"))


def _across(placed: Iterable[tuple[str, str]]) -> int:
    """Count the things that stand in more than one split."""
    found = defaultdict(set)
    for thing, split in placed:
        found[thing].add(split)
    return sum(len(splits) > 1 for splits in found.values())


def _shares(names: Iterable[str], splits: list[str]) -> dict[str, dict[str, float]]:
    counts: dict[str, Counter] = defaultdict(Counter)
    for name in names:
        split, label, _ = name.split("/")
        counts[label][split] += 1
    return {
        label: {split: round(count[split] / count.total(), 4) for split in splits}
        for label, count in sorted(counts.items())
    }
