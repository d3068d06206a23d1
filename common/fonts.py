"""Fonts for the names in figures: matplotlib's own, and what the machine has for the letters that it lacks."""

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

LOG = logging.getLogger(__name__)

OWN = "DejaVu Sans"  # comes with matplotlib: Latin with all diacritics, Greek, Cyrillic
# Asked first for other letters, as far as they are there; then all other fonts, by name.
PREFERRED = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "Hiragino Sans GB"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "SimHei", "Noto Sans CJK JP", "Noto Sans", "Arial Unicode MS"),
)
_WITHOUT_TEXT = ("Last Resort", "STIX", "cm")  # placeholders, and fonts for formulas

_said: set[str] = set()  # letters that no font has, of which the user knows


@contextmanager
def fonts_for(texts: Iterable[str]) -> Iterator[None]:
    """Let what matplotlib draws of these texts in the block be drawn with fonts that have their letters.

    Says once (`logging`) which letters no font has.
    """
    import matplotlib  # only now: it takes time that those who never draw can do without

    with matplotlib.rc_context({"font.family": font_families(texts)}):
        yield


def font_families(texts: Iterable[str]) -> list[str]:
    """Return names of fonts that together have the letters of the texts, the usual one first."""
    return [OWN, *(name for name, _ in _covering(_foreign(texts)))]


def font_file(text: str) -> str:
    """Return the file of the font that has the most letters of a text, the usual one where it has all."""
    foreign = _foreign([text])
    files = [path for _, path in _covering(foreign)]
    return max(files, key=lambda path: len(set(text) & _letters(path)), default=_own_file())


def _foreign(texts: Iterable[str]) -> frozenset[str]:
    """Return the letters that the usual font lacks."""
    return frozenset({letter for text in texts for letter in text if letter.isprintable()} - _letters(_own_file()))


@cache
def _covering(letters: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Return fonts, by name and file, that have letters which the usual one lacks, as few as there need to be."""
    chosen, missing = [], set(letters)
    for name, path in _fonts() if letters else ():
        if missing & _letters(path):
            chosen.append((name, path))
            missing -= _letters(path)
        if not missing:
            break
    _say(missing)
    return tuple(chosen)


def _say(missing: set[str]) -> None:
    new = sorted(missing - _said)
    _said.update(new)
    if new:
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # matplotlib's, for each letter anew
        shown = "".join(new[:20]) + "…" * (len(new) > 20)
        LOG.warning(
            "No font on this machine has the letters %s, so figures show boxes for them; install one, such as Noto "
            "Sans CJK for Chinese (pages and tables are not concerned)",
            shown,
        )


@cache
def _fonts() -> list[tuple[str, str]]:
    """Return the upright fonts of the machine by name and file, those of PREFERRED first."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    # matplotlib remembers the fonts that there were when it first ran; whoever installs one later wants to see it.
    for path in set(findSystemFonts()) - {entry.fname for entry in fontManager.ttflist}:
        with suppress(OSError, RuntimeError, ValueError):  # fonts that it cannot read
            fontManager.addfont(path)
    upright = {
        entry.name: entry.fname
        for entry in fontManager.ttflist
        if entry.style == "normal" and not entry.name.startswith(_WITHOUT_TEXT) and entry.name != OWN
    }
    order = {name: place for place, name in enumerate(PREFERRED)}
    return sorted(upright.items(), key=lambda font: (order.get(font[0], len(order)), font[0]))


@cache
def _letters(path: str) -> frozenset[str]:
    """Return the letters that a font has; none of a file that cannot be read any more."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()


@cache
def _own_file() -> str:
    import matplotlib

    return f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
