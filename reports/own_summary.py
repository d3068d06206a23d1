"""What own pictures come to: assemblage.csv and contact_sheet.png, made from predictions.csv."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from common.contact_sheet import SHOWN, SheetLine, draw_contact_sheet
from common.files import write_csv
from common.images import ImageError, read_image
from common.pages import Page
from evaluation.calibration import UNKNOWN
from evaluation.taxonomy import Node, Taxonomy
from reports.assemblage import COLUMNS, assemblage_rows
from reports.classifier import Classifier
from reports.image_files import CONTACT_SHEET, OwnImage, content_hash
from reports.prediction_table import NAME as PREDICTIONS
from reports.prediction_table import read_rows

Answer = tuple[float, str]  # the probability of an answer in [0, 1], and the image's name


def summarise(output: Path, images: Mapping[str, OwnImage], classifier: Classifier) -> Counter[str]:
    """Write assemblage.csv and contact_sheet.png to `output`; count what the rows say in out_of_range."""
    rows = list(read_rows(output / PREDICTIONS))
    write_assemblage(output / "assemblage.csv", rows, classifier)
    answers: dict[str, list[Answer]] = defaultdict(list)
    for row in rows:
        answers[row["answer"]].append((float(row["answer_probability"]), row["file"]))
    sheet = output / CONTACT_SHEET
    sheet.unlink(missing_ok=True)
    if answers:
        paths = {name: image.path for name, image in images.items()}
        title = "From the surest answer (left) to the least sure"
        draw_contact_sheet(sheet, sheet_lines(classifier.model.taxonomy, answers, paths, classifier.page), title)
    return Counter(row["out_of_range"] for row in rows)


def write_assemblage(path: Path, rows: Sequence[Mapping[str, str]], classifier: Classifier) -> None:
    """Count the most probable classes in each sample, a sub-folder, and the images that are out of distribution."""
    label_of = {name: label for label, name in enumerate(classifier.names)}
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(label_of), dtype=int))
    unknown: Counter[str] = Counter()
    for row in rows:
        sample = PurePosixPath(row["file"]).parent.as_posix()
        outside = row["out_of_distribution"] == "yes"
        counts[sample][label_of[row["first"]]] += not outside
        unknown[sample] += outside
    assemblage = []
    for sample in sorted(counts):
        assemblage += assemblage_rows(sample, classifier.names, counts[sample], classifier.confusion)
        if unknown[sample]:
            assemblage.append({"sample": sample, "taxon": UNKNOWN, "count": unknown[sample]})
    write_csv(path, COLUMNS, assemblage)


def sheet_lines(
    taxonomy: Taxonomy, answers: Mapping[str, Sequence[Answer]], paths: Mapping[str, Path], page: Page = 1
) -> list[SheetLine]:
    """Return a line for each answer's title, in taxonomic order, with images from the surest to the least sure.

    No image is shown twice, nor a copy of it under another name.
    """
    nodes: dict[str, Node] = {taxonomy.title(node): node for node in taxonomy.nodes}
    order = {title: position for position, title in enumerate(sorted(nodes, key=lambda title: nodes[title]))}
    shown: set[bytes] = set()
    lines = []
    for title in sorted(answers, key=lambda title: (order.get(title, len(order)), title)):
        count = len(answers[title])
        chosen = [
            (_opener(paths[name], page, shown), f"{probability:.0%}")
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
