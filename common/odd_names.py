"""Names and texts that would spoil tables, figures or paths: made harmless, or refused with the reason."""

import unicodedata

MAX_LETTERS = 200  # of a taxon's name; the longest on Mikrotax has 60
MAX_TEXT = 10_000  # letters of a text about a picture
MAX_DEPTH = 50  # names in a lineage

# Invisible characters that change in which direction, or where, what follows is written.
_INVISIBLE = frozenset(map(chr, (0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)))


def clean_name(name: str) -> str:
    """Return a taxon's name in one line: without control characters, its blanks single.

    Raises ValueError for one that nobody can have meant: too long, empty, or with half of a character.
    """
    if len(name) > MAX_LETTERS:
        raise ValueError(f"a name of {len(name):,} letters, {name[:30]!r} …; the most is {MAX_LETTERS}")
    if name.isprintable() and name == " ".join(name.split()) != "":
        return name
    if any(unicodedata.category(letter) == "Cs" for letter in name):
        raise ValueError(f"a name with half of a character, {name!r}")
    shown = "".join(letter for letter in name if letter.isspace() or unicodedata.category(letter) != "Cc")
    cleaned = " ".join("".join(letter for letter in shown if letter not in _INVISIBLE).split())
    if not cleaned:
        raise ValueError(f"a name without a letter, {name!r}")
    return cleaned


def clean_lineage(lineage: tuple[str, ...]) -> tuple[str, ...]:
    """Return a lineage with clean names. Raises ValueError for names as above, and for too many of them."""
    if len(lineage) > MAX_DEPTH:
        raise ValueError(f"a lineage of {len(lineage):,} names; the most is {MAX_DEPTH}")
    return tuple(map(clean_name, lineage))


def check_text(what: str, text: str) -> None:
    """Raise ValueError for a text about a picture that is too long, or holds half of a character."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"its {what} has {len(text):,} letters; the most is {MAX_TEXT:,}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"its {what} holds half of a character") from None
