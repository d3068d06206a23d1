"""summary.json: every figure of the report with the number of images that it rests on, and its 95 % interval."""

from collections import Counter
from typing import Any

import numpy as np

import common
from evaluation.bootstrap import GroupBootstrap, percentile_interval
from evaluation.calibration import SupportedTaxon
from evaluation.cross_fit import EvaluatedSplit, PredictedSplit
from evaluation.metrics import (
    Interval,
    calibration_gaps,
    expected_calibration_error,
    mistake_distances,
    summary,
    wilson,
)
from evaluation.taxonomy import holds
from evaluation.temperature import temperature_losses, temperature_prior
from reports.model import LoadedModel

DIGITS = 6
# The temperatures tried for the interval of the fitted one: from a third of it to three times, in steps of 1.4 %.
TRIED = np.geomspace(1 / 3, 3, 161)

Figure = dict[str, float]  # value, low, high, count; of a share also part


def report_summary(
    model: LoadedModel, parts: list[EvaluatedSplit], fitted_temperature: float, confidence: float
) -> dict[str, Any]:
    """Sum up a report.

    parts: the evaluated splits, first the one that calibrations are fitted on; fitted_temperature: fitted on the whole
    of it; toolkit and model_toolkit: versions of the toolkit that wrote the report and trained the model, "" where the
    file does not say.
    """
    return {
        "toolkit": common.__version__,
        "model_toolkit": model.checkpoint.toolkit,
        "architecture": model.checkpoint.architecture,
        "classes": len(model.checkpoint.classes),
        "confidence": confidence,
        "temperature": temperature_figure(fitted_temperature, parts[0].split),
        "splits": {part.name: split_summary(part) | _without_learnt(part) for part in parts},
    }


def split_summary(evaluated: EvaluatedSplit) -> dict[str, Any]:
    """Sum up one split: each figure with its number of images and its 95 % interval.

    Shares have Wilson intervals, other figures those of `evaluation.bootstrap`. coverage: share of images whose
    conformal set holds the actual class; calibration_error: before and after temperature scaling;
    mean_mistake_distance: see `evaluation.metrics.mistake_distances`, None without mistakes; lowest_supported_taxon:
    see `_supported_ranks`.
    """
    predictions, bootstrap, count = evaluated.predictions, evaluated.bootstrap, len(evaluated)
    actual, predicted = predictions.actual, predictions.predicted
    scores = summary(actual, predicted)
    intervals = bootstrap.macro_intervals(actual, predicted, len(predictions.names))
    all_images = np.ones(count, bool)
    return {
        "pictures": count,
        "groups": len(set(evaluated.split.groups)),
        "accuracy": _share(predictions.right.sum(), count),
        **{name: _figure(scores[name], intervals[name], count) for name in ("balanced_accuracy", "macro_f1")},
        "majority": _share(np.bincount(actual).max(), count),
        "mean_loss": _mean(bootstrap, predictions.losses, all_images),
        "mean_mistake_distance": _mean(
            bootstrap, mistake_distances(predictions.taxonomy, actual, predicted), ~predictions.right
        ),
        "calibration_error": {
            "before": _calibration_error(bootstrap, evaluated.uncalibrated, actual),
            "after": _calibration_error(bootstrap, predictions.probabilities, actual),
        },
        "coverage": _share(evaluated.conformal_sets[np.arange(count), actual].sum(), count),
        "mean_set_size": _mean(bootstrap, evaluated.conformal_sets.sum(1), all_images),
        "lowest_supported_taxon": _supported_ranks(evaluated),
    }


def _without_learnt(evaluated: EvaluatedSplit) -> dict[str, Any]:
    """Sum up a split without the images that the model learnt from, where there are such.

    learnt_from: their number; without_them: the figures of the others, None where there are none.
    """
    learnt = evaluated.split.learnt
    if learnt is None or not learnt.any():
        return {}
    others = split_summary(evaluated.select(~learnt)) if not learnt.all() else None
    return {"learnt_from": int(learnt.sum()), "without_them": others}


def temperature_figure(fitted: float, split: PredictedSplit) -> Figure:
    """Return the temperature that was fitted on a split, with its interval: fitted anew to each resample of groups."""
    tried = fitted * TRIED
    losses = temperature_losses(split.prediction.logits, split.labels.numpy(), tried)
    costs = GroupBootstrap(split.groups).sums(losses) + temperature_prior(tried)
    return _figure(fitted, percentile_interval(tried[costs.argmin(1)]), len(split))


def _mean(bootstrap: GroupBootstrap, values: np.ndarray, counted: np.ndarray) -> Figure | None:
    """Return the mean of the values that count, None where none does."""
    interval = bootstrap.mean_interval(values, counted)
    return _figure(values[counted].mean(), interval, counted.sum()) if counted.any() else None


def _calibration_error(bootstrap: GroupBootstrap, probabilities: np.ndarray, actual: np.ndarray) -> Figure:
    interval = bootstrap.calibration_error_interval(calibration_gaps(probabilities, actual))
    return _figure(expected_calibration_error(probabilities, actual), interval, len(actual))


def _share(part: int, whole: int) -> Figure:
    """Return a share with its Wilson interval and the numbers of images, `part` of `count`, that it comes from."""
    return {"part": int(part)} | _figure(part / whole, wilson(int(part), int(whole)), whole)


def _figure(value: float, interval: Interval | None, count: int) -> Figure:
    assert interval is not None  # None stands for no images at all
    numbers = zip(("value", "low", "high"), (value, *interval), strict=True)
    return {name: round(float(number), DIGITS) for name, number in numbers} | {"count": int(count)}


def _supported_ranks(evaluated: EvaluatedSplit) -> dict[str, Figure | None]:
    """Count the lowest supported taxa that are a class, a higher rank (or none, "indet."), or unknown.

    true_where_named: the share of those that name something that hold the actual class, None where none does.
    """
    taxonomy, taxa = evaluated.predictions.taxonomy, evaluated.supported_taxa
    classes = set(taxonomy.lineages)

    def kind(taxon: SupportedTaxon) -> str:
        return "unknown" if not taxon.in_distribution else "class" if taxon.node in classes else "higher_rank"

    counts = Counter(map(kind, taxa))
    lineages = [taxonomy.lineages[label] for label in evaluated.predictions.actual]
    true = [holds(taxon.node, lineage) for taxon, lineage in zip(taxa, lineages, strict=True) if taxon.named]
    kinds = {name: _share(counts[name], len(taxa)) for name in ("class", "higher_rank", "unknown")}
    return kinds | {"true_where_named": _share(sum(true), len(true)) if true else None}
