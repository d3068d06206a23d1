"""What own pictures come to, made from predictions.csv: tables, contact sheet, review page, sorted pictures."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from common.contact_sheet import SHOWN, SheetLine, draw_contact_sheet
from common.corrections import Correction
from common.images import ImageError, read_image
from common.pages import Page
from evaluation.calibration import UNKNOWN
from evaluation.taxonomy import Node, Taxonomy
from reports.assemblage import RULE, Cells
from reports.classifier import Classifier
from reports.image_files import CONTACT_SHEET, OwnImage, content_hash
from reports.nearest import Features
from reports.own_tables import write_own_tables
from reports.person import INDETERMINATE, Titles, apply_corrections, as_counted
from reports.prediction_table import NAME as PREDICTIONS
from reports.prediction_table import ORDINALS, Row, read_rows, write_rows
from reports.review import NAME as REVIEW
from reports.review_own import write_own_review
from reports.settings import VisualiseSettings
from reports.sort_pictures import sort_pictures

Answer = tuple[float, str]  # the probability of an answer in [0, 1], and the image's name


@dataclass(frozen=True)
class SummedUp:
    """What to tell of own pictures: sentences, and how many rows say what in out_of_range."""

    sentences: list[str]
    out_of_range: Counter[str]


@dataclass(frozen=True)
class OwnSummary:
    """What own pictures come to, made from predictions.csv: tables, contact sheet, review page, sorted pictures.

    folder: that of the pictures, or the one picture; images: all of them by name; features: of those that were named
    now.
    """

    folder: Path
    settings: VisualiseSettings
    classifier: Classifier
    images: Mapping[str, OwnImage]
    features: Features

    def write(self, corrections: Sequence[Correction]) -> SummedUp:
        """Write it all, with a person's corrections. Raises ToolkitError where one of them is of no picture."""
        output, classifier, settings = self.settings.own_output, self.classifier, self.settings
        rows = list(read_rows(output / PREDICTIONS))
        titles = Titles(classifier.model.taxonomy, classifier.names, classifier.model.checkpoint.classes)
        sentences = apply_corrections(rows, corrections, titles)
        write_rows(output / PREDICTIONS, rows)
        counted = as_counted(rows, titles)
        assemblage = write_own_tables(output, self.folder, counted, classifier, settings.seed)
        if self.folder.is_file():
            sentences += map(what_it_is, rows)
        sentences += [RULE, *self._verified(rows, assemblage)]
        self._draw_sheet(counted)
        (output / REVIEW).unlink(missing_ok=True)
        if rows:
            place = output / REVIEW
            count = write_own_review(place, settings, classifier, self.images, rows, self.features)
            which = f"the {count} most doubtful of {len(rows)} pictures" if count < len(rows) else f"{count} pictures"
            sentences.append(
                f"Wrote {place}, a page to check {which if len(rows) > 1 else 'the picture'}: open it in a browser."
            )
        if settings.sort_into:
            sentences.append(sort_pictures(settings.sort_into, counted, self.images))
        return SummedUp(sentences, Counter(row["out_of_range"] for row in rows))

    def _verified(self, rows: Sequence[Row], assemblage: Sequence[Cells]) -> list[str]:
        """Say of how many pictures, checked by chance, the verified shares are."""
        on = {row["sample"]: row["verified_on"] for row in assemblage if "verified_on" in row}
        if not on and not self.settings.verify:
            return []
        if not on:
            return [
                f"Check the first {self.settings.verify} pictures of each sample in {REVIEW}, save, and give the file "
                "as corrections: the shares then get intervals that hold whatever the model does."
            ]
        samples = len({row["sample"] for row in rows})
        return [
            f"The shares of {len(on)} of {samples} samples are verified on {min(on.values())} or more pictures that "
            "were drawn by chance and checked (columns verified…)."
        ]

    def _draw_sheet(self, rows: Sequence[Row]) -> None:
        sheet = self.settings.own_output / CONTACT_SHEET
        sheet.unlink(missing_ok=True)
        answers: dict[str, list[Answer]] = defaultdict(list)
        for row in rows:
            if row["answer"]:
                answers[row["answer"]].append((float(row["answer_probability"] or 1), row["file"]))
        if answers:
            paths = {name: image.path for name, image in self.images.items()}
            title = "From the surest answer (left) to the least sure"
            checked = {row["file"] for row in rows if row["checked"]}
            lines = sheet_lines(self.classifier.model.taxonomy, answers, paths, self.classifier.page, checked)
            draw_contact_sheet(sheet, lines, title)


def what_it_is(row: Row) -> str:
    """Say what a picture is, by its row of predictions.csv."""
    answer = row["answer"]
    if row["checked"]:
        what = f"{answer}, as a person said" if answer else "dropped, as a person said"
    elif answer == UNKNOWN:
        what = "unknown, since it is unlike all training pictures"
    elif answer == INDETERMINATE:
        what = "indeterminate, since the classes that stay possible have no taxon in common"
    else:
        what = f"{answer}, with a probability of {float(row['answer_probability']):.0%}"
    likeliest = [f"{row[name]} ({float(row[f'{name}_probability']):.0%})" for name in ORDINALS[:3] if row[name]]
    return f"{row['file']} is {what}. The likeliest classes: {', '.join(likeliest)}."


def sheet_lines(
    taxonomy: Taxonomy,
    answers: Mapping[str, Sequence[Answer]],
    paths: Mapping[str, Path],
    page: Page = 1,
    checked: Collection[str] = (),
) -> list[SheetLine]:
    """Return a line for each answer's title, in taxonomic order, with images from the surest to the least sure.

    checked: images whose answer is a person's, and has no probability. No image is shown twice, nor a copy of it under
    another name.
    """
    nodes: dict[str, Node] = {taxonomy.title(node): node for node in taxonomy.nodes}
    order = {title: position for position, title in enumerate(sorted(nodes, key=lambda title: nodes[title]))}
    shown: set[bytes] = set()
    lines = []
    for title in sorted(answers, key=lambda title: (order.get(title, len(order)), title)):
        count = len(answers[title])
        chosen = [
            (_opener(paths[name], page, shown), "checked" if name in checked else f"{probability:.0%}")
            for probability, name in spread_by_rank(answers[title])
        ]
        parent = "".join(nodes.get(title, ())[-2:-1])
        lines.append(SheetLine(f"{title}\n{count} picture{'s' * (count != 1)}", parent, pictures=chosen))
    return lines


def spread_by_rank(answers: Sequence[Answer]) -> list[Answer]:
    """Choose up to SHOWN answers, evenly from the surest to the least sure."""
    ranked = sorted(answers, key=lambda each: (-each[0], each[1]))
    positions = np.unique(np.linspace(0, len(ranked) - 1, SHOWN).round().astype(int))
    return [ranked[position] for position in positions]


def _opener(path: Path, page: Page, shown: set[bytes]) -> Callable[[], Image.Image | None]:
    """Return a function that opens an image; it returns None for one that is `shown` already or cannot be read."""

    def open_image() -> Image.Image | None:
        try:
            image = read_image(path, page)
        except ImageError:
            return None
        content = content_hash(image)
        if content in shown:
            return None
        shown.add(content)
        return image

    return open_image
