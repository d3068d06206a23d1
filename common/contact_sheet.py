"""A contact sheet: a line for each taxon, with its name, bars of counts where there are some, and a few pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont, ImageOps

from common.files import write_whole

SHOWN = 8  # pictures of a taxon
LINES = 400  # taxa; more would make a picture that no viewer opens
SIDE, CAPTION = 72, 14  # pixels: of a picture, of the line below it
NAMES, BARS, GAP, MARGIN = 330, 240, 8, 20  # pixels
HEADING = 24  # pixels of the line that names the taxon above
INK, FAINT, PAPER = "#222222", "#777777", "#ffffff"
COLOURS = ("#0072b2", "#e69f00", "#999999")  # told apart by colour-blind readers, and in grey

# The font of matplotlib has the letters of every language that names authors; Pillow's own has few beyond English.
FONT = font_manager.findfont("DejaVu Sans")


@dataclass(frozen=True)
class SheetLine:
    """What a sheet shows of one taxon.

    name: of the taxon, with line breaks where there is more to say; parent: the taxon above, named where it changes;
    counts: of pictures by part, drawn as one bar; pictures: up to SHOWN of them with their captions, each a function
    that opens the picture when its turn comes, or gives None where it cannot be read any more.
    """

    name: str
    parent: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    pictures: Sequence[tuple[Callable[[], Image.Image | None], str]] = ()


def draw_contact_sheet(path: Path, lines: Sequence[SheetLine], title: str = "") -> Path:
    """Draw the first LINES lines and write the sheet as PNG to `path`, whole or not at all.

    Raises OSError where the disk refuses.
    """
    shown = lines[:LINES]
    parts = list(dict.fromkeys(part for line in lines for part in line.counts))
    captioned = any(caption for line in shown for _, caption in line.pictures)
    row = SIDE + GAP + CAPTION * captioned
    headings = sum(one != other for one, other in pairwise(["", *(line.parent for line in shown)]))
    width = 2 * MARGIN + NAMES + BARS * bool(parts) + SHOWN * (SIDE + GAP)
    height = 2 * MARGIN + 2 * HEADING + len(shown) * row + headings * HEADING
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    most = max((sum(line.counts.values()) for line in lines), default=0)
    more = f"the first {LINES} of {len(lines)} taxa" if len(lines) > LINES else ""
    _head(pen, parts, "; ".join(filter(None, (title, more))))
    top = MARGIN + 2 * HEADING
    for before, line in zip(["", *(line.parent for line in shown)], shown, strict=False):
        if line.parent != before:
            pen.text((MARGIN, top + 6), line.parent, FAINT, _font(12))
            top += HEADING
        _name(pen, top, line.name)
        if parts:
            _bar(pen, top, {part: line.counts.get(part, 0) for part in parts}, most)
        _paste(sheet, pen, top, MARGIN + NAMES + BARS * bool(parts), line)
        top += row
    return write_whole(path, lambda file: sheet.save(file, "PNG"))


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONT, size)


def _head(pen: ImageDraw.ImageDraw, parts: Sequence[str], title: str) -> None:
    left = MARGIN
    for part, colour in zip(parts, COLOURS, strict=False):
        pen.rectangle((left, MARGIN + 3, left + 12, MARGIN + 15), colour)
        pen.text((left + 18, MARGIN), part, INK, _font(14))
        left += 100
    pen.text((left, MARGIN), title, INK, _font(14))


def _name(pen: ImageDraw.ImageDraw, top: int, name: str) -> None:
    """Write the name of a taxon as large as it fits."""
    sizes = (15, 12, 10)
    fitting = (size for size in sizes if pen.multiline_textbbox((0, 0), name, _font(size))[2] < NAMES - 12)
    pen.text((MARGIN, top + SIDE // 2), name, INK, _font(next(fitting, 8)), anchor="lm")


def _bar(pen: ImageDraw.ImageDraw, top: int, counts: Mapping[str, int], most: int) -> None:
    """Draw counts as one bar in parts, `most` pictures being the whole length."""
    left: float = MARGIN + NAMES
    for count, colour in zip(counts.values(), COLOURS, strict=False):
        right = left + count / most * (BARS - 90)
        if count:
            pen.rectangle((left, top + SIDE // 2 - 9, max(right, left + 1), top + SIDE // 2 + 9), colour)
        left = right
    said = " + ".join(str(count) for count in counts.values() if count)
    pen.text((left + 6, top + SIDE // 2 - 8), said, INK, _font(12))


def _paste(sheet: Image.Image, pen: ImageDraw.ImageDraw, top: int, left: int, line: SheetLine) -> None:
    for open_picture, caption in line.pictures[:SHOWN]:
        picture = open_picture()
        if picture is None:
            continue
        small = ImageOps.contain(picture.convert("RGB"), (SIDE, SIDE))
        sheet.paste(small, (left + (SIDE - small.width) // 2, top + (SIDE - small.height) // 2))
        if caption:
            pen.text((left + SIDE // 2, top + SIDE), caption, INK, _font(9), anchor="ma")
        left += SIDE + GAP
