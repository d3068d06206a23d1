"""dataset.png: each class on a line, in taxonomic order, with its counts as bars and a few of its pictures."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from common.files import write_whole
from dataset.layout import SPLITS
from dataset.records import Picture

SIDE = 56  # pixels a picture takes
SHOWN = 8  # pictures of a class
LINES = 400  # classes; more would make a picture that no viewer opens
NAMES, BARS, GAP, MARGIN = 330, 240, 8, 20  # pixels
HEADING = 24  # pixels of the line that names the taxon above
INK, FAINT, PAPER = "#222222", "#777777", "#ffffff"
COLOURS = {
    "train": "#0072b2",
    "validate": "#e69f00",
    "test": "#999999",
}  # told apart by colour-blind readers, and in grey


def draw_sheet(directory: Path, classes: Mapping[str, Mapping[str, Any]], pictures: Iterable[Picture]) -> Path:
    """Write dataset.png into the layout at `directory`; `classes` as `summary.describe_classes` returns them."""
    members: dict[str, list[Picture]] = defaultdict(list)
    for picture in sorted(pictures, key=lambda picture: (SPLITS.index(picture.split), picture.path)):
        members[picture.path.split("/")[1]].append(picture)
    shown = list(classes.items())[:LINES]
    parents = ["", *(_parent(known) for _, known in shown)]
    headings = sum(one != other for one, other in pairwise(parents))
    width = 2 * MARGIN + NAMES + BARS + SHOWN * (SIDE + GAP)
    height = 2 * MARGIN + 2 * HEADING + len(shown) * (SIDE + GAP) + headings * HEADING
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    top = _legend(pen, len(classes))
    most = max(sum(known[split] for split in SPLITS) for known in classes.values())
    for (name, known), before in zip(shown, parents, strict=False):
        if _parent(known) != before:
            pen.text((MARGIN, top + 6), _parent(known), FAINT, _font(12))
            top += HEADING
        _line(pen, top, name, known, most)
        _paste(sheet, top, directory, members[name])
        top += SIDE + GAP
    return write_whole(directory / "dataset.png", lambda file: sheet.save(file, "PNG"))


def _parent(known: Mapping[str, Any]) -> str:
    return " > ".join(known["lineage"][:-1]) or "all"


def _font(size: int) -> ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _legend(pen: ImageDraw.ImageDraw, count: int) -> int:
    left = MARGIN
    for split, colour in COLOURS.items():
        pen.rectangle((left, MARGIN + 3, left + 12, MARGIN + 15), colour)
        pen.text((left + 18, MARGIN), split, INK, _font(14))
        left += 100
    if count > LINES:
        pen.text((left, MARGIN), f"the first {LINES} of {count} classes", INK, _font(14))
    return MARGIN + 2 * HEADING


def _line(pen: ImageDraw.ImageDraw, top: int, name: str, known: Mapping[str, Any], most: int) -> None:
    """Write the name of a class and draw its counts as one bar in parts, `most` pictures being the whole length."""
    font = next((_font(size) for size in (16, 13, 10) if pen.textlength(name, _font(size)) < NAMES - 12), _font(8))
    pen.text((MARGIN, top + SIDE // 2 - 10), name, INK, font)
    left = MARGIN + NAMES
    for split in SPLITS:
        right = left + known[split] / most * (BARS - 90)
        if known[split]:
            pen.rectangle((left, top + SIDE // 2 - 9, max(right, left + 1), top + SIDE // 2 + 9), COLOURS[split])
        left = right
    counts = " + ".join(str(known[split]) for split in SPLITS if known[split])
    pen.text((left + 6, top + SIDE // 2 - 8), counts, INK, _font(12))


def _paste(sheet: Image.Image, top: int, directory: Path, members: Iterable[Picture]) -> None:
    """Paste pictures of different groups, the training pictures first."""
    one_of_each = {picture.group: picture for picture in reversed(list(members))}
    left = MARGIN + NAMES + BARS
    for picture in list(reversed(one_of_each.values()))[:SHOWN]:
        with Image.open(directory / picture.path) as opened:
            small = ImageOps.contain(opened.convert("RGB"), (SIDE, SIDE))
        sheet.paste(small, (left + (SIDE - small.width) // 2, top + (SIDE - small.height) // 2))
        left += SIDE + GAP
