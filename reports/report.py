"""The report: everything that a model is worth, as one HTML file and as tables and figures beside it."""

import base64
import csv
import hashlib
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from common.files import write_csv, write_json, write_text
from evaluation.calibration import Calibration
from evaluation.cross_fit import Examined, Split, cross_fit, examine, fit_calibration, read_manifest
from evaluation.predictions import Answers
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint
from models.prediction import Predictor
from models.preprocessing import read_picture
from reports import figures, tables
from reports.grid import draw_grid
from reports.pairs import confused_pairs, nearest, read_features, type_specimens
from reports.saliency import last_block, saliency

TEMPLATE = "report.html.jinja"
MISTAKES, LOOKED_AT, PAIRS, SUSPECTS_SHOWN = 12, 6, 6, 30
THUMBNAIL = 200
BESIDE = 2  # type specimens of a confused taxon, and training pictures


@dataclass
class Gallery:
    """Gives out pictures for the report, each content once, however many files hold it."""

    shown: set[bytes] = field(default_factory=set)

    def fresh(self, path: Path) -> bool:
        """Tell whether a picture has not been given out yet, and take it as given out."""
        picture = read_picture(path)
        content = hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).digest()
        new = content not in self.shown
        self.shown.add(content)
        return new

    def take(self, paths: list[Path], wanted: int) -> list[int]:
        """Take the first `wanted` fresh pictures of a list; give their places in it."""
        taken: list[int] = []
        for place, path in enumerate(paths):
            if len(taken) == wanted:
                break
            if self.fresh(path):
                taken.append(place)
        return taken


def write_report(
    directory: Path,
    checkpoint: Checkpoint,
    predictor: Predictor,
    splits: list[Split],
    train: Split | None,
    confidence: float,
    data: Path,
) -> dict[str, Any]:
    """Write report.html and the tables and figures beside it to `directory`; give the summary.

    splits: validate/ first, then test/ where there is one. train: training pictures, for likenesses.
    confidence: in (0, 1), of the conformal answers. data: the directory of records, for distinguishing features.
    Raises OSError where something cannot be read or written, ValueError where the pictures are too few.
    """
    taxonomy = Taxonomy.of(checkpoint.classes, checkpoint.lineages)
    kept = Calibration.of(checkpoint)
    familiarity = kept and kept.familiarity
    calibration = fit_calibration(taxonomy, splits[0], familiarity)
    first = cross_fit(taxonomy, splits[0], familiarity, confidence)
    parts = [first, *(examine(taxonomy, split, calibration, confidence) for split in splits[1:])]
    summary = {
        "architecture": checkpoint.architecture,
        "classes": len(checkpoint.classes),
        "confidence": confidence,
        "temperature": tables.temperature(calibration.temperature, splits[0]),
        "splits": {part.name: tables.split_summary(part) for part in parts},
    }
    files = {
        "predictions": [row for part in parts for row in tables.prediction_rows(part)],
        "per_class": [row for part in parts for row in tables.class_rows(part)],
        "per_rank": [row for part in parts for row in tables.rank_rows(part)],
        "suspects": sorted((row for part in parts for row in suspect_rows(part)), key=lambda row: row["quality"]),
    }
    for name, rows in files.items():
        write_csv(directory / f"{name}.csv", rows[0] if rows else SUSPECT_COLUMNS, rows)
    write_json(directory / "summary.json", summary)
    write_confusion(directory / "confusion.csv", first.answers)
    figures.draw_confusion(directory / "confusion.png", first.answers)
    figures.draw_calibration(directory / "calibration.png", first)
    seen = pictures_shown(directory, checkpoint, predictor, first.answers)
    pairs = pairs_shown(seen.pop("gallery"), checkpoint.classes, splits[0], first.answers, train, data)
    page = {"summary": summary, **files, **seen, "pairs": pairs, "confusion_alt": confusion_alt(first.answers)}
    page |= {"confusion": png(directory / "confusion.png"), "calibration": png(directory / "calibration.png")}
    suspects = [row | {"link": link(row["URL"])} for row in files["suspects"][:SUSPECTS_SHOWN]]
    page |= {"suspects": suspects, "suspects_in_all": len(files["suspects"]), "tells_strangers": bool(familiarity)}
    write_text(directory / "report.html", render(page))
    return summary


SUSPECT_COLUMNS = ("file", "label", "suggested", "quality", "source", "URL")


def suspect_rows(examined: Examined) -> list[dict[str, Any]]:
    """List the pictures whose label is probably wrong, the least credible first.

    Confident learning (Northcutt et al. 2021, JAIR 70) on answers that were not calibrated on the pictures themselves.
    Quality lies in [0, 1]. Classes that no picture of the split is labelled with are left out, as cleanlab asks.
    """
    answers = examined.answers
    present, labels = np.unique(answers.actual, return_inverse=True)
    if len(present) < 2:
        return []
    probabilities = answers.probabilities[:, present]
    probabilities = probabilities / np.maximum(probabilities.sum(1, keepdims=True), tables.TINY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with one picture is not judged
        issues = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    quality = get_label_quality_scores(labels, probabilities)
    rows = []
    for index in issues:
        path, record = answers.paths[index], examined.records[index]
        suggested = answers.names[present[probabilities[index].argmax()]]
        cells = (
            f"{examined.name}/{path.parent.name}/{path.name}",
            answers.names[answers.actual[index]],
            suggested,
            round(float(quality[index]), tables.DIGITS),
            record.get("source", ""),
            record.get("URL", ""),
        )
        rows.append(dict(zip(SUSPECT_COLUMNS, cells, strict=True)))
    return rows


def write_confusion(path: Path, answers: Answers) -> None:
    """Write how often each class (rows) was answered as each (columns), in taxonomic order."""
    labels, counts = figures.confusion(answers)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["actual", "parent", *(answers.names[label] for label in labels)])
    for label, row in zip(labels, counts, strict=True):
        writer.writerow([answers.names[label], " > ".join(answers.taxonomy.lineages[label][:-1]), *row])
    write_text(path, text.getvalue())


def confusion_alt(answers: Answers) -> str:
    """Say in words what the confusion matrix shows."""
    labels, counts = figures.confusion(answers)
    worst = [
        f"{answers.names[pair.actual]} taken for {answers.names[pair.answered]} ({len(pair.pictures)})"
        for pair in confused_pairs(answers, 3)
    ]
    most = f"Most often confused: {', '.join(worst)}." if worst else "No picture is confused."
    return (
        f"Confusion matrix of {len(labels)} classes and {len(answers)} pictures, {counts.trace()} of them on the "
        f"diagonal. {most}"
    )


def pictures_shown(directory: Path, checkpoint: Checkpoint, predictor: Predictor, answers: Answers) -> dict[str, Any]:
    """Draw mistakes.png and saliency.png, and give the cards of the same pictures for the page, and the gallery."""
    gallery = Gallery()
    wrong = [int(index) for index in np.argsort(-answers.losses, kind="stable") if not answers.right[index]]
    sure = [int(index) for index in np.argsort(answers.losses, kind="stable") if answers.right[index]]
    right = list({answers.actual[index]: index for index in reversed(sure)}.values())[::-1]  # the surest of each class
    # Of the worst mistakes every third is looked into, so that both sections have some, and no picture stands twice.
    chosen = [wrong[1::3], right] if last_block(predictor.network) is not None else []
    looked_at = [index for some in chosen for index in _taken(gallery, answers, some, LOOKED_AT)]
    mistakes = _taken(gallery, answers, wrong, MISTAKES)
    overlays = saliency(predictor, answers, looked_at, checkpoint.image_size)
    for name in ("mistakes.png", "saliency.png"):
        (directory / name).unlink(missing_ok=True)  # of an earlier report, if this one has nothing to draw
    if mistakes:
        draw_grid(directory / "mistakes.png", answers, np.array(mistakes))
    if overlays:
        figures.draw_saliency(directory / "saliency.png", answers, overlays)
    return {
        "gallery": gallery,
        "mistakes": [card(answers, index, thumbnail(answers.paths[index])) for index in mistakes],
        "saliency": [
            card(answers, index, jpeg(Image.fromarray(np.concatenate(pair, axis=1))))
            for index, pair in overlays.items()
        ],
    }


def _taken(gallery: Gallery, answers: Answers, indices: list[int], wanted: int) -> list[int]:
    return [indices[place] for place in gallery.take([answers.paths[index] for index in indices], wanted)]


def card(answers: Answers, index: int, picture: str) -> dict[str, Any]:
    """Return what the page says of one picture."""
    return {
        "picture": picture,
        "file": answers.paths[index].name,
        "actual": answers.names[answers.actual[index]],
        "answer": answers.names[answers.predicted[index]],
        "confidence": float(answers.confidence[index]),
        "right": bool(answers.right[index]),
    }


def pairs_shown(
    gallery: Gallery, classes: list[str], split: Split, answers: Answers, train: Split | None, data: Path
) -> list[dict[str, Any]]:
    """Return for each of the most confused pairs both taxa, with what `_side` tells of each."""
    features = read_features(data)
    manifest = read_manifest(split.paths[0].parents[1])
    shown = []
    for pair in confused_pairs(answers, PAIRS):
        sides = []
        for label in (pair.actual, pair.answered):
            alike = nearest(split, pair.pictures, train, label) if train else []
            side = _side(gallery, type_specimens(manifest, classes[label]), alike)
            text = features.get(answers.taxonomy.lineages[label], "")
            sides.append(side | {"name": answers.names[label], "features": text})
        shown.append({"count": len(pair.pictures), "sides": sides})
    return shown


def _side(gallery: Gallery, types: list[tuple[Path, str]], alike: list[Path]) -> dict[str, Any]:
    """Return the pictures of one taxon of a pair: type specimens, and the training pictures most like the mistakes.

    `above` names the type specimens that the page has shown already.
    """
    first = gallery.take([path for path, _ in types], BESIDE)
    pictures = [
        {"picture": thumbnail(path), "file": path.name, "what": f"Type specimen ({status})"}
        for path, status in (types[place] for place in first)
    ]
    pictures += [
        {"picture": thumbnail(alike[place]), "file": alike[place].name, "what": "Training picture"}
        for place in gallery.take(alike, BESIDE)
    ]
    # Where fewer were taken than wanted, the page holds all others.
    above = [path.name for place, (path, _) in enumerate(types) if place not in first] if len(first) < BESIDE else []
    return {"pictures": pictures, "above": above, "types": len(types)}


def thumbnail(path: Path) -> str:
    """Return a picture as a data URI, small enough for a page with many."""
    picture = read_picture(path)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return jpeg(picture)


def jpeg(picture: Image.Image) -> str:
    """Return a picture as the data URI of a JPEG file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def png(path: Path) -> dict[str, Any]:
    """Return a PNG file as a data URI, with its width and height in pixels."""
    with Image.open(path) as picture:
        width, height = picture.size
    uri = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    return {"picture": uri, "width": width, "height": height}


def link(url: str) -> str:
    """Return an address as a link may hold it; nothing for what is no web address, which might be a program."""
    return quote(url, safe=":/?&=%#+,;@~") if url.startswith(("http://", "https://")) else ""


def render(page: dict[str, Any]) -> str:
    """Fill the template; every text in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "percent": _percent,
        "number": lambda value, form: _percent(value) if form == "%" else format(value, form),
    }
    return environment.get_template(TEMPLATE).render(page)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"
