"""The report's tables: a row for each image, class and rank, and the confusion matrix."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.folders import LeftOut
from common.manifest import ARROW
from common.tables import write_lines, write_table
from evaluation.cross_fit import EvaluatedSplit
from evaluation.metrics import by_rank, confusion_counts, f1_interval, wilson
from evaluation.predictions import LabelledPredictions
from evaluation.taxonomy import Taxonomy
from reports.image_files import escape_name
from reports.suspects import SUSPECT_COLUMNS, suspect_rows

LEFT_OUT = "left_out.csv"
TOP = 5
SET_SHOWN = 20  # classes of a set that are named; all of 800 would make megabytes that nobody reads
DIGITS = 6

Row = dict[str, Any]


def write_tables(directory: Path, parts: list[EvaluatedSplit]) -> dict[str, list[Row]]:
    """Write predictions.csv, per_class.csv, per_rank.csv and suspects.csv of all splits; return their rows by name.

    Raises OSError where the disk refuses.
    """
    tables = {
        "predictions": [row for part in parts for row in prediction_rows(part)],
        "per_class": [row for part in parts for row in class_rows(part)],
        "per_rank": [row for part in parts for row in rank_rows(part)],
        "suspects": sorted((row for part in parts for row in suspect_rows(part)), key=lambda row: row["quality"]),
    }
    for name, rows in tables.items():
        write_table(directory / f"{name}.csv", rows[0] if rows else SUSPECT_COLUMNS, rows)
    return tables


def write_left_out(path: Path, left_out: Sequence[LeftOut]) -> None:
    """Write which files are not used, and why; where all are, there is no such table."""
    path.unlink(missing_ok=True)
    if left_out:
        rows = [{"file": escape_name(left.name), "reason": left.reason} for left in left_out]
        write_table(path, ("file", "reason"), rows)


def prediction_rows(evaluated: EvaluatedSplit) -> list[Row]:
    """Return for each image what it is and what the model predicts: enough to recompute every figure of the report.

    `answer_1`, `probability_1` … are the most probable classes, calibrated; `uncalibrated_1` … the same classes'
    probabilities as the network gave them; `answer_at_depth_1` … the most probable node at each depth of the tree, root
    first; `set` the classes that cannot be ruled out at the confidence asked for, parted by " | ", the SET_SHOWN
    likeliest and "…" where there are more; `set_size` how many they are, and `set_holds_actual` 1 or 0; `loss` the
    negative logarithm of the actual class's probability; `correct` 1 or 0.
    """
    predictions, taxonomy = evaluated.predictions, evaluated.predictions.taxonomy
    at_depth = [taxonomy.at_depth(predictions.probabilities, depth) for depth in range(1, taxonomy.depths + 1)]
    rows = []
    for index, file in enumerate(evaluated.split.files):
        actual, supported = predictions.actual[index], evaluated.supported_taxa[index]
        known = evaluated.split.manifest[index]
        members = evaluated.conformal_sets[index]
        row: Row = {"file": file, "actual": taxonomy.names[actual]}
        row |= {"actual_lineage": ARROW.join(taxonomy.lineages[actual])} | _most_probable(evaluated, index)
        for depth, (nodes, sums) in enumerate(at_depth, 1):
            row[f"answer_at_depth_{depth}"] = ARROW.join(nodes[sums[index].argmax()])
        row |= {
            "set": _named_set(taxonomy, members, predictions.probabilities[index]),
            "set_size": int(members.sum()),
            "set_holds_actual": int(members[actual]),
            "lowest_supported_taxon": supported.title,
            "lowest_supported_taxon_lineage": ARROW.join(supported.node),
            "lowest_supported_taxon_probability": _short(supported.probability),
            "correct": int(predictions.right[index]),
            "loss": _short(predictions.losses[index]),
            "group": escape_name(evaluated.split.groups[index]),
            "source": known.source,
            "URL": known.url,
        }
        rows.append(row)
    return rows


def _named_set(taxonomy: Taxonomy, members: np.ndarray, probabilities: np.ndarray) -> str:
    """Return the names of the classes of a set, bool (c,), in taxonomic order; of many the likeliest SET_SHOWN."""
    ranked = sorted(np.flatnonzero(members), key=lambda label: -probabilities[label])
    shown = set(ranked[:SET_SHOWN])
    names = [taxonomy.names[label] for label in taxonomy.order if label in shown]
    return " | ".join([*names, "…"] if len(ranked) > SET_SHOWN else names)


def _most_probable(evaluated: EvaluatedSplit, index: int) -> Row:
    """Return the cells of an image's TOP most probable classes."""
    probabilities, uncalibrated = evaluated.predictions.probabilities[index], evaluated.uncalibrated[index]
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    cells: Row = {}
    for position, label in enumerate(best, 1):
        cells[f"answer_{position}"] = evaluated.predictions.names[label]
        cells[f"probability_{position}"] = _short(probabilities[label])
    return cells | {f"uncalibrated_{position}": _short(uncalibrated[label]) for position, label in enumerate(best, 1)}


def _short(number: float) -> float:
    """Round to so many significant digits: a probability of 0.000001234 counts in a loss."""
    return float(f"{number:.{DIGITS}g}")


def class_rows(evaluated: EvaluatedSplit) -> list[Row]:
    """Score each class that occurs or is predicted, in taxonomic order.

    Shares and F1 have Wilson intervals; a share of no images is left empty.
    """
    predictions = evaluated.predictions
    support, answered, right = (
        np.bincount(labels, minlength=len(predictions.names))
        for labels in (predictions.actual, predictions.predicted, predictions.actual[predictions.right])
    )
    rows = []
    for label in predictions.taxonomy.order:
        its_support, its_answered, its_right = (int(counts[label]) for counts in (support, answered, right))
        if its_support + its_answered == 0:
            continue
        row: Row = {"split": evaluated.name, "class": predictions.names[label], "support": its_support}
        row |= {"answered": its_answered, "right": its_right}
        row |= _share("precision", its_right, its_answered) | _share("recall", its_right, its_support)
        f1 = 2 * its_right / (its_support + its_answered)
        rows.append(row | _cells("f1", f1, f1_interval(its_right, its_support, its_answered)))
    return rows


def _share(name: str, part: int, whole: int) -> Row:
    """Return a share with its interval as three cells of a row, empty where there is nothing to share."""
    if whole == 0:
        return {name: "", f"{name}_low": "", f"{name}_high": ""}
    return _cells(name, part / whole, wilson(part, whole))


def _cells(name: str, value: float, interval: Iterable[float]) -> Row:
    cells = zip((name, f"{name}_low", f"{name}_high"), (value, *interval), strict=True)
    return {cell: round(float(number), DIGITS) for cell, number in cells}


def rank_rows(evaluated: EvaluatedSplit) -> list[Row]:
    """Score the predictions at each depth of the tree, the deepest last (see `evaluation.metrics.by_rank`)."""
    predictions = evaluated.predictions
    return [
        {"split": evaluated.name}
        | {key: round(value, DIGITS) if isinstance(value, float) else value for key, value in scores.items()}
        for scores in by_rank(predictions.taxonomy, predictions.probabilities, predictions.actual)
    ]


def taken_for(predictions: LabelledPredictions) -> list[Row]:
    """Return for each class with mistakes what it was taken for, in taxonomic order; the most frequent come first."""
    labels, counts = confusion_counts(predictions.taxonomy, predictions.actual, predictions.predicted)
    rows = []
    for place, label in enumerate(labels):
        others = counts[place].copy()
        support, others[place] = int(others.sum()), 0
        order = np.argsort(-others, kind="stable")[: np.count_nonzero(others)]
        if len(order):
            taken = [(predictions.names[labels[other]], int(others[other])) for other in order]
            rows.append({"class": predictions.names[label], "support": support, "taken": taken})
    return rows


def write_confusion(path: Path, predictions: LabelledPredictions) -> None:
    """Write how often each class (rows) was predicted as each (columns), in taxonomic order."""
    taxonomy = predictions.taxonomy
    labels, counts = confusion_counts(taxonomy, predictions.actual, predictions.predicted)
    lines: list[list[Any]] = [["actual", "parent", *(taxonomy.names[label] for label in labels)]]
    for label, row in zip(labels, counts, strict=True):
        lines.append([taxonomy.names[label], ARROW.join(taxonomy.lineages[label][:-1]), *row.tolist()])
    write_lines(path, lines)
