"""A contact sheet: a line for each taxon, with its name, bars of counts where there are some, and a few pictures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from common.files import write_whole
from common.text_layout import cut_text, font_for, text_width, wrap_text

SHOWN = 8  # pictures of a taxon
LINES = 400  # taxa; more would make a picture that no viewer opens

# Pixels.
SIDE, CAPTION, GAP, MARGIN = 72, 14, 8, 20  # of a picture, of the line below it, between pictures, around all
MIN_NAMES, MAX_NAMES = 160, 340  # width of the column of names
MIN_WIDTH = 600  # of the sheet
BAR = 140  # width of the longest bar
HEADING = 34  # height of the line that names the taxon above
TITLE, NAME, SMALL, TINY = 15, 14, 12, 10  # sizes of letters

INK, FAINT, RULE, PAPER = "#222222", "#666666", "#dddddd", "#ffffff"
COLOURS = ("#0072b2", "#e69f00", "#999999")  # distinguished by colour-blind readers, and in grey


@dataclass(frozen=True)
class SheetLine:
    """What a sheet shows of one taxon.

    name: of the taxon, with line breaks where there is more to say; parent: the taxon above, named where it changes;
    counts: of pictures by part, drawn as one bar, up to three parts; pictures: up to SHOWN of them with their captions,
    each a function that opens the picture when it is needed, or returns None where it cannot be read any more.
    """

    name: str
    parent: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    pictures: Sequence[tuple[Callable[[], Image.Image | None], str]] = ()


def draw_contact_sheet(path: Path, lines: Sequence[SheetLine], title: str = "") -> Path:
    """Draw the first LINES lines and write the sheet as PNG to `path`, whole or not at all.

    Raises OSError where the disk refuses.
    """
    more = f"the first {LINES} of {len(lines)} taxa" if len(lines) > LINES else ""
    sheet = _Sheet(lines[:LINES], "; ".join(filter(None, (title, more))))
    return write_whole(path, lambda file: sheet.image.save(file, "PNG"))


class _Sheet:
    """A sheet that is drawn from top to bottom: `top` is where the next thing comes, in pixels."""

    def __init__(self, lines: Sequence[SheetLine], title: str):
        self.parts = list(dict.fromkeys(part for line in lines for part in line.counts))
        self.most = max((sum(line.counts.values()) for line in lines), default=0) or 1
        captioned = any(caption for line in lines for _, caption in line.pictures[:SHOWN])
        self.row = SIDE + GAP + CAPTION * captioned
        widest = max((text_width(part, NAME) for line in lines for part in line.name.splitlines()), default=0)
        self.names = min(max(MIN_NAMES, widest), MAX_NAMES)
        self.bars_left = MARGIN + self.names + 2 * GAP
        bars = max((self._bar_length(line) + text_width(self._numbers(line), SMALL) for line in lines), default=0)
        self.pictures_left = self.bars_left + (bars + 4 * GAP) * bool(self.parts)
        shown = max((len(line.pictures[:SHOWN]) for line in lines), default=0)
        width = max(self.pictures_left + shown * (SIDE + GAP) - GAP + MARGIN, MIN_WIDTH)
        blocks = [(parent, list(block)) for parent, block in groupby(lines, key=lambda line: line.parent)]
        headed = any(parent for parent, _ in blocks)
        head = (TITLE + 2 * GAP) * (bool(self.parts) or bool(title))
        height = 2 * MARGIN + head + len(lines) * self.row + len(blocks) * HEADING * headed
        self.image = Image.new("RGB", (width, height), PAPER)
        self.pen = ImageDraw.Draw(self.image)
        self._head(title)
        self.top = MARGIN + head
        for parent, block in blocks:
            if headed:
                self._heading(parent)
            for line in block:
                self._line(line)

    def _bar_length(self, line: SheetLine) -> int:
        return round(sum(line.counts.values()) / self.most * BAR)

    def _numbers(self, line: SheetLine) -> str:
        return " + ".join(str(line.counts[part]) for part in self.parts if line.counts.get(part))

    def _head(self, title: str) -> None:
        """Write the legend of the bars and the title."""
        left = MARGIN
        for part, colour in zip(self.parts, COLOURS, strict=False):
            self.pen.rectangle((left, MARGIN + 2, left + 12, MARGIN + 14), colour)
            self._write((left + 18, MARGIN), part, NAME)
            left += 18 + text_width(part, NAME) + 3 * GAP
        self._write((left, MARGIN), cut_text(title, self.image.width - MARGIN - left, TITLE), TITLE)

    def _heading(self, parent: str) -> None:
        self.pen.line((MARGIN, self.top + GAP, self.image.width - MARGIN, self.top + GAP), RULE)
        text = cut_text(parent, self.image.width - 2 * MARGIN, SMALL, from_left=True)
        self._write((MARGIN, self.top + HEADING // 2), text, SMALL, FAINT)
        self.top += HEADING

    def _line(self, line: SheetLine) -> None:
        middle = self.top + SIDE // 2
        name = "\n".join(wrap_text(line.name, self.names, NAME, most=(SIDE + GAP) // (NAME + 4)))
        self.pen.multiline_text((MARGIN, middle), name, INK, font_for(name, NAME), anchor="lm")
        self._bar(line, middle)
        self._paste(line.pictures[:SHOWN])
        self.top += self.row

    def _bar(self, line: SheetLine, middle: int) -> None:
        """Draw counts as one bar in parts, and write them beside it; the taxon with most pictures has BAR pixels."""
        left: float = self.bars_left
        for part, colour in zip(self.parts, COLOURS, strict=False):
            if count := line.counts.get(part, 0):
                right = left + max(count / self.most * BAR, 1)
                self.pen.rectangle((round(left), middle - 9, round(right) - 1, middle + 9), colour)
                left = right
        self.pen.text((round(left) + GAP, middle), self._numbers(line), INK, font_for("", SMALL), anchor="lm")

    def _paste(self, pictures: Iterable[tuple[Callable[[], Image.Image | None], str]]) -> None:
        left = self.pictures_left
        for open_picture, caption in pictures:
            picture = open_picture()
            if picture is None:
                continue
            small = ImageOps.contain(picture.convert("RGB"), (SIDE, SIDE))
            self.image.paste(small, (left + (SIDE - small.width) // 2, self.top + (SIDE - small.height) // 2))
            if caption:
                text = cut_text(caption, SIDE + GAP, TINY)
                self.pen.text((left + SIDE // 2, self.top + SIDE + 1), text, INK, font_for(text, TINY), anchor="ma")
            left += SIDE + GAP

    def _write(self, place: tuple[int, int], text: str, size: int, colour: str = INK) -> None:
        self.pen.text(place, text, colour, font_for(text, size))
