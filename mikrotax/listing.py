"""The taxa that a page lists below its own: the rows of the daughters' table.

A table of taxa is known by what it holds, rows with a taxon's link and pictures or granddaughters, or by the words
`age window` in its head, which have stayed the same over the years. Cells are never counted.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from bs4 import Tag

from common.names import same_name
from mikrotax.gallery import BELOW_HIDDEN, HIDDEN, PICTURE_NAME, Findings, GalleryReader, is_gallery
from mikrotax.links import NO_TAXON, Link, LinkError, other_names, page_link
from mikrotax.markup import MAX_NESTING, all_text, attribute, holds, tidy
from mikrotax.picture_sources import Picture

AGE_WINDOW = re.compile(r"age[\s-]*window", re.IGNORECASE)
DAUGHTER = re.compile(r"_m(?: |$)")  # the class of a daughter's name: taxon_m, smallcaps_m
GRANDDAUGHTER = re.compile(r"_s(?: |$)")
MODULE = re.compile(r"[?&]module=([^&#]*)")
TAXON = re.compile(r"[?&](?:taxon|id)=[^&#]")
GRANDDAUGHTERS = re.compile("GDscroll")  # the class of their cell
NAVIGATION = re.compile(
    r"(?:Classification|Ancestry|Higher levels|Sister taxa|Other pages this level)\s*:", re.IGNORECASE
)
APART = ("article", "nav", "header", "footer", "form")  # where no list of daughters is
MENU = re.compile(r"menu|nav|breadcrumb|footer|header|sidebar", re.IGNORECASE)
BLOCKS = ["li", "div", "article", "section", "dd", "p"]  # what may take the place of a row


@dataclass(frozen=True)
class Daughter:
    """One row of the daughters' table: the taxon's full name, its page's address, and the pictures beside it.

    below: how many granddaughters the row names; sure: whether words or classes tell that this is a daughter, and not
    only what the row holds.
    """

    taxon: str
    url: str
    pictures: tuple[Picture, ...] = ()
    below: int = 0
    sure: bool = True


class Listing:
    """Takes daughters out of the page at `url`, and notes in `findings` what cannot be read."""

    def __init__(self, url: str, findings: Findings):
        self.url = url
        self.findings = findings
        self.gallery = GalleryReader(url, findings)

    def take_daughters(self, page: Tag) -> list[Daughter]:
        """Return the taxa of the daughters' table (of each, where there are several), in its order, and empty it."""
        found = []
        for table, sure in self._tables(page):
            rows = _rows(table)
            if rows and AGE_WINDOW.search(all_text(rows[0])):
                rows = rows[1:]
            elif rows:
                heading = tidy(rows[0].get_text(" "))[:80]
                self.findings.notices.append(f"unknown heading of a table of taxa: {heading!r}")
            for row in self._cards(rows) or rows:
                found += [replace(daughter, sure=sure) for daughter in self._row(row)]
            table.clear()
        return found or self._take_blocks(page)

    def unread_tables(self, page: Tag, lineage: Iterable[str]) -> list[str]:
        """Return the heading of each table that links to taxa outside `lineage` and was not read."""
        tables = [table for table in page.find_all("table") if not table.find("table")]
        return [tidy(table.get_text(" "))[:60] for table in tables if self._names_others(_links(table), list(lineage))]

    def unread_lists(self, page: Tag, lineage: Iterable[str]) -> list[str]:
        """Return the beginning of each list of nothing but links to taxa of the module, outside `lineage`.

        Lists in the text about the taxon and menus are not among them.
        """
        names = list(lineage)
        heads = []
        for items in page.find_all(["ul", "ol", "dl"]):
            around = [items, *items.parents]
            if any(tag.name in APART or MENU.search(f"{tag.get('class', '')} {tag.get('id', '')}") for tag in around):
                continue
            links = [a for item in items.find_all(["li", "dt"]) if _is_link(item) for a in _links(item)]
            inside = [a for a in links if (link := self._link(a)) and link.module in ("", names[0])]
            if self._names_others(inside, names):
                heads.append(tidy(items.get_text(" "))[:60])
        return heads

    def _names_others(self, links: Iterable[Tag], names: list[str]) -> bool:
        """Return whether a link leads to a taxon by its name, and not to one of `names` or to the page itself."""
        own = self.url.partition("?")[2]
        return any(
            link.taxon
            and "?" in link.url
            and link.url.partition("?")[2] != own
            and not any(same_name(link.taxon, name) for name in names)
            for link in map(self._link, links)
            if link
        )

    def within_module(self, daughters: Iterable[Daughter], module: str) -> Iterator[Daughter]:
        """Yield the daughters whose links stay within the module, by one of its names or by the one it was asked by."""
        asked_by = page_link(self.url, self.url).module if "module=" in self.url else module
        names = [module, *other_names(module), asked_by]
        for daughter in daughters:
            asked = page_link(self.url, daughter.url).module
            if not asked or any(same_name(asked, name) for name in names):
                yield daughter
            else:
                self.findings.left_out.append((daughter.url, f"link not followed: it leads to the module {asked}"))

    def _tables(self, page: Tag) -> list[tuple[Tag, bool]]:
        """Return the tables that list taxa, and whether their words or classes say so; else it is what they hold.

        A table that only lays out another one is not itself one of taxa.
        """
        tables = [table for table in page.find_all("table") if table.tr]
        # Tags are distinguished by identity: two are equal where their markup is the same.
        headed = {id(table) for table in tables if table.tr and AGE_WINDOW.search(all_text(table.tr))}
        beside = {id(table) for table in tables if id(table) in headed for table in table.find_all("table")}
        found = {}
        for table in tables:
            if id(table) in headed or (id(table) not in beside and _is_marked(table)):
                found[id(table)] = (table, True)
            elif id(table) not in beside and self._holds_taxa(table):
                found[id(table)] = (table, False)
        outer = {id(above) for table, _ in found.values() for above in table.find_parents("table")}
        return [each for place, each in found.items() if place not in outer]

    def _holds_taxa(self, table: Tag) -> bool:
        """Return whether rows of a table hold a taxon's link with pictures, or with other taxa, as those below it."""
        linking = 0
        for row in _rows(table):
            links = [a for a in _links(row) if self._link(a)]
            cells = {id(a.find_parent(["td", "th"])) for a in links}
            if links and _pictured(row):
                return True
            linking += len(links) > 1 and len(cells) > 1
        heading = table.tr is not None and not any(self._link(a) for a in _links(table.tr))
        return heading and linking > 0

    def _cards(self, rows: list[Tag]) -> list[Tag]:
        """Return the cells that link to a taxon, where a table holds a taxon in each cell and not in each row."""
        cells = [[cell for cell in row.find_all(["td", "th"]) if cell.find_parent("tr") is row] for row in rows]
        if not any(sum(map(self._is_card, row)) > 1 for row in cells):
            return []
        return [cell for row in cells for cell in row if any(map(self._link, _links(cell)))]

    def _is_card(self, place: Tag) -> bool:
        """Return whether a part of a page holds a picture and a link to its taxon, and none to granddaughters."""
        links = [a for a in _links(place) if self._link(a)]
        below = any(_has_class(a, GRANDDAUGHTER) for a in links) or GRANDDAUGHTERS.search(attribute(place, "class"))
        return bool(links) and not below and any(map(_shows_picture, _links(place)))

    def _take_blocks(self, page: Tag) -> list[Daughter]:
        """Return taxa that are listed with pictures but without a table, in a list or in blocks; and empty these."""
        blocks: dict[int, Tag] = {}
        for link in filter(_shows_picture, page.find_all("a")):
            block = link.find_parent(BLOCKS)
            if block is not None and block.name == "dd" and (term := block.find_previous_sibling(["dt", "dd"])):
                block.extend([*term.contents] if term.name == "dt" else [])
            if block is not None and not any(map(self._link, _links(block))):
                block = block.find_parent(BLOCKS)
            if block is not None and any(map(self._link, _links(block))) and not NAVIGATION.search(block.get_text()):
                blocks[id(block)] = block
        outer = {id(above): len([*above.parents]) for block in blocks.values() for above in block.parents}
        rows: dict[int, list[Daughter]] = {}
        # The inner ones first; an outer one is read if it shows a taxon of its own besides.
        for place, block in sorted(blocks.items(), key=lambda each: -outer.get(each[0], MAX_NESTING)):
            if place not in outer or self._is_card(block):
                rows[place] = self._row(block)
                block.clear()
        found = [replace(daughter, sure=False) for place in blocks for daughter in rows.get(place, ())]
        if found:
            self.findings.notices.append("taxa are listed outside a table")
        return found

    def _row(self, row: Tag) -> list[Daughter]:
        pictures = self.gallery.read_row(row)
        others = [a for a in _links(row) if not (_is_picture(a) or holds(a, "img"))]
        others = others or [a for a in _links(row) if self._link(a)]
        links = [a for a in others if not _in_granddaughters(a, row)]
        marked = [a for a in links if _has_class(a, DAUGHTER)]
        left_out = len(self.findings.left_out)
        for a in marked or [a for a in links if not _has_class(a, GRANDDAUGHTER)][:1]:
            href, text = attribute(a, "href"), tidy(a.get_text())
            try:
                link = page_link(self.url, href, text)
            except LinkError as error:
                if str(error) != NO_TAXON:
                    self.findings.left_out.append((tidy(href)[:300], f"link not followed: {error}"))
                elif a in marked and not pictures:
                    self.findings.not_understood.append(f"a link to {text[:60]!r} names no taxon")
                continue
            name = link.taxon or text
            if name.casefold() in HIDDEN:
                self.findings.left_out.append((link.url, BELOW_HIDDEN))
                self.findings.left_out.extend((picture.thumb, BELOW_HIDDEN) for picture in pictures)
                return []
            if name:
                return [Daughter(name, link.url, tuple(pictures), self._below(others, a))]
        if pictures and len(self.findings.left_out) == left_out:
            self.findings.not_understood.append(f"a row of {len(pictures)} pictures names no taxon")
        return []

    def _below(self, links: list[Tag], daughter: Tag) -> int:
        """Return how many taxa of the daughter's module are linked to besides the daughter."""
        own = attribute(daughter, "href")
        module = MODULE.search(own)
        others = {attribute(a, "href") for a in links} - {own}
        return sum(bool(TAXON.search(href)) and _same(MODULE.search(href), module) for href in others)

    def _link(self, a: Tag) -> Link | None:
        """Return what a link means, None if it leads to a picture or to no taxon."""
        if _is_picture(a) or (holds(a, "img") and not TAXON.search(attribute(a, "href"))):
            return None
        try:
            return page_link(self.url, attribute(a, "href"), tidy(a.get_text()))
        except LinkError:
            return None


def _same(one: re.Match[str] | None, other: re.Match[str] | None) -> bool:
    return (one and one.group(1)) == (other and other.group(1))


def _in_granddaughters(a: Tag, row: Tag) -> bool:
    """Return whether a link in a row is in the cell of the granddaughters."""
    for above in a.parents:
        if above is row:
            return False
        if GRANDDAUGHTERS.search(attribute(above, "class")):
            return True
    return False


def _rows(table: Tag) -> list[Tag]:
    return [row for row in table.find_all("tr") if row.find_parent("table") is table]


def _links(tag: Tag) -> list[Tag]:
    return [a for a in tag.find_all("a") if "href" in a.attrs]


def _shows_picture(tag: Tag) -> bool:
    """Return whether a link leads to a picture, or to a taxon, with an image in it, outside of galleries."""
    image = tag.find("img")
    leads = _is_picture(tag) or (TAXON.search(attribute(tag, "href")) and "/images/" in str(image and image.attrs))
    return bool(leads) and image is not None and not any(is_gallery(above) for above in tag.parents)


def _is_link(tag: Tag) -> bool:
    """Return whether a tag holds a link and no text besides."""
    a = tag.find("a")
    return a is not None and a.get_text(strip=True) == tag.get_text(strip=True)


def _is_picture(a: Tag) -> bool:
    return PICTURE_NAME.search(attribute(a, "href")) is not None


def _pictured(row: Tag) -> bool:
    return any(_is_picture(a) for a in _links(row)) or any("/images/" in str(img.attrs) for img in row.find_all("img"))


def _is_marked(table: Tag) -> bool:
    """Return whether a link in a table has the class of a daughter's name."""
    return any(_has_class(a, DAUGHTER) for a in _links(table))


def _has_class(tag: Tag, pattern: re.Pattern[str]) -> bool:
    """Return whether a tag, or one in it, has a class that ends as the pattern says."""
    return any(pattern.search(attribute(each, "class")) for each in (tag, *tag.find_all(True)))
