"""A page of the site: text in, page out. Nothing here asks the network or the disk for anything.

Only what has stayed the same over the years is relied on: the labels (in each of their known wordings) and what
`mikrotax.listing` finds.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.names import same_name
from mikrotax.links import LinkError, page_link
from mikrotax.listing import HIDDEN, Daughter, Listing, Picture
from mikrotax.markup import BODY_END, PageError, page_proper, parse_html, read_lines, tidy

MAX_PAGE = 2_000_000  # characters (and bytes); the largest pages of the site have some hundred thousand
MAX_DEPTH = 25  # names in a lineage; the site's deepest have about ten

LINK = re.compile(r"\x02(\d+)\x03")  # where a link begins, in the text of `read_lines`
LINEAGE = re.compile(r"\b(?:Classification|Ancestry|Higher levels)\s*:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
ARROW = re.compile(r"-+>|\s>\s|→|»|›")
SIBLINGS = re.compile(r"(?:Sister taxa|Other pages this level)\s*:", re.IGNORECASE)
FEATURES = re.compile(
    r"^(?:Distinguishing features|Short diagnosis)\s*:(.*?)(?=\n\n|\Z)", re.IGNORECASE | re.MULTILINE | re.DOTALL
)
THIS_TAXON = re.compile(r"\bThis taxon\s*:(.*?)(?=\n\n|\Z)", re.IGNORECASE | re.DOTALL)
RANK = re.compile(r"^(?:taxonomic )?rank\s*: ?(.{1,80})$", re.IGNORECASE | re.MULTILINE)
FIRST = re.compile(r"First occurrence(?: \(base\))?\s*:(.*?)(?=\bLast occurrence|\n|\Z)", re.IGNORECASE)
LAST = re.compile(r"Last occurrence(?: \(top\))?\s*:(.*?)(?=\bFirst occurrence|\n|\Z)", re.IGNORECASE)
MA = re.compile(r"\(\s*(\d+(?:\.\d+)?)\s*[-–]\s*(\d+(?:\.\d+)?)\s*Ma\b")
STABLE = re.compile(r"\bstables?\s+page\s+link\s*:?\s*\x02(\d+)\x03", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """What a page says. `left_out`: (address, reason) of what is not followed; `notices`: what a person should see."""

    url: str
    lineage: tuple[str, ...]
    id: int | None = None
    rank: str = ""
    features: str = ""
    range: Mapping[str, Any] = field(default_factory=dict)
    daughters: tuple[Daughter, ...] = ()
    pictures: tuple[Picture, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module's name, as the page itself says it."""
        return self.lineage[0]

    @property
    def taxon(self) -> str:
        """The full name of the page's own taxon."""
        return self.lineage[-1]


def parse_page(text: str, url: str) -> Page:
    """Return what the page `text`, which came from the address `url`, says.

    Raises PageError, and nothing else, for what is not the page of a taxon: cut off, without a Classification, too
    large.
    """
    if len(text) > MAX_PAGE:
        raise PageError(f"it has {len(text):,} characters; a page of the site has some hundred thousand")
    page = page_proper(text)
    if not BODY_END.search(page) and not re.search(r"</body>\s*</html>\s*\Z", text[-200:], re.IGNORECASE):
        raise PageError("it has no </body>: cut off, or the answer to a taxon asked for in the wrong module")
    tree = parse_html(page)
    listing = Listing(url)
    # What is listed leaves the tree, so that the names in it are not taken for what the page says of its own taxon.
    listed = listing.take_daughters(tree)
    pictures = tuple(listing.take_gallery(tree))
    lines, hrefs = read_lines(tree)
    lineage = _lineage(lines, hrefs, url)
    daughters = tuple(listing.within_module(listed, lineage[0]))
    if not daughters and not pictures:
        listing.notices.append("neither pictures nor daughters")
    return Page(
        url=url,
        lineage=lineage,
        id=_stable_id(lines, hrefs),
        rank=_first(RANK, lines),
        features=_features(lines),
        range=_range(lines),
        daughters=daughters,
        pictures=pictures,
        left_out=tuple(dict.fromkeys(listing.left_out)),
        notices=tuple(dict.fromkeys(listing.notices)),
    )


def check_asked(page: Page, taxon: str) -> None:
    """Raise PageError unless `page` is that of the taxon that was asked for."""
    if taxon and not same_name(page.taxon, taxon):
        raise PageError(f"it is the page of {page.taxon!r}, not of {taxon!r}")


def _lineage(lines: str, hrefs: list[str], url: str) -> tuple[str, ...]:
    """Return the lineage of the page's taxon, root first; full names from the links, the last one from the text."""
    found = LINEAGE.search(lines)
    names = []
    for item in ARROW.split(SIBLINGS.split(found.group(1))[0]) if found else ():
        name = _plain(item)
        if link := LINK.search(item):
            with contextlib.suppress(LinkError):
                name = page_link(url, hrefs[int(link.group(1))], name).taxon or name
        if name:
            names.append(name)
    if not names:
        raise PageError("it has no Classification")
    if len(names) > MAX_DEPTH:
        raise PageError(f"its Classification has {len(names)} levels; {MAX_DEPTH} are the limit")
    if {name.casefold() for name in names} & HIDDEN:
        raise PageError("it lies below hidden")
    return tuple(names)


def _features(lines: str) -> str:
    """Return the distinguishing features of this taxon, leaving out its parent's, which later pages print first."""
    found = [match for match in FEATURES.finditer(lines) if _plain(match.group(1))] or [*FEATURES.finditer(lines)]
    if not found:
        return ""
    if own := THIS_TAXON.search(lines, found[0].start()):
        return _plain(own.group(1))
    features = _plain(found[0].group(1))
    return "" if features.startswith("Parent taxon") else features


def _range(lines: str) -> dict[str, Any]:
    """Return `{"first": …, "last": …}` in the site's words, with their bounds in Ma (youngest, oldest) if given."""
    found: dict[str, Any] = {}
    for key, label in (("last", LAST), ("first", FIRST)):
        words, _, source = _first(label, lines).partition("Data source:")
        words = words.strip().rstrip(".")
        if words:
            ages = MA.search(words)
            bounds = [float(age) for age in ages.groups()] if ages else None
            found[key] = words
            found[f"{key}_ma"] = [0.0, 0.0] if words.casefold() == "extant" else bounds
            found[f"{key}_source"] = source.strip()
    return found


def _stable_id(lines: str, hrefs: list[str]) -> int | None:
    """Return the number in the page's stable link, or None."""
    found = STABLE.search(lines)
    number = re.search(r"[?&]id=(\d{1,12})\b", hrefs[int(found.group(1))]) if found else None
    return int(number.group(1)) if number else None


def _first(pattern: re.Pattern[str], lines: str) -> str:
    found = pattern.search(lines)
    return _plain(found.group(1)) if found else ""


def _plain(text: str) -> str:
    """Return a piece of the text for reading, without the marks of its links."""
    return tidy(LINK.sub("", text))
