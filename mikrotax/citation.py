"""Who named a taxon, and when: the parts of a page's Citation."""

import re

YEAR = re.compile(r"\b(1[78]\d\d|19\d\d|20\d\d)[a-z]?\b")
EMENDED = re.compile(
    r",?\s*\b(?:emend(?:ed|avit)?\b\.?|sensu\b|non\b|nom\.|stat\.|comb\. nov|sp\. nov|gen\. nov).*", re.IGNORECASE
)
# A name: a genus, and epithets in small letters with what is between them.
NAME = re.compile(
    r"[^\w(]*[A-Z][\w-]*(?:\s+\([A-Z][\w-]*\))?(?:\s+(?:cf\.|aff\.|subsp\.|ssp\.|var\.|f\.|gr\.|sp\.|HOL|HET|CER|gp|group|type"
    r"|lineage|(?!(?:et|ex|in|de|da|di|du|van|von|der|den|le|la|and|al)\b)[a-z][a-z-]+))*\s*"
)
BELOW = re.compile(r"(?:subsp|ssp|var|forma|f)\.? [a-z-]{3,}\s+")  # a name below the species
LETTERS = re.compile(r"[^\W\d_]", re.UNICODE)


def author_and_year(citation: str, taxon: str) -> tuple[str, int | None]:
    """Return who gave `taxon` its present name, and in which year; ("", None) where the citation does not tell.

    >>> author_and_year("Syracosphaera pulchra Lohmann, 1902", "Syracosphaera pulchra")
    ('Lohmann', 1902)
    >>> author_and_year("Umbellosphaera corolla (Lecal, 1966) Gaarder in Heimdal & Gaarder, 1981", "U. corolla")
    ('(Lecal, 1966) Gaarder in Heimdal & Gaarder', 1981)
    """
    authorship = EMENDED.sub("", _without_name(citation, taxon)).strip(" ,;.")
    years = [found for found in YEAR.finditer(authorship) if not _in_parentheses(authorship, found.start())]
    years = years or [*YEAR.finditer(authorship)]
    if not years:
        return "", None
    author = authorship[: years[-1].start()].rstrip(" ,;([").lstrip(" ,;")
    if author.startswith("(") and ")" not in author:
        author = author[1:]
    return (author if LETTERS.search(author) else ""), int(years[-1].group(1))


def _without_name(citation: str, taxon: str) -> str:
    """Return a citation without the name that it begins with: the taxon's own, or one that looks like a name."""
    words, name = citation.split(), taxon.split()
    if [word.casefold() for word in words[: len(name)]] == [word.casefold() for word in name]:
        rest = " ".join(words[len(name) :])
        return BELOW.sub("", rest, count=1) if BELOW.match(rest) else rest
    found = NAME.match(citation)
    # One word with a year behind it is an author.
    return citation[found.end() :] if found and not YEAR.match(citation, found.end()) else citation


def _in_parentheses(text: str, place: int) -> bool:
    return text.count("(", 0, place) > text.count(")", 0, place)
