"""Which pictures a run fetches, as far as their names and captions tell what they show."""

import re
from pathlib import PurePosixPath

from common.names import is_type
from mikrotax.picture_sources import Picture
from mikrotax.records import TYPE_FIGURES, Listed
from mikrotax.settings import ScrapeSettings

# Hints in file names and sources. JRYSEM and JRYlm are one collection's own marks.
SEM = re.compile(r"SEM(?![a-z])|(?<![A-Za-z])sem(?![A-Za-z])|scanning", re.ASCII)
LM = re.compile(
    r"(?<![A-Za-z])(JRY)?(LM|lm|XPL|xpl|PPL|ppl|PPC|DIC|XP|PC|[Pp]hase|[Pp]olari[sz]ed|[Ll]ight)(?![A-Za-z])", re.ASCII
)
# Whole words only: `fig` alone would leave out the photograph `Bown_in_Gale2011 Fig52W.jpg`.
DRAWING = re.compile(
    r"(?<![a-z])(type[ _-]?fig(ure)?s?|(line[ _-]?)?drawings?|line[ _-]?art|(type )?illustrations?|sketch(es)?"
    r"|diagrams?|maps?|plots?|logos?|charts?|graphs?|graphics)(?![a-z])",
    re.IGNORECASE,
)


def reason_against(entry: Listed, settings: ScrapeSettings) -> str:
    """Return why a run with these settings does not fetch a picture, "" if it does."""
    if settings.no_drawings and is_drawing(entry):
        return "not asked for: a drawing"
    if settings.only and not any(_is_of(entry, kind) for kind in settings.only):
        return f"not asked for: not known to be {' or '.join(settings.only)}"
    return ""


def is_drawing(entry: Listed) -> bool:
    """Return whether name, source or caption say that a picture is a drawing, a map or a plot."""
    picture = entry.picture
    return picture.catalogue or any(DRAWING.search(text) for text in (_name(entry), picture.source, picture.caption))


def techniques(picture: Picture, name: str) -> set[str]:
    """Return what the name and source of a picture hint at: SEM, LM, both, or nothing."""
    text = f"{name} {picture.source} {picture.caption}"
    return {kind for kind, hint in (("SEM", SEM), ("LM", LM)) if hint.search(text)}


def _is_of(entry: Listed, kind: str) -> bool:
    if kind == "types":
        return entry.picture.catalogue or f"/{TYPE_FIGURES}/" in entry.file or is_type(entry.picture.status)
    return techniques(entry.picture, _name(entry)) == {kind}


def _name(entry: Listed) -> str:
    return PurePosixPath(entry.file).stem
