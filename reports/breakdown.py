"""The share that is right by technique and by source of the images, where the manifest knows them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common.files import in_one_line
from common.manifest import ManifestRow
from common.tables import write_table
from evaluation.cross_fit import EvaluatedSplit
from evaluation.metrics import wilson
from reports.tables import DIGITS, Row

NOT_KNOWN = "not known"
# What images are told apart by: a word for it, and how a row of the manifest tells it.
PARTS: dict[str, Callable[[ManifestRow], str]] = {
    "technique": lambda row: row.technique.strip(),
    "source": lambda row: in_one_line(row.source.strip()),
}


def write_breakdowns(directory: Path, parts: list[EvaluatedSplit]) -> dict[str, list[Row]]:
    """Write per_technique.csv and per_source.csv; return their rows by the word, none where nothing is known."""
    found = {}
    for word in PARTS:
        path = directory / f"per_{word}.csv"
        rows = [row for part in parts for row in breakdown_rows(part, word)]
        known = any(row[word] != NOT_KNOWN for row in rows)
        found[word] = rows if known else []
        path.unlink(missing_ok=True)  # of an earlier report
        if known:
            write_table(path, rows[0], rows)
    return found


def breakdown_rows(evaluated: EvaluatedSplit, word: str) -> list[Row]:
    """Return a row for each technique or source of a split: its images and the share that is right (Wilson interval).

    Those with most images come first.
    """
    told = np.array([PARTS[word](row) or NOT_KNOWN for row in evaluated.split.manifest], dtype=object)
    rows = []
    for value, count in sorted(Counter(told).items(), key=lambda each: (-each[1], each[0])):
        right = int(evaluated.predictions.right[told == value].sum())
        low, high = wilson(right, count)
        numbers = zip(("accuracy", "low", "high"), (right / count, low, high), strict=True)
        row: Row = {"split": evaluated.name, word: value, "pictures": count, "right": right}
        rows.append(row | {name: round(number, DIGITS) for name, number in numbers})
    return rows
