"""The review of own pictures: which of them, in which order, with what beside them."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from common.corrections import DROP
from common.images import ImageError
from common.squares import read_squares
from reports.assemblage import by_sample
from reports.classifier import Classifier
from reports.image_files import OwnImage
from reports.nearest import Features, Training
from reports.person import DROPPED, INDETERMINATE
from reports.prediction_table import ORDINALS, Row
from reports.review import (
    LOW,
    MOST,
    NEAREST,
    OUT_OF_RANGE,
    UNKNOWN,
    UNSURE,
    VERIFY,
    Candidate,
    Review,
    ReviewPicture,
    taxon_labels,
    write_review,
)
from reports.settings import VisualiseSettings
from reports.taxon_facts import read_taxon_facts
from reports.training_split import predict_training
from reports.verify import verification_order


def write_own_review(
    path: Path,
    settings: VisualiseSettings,
    classifier: Classifier,
    images: Mapping[str, OwnImage],
    rows: Sequence[Row],
    features: Features,
) -> int:
    """Write review.html of own pictures; return how many are on it.

    rows: those of predictions.csv; features: of the pictures that were named now; others are read again.
    """
    chosen = choose(rows, settings.verify, settings.seed)
    model = classifier.model
    training = predict_training(model, settings.validate, classifier.page)
    if training:
        _complete(features, [images[row["file"]] for row, _ in chosen], classifier)
    beside = Training(training)
    cards = _Cards(classifier, images, features, beside)
    pictures = [cards.card(row, flags) for row, flags in chosen]
    facts = read_taxon_facts(settings.data)
    write_review(
        path, Review(model.taxonomy, classifier.names, pictures, beside.paths, facts, len(rows), True, classifier.page)
    )
    return len(pictures)


def choose(rows: Sequence[Row], verify: int, seed: int) -> list[tuple[Row, list[str]]]:
    """Return up to MOST rows of predictions.csv in the order of the review, each with why it is looked at.

    First `verify` pictures of each sample in an order of chance, then doubtful ones, the least sure first, then the
    others by answer.
    """
    drawn: dict[str, int] = {}
    for its_rows in by_sample(rows).values():
        for row in verification_order(its_rows, seed)[:verify]:
            drawn[row["file"]] = len(drawn)
    flagged = [(row, ([VERIFY] if row["file"] in drawn else []) + _flags(row)) for row in rows]

    def place(each: tuple[Row, list[str]]) -> tuple[int, float, str, float]:
        row, flags = each
        sure = float(row["first_probability"])
        if VERIFY in flags:
            return 0, drawn[row["file"]], "", 0
        return (1, sure, "", 0) if flags else (2, 0, row["model_answer"], sure)

    return sorted(flagged, key=place)[:MOST]


def _flags(row: Row) -> list[str]:
    found = [UNKNOWN] if row["out_of_distribution"] == "yes" else []
    found += [OUT_OF_RANGE] if row["out_of_range"] == "yes" else []
    indeterminate = row["model_answer"] != row["first"] and not found
    return found + ([UNSURE] if indeterminate or float(row["first_probability"]) < LOW else [])


class _Cards:
    """Turns rows of predictions.csv into pictures of the page."""

    def __init__(self, classifier: Classifier, images: Mapping[str, OwnImage], features: Features, training: Training):
        taxonomy = classifier.model.taxonomy
        self._images, self._features, self._training = images, features, training
        self._index = {name: label for label, name in enumerate(classifier.names)}
        self._labels = {taxonomy.title(node): label for node, label in taxon_labels(taxonomy, classifier.names).items()}

    def card(self, row: Row, flags: list[str]) -> ReviewPicture:
        """Return the picture of a row, which is looked at for the reasons in `flags`."""
        likeliest = [(self._index[row[name]], float(row[f"{name}_probability"])) for name in ORDINALS if row[name]]
        shown = self._training.nearest(self._features.get(row["file"]), [label for label, _ in likeliest], NEAREST)
        candidates = [Candidate(*each, nearest) for each, nearest in zip(likeliest, shown, strict=True)]
        done = DROP if row["checked"] == DROPPED else self._label(row["answer"]) if row["checked"] else None
        return ReviewPicture(
            file=row["file"],
            path=self._images[row["file"]].path,
            answer=self._said(row),
            label=self._label(row["model_answer"]),
            candidates=candidates,
            flags=flags,
            sample=row["sample"],
            done=done,
            note=row["note"],
        )

    def _label(self, title: str) -> str:
        """Return what a person writes for an answer: "Syracosphaera" for "Syracosphaera sp."."""
        return self._labels.get(title, title)

    @staticmethod
    def _said(row: Row) -> str:
        answer = row["model_answer"]
        share = 100 * float(row["model_answer_probability"])
        return answer if answer in (UNKNOWN, INDETERMINATE) else f"{answer} {share:.0f} %"


def _complete(features: Features, images: Sequence[OwnImage], classifier: Classifier) -> None:
    """Take note of the features of images that an earlier run has named."""
    missing = [image for image in images if image.name not in features]
    preparation = classifier.model.checkpoint.preparation(classifier.page)
    squares = read_squares([image.path for image in missing], preparation)
    pairs = zip(missing, squares, strict=True)
    whole = ((image, square) for image, square in pairs if not isinstance(square, ImageError))
    while batch := list(islice(whole, classifier.model.predictor.device.images_at_once)):
        prediction = classifier.predict([square.pixels for _, square in batch])
        features.add((image.name for image, _ in batch), prediction.features)
