"""One picture of a page: where it may be loaded from, which address is its thumbnail, and which its full size."""

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import unquote

from bs4 import Tag

from common.records import PICTURE_FIELDS, PictureFacts
from mikrotax.links import ENDING
from mikrotax.markup import attribute

THUMBS = "/thumbs/"  # the directory that the site itself keeps thumbnails in
IN_SCRIPT = re.compile(rf"(/images/[^'\"]+?{ENDING})['\"]", re.IGNORECASE)  # an address that a script is called with
SRCSET_PART = re.compile(r"\s*(\S.*?)(?:\s+[\d.]+[wxh])?\s*(?:,(?=\s)|$)")
LAZY = re.compile(r"^data-.*(?:src|original|lazy|image|full|thumb|zoom|large|href|url)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Picture(PictureFacts):
    """One picture of a page: the address of its thumbnail, and its facts, with the lineage that its folder tells.

    catalogue: whether it is a type image out of a catalogue of original descriptions, so that its folder is not its
    lineage.
    """

    thumb: str
    catalogue: bool = False

    @property
    def richness(self) -> tuple[int, int]:
        """How much is known of the picture: fields that say something, then letters in them."""
        values = [*(getattr(self, name) for name in PICTURE_FIELDS), *self.other.values()]
        return sum(value not in ("", "-") for value in values), sum(map(len, values))


def link_sources(link: Tag) -> list[str]:
    """Return what a link may lead to: its address, what a script reads instead, and what a script is called with."""
    href = attribute(link, "href")
    lazy = [str(value) for name, value in link.attrs.items() if LAZY.search(name)]
    scripts = (
        IN_SCRIPT.findall(f"{href} {attribute(link, 'onclick')}") if "(" in href or "onclick" in link.attrs else []
    )
    return [*([] if href.startswith(("#", "javascript:")) else [href]), *lazy, *scripts]


def image_sources(images: list[Tag]) -> list[str]:
    """Return where images may be loaded from, now or when a script wants them."""
    sources: list[str] = []
    for image in images:
        lazy = [name for name in image.attrs if LAZY.search(name)]
        picture = image.find_parent("picture") if image.parent and image.parent.name == "picture" else None
        for tag, names in [(image, [*lazy, "src", "srcset"]), *((each, [*each.attrs]) for each in _sources(picture))]:
            for name in names:
                value = attribute(tag, name)
                sources += SRCSET_PART.findall(value) if name.endswith("srcset") else [value]
    return sources


def _sources(picture: Tag | None) -> list[Tag]:
    return picture.find_all("source") if picture else []


def thumb_and_full(linked: list[str], shown: list[str]) -> tuple[str, str]:
    """Return the addresses of thumbnail and full size, out of what a link leads to and what is shown in it.

    Where no thumbnail of this very picture is shown (but, say, a placeholder), the full size stands for it.
    """
    full = next((url for url in linked if THUMBS not in url), "")
    thumbs = [url for url in shown if THUMBS in url] or [url for url in shown if not full or _alike(url, full)]
    thumb = (thumbs or linked)[0] if thumbs or linked else shown[0]
    if not full:
        full = next((url for url in shown if THUMBS not in url and url != thumb and _alike(url, thumb)), "")
    return thumb, full


def _alike(url: str, other: str) -> bool:
    """Return whether the file names of two addresses begin alike: x.jpg, x_small.jpg."""
    one, two = (PurePosixPath(unquote(each)).stem.casefold() for each in (url, other))
    return one.startswith(two) or two.startswith(one)


def unite(pictures: list[Picture]) -> list[Picture]:
    """Return each picture once: where two have one address, the one of which more is said.

    An address that several pictures are shown by is that of a placeholder, and their full size stands for it. A
    thumbnail and a link to its full size that are side by side are one picture.
    """
    fulls: dict[str, set[str]] = {}
    for picture in pictures:
        fulls.setdefault(picture.thumb, set()).add(picture.full)
    by_name = {PurePosixPath(picture.full).name: picture for picture in pictures if picture.thumb == picture.full}
    found: dict[str, Picture] = {}
    for picture in pictures:
        if picture.full and len(fulls[picture.thumb] - {""}) > 1:
            picture = replace(picture, thumb=picture.full)
        twin = by_name.get(PurePosixPath(picture.thumb).name) if not picture.full else None
        if twin:
            picture = replace(
                max(picture, twin, key=_richness), thumb=picture.thumb, full=twin.full, lineage=twin.lineage
            )
            found.pop(twin.thumb, None)
            fulls[twin.full] = {twin.full, picture.thumb}
        found[picture.thumb] = max(found.get(picture.thumb, picture), picture, key=_richness)
    united = {picture.full for picture in found.values() if picture.full != picture.thumb}
    return [picture for picture in found.values() if picture.thumb not in united]


def _richness(picture: Picture) -> tuple[int, int]:
    return picture.richness
