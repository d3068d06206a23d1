"""The report's tables: what each picture, class and rank came to, as rows for CSV files, and the summary."""

from collections import Counter
from typing import Any

import numpy as np

from evaluation import metrics as scores
from evaluation.calibration import (
    Answer,
    calibration_gaps,
    expected_calibration_error,
    temperature_losses,
    temperature_prior,
)
from evaluation.cross_fit import Examined, Split
from evaluation.metrics import wilson
from evaluation.taxonomy import Taxonomy, holds

TOP = 5
DIGITS = 6
TINY = 1e-12
# The temperatures tried for the interval of the fitted one: from a third of it to three times, in steps of 1.4 %.
TRIED = np.geomspace(1 / 3, 3, 161)


def prediction_rows(examined: Examined) -> list[dict[str, Any]]:
    """Say of each picture what it is and what the model answers: enough to recompute every figure of the report.

    `answer_1`, `probability_1` … are the most probable classes, calibrated; `uncalibrated_1` … the same classes'
    probabilities as the network gave them; `answer_at_depth_1` … the most probable node at each depth of the tree, root
    first; `set` the classes that stay possible at the level of confidence, parted by " | "; `loss` the negative
    logarithm of the actual class's probability; `correct` 1 or 0.
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
            row[f"probability_{place}"] = _short(answers.probabilities[index, label])
        for place, label in enumerate(best[index], 1):
            row[f"uncalibrated_{place}"] = _short(examined.raw[index, label])
        for depth, (nodes, sums) in enumerate(at_depth, 1):
            row[f"answer_at_depth_{depth}"] = " > ".join(nodes[sums[index].argmax()])
        row |= {
            "set": " | ".join(taxonomy.names[label] for label in taxonomy.order if examined.sets[index, label]),
            "defensible": defended.title,
            "defensible_lineage": " > ".join(defended.node),
            "defensible_probability": _short(defended.probability),
            "correct": int(answers.right[index]),
            "loss": _short(answers.losses[index]),
            "group": examined.groups[index],
            "source": record.get("source", ""),
            "URL": record.get("URL", ""),
        }
        rows.append(row)
    return rows


def _short(number: float) -> float:
    """Round to so many significant digits: a probability of 0.000001234 counts in a loss."""
    return float(f"{number:.{DIGITS}g}")


def class_rows(examined: Examined) -> list[dict[str, Any]]:
    """Score each class that occurs or is answered, in taxonomic order.

    Shares and F1 have Wilson intervals; a share of no pictures is left empty.
    """
    answers = examined.answers
    classes = len(answers.names)
    support, answered = (np.bincount(labels, minlength=classes) for labels in (answers.actual, answers.predicted))
    right = np.bincount(answers.actual[answers.right], minlength=classes)
    rows = []
    for label in answers.taxonomy.order:
        if support[label] + answered[label] == 0:
            continue
        row = {"split": examined.name, "class": answers.names[label], "support": int(support[label])}
        row |= {"answered": int(answered[label]), "right": int(right[label])}
        row |= _share("precision", right[label], answered[label]) | _share("recall", right[label], support[label])
        f1 = 2 * right[label] / (support[label] + answered[label])
        shares = (f1, *scores.f1_limits(right[label], support[label], answered[label]))
        row |= zip(("f1", "f1_low", "f1_high"), (round(float(share), DIGITS) for share in shares), strict=True)
        rows.append(row)
    return rows


def _share(name: str, part: int, whole: int) -> dict[str, Any]:
    """Return a share with its interval as three cells of a row, empty where there is nothing to share."""
    if whole == 0:
        return {name: "", f"{name}_low": "", f"{name}_high": ""}
    low, high = wilson(int(part), int(whole))
    cells = zip((name, f"{name}_low", f"{name}_high"), (part / whole, low, high), strict=True)
    return {cell: round(float(value), DIGITS) for cell, value in cells}


def rank_rows(examined: Examined) -> list[dict[str, Any]]:
    """Score the answers at each depth of the tree, the deepest last (see `evaluation.metrics.by_rank`)."""
    answers = examined.answers
    rows = scores.by_rank(answers.taxonomy, answers.probabilities, answers.actual)
    return [
        {"split": examined.name}
        | {key: round(value, DIGITS) if isinstance(value, float) else value for key, value in row.items()}
        for row in rows
    ]


def split_summary(examined: Examined) -> dict[str, Any]:
    """Sum up one split: each figure with the number of pictures that it rests on, and its 95 % interval.

    Shares have Wilson intervals, other figures those of drawing the groups anew. coverage: share of pictures whose
    conformal set holds the actual class; calibration_error: before and after temperature scaling;
    mean_mistake_distance: see `evaluation.metrics.mistake_steps`, None without mistakes; answers: how many are given at the
    class, at a higher rank, or as unknown, and the share of those not unknown that hold the actual class.
    """
    answers, draws = examined.answers, examined.draws
    count = len(answers)
    known = scores.summary(answers.actual, answers.predicted)
    drawn = scores.draw_classes(draws, answers.actual, answers.predicted, len(answers.names))
    by_class = scores.macro_limits(drawn)

    def mean(values: np.ndarray, counted: np.ndarray) -> dict[str, float] | None:
        limits = scores.mean_limits(draws, values, counted)
        return _figure(values[counted].mean(), limits, counted.sum()) if counted.any() else None

    def calibration_error(probabilities: np.ndarray) -> dict[str, float]:
        limits = scores.calibration_limits(draws, calibration_gaps(probabilities, answers.actual))
        return _figure(expected_calibration_error(probabilities, answers.actual), limits, count)

    all_pictures = np.ones(count, bool)
    steps = scores.mistake_steps(answers.taxonomy, answers.actual, answers.predicted)
    return {
        "pictures": count,
        "groups": len(set(examined.groups)),
        "accuracy": _part(answers.right.sum(), count),
        **{name: _figure(known[name], by_class[name], count) for name in ("balanced_accuracy", "macro_f1")},
        "majority": _part(np.bincount(answers.actual).max(), count),
        "mean_loss": mean(answers.losses, all_pictures),
        "mean_mistake_distance": mean(steps, ~answers.right),
        "calibration_error": {
            "before": calibration_error(examined.raw),
            "after": calibration_error(answers.probabilities),
        },
        "coverage": _part(examined.sets[np.arange(count), answers.actual].sum(), count),
        "mean_set_size": mean(examined.sets.sum(1), all_pictures),
        "answers": _kinds(examined),
    }


def temperature(fitted: float, split: Split) -> dict[str, float]:
    """Return the temperature that was fitted on a split, with its interval: fitted anew to each draw of the groups."""
    tried = fitted * TRIED
    losses = temperature_losses(split.prediction.logits, split.labels.numpy(), tried)
    drawn = scores.draw_groups(split.groups)(losses) + temperature_prior(tried)
    return _figure(fitted, scores.limits(tried[drawn.argmin(1)]), len(split))


def _part(part: int, whole: int) -> dict[str, float]:
    """Return a share with its Wilson interval and the number of pictures, `part` of `count`, that it comes from."""
    return {"part": int(part)} | _figure(part / whole, wilson(int(part), int(whole)), whole)


def _figure(value: float, limits: tuple[float, float], count: int) -> dict[str, float]:
    numbers = zip(("value", "low", "high"), (value, *limits), strict=True)
    return {name: round(float(number), DIGITS) for name, number in numbers} | {"count": int(count)}


def _kinds(examined: Examined) -> dict[str, Any]:
    """Count the defensible answers by kind, and say which share of those that name something is true."""
    taxonomy: Taxonomy = examined.answers.taxonomy
    classes = set(taxonomy.lineages)

    def kind(answer: Answer) -> str:
        return "unknown" if not answer.familiar else "class" if answer.node in classes else "higher_rank"

    nodes = [answer.node for answer in examined.defended]
    counts = Counter(map(kind, examined.defended))
    actual = [taxonomy.lineages[label] for label in examined.answers.actual]
    true = [holds(node, lineage) for node, lineage in zip(nodes, actual, strict=True) if node]
    kinds = {name: _part(counts[name], len(nodes)) for name in ("class", "higher_rank", "unknown")}
    return kinds | {"true_where_named": _part(sum(true), len(true)) if true else None}
