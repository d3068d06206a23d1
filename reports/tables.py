"""The report's tables: what each picture, class and rank came to, as rows for CSV files, and the summary."""

from collections import Counter
from typing import Any

import numpy as np

from models.calibration import expected_calibration_error
from models.scores import bootstrap_macro_f1, by_rank, draw_groups, mean_mistake_distance, summary, wilson
from models.taxonomy import Node, Taxonomy
from reports.examine import Examined

TOP = 5
DIGITS = 6
TINY = 1e-12
PERCENTILES = (2.5, 97.5)


def prediction_rows(examined: Examined) -> list[dict[str, Any]]:
    """Say of each picture what it is and what the model answers: enough to recompute every figure of the report.

    `answer_1`, `probability_1` … are the most probable classes, calibrated; `answer_at_depth_1` … the most probable
    node at each depth of the tree, root first; `uncalibrated` the first answer's probability as the network gave it;
    `set` the classes that stay possible at the level of confidence, parted by " | "; `loss` the negative logarithm of
    the actual class's probability; `correct` 1 or 0.
    """
    answers, taxonomy = examined.answers, examined.answers.taxonomy
    best = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, :TOP]
    at_depth = [taxonomy.at_depth(answers.probabilities, depth) for depth in range(1, taxonomy.depths + 1)]
    rows = []
    for index, (path, record) in enumerate(zip(answers.paths, examined.records, strict=True)):
        actual, defended = answers.actual[index], examined.defended[index]
        row: dict[str, Any] = {"file": f"{examined.name}/{path.parent.name}/{path.name}"}
        row |= {"actual": taxonomy.names[actual], "actual_lineage": " > ".join(taxonomy.lineages[actual])}
        for place, label in enumerate(best[index], 1):
            row[f"answer_{place}"] = taxonomy.names[label]
            row[f"probability_{place}"] = round(float(answers.probabilities[index, label]), DIGITS)
        for depth, (nodes, sums) in enumerate(at_depth, 1):
            row[f"answer_at_depth_{depth}"] = " > ".join(nodes[sums[index].argmax()])
        row |= {
            "uncalibrated": round(float(examined.raw[index].max()), DIGITS),
            "set": " | ".join(taxonomy.names[label] for label in taxonomy.order if examined.sets[index, label]),
            "defensible": defended.title,
            "defensible_lineage": " > ".join(defended.node),
            "defensible_probability": round(float(defended.probability), DIGITS),
            "correct": int(answers.right[index]),
            "loss": round(float(answers.losses[index]), DIGITS),
            "group": examined.groups[index],
            "source": record.get("source", ""),
            "URL": record.get("URL", ""),
        }
        rows.append(row)
    return rows


def class_rows(examined: Examined) -> list[dict[str, Any]]:
    """Score each class that occurs or is answered, in taxonomic order.

    Shares have Wilson intervals, F1 one from resampling the groups; a share of no pictures is left empty.
    """
    answers = examined.answers
    classes = len(answers.names)
    support, answered = (np.bincount(labels, minlength=classes) for labels in (answers.actual, answers.predicted))
    right = np.bincount(answers.actual[answers.right], minlength=classes)
    low, high = f1_intervals(examined)
    rows = []
    for label in answers.taxonomy.order:
        if support[label] + answered[label] == 0:
            continue
        row = {"split": examined.name, "class": answers.names[label], "support": int(support[label])}
        row |= {"answered": int(answered[label]), "right": int(right[label])}
        row |= _share("precision", right[label], answered[label]) | _share("recall", right[label], support[label])
        f1 = 2 * right[label] / (support[label] + answered[label])
        row |= {"f1": round(f1, DIGITS), "f1_low": round(low[label], DIGITS), "f1_high": round(high[label], DIGITS)}
        rows.append(row)
    return rows


def _share(name: str, part: int, whole: int) -> dict[str, Any]:
    """Give a share with its interval as three cells of a row, empty where there is nothing to share."""
    if whole == 0:
        return {name: "", f"{name}_low": "", f"{name}_high": ""}
    low, high = wilson(int(part), int(whole))
    cells = zip((name, f"{name}_low", f"{name}_high"), (part / whole, low, high), strict=True)
    return {cell: round(float(value), DIGITS) for cell, value in cells}


def f1_intervals(examined: Examined) -> tuple[np.ndarray, np.ndarray]:
    """Give 95 % limits (classes,), (classes,) of each class's F1; a class that no draw holds gets 0 and 1."""
    support, answered, right = _draws(examined)
    total = support + answered
    f1 = np.where(total > 0, 2 * right / np.maximum(total, 1), np.nan)
    seen = ~np.isnan(f1).all(axis=0)
    low, high = np.zeros(len(seen)), np.ones(len(seen))
    low[seen], high[seen] = np.nanpercentile(f1[:, seen], PERCENTILES, axis=0)
    return low, high


def balanced_accuracy_interval(examined: Examined) -> tuple[float, float]:
    """Give 95 % limits of the balanced accuracy."""
    support, _, right = _draws(examined)
    recall = np.where(support > 0, right / np.maximum(support, 1), 0)
    low, high = np.percentile(recall.sum(1) / (support > 0).sum(1), PERCENTILES)
    return float(low), float(high)


def _draws(examined: Examined) -> np.ndarray:
    """Count each class's pictures, answers and right answers in many draws of the groups: (3, rounds, classes)."""
    answers = examined.answers
    return draw_groups(answers.actual, answers.predicted, examined.groups, len(answers.names))


def rank_rows(examined: Examined) -> list[dict[str, Any]]:
    """Score the answers at each depth of the tree, the deepest last (see `models.scores.by_rank`)."""
    answers = examined.answers
    rows = by_rank(answers.taxonomy, answers.probabilities, answers.actual)
    return [
        {"split": examined.name}
        | {key: round(value, DIGITS) if isinstance(value, float) else value for key, value in row.items()}
        for row in rows
    ]


def split_summary(examined: Examined) -> dict[str, Any]:
    """Sum up one split: each figure with the number of pictures that it rests on and, where it has one, its interval.

    coverage: share of pictures whose conformal set holds the actual class; calibration_error: before and after
    temperature scaling; answers: how many are given at the class, at a higher rank, or as unknown, and the share of
    those not unknown that hold the actual class.
    """
    answers = examined.answers
    count, right = len(answers), int(answers.right.sum())
    scores = summary(answers.actual, answers.predicted)
    covered = int(examined.sets[np.arange(count), answers.actual].sum())
    macro_f1 = bootstrap_macro_f1(answers.actual, answers.predicted, examined.groups)
    return {
        "pictures": count,
        "groups": len(set(examined.groups)),
        "right": right,
        "accuracy": _interval(right, count),
        "balanced_accuracy": _rounded(scores["balanced_accuracy"], balanced_accuracy_interval(examined)),
        "macro_f1": _rounded(scores["macro_f1"], macro_f1),
        "majority": round(scores["majority"], DIGITS),
        "mean_loss": round(float(answers.losses.mean()), DIGITS),
        "mean_mistake_distance": round(
            float(mean_mistake_distance(answers.taxonomy, answers.actual, answers.predicted)), DIGITS
        ),
        "calibration_error": {
            "before": round(expected_calibration_error(examined.raw, answers.actual), DIGITS),
            "after": round(expected_calibration_error(answers.probabilities, answers.actual), DIGITS),
        },
        "coverage": _interval(covered, count),
        "mean_set_size": round(float(examined.sets.sum(1).mean()), DIGITS),
        "answers": _kinds(examined),
    }


def _interval(part: int, whole: int) -> dict[str, float]:
    """Give a share with its Wilson interval."""
    return _rounded(part / whole, wilson(part, whole))


def _rounded(value: float, limits: tuple[float, float]) -> dict[str, float]:
    return {
        name: round(float(number), DIGITS)
        for name, number in zip(("value", "low", "high"), (value, *limits), strict=True)
    }


def _kinds(examined: Examined) -> dict[str, Any]:
    """Count the defensible answers by kind, and say which share of those that name something is true."""
    taxonomy: Taxonomy = examined.answers.taxonomy
    classes = set(taxonomy.lineages)

    def kind(node: Node) -> str:
        return "unknown" if not node else "class" if node in classes else "higher_rank"

    nodes = [tuple(answer.node) for answer in examined.defended]
    counts = Counter(map(kind, nodes))
    actual = [taxonomy.lineages[label] for label in examined.answers.actual]
    true = [lineage[: len(node)] == node for node, lineage in zip(nodes, actual, strict=True) if node]
    share = _interval(sum(true), len(true)) if true else None
    return {name: counts[name] for name in ("class", "higher_rank", "unknown")} | {"true_where_named": share}
