"""What a page lists: the taxa of its daughters' table, and pictures with what the site says of them.

Only what has stayed the same over the years is relied on: the words `age window` in the head of the daughters' table,
and the addresses of links and pictures. Cells are never counted.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bs4 import Tag

from common.names import same_name
from mikrotax.links import LinkError, other_names, page_link, picture_lineage, picture_url
from mikrotax.markup import all_text, attribute, tidy

HIDDEN = {"hidden", "deleted", "sandbox"}  # the editors' attic, which is not for visitors
AGE_WINDOW = re.compile(r"age[\s-]*window", re.IGNORECASE)
CREDIT = re.compile(r"Image Source\s*:|File name\s*:", re.IGNORECASE)
DAUGHTER = re.compile(r"_m(?: |$)")  # the class of a daughter's name: taxon_m, smallcaps_m
GRANDDAUGHTER = re.compile(r"_s(?: |$)")
GRANDDAUGHTERS = re.compile("GDscroll")  # the class of their cell

# What the site calls the fields of a picture, and what a record does.
FIELDS = {
    "image source": "source",
    "caption in source": "caption",
    "status": "status",
    "notes": "notes",
    "location": "location",
    "sample": "sample",
    "geological age": "age",
}


@dataclass(frozen=True)
class Picture:
    """One picture: addresses of thumbnail and full size, lineage (from its folder), and what the site says of it."""

    thumb: str
    full: str = ""
    lineage: tuple[str, ...] = ()
    source: str = ""
    caption: str = ""
    status: str = ""
    notes: str = ""
    location: str = ""
    sample: str = ""
    age: str = ""

    @property
    def richness(self) -> tuple[int, int]:
        """How much is known of the picture: fields that say something, then letters in them."""
        values = [getattr(self, name) for name in FIELDS.values()]
        return sum(value not in ("", "-") for value in values), sum(map(len, values))


@dataclass(frozen=True)
class Daughter:
    """One row of the daughters' table: the taxon's full name, its page's address, and the pictures beside it."""

    taxon: str
    url: str
    pictures: tuple[Picture, ...] = ()


class Listing:
    """Takes daughters and pictures out of the page at `url`.

    left_out: (address, reason) of what is not followed; notices: what a person should look at.
    """

    def __init__(self, url: str):
        self.url = url
        self.left_out: list[tuple[str, str]] = []
        self.notices: list[str] = []

    def take_daughters(self, page: Tag) -> list[Daughter]:
        """Return the taxa of the daughters' table (of each, where there are several), in its order, and empty it."""
        found = []
        for table in _daughter_tables(page):
            rows = [row for row in table.find_all("tr") if row.find_parent("table") is table]
            if rows and AGE_WINDOW.search(all_text(rows[0])):
                rows = rows[1:]
            elif rows:
                self.notices.append(f"unknown heading of a table of taxa: {tidy(rows[0].get_text())[:80]!r}")
            for row in rows:
                found.extend(self._row(row))
            table.clear()
        return found

    def take_gallery(self, page: Tag) -> list[Picture]:
        """Return the pictures of the page's own taxon, each once, in the order of the galleries, and empty these."""
        found = []
        place = page.find(_is_gallery)
        while place:
            found.extend(self._pictures(place))
            place.clear()
            del place["href"]
            place = place.find_next(_is_gallery)
        return list({picture.thumb: picture for picture in reversed(found)}.values())[::-1]

    def within_module(self, daughters: Iterable[Daughter], module: str) -> Iterator[Daughter]:
        """Yield the daughters whose links stay within the module, by one of its names or by the one it was asked by."""
        asked_by = page_link(self.url, self.url).module if "module=" in self.url else module
        names = [module, *other_names(module), asked_by]
        for daughter in daughters:
            asked = page_link(self.url, daughter.url).module
            if not asked or any(same_name(asked, name) for name in names):
                yield daughter
            else:
                self.left_out.append((daughter.url, f"link not followed: it leads to the module {asked}"))

    def _row(self, row: Tag) -> list[Daughter]:
        pictures = self._pictures(row)
        links = [a for a in _links(row) if not (a.img or a.find_parent(class_=GRANDDAUGHTERS))]
        marked = [a for a in links if _has_class(a, DAUGHTER)]
        for a in marked or [a for a in links if not _has_class(a, GRANDDAUGHTER)][:1]:
            href, text = attribute(a, "href"), tidy(a.get_text())
            try:
                link = page_link(self.url, href, text)
            except LinkError as error:
                self.left_out.append((tidy(href)[:300], f"link not followed: {error}"))
                continue
            name = link.taxon or text
            if name.casefold() in HIDDEN:
                self.left_out.append((link.url, "below hidden"))
                self.left_out.extend((picture.thumb, "below hidden") for picture in pictures)
                return []
            if name:
                return [Daughter(name, link.url, tuple(pictures))]
        if pictures:
            self.notices.append(f"a row of {len(pictures)} pictures names no taxon")
        return []

    def _pictures(self, place: Tag) -> list[Picture]:
        """Return the pictures in a tag; those that cannot be used are noted with the reason."""
        found = []
        for img in [place] if place.name == "img" else place.find_all("img"):
            # A page that loads its pictures lazily keeps the address in data-src, and a blank in src.
            thumb = self._address(attribute(img, "data-src"), attribute(img, "src"))
            if not thumb:
                continue
            link = img.find_parent("a", href=True)
            full = self._address(attribute(link, "href")) if link else ""
            lineage = tuple(picture_lineage(full))
            if {part.casefold() for part in lineage} & HIDDEN:
                self.left_out.append((thumb, "below hidden"))
                continue
            said = [*(link.attrs.values() if link else ()), *img.attrs.values()]
            title = next((value for value in map(str, said) if CREDIT.search(value)), "")
            found.append(Picture(thumb, full, lineage, **self._fields(title)))
        return found

    def _address(self, *candidates: str) -> str:
        """Return the first candidate that is a picture's address, in full; "" if none is, and that is noted."""
        reasons = []
        for src in filter(None, candidates):
            try:
                return picture_url(self.url, src)
            except LinkError as error:
                reasons.append((tidy(src)[:300], f"not a picture of a taxon: {error}"))
        self.left_out += reasons[-1:]
        return ""

    def _fields(self, title: str) -> dict[str, str]:
        """Return what the title of a picture says: `<br>File name: …<br>Image Source: …`, by our names for it."""
        values = {}
        for line in re.split(r"<br\s*/?>", title, flags=re.IGNORECASE):
            label, colon, value = line.partition(":")
            name = FIELDS.get(tidy(label).casefold())
            if name:
                values[name] = tidy(value).rstrip("; ")
            elif colon and tidy(label).casefold() != "file name":
                self.notices.append(f"unknown field of a picture: {tidy(label)[:40]!r}")
        return values


def _links(tag: Tag) -> Iterable[Tag]:
    return tag.find_all("a", href=True)


def _is_gallery(tag: Tag) -> bool:
    return "gallery" in attribute(tag, "class") or "lightbox" in attribute(tag, "rel")


def _has_class(tag: Tag, pattern: re.Pattern[str]) -> bool:
    """Tell whether a tag, or one in it, has a class that ends as the pattern says."""
    return bool(pattern.search(attribute(tag, "class")) or tag.find(class_=pattern))


def _daughter_tables(page: Tag) -> list[Tag]:
    """Return the tables that list taxa: known by the age window in their heads, else by the classes of their names."""
    tables = page.find_all("table")
    found = [table for table in tables if (head := table.tr) and AGE_WINDOW.search(all_text(head))]
    if not found:
        found = [table for table in tables if table.tr and any(_has_class(a, DAUGHTER) for a in _links(table))]
    # A table that only lays out another one is not itself a table of taxa. Tags are told apart by identity: two are
    # equal where their markup is the same.
    outer = {id(above) for table in found for above in table.find_parents("table")}
    return [table for table in found if id(table) not in outer]
