"""Lists of taxa that the site cuts into several pages, and where the rest of one is."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from bs4 import Tag

from common.names import same_name
from mikrotax.links import Link, LinkError, page_link
from mikrotax.markup import attribute, tags, tidy

# "Higher taxa has 53 sub-taxa these are grouped in 2 pages"; "page 1 of 2"; "showing 1-50 of 93"; "50 of 93 taxa".
TAXON_WORD = r"(?:sub-?taxa|daughter taxa|daughters|taxa)"
TAXA = re.compile(rf"\b(\d{{1,5}}) {TAXON_WORD}\b", re.IGNORECASE)
PAGES = re.compile(
    rf"\b(?:(?:grouped|divided|split)|{TAXON_WORD}) (?:in|into|on) (\d{{1,3}}) pages\b"
    r"|\bpage \d+ (?:of|/) (\d{1,3})\b",
    re.IGNORECASE,
)
SHOWN = re.compile(
    rf"\b(?:showing|displaying|taxa) \d+ ?(?:-|–|to) ?\d+ of (\d{{1,5}})\b|\b\d+ of (\d{{1,5}}) {TAXON_WORD}\b",
    re.IGNORECASE,
)
HINT = re.compile(
    r"\b(?:grouped|divided|split|showing|displaying|page\W{1,9}\d|taxa \w{0,4} ?\d|of \d{1,5} \w{0,8}[ -]?taxa)"
    r"|[?&;](?!id=)[a-z]\w{0,11}=\d{1,4}\b|>\W{0,9}(?:next|more|load|show)\b|\brel\s*=\s*.?next",
    re.IGNORECASE,
)
PAGE_NUMBER = re.compile(r"[?&;]((?!id=|taxon=|module=|dir=)[A-Za-z_]\w*=\d{1,4})(?=[&#;]|$)")
PARAMETER = re.compile(r"[?&;]((?!id=|taxon=|module=|dir=|dpage=)[A-Za-z_]\w*=[^&#;]{1,80})(?=[&#;]|$)")
NEXT = re.compile(
    r"\W*(?:page )?(?:[2-9]|\d\d|next|more|last|[›»>→])(?: (?:page|taxa|sub-taxa|\d{1,4}))?\W*"
    r"|(?!1\b)\d{1,4} ?(?:-|–|to) ?\d{1,4}",
    re.IGNORECASE,
)
BY_SCRIPT = re.compile(
    rf"\W*(?:load more|(?:load|show|see|view) (?:all|more|(?:the )?next|the rest).{{0,20}}\b{TAXON_WORD})\b.{{0,40}}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Paging:
    """What a page says of the length of its list: `taxa` and `pages` in all, 0 where it does not say.

    more: addresses of pages that hold the rest; own: the one that leads to the page itself, where there is one;
    by_script: the text of a button by which a script loads the rest.
    """

    taxa: int = 0
    pages: int = 1
    more: tuple[str, ...] = ()
    own: str = ""
    by_script: str = ""

    @property
    def several(self) -> bool:
        """Whether the list goes on elsewhere."""
        return self.pages > 1 or bool(self.more)


def read_paging(page: Tag, url: str) -> Paging:
    """Return what the page at `url` says of its list of taxa, which is whole where it says nothing."""
    text = " ".join(page.get_text(" ").split())
    taxa, pages, shown = TAXA.search(text), PAGES.search(text), SHOWN.search(text)
    links = _other_pages(page, url)
    if not pages and not shown:  # then links that say "next" may tell
        more = [link for link, goes_on in links if goes_on]
        return Paging(more=tuple(more), by_script="" if more else _button(page))
    number = int(pages.group(1) or pages.group(2)) if pages else 2
    total = int(shown.group(1) or shown.group(2)) if shown else int(taxa.group(1)) if taxa else 0
    more = [link for link, _ in links]
    # Where there are as many links as pages, the first one leads to the page itself.
    own = more.pop(0) if len(more) >= number else ""
    return Paging(total, number, tuple(more), own) if number > 1 else Paging()


def _other_pages(page: Tag, url: str) -> list[tuple[str, bool]]:
    """Return the addresses at which links lead to this taxon once more, with the number of a page in them.

    With each comes whether its link says that the list goes on there.
    """
    own = page_link(url, url)
    found: dict[str, bool] = {}
    for a in page.find_all(["a", "link"], href=True):
        href, text = attribute(a, "href"), tidy(a.get_text())
        goes_on = bool(NEXT.fullmatch(text)) or "next" in attribute(a, "rel").split()
        number = PAGE_NUMBER.search(href) or (PARAMETER.search(href) if goes_on else None)
        if number and quote(number.group(1), safe="=%+") not in url and _same_page(own, url, href, text):
            link = f"{own.url}{'&' if '?' in own.url else '?'}{quote(number.group(1), safe='=%+')}"
            found[link] = found.get(link, False) or goes_on
    return list(found.items())


def _button(page: Tag) -> str:
    """Return the text of a button, or of a link that leads nowhere, which says that it loads more taxa."""
    for tag in tags(page, "button", "a"):
        text = tidy(tag.get_text())
        if BY_SCRIPT.fullmatch(text) and (
            tag.name == "button" or re.match(r"(?:#|javascript:|$)", attribute(tag, "href"))
        ):
            return text
    return ""


def _same_page(own: Link, url: str, href: str, text: str) -> bool:
    """Return whether a link on the page at `url` leads to the same taxon."""
    try:
        link = page_link(url, href, text)
    except LinkError:
        return href.startswith("?")  # nothing but the number of a page
    return link.url == own.url or bool(own.taxon and same_name(link.taxon, own.taxon))
