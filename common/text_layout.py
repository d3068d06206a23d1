"""Text that has to fit a width: measured with the font that it will be drawn with, cut, and broken into lines."""

from functools import cache

from PIL import ImageFont

from common.fonts import font_file


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a font that has the letters of a text; Pillow's own has few. size: in pixels."""
    return _font(font_file(text), size)


def text_width(text: str, size: int) -> int:
    """Return the width of a line in pixels, in letters of `size` pixels."""
    return round(font_for(text, size).getlength(text) + 0.5)


def cut_text(text: str, width: int, size: int, from_left: bool = False) -> str:
    """Return as much of a line as fits `width` pixels, with "…" for the rest."""
    most = width  # letters: none is narrower than a pixel
    cut = text if len(text) <= most else text[-most:] if from_left else text[:most]
    while cut and text_width(cut + "…" * (cut != text), size) > width:
        cut = cut[1:] if from_left else cut[:-1]
    if cut == text:
        return text
    return "…" + cut if from_left else cut + "…"


def wrap_text(text: str, width: int, size: int, most: int) -> list[str]:
    """Break a text into at most `most` lines of `width` pixels, at blanks, or within words that are too long."""
    lines: list[str] = []
    for whole in text.splitlines():
        line = ""
        for word in whole.split():
            if line and text_width(f"{line} {word}", size) > width:
                lines.append(line)
                line = ""
            line = f"{line} {word}".strip()
            while text_width(line, size) > width and len(line) > 1 and len(lines) <= most:
                fitting = cut_text(line, width, size)[:-1] or line[:1]
                lines.append(fitting)
                line = line[len(fitting) :]
            if len(lines) > most:
                break
        lines.append(line)
    if len(lines) > most:
        lines[most - 1 :] = [cut_text(lines[most - 1] + "…", width, size)]
    return lines


@cache
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)
