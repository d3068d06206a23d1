"""The pictures that a part of a page shows, with what it says of them.

A picture counts when its link leads to a picture of the site, wherever its thumbnail lies and however that is loaded.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bs4 import Tag

from mikrotax.captions import FIELDS, SURE, WORDS, read_caption, said_in_attributes
from mikrotax.links import ENDING, LinkError, picture_lineage, picture_url
from mikrotax.markup import LINK, all_text, attribute, read_lines, tags, tidy
from mikrotax.picture_sources import THUMBS, Picture, image_sources, link_sources, thumb_and_full, unite

HIDDEN = {"hidden", "deleted", "sandbox"}  # not meant for visitors
BELOW_HIDDEN = "below hidden"
PICTURE_NAME = re.compile(ENDING, re.IGNORECASE)
GALLERY = re.compile(r"gallery|lightbox|carousel|slideshow", re.IGNORECASE)
# What makes a link open its picture in a box on the page: lightbox, fancybox, photoswipe and their like.
BOX = re.compile(r"(?:light|fancy|color|thick|media|shadow|slim)box|gallery|swipe|magnific|lightcase", re.IGNORECASE)
TYPE_IMAGES = re.compile(r"(?:primary |original )?type (?:image|figure|specimen|illustration)", re.IGNORECASE)
HEADINGS = frozenset(["b", "strong", "i", "em", "h2", "h3", "h4"])
HOLDERS = [
    "li",
    "figure",
    "td",
    "dd",
    "div",
    "p",
    "span",
    "article",
    "section",
]  # what may hold a picture and its caption
LINKING = ("a", "button")  # what may open a picture
# Reasons that tell of an address, and not of a form of page that we do not know.
FOREIGN = ("off the host", "graphics", "out of its directory")


@dataclass
class Findings:
    """What was noted while a page was read.

    left_out: (address, reason) of what is not followed; notices: what a person should look at; not_understood: parts
    of the page that hold something and could not be read.
    """

    left_out: list[tuple[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)


@dataclass
class Unit:
    """A link with the images in it, or an image without a link.

    shown: whether it is where pictures are shown; types: whether these are type images, as the page says.
    """

    link: Tag | None
    images: list[Tag]
    shown: bool
    types: bool = False

    @property
    def tag(self) -> Tag:
        """The outer of its tags."""
        return self.link or self.images[0]

    @property
    def boxed(self) -> bool:
        """Whether the link opens in a box."""
        return self.link is not None and is_boxed(self.link)


class GalleryReader:
    """Reads the pictures of the page at `url`, and notes in `findings` what cannot be read."""

    def __init__(self, url: str, findings: Findings):
        self.url = url
        self.findings = findings
        self._read_tags: list[Tag] = []

    def read_row(self, row: Tag) -> list[Picture]:
        """Return the pictures in a row of a table."""
        return self._read(_units(row, shown=True))

    def read_page(self, page: Tag) -> list[Picture]:
        """Return the pictures on a page, each once, in its order, and take them and their captions out of it."""
        galleries, types = _galleries(page)
        inside = {id(tag): gallery for gallery in galleries for tag in tags(gallery, *LINKING, "img")}
        pictures = self._read([_placed(unit, inside, types) for unit in _units(page, shown=False)])
        for tag in [*galleries, *self._read_tags]:
            tag.clear()
            tag.attrs.pop("href", None)
        return pictures

    def _read(self, units: list[Unit]) -> list[Picture]:
        found = []
        unread: Counter[str] = Counter()
        for unit in units:
            picture = self._picture(unit, unread)
            if picture and {part.casefold() for part in picture.lineage} & HIDDEN:
                self.findings.left_out.append((picture.thumb, BELOW_HIDDEN))
            elif picture:
                found.append(picture)
        for reason, number in unread.items():
            self.findings.not_understood.append(f"{number} of its pictures could not be read ({reason})")
        return unite(found)

    def _picture(self, unit: Unit, unread: Counter[str]) -> Picture | None:
        """Return the picture of a unit, None if it shows none that can be used."""
        reasons: list[tuple[str, str]] = []
        linked = self._addresses(link_sources(unit.link), reasons) if unit.link else []
        shown = self._addresses(image_sources(unit.images), reasons)
        if not linked and not (unit.shown or unit.boxed or any(THUMBS in url for url in shown)):
            return None  # a logo, or a link to another page
        if not linked and not shown:
            self.findings.left_out += reasons[:1]
            if (
                unit.link
                and reasons
                and (unit.images or unit.boxed)
                and not any(word in reasons[0][1] for word in FOREIGN)
            ):
                unread[reasons[0][1]] += 1
            return None
        if not (shown or unit.shown or unit.boxed) and unit.tag.get_text(strip=True):
            self.findings.left_out.append((linked[0], "a link to a picture, in the text"))
            return None
        thumb, full = thumb_and_full(linked, shown)
        self._read_tags.append(unit.tag)
        types = unit.types or (unit.link is not None and "[type" in attribute(unit.link, "rel"))
        lineage = tuple(picture_lineage(full))
        return Picture(thumb=thumb, full=full, lineage=lineage, **self._said(unit), catalogue=types)

    def _said(self, unit: Unit) -> dict:
        """Return what the page says of a picture: in attributes of its tags, or in the text beside it."""
        own = [*filter(None, [unit.link, *unit.images])]
        texts = [text for tag in own for text in said_in_attributes(tag.attrs)]
        if not any(map(SURE.search, texts)):
            beside = _caption_beside(unit)
            inside = [each for tag in beside for each in (tag, *tag.find_all(True))]
            texts += [text for tag in inside for text in said_in_attributes(tag.attrs)]
            texts += [_text(tag) for tag in beside]
            self._read_tags += beside
        caption = read_caption(texts)
        unread = caption.unread or next((tidy(text)[:80] for text in texts if WORDS.search(text)), "")
        if unread and not caption.fields:
            self.findings.not_understood.append(f"a caption that could not be read: {unread!r}")
        self.findings.notices += [f"unknown field of a picture: {label!r}" for label in caption.other]
        return {**caption.fields, "other": caption.other}

    def _addresses(self, sources: Iterable[str], reasons: list[tuple[str, str]]) -> list[str]:
        """Return those of the sources that are addresses of pictures of the site, in full; note why others are not."""
        urls = []
        for src in dict.fromkeys(filter(None, sources)):
            try:
                urls.append(picture_url(self.url, src))
            except LinkError as error:
                reasons.append((tidy(src)[:300], f"not a picture of a taxon: {error}"))
        return urls


def is_boxed(link: Tag) -> bool:
    """Return whether a link opens in a box on the page."""
    return any(
        BOX.search(name if name.startswith("data-") else str(value))
        for name, value in link.attrs.items()
        if name in ("rel", "class") or name.startswith("data-")
    )


def is_gallery(tag: Tag) -> bool:
    """Return whether a tag says of itself that it holds a gallery."""
    name = attribute(tag, "class")
    return bool(name) and tag.name not in ("a", "img") and GALLERY.search(name) is not None


def _galleries(page: Tag) -> tuple[list[Tag], set[int]]:
    """Return the outermost galleries, and which of them (by identity) are below a heading `Type images`."""
    galleries: list[Tag] = []
    inside: set[int] = set()
    types: set[int] = set()
    heading: Tag | None = None
    for tag in page.find_all(True):
        if tag.name in HEADINGS:
            heading = tag
        elif is_gallery(tag) and id(tag) not in inside:
            galleries.append(tag)
            inside.update(map(id, tag.find_all(True)))
            if heading is not None and TYPE_IMAGES.match(tidy(heading.get_text())):
                types.add(id(tag))
    return galleries, types


def _placed(unit: Unit, galleries: Mapping[int, Tag], types: set[int]) -> Unit:
    """Return a unit with what the gallery says that it is part of."""
    gallery = galleries.get(id(unit.tag))
    shown = gallery is not None or GALLERY.search(attribute(unit.tag, "class")) is not None
    return replace(unit, shown=shown, types=gallery is not None and id(gallery) in types)


def _units(place: Tag, shown: bool) -> list[Unit]:
    """Return each link in a part of a page that may show a picture, and each image without such a link."""
    units: list[Unit] = []
    linked: dict[int, Unit] = {}
    for tag in [place, *tags(place, *LINKING, "img")]:
        if tag.name in LINKING and tag.attrs:
            linked[id(tag)] = Unit(tag, [], shown)
        elif tag.name == "img":
            link = next((above for above in tag.parents if id(above) in linked or above is place), None)
            if link is not None and id(link) in linked:
                linked[id(link)].images.append(tag)
            else:
                units.append(Unit(None, [tag], shown))
                continue
        else:
            continue
        if tag.name in LINKING:
            units.append(linked[id(tag)])
    return [unit for unit in units if unit.link is None or _may_show(unit)]


def _may_show(unit: Unit) -> bool:
    """Return whether a link can show a picture: one is in it, or it names one, or it opens in a box."""
    return bool(unit.images) or bool(unit.link and PICTURE_NAME.search(attribute(unit.link, "href"))) or unit.boxed


def _caption_beside(unit: Unit) -> list[Tag]:
    """Return the tag beside a picture that holds its caption, and no other picture's, if there is one."""
    holder = unit.tag.find_parent(HOLDERS)
    for _ in range(3):
        if holder is None or len(holder.find_all("img", limit=len(unit.images) + 2)) > max(len(unit.images), 1):
            return []
        text = all_text(holder)
        if SURE.search(text) or WORDS.search(text):
            return [holder]
        holder = holder.find_parent(HOLDERS)
    return []


def _text(tag: Tag) -> str:
    """Return the text of a tag with a line for each of its parts; names in tables and lists get their colon."""
    for name in tags(tag, "th", "dt"):
        text = name.get_text().strip()
        if text and not text.endswith(":"):
            name.append(":")
    for row in [*tags(tag, "tr", "dd")]:
        cells = row.find_all("td", limit=3) if row.name == "tr" and not row.th else []
        if len(cells) == 2 and cells[0].get_text().strip().casefold() in FIELDS:
            cells[0].append(":")
        row.append("\n")
    lines, _ = read_lines(tag)
    return LINK.sub("", lines).replace("\x04", "")
