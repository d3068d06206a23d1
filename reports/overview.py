"""The first look at a model: test.png, and a table of how many pictures are right."""

from evaluation.cross_fit import PredictedSplit
from evaluation.metrics import by_class, summary
from evaluation.predictions import LabelledPredictions
from evaluation.temperature import softmax
from reports.folds import NAME as FOLDS
from reports.grid import choose, draw_grid
from reports.model import LoadedModel
from reports.settings import VisualiseSettings
from reports.splits import learnt_count

FOLDS_NOTE = (
    "Each of these pictures was predicted by a network of cross-validation that had not seen it, nor its group."
)


def write_overview(settings: VisualiseSettings, model: LoadedModel, validate: PredictedSplit) -> str:
    """Draw the grid of the settings; return the table and where the grid is.

    Raises OSError where the disk refuses.
    """
    probabilities = softmax(validate.prediction.logits)
    predictions = validate.labelled(model.taxonomy, probabilities)
    chosen = choose(predictions, settings.num_images, settings.select, settings.seed)
    draw_grid(settings.output, predictions, chosen, settings.grid_format)
    return "\n".join(
        [
            score_table(predictions),
            *learnt_note(predictions, validate),
            *([FOLDS_NOTE] if validate.name == FOLDS else []),
            *validate.remarks,
            f"Wrote {settings.output}: {len(chosen)} pictures with predicted and actual class",
        ]
    )


def learnt_note(predictions: LabelledPredictions, split: PredictedSplit) -> list[str]:
    """Return a sentence on the images that the model learnt from, where there are some: how good it is without them."""
    count = learnt_count(split)
    if not count or split.learnt is None:
        return []
    said = f"{count} of these {len(predictions)} pictures are among those that the model learnt from"
    if count == len(predictions):
        return [f"{said}: the figures say nothing of how good it is."]
    others = predictions.select(~split.learnt)
    scores = summary(others.actual, others.predicted)
    return [
        f"{said}, so the figures are too good. Without them, {others.right.sum()} of {len(others)} are right: "
        f"accuracy {scores['accuracy']:.1%} (balanced accuracy {scores['balanced_accuracy']:.1%}, "
        f"macro-F1 {scores['macro_f1']:.3f})."
    ]


def score_table(predictions: LabelledPredictions) -> str:
    """Return a table of how many pictures are right, in all and in each class."""
    scores = summary(predictions.actual, predictions.predicted)
    scored = by_class(predictions.actual, predictions.predicted, predictions.names)
    rows = [scored[label] for label in predictions.taxonomy.order if scored[label]["support"]]
    width = max(len("class"), *(len(row["name"]) for row in rows))
    lines = [f"{'class':{width}}  pictures  right  precision"]
    for row in rows:
        lines.append(f"{row['name']:{width}}  {row['support']:8d}  {row['recall']:5.0%}  {row['precision']:9.0%}")
    lines.append(
        f"\n{predictions.right.sum()} of {len(predictions)} pictures are right: accuracy {scores['accuracy']:.1%} "
        f"(balanced accuracy {scores['balanced_accuracy']:.1%}, macro-F1 {scores['macro_f1']:.3f}; always answering "
        f"with the commonest class would reach {scores['majority']:.1%})"
    )
    return "\n".join(lines)
