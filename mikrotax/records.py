"""Records of taxa, one JSON file each, with the pictures that their pages list."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from common.files import write_text
from common.names import disambiguate, picture_file, picture_path, safe_part, strip_blanks
from mikrotax.pages import Page, Picture, as_json


@dataclass
class Files:
    """Gives each key (of a picture, of a taxon) its file; no two share one, not even where `A.jpg` and `a.jpg` are one.

    A key keeps the file that it has in `given`; a newcomer whose file is taken gets its own hash behind the name.
    """

    given: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self._taken = {file.casefold(): key for key, file in self.given.items()}

    def file(self, key: str, wanted: str) -> str:
        """Return the file of `key`: `wanted`, unless another key has it."""
        if key not in self.given:
            file = wanted if self._taken.get(wanted.casefold(), key) == key else disambiguate(wanted, key)
            self.given[key] = file
            self._taken[file.casefold()] = key
        return self.given[key]


@dataclass(frozen=True)
class Listed:
    """What is known of one picture, from the page that says most of it; `url` is the address that is fetched."""

    picture: Picture
    page: str
    fetched: str
    url: str
    file: str


@dataclass
class Pool:
    """All pictures that were met, each by its key (the path below `/images/`), with the richest metadata."""

    files: Files = field(default_factory=Files)
    full_size: bool = False
    listed: dict[str, Listed] = field(default_factory=dict)

    def add(self, page: Page, fetched: str) -> None:
        """Take in the pictures of a page."""
        for taxon, pictures in samples(page):
            for picture in pictures:
                key = picture_path(picture.thumb)
                known = self.listed.get(key)
                if known is None or picture.richness > known.picture.richness:
                    if not picture.lineage:
                        below = (taxon,) if taxon != page.taxon else ()
                        picture = replace(picture, lineage=(*page.lineage, *below))
                    url = (self.full_size and picture.full) or picture.thumb
                    file = self.files.file(picture_path(url), picture_file(url))
                    self.listed[key] = Listed(picture, page.url, fetched, url, file)


@dataclass(frozen=True)
class Old:
    """What a record said before this run: enough to name files as before, and to see what has changed since."""

    file: str
    id: int | None
    lineage: tuple[str, ...]
    fetched: str
    pictures: dict[str, tuple[str, ...]]  # by key, with the lineage of each


def samples(page: Page) -> Iterator[tuple[str, tuple[Picture, ...]]]:
    """Yield (taxon, pictures) for each daughter in the table's order, then for the page's own taxon if it has any."""
    for daughter in page.daughters:
        yield daughter.taxon, daughter.pictures
    if page.pictures:
        yield page.taxon, page.pictures


def outline(page: Page, fetched: str) -> dict:
    """Return the record of a page without the metadata of its pictures, which other pages may know better.

    `hierarchy` and `samples` are the contract that other people's scripts read.
    """
    about = {"url": page.url, "id": page.id, "rank": page.rank, "features": page.features, "range": page.range}
    return {
        "hierarchy": [strip_blanks(name) for name in page.lineage],
        "samples": [
            {"taxon": taxon, "thumbs": list(dict.fromkeys(picture.thumb for picture in pictures))}
            for taxon, pictures in samples(page)
        ],
        "lineage": list(page.lineage),
        "page": about | {"fetched": fetched},
    }


def complete(record: dict, pool: Pool) -> dict:
    """Return `record` with all that the pool knows of its pictures."""
    thumbs = dict.fromkeys(thumb for sample in record["samples"] for thumb in sample["thumbs"])
    return record | {"pictures": {thumb: _of_picture(pool.listed[picture_path(thumb)]) for thumb in thumbs}}


def _of_picture(listed: Listed) -> dict:
    known = as_json(listed.picture)
    return {"full": known.pop("full"), "file": listed.file} | known | {"page": listed.page, "fetched": listed.fetched}


def record_file(taxon: str) -> str:
    """Return the name of a taxon's JSON file, before it is kept apart from others of that name."""
    return safe_part(strip_blanks(taxon) + ".json")


def write_record(path: Path, record: dict) -> bool:
    """Write a record unless it lies there already, and tell whether it had to be written."""
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except (OSError, ValueError):
        pass
    write_text(path, text)
    return True


def old_records(directory: Path) -> tuple[list[Old], dict[str, str], list[str]]:
    """Return what a module's records said before this run, the file of each picture by its key, and others' files.

    Those are records that were written by hand, with `hierarchy` and `samples` alone. What is broken is passed over.
    """
    records, files, by_hand = [], {}, []
    for path in sorted(directory.glob("*.json")):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if "hierarchy" in value and "page" not in value:
                by_hand.append(path.name)
                continue
            pictures = {}
            for thumb, picture in value["pictures"].items():
                key = picture_path(thumb)
                pictures[key] = tuple(picture["lineage"])
                small = picture["file"] in (picture_file(thumb), disambiguate(picture_file(thumb), key))
                files[key if small else picture_path(picture["full"])] = picture["file"]
            about = value["page"]
            records.append(Old(path.name, about["id"], tuple(value["lineage"]), about["fetched"], pictures))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return records, files, by_hand


def sweep(directory: Path) -> None:
    """Remove the temporary files that a killed run of `common.files` has left below `directory`."""
    for path in directory.rglob(".*.????????.part"):
        path.unlink(missing_ok=True)
