"""The report: everything that a model is worth, as one HTML file and as tables and figures beside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.files import clear_leftovers, write_json, write_text
from common.locks import exclusive_lock
from common.records import read_records
from evaluation.cross_fit import EvaluatedSplit, PredictedSplit, calibrate, cross_fit, evaluate
from evaluation.figures import draw_confusion
from reports import figures
from reports.breakdown import write_breakdowns
from reports.gallery import Gallery, draw_gallery, png_figure
from reports.methods import model_card, words
from reports.model import LoadedModel
from reports.page import confusion_alt, render
from reports.pairs import References, describe_pairs, features_of
from reports.provenance import Provenance, chose_the_epoch, trace, write_sources
from reports.review import NAME as REVIEW
from reports.review_report import write_report_review
from reports.settings import REPORT_PAGE, VisualiseSettings
from reports.splits import manifest_beside, predict_split
from reports.summary import report_summary
from reports.suspect_cards import suspect_cards
from reports.tables import LEFT_OUT, Row, taken_for, write_confusion, write_left_out, write_tables

# Training images of a class that are predicted, for those most like the mistakes: enough to know a class by.
TRAIN_LIMIT = 50
# Classes up to which the whole confusion matrix is read at once; of more, a block of BLOCK is shown first.
READABLE, BLOCK = 40, 30
EMBEDDED = 200  # classes up to which the page itself holds the whole matrix

CARD, SUMMARY, SOURCES = "model_card.md", "summary.json", "sources.csv"


@dataclass(frozen=True)
class Material:
    """What the report is made of: the evaluated splits, first validate/, and where all of it is from."""

    settings: VisualiseSettings
    model: LoadedModel
    parts: list[EvaluatedSplit]
    references: References
    origin: Provenance
    summary: dict[str, Any]

    @property
    def first(self) -> EvaluatedSplit:
        """The split that the figures are of."""
        return self.parts[0]


def write_report(directory: Path, settings: VisualiseSettings, model: LoadedModel, validate: PredictedSplit) -> str:
    """Write report.html and the tables and figures beside it to `directory`; return what to say of it.

    Beside the validation images the report measures those of test/, where there is such a directory, and shows training
    images. Raises OSError where something cannot be read or written, ToolkitError where the images are too few, or
    another run is writing to the directory.
    """
    material = gather(settings, model, validate)
    with exclusive_lock(directory):
        clear_leftovers(directory)
        page = _write_files(directory, material)
        write_text(directory / REPORT_PAGE, render(page))
        train = material.references.train
        write_report_review(directory / REVIEW, settings, model, material.parts, page["suspects"], train)
    coverage = material.summary["splits"][validate.name]["coverage"]
    return (
        f"Wrote {directory / REPORT_PAGE}, with tables and figures beside it. At a confidence of "
        f"{settings.confidence:g}, the classes that stay possible hold the truth for {coverage['value']:.1%} of the "
        f"pictures ({coverage['low']:.1%} to {coverage['high']:.1%})"
    )


def gather(settings: VisualiseSettings, model: LoadedModel, validate: PredictedSplit) -> Material:
    """Predict and evaluate all that the report is made of, and find out where it is from."""
    train, test = predict_beside(settings, model)
    parts, temperature = evaluate_all(model, [validate, *test], settings.confidence)
    manifest = manifest_beside(settings.validate)
    records, _ = read_records(settings.data)
    origin = trace(settings, model.checkpoint, list(manifest.values()), records)
    summary = report_summary(model, parts, temperature, settings.confidence)
    for part in parts:
        chose = chose_the_epoch(model.checkpoint, part.split, origin.same_data)
        summary["splits"][part.name]["chose_the_epoch"] = chose
    references = References(model.checkpoint.classes, manifest, features_of(records.values()), train)
    return Material(settings, model, parts, references, origin, summary)


def _write_files(directory: Path, material: Material) -> dict[str, Any]:
    """Write the tables, figures and texts beside the page; return what the page shows."""
    model, first, summary, origin = material.model, material.first, material.summary, material.origin
    tables = write_tables(directory, material.parts)
    write_json(directory / SUMMARY, summary)
    write_confusion(directory / "confusion.csv", first.predictions)
    write_left_out(directory / LEFT_OUT, [left for part in material.parts for left in part.split.left_out])
    write_sources(directory / SOURCES, origin.sources)
    write_text(directory / CARD, model_card(model.checkpoint, summary, origin))
    gallery = Gallery(first.split.page)
    return {
        "summary": summary,
        "breakdowns": write_breakdowns(directory, material.parts),
        **tables,
        **_draw_figures(directory, first),
        **draw_gallery(directory, model, first.predictions, gallery),
        **suspect_cards(material.parts, material.references),
        "pairs": describe_pairs(first, material.references, gallery),
        "detects_out_of_distribution": model.ood_detector is not None,
        "origin": origin,
        "options": model.checkpoint.options,
        **words(model.checkpoint, summary, origin),
    }


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


def _draw_figures(directory: Path, evaluated: EvaluatedSplit) -> dict[str, Any]:
    """Draw the confusion matrix, a block of it where it is large, and the reliability diagram."""
    predictions = evaluated.predictions
    labels = predictions.taxonomy, predictions.actual, predictions.predicted
    whole, block = directory / "confusion.png", directory / "confusion_block.png"
    block.unlink(missing_ok=True)  # of an earlier report
    confused: list[Row] = taken_for(predictions)
    count = len({*predictions.actual.tolist(), *predictions.predicted.tolist()})
    figures.save(draw_confusion(*labels), whole, crop=False)
    if count > READABLE:
        figures.save(draw_confusion(*labels, most=BLOCK), block, crop=False)
    figures.save(figures.draw_calibration(evaluated), directory / "calibration.png")
    return {
        "confused": confused,
        "confusion": png_figure(whole) if count <= EMBEDDED else None,
        "confusion_block": png_figure(block) if count > READABLE else None,
        "confusion_classes": count,
        "block_classes": BLOCK,
        "confusion_alt": confusion_alt(predictions),
        "calibration": png_figure(directory / "calibration.png"),
    }
