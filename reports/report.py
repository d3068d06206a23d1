"""The report: everything that a model is worth, as one HTML file and as tables and figures beside it."""

from pathlib import Path
from typing import Any

from common.files import write_json, write_text
from evaluation.cross_fit import EvaluatedSplit, PredictedSplit, calibrate, cross_fit, evaluate
from evaluation.figures import draw_confusion
from reports import figures
from reports.gallery import Gallery, draw_gallery, png_figure
from reports.model import LoadedModel
from reports.page import confusion_alt, render, shown_suspects
from reports.pairs import References, describe_pairs, read_features
from reports.review import NAME as REVIEW
from reports.review_report import write_report_review
from reports.settings import VisualiseSettings
from reports.splits import manifest_beside, predict_split
from reports.summary import report_summary
from reports.tables import LEFT_OUT, write_confusion, write_left_out, write_tables

# Training images of a class that are predicted, for those most like the mistakes: enough to know a class by.
TRAIN_LIMIT = 50


def write_report(directory: Path, settings: VisualiseSettings, model: LoadedModel, validate: PredictedSplit) -> str:
    """Write report.html and the tables and figures beside it to `directory`; return what to say of it.

    Beside the validation images the report measures those of test/, where there is such a directory, and shows training
    images. Raises OSError where something cannot be read or written, ToolkitError where the images are too few.
    """
    train, test = predict_beside(settings, model)
    parts, temperature = evaluate_all(model, [validate, *test], settings.confidence)
    first = parts[0]
    summary = report_summary(model, parts, temperature, settings.confidence)
    tables = write_tables(directory, parts)
    write_json(directory / "summary.json", summary)
    write_confusion(directory / "confusion.csv", first.predictions)
    write_left_out(directory / LEFT_OUT, [left for part in parts for left in part.split.left_out])
    _draw_figures(directory, first)
    manifest = manifest_beside(settings.validate)
    references = References(model.checkpoint.classes, manifest, read_features(settings.data), train)
    gallery = Gallery(validate.page)
    page: dict[str, Any] = {"summary": summary, **tables, **draw_gallery(directory, model, first.predictions, gallery)}
    page |= {
        "pairs": describe_pairs(first, references, gallery),
        "confusion": png_figure(directory / "confusion.png"),
        "confusion_alt": confusion_alt(first.predictions),
        "calibration": png_figure(directory / "calibration.png"),
        "detects_out_of_distribution": model.ood_detector is not None,
        **shown_suspects(tables["suspects"]),
    }
    write_text(directory / "report.html", render(page))
    write_report_review(directory / REVIEW, settings, model, parts, tables["suspects"], train)
    coverage = summary["splits"][validate.name]["coverage"]
    return (
        f"Wrote {directory / 'report.html'}, with tables and figures beside it. At a confidence of "
        f"{settings.confidence:g}, the classes that stay possible hold the truth for {coverage['value']:.1%} of the "
        f"pictures ({coverage['low']:.1%} to {coverage['high']:.1%})"
    )


def predict_beside(
    settings: VisualiseSettings, model: LoadedModel
) -> tuple[PredictedSplit | None, list[PredictedSplit]]:
    """Predict what is beside the validation images: some of train/, and all of test/, where there are such."""
    here = settings.validate.resolve()
    there = {
        path.name: path for path in (here.parent / "train", here.parent / "test") if path.is_dir() and path != here
    }
    train = predict_split(model, there["train"], TRAIN_LIMIT, settings.page) if "train" in there else None
    return train, [predict_split(model, there["test"], page=settings.page)] if "test" in there else []


def evaluate_all(
    model: LoadedModel, splits: list[PredictedSplit], confidence: float
) -> tuple[list[EvaluatedSplit], float]:
    """Evaluate the first split cross-fitted, and the others with a calibration on the whole of the first.

    Returns the temperature of that calibration, too.
    """
    calibration = calibrate(model.taxonomy, splits[0], model.ood_detector)
    first = cross_fit(model.taxonomy, splits[0], model.ood_detector, confidence)
    others = [evaluate(model.taxonomy, split, calibration, confidence) for split in splits[1:]]
    return [first, *others], calibration.temperature


def _draw_figures(directory: Path, evaluated: EvaluatedSplit) -> None:
    predictions = evaluated.predictions
    confusion = draw_confusion(predictions.taxonomy, predictions.actual, predictions.predicted)
    figures.save(confusion, directory / "confusion.png", crop=False)
    figures.save(figures.draw_calibration(evaluated), directory / "calibration.png")
