"""The record of a taxon, data/<module>/<Taxon>.json: one dataclass, one reader, one writer.

`hierarchy` and `samples` are the contract that other people's scripts read and write; a record with these two alone is
whole. All else is what the scraper knows besides.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import ToolkitError
from common.files import write_text
from common.folders import file_identity
from common.names import strip_blanks
from common.occurrence import Occurrence, occurrences_as_json, occurrences_from_json
from common.taxon_text import TaxonText, items, lists, read_taxon_text, texts

Lineage = tuple[str, ...]

# What a page says of a picture, in the words of the record.
PICTURE_FIELDS = ("source", "caption", "status", "notes", "location", "sample", "age")

NOT_A_RECORD = "it has neither `hierarchy` nor `samples`"
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # as JSON writes one


class RecordError(ToolkitError):
    """A file that is no record that can be used. Its text says what is wrong with it."""


@dataclass(frozen=True)
class Sample:
    """One taxon that a page lists, and the addresses of its thumbnails (or names of files below images/)."""

    taxon: str
    thumbs: tuple[str, ...]


@dataclass(frozen=True)
class PageFacts:
    """What a page says of its taxon, and when the page was fetched (`2026-11-24T05:33:02Z`).

    range: `last` and `first` occurrence, those that the page tells; other_folders: by the address of their thumbnail,
    pictures whose folder (names, root first) disagrees with the page's lineage.
    """

    url: str = ""
    id: int | None = None
    rank: str = ""
    features: str = ""
    range: Mapping[str, Occurrence] = field(default_factory=dict)
    fetched: str = ""
    text: TaxonText = field(default_factory=TaxonText)
    other_folders: Mapping[str, Lineage] = field(default_factory=dict)


@dataclass(frozen=True)
class PictureFacts:
    """What is known of a picture: `full` size's address, `file` below images/, lineage, and the site's own words.

    page: the page that says most of it; fetched: when that page was; other: what the page says under labels that have
    no field here.
    """

    full: str = ""
    file: str = ""
    lineage: Lineage = ()
    source: str = ""
    caption: str = ""
    status: str = ""
    notes: str = ""
    location: str = ""
    sample: str = ""
    age: str = ""
    page: str = ""
    fetched: str = ""
    other: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What one file says: the lineage of a page (root first), the samples that it lists, and what is known besides.

    hierarchy: the lineage without blanks; lineage: full names, those of the hierarchy where others are not known;
    page: None in a record that was written by hand; pictures: by the address of their thumbnail.
    """

    hierarchy: Lineage
    samples: tuple[Sample, ...]
    lineage: Lineage
    page: PageFacts | None = None
    pictures: Mapping[str, PictureFacts] = field(default_factory=dict)

    @property
    def taxon(self) -> str:
        """The full name of the record's own taxon."""
        return self.lineage[-1]


def read_record(path: Path) -> Record | None:
    """Return a record; None for JSON that does not claim to be one (it has neither `hierarchy` nor `samples`).

    Raises RecordError where the file cannot be read, is no JSON, or one of the two is missing or of a wrong type.
    Other values of wrong types count as not known.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):  # reading a pipe would wait for a writer
        raise RecordError("it is not a regular file")
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text)
        if SURROGATE.search(text):  # one half of a pair alone is no text that could be written again
            json.dumps(content, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise RecordError("it is not UTF-8, or names half of a character") from None
    except OSError as error:
        raise RecordError(f"it cannot be opened: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"it is not JSON: {error}") from None
    if not isinstance(content, dict) or not ("hierarchy" in content or "samples" in content):
        return None
    return _record(content)


def read_records(directory: Path) -> tuple[dict[Path, Record], dict[Path, str]]:
    """Read all records below a directory, except hidden directories, in the order of their paths.

    Directories that are links are followed, each directory once. Returns the records by their files, and why each of
    the other JSON files, and each directory that cannot be read, could not be used.
    """
    records: dict[Path, Record] = {}
    problems: dict[Path, str] = {}
    for path in _json_files(directory, problems):
        try:
            record = read_record(path)
        except RecordError as error:
            problems[path] = str(error)
            continue
        if record:
            records[path] = record
        else:
            problems[path] = NOT_A_RECORD
    return records, problems


def write_record(path: Path, record: Record) -> bool:
    """Write a record unless the same lies there already; return whether it had to be written."""
    text = json.dumps(_as_json(record), indent=1, ensure_ascii=False) + "\n"
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except (OSError, ValueError):
        pass
    write_text(path, text)
    return True


def _as_json(record: Record) -> dict[str, Any]:
    content: dict[str, Any] = {
        "hierarchy": list(record.hierarchy),
        "samples": [{"taxon": sample.taxon, "thumbs": list(sample.thumbs)} for sample in record.samples],
        "lineage": list(record.lineage),
    }
    if record.page:
        page = vars(record.page) | {"range": occurrences_as_json(record.page.range)} | vars(record.page.text)
        content["page"] = {name: value for name, value in page.items() if name != "text"}
        if not record.page.other_folders:
            del content["page"]["other_folders"]
        content["pictures"] = {thumb: _picture_as_json(facts) for thumb, facts in record.pictures.items()}
    return content


def _picture_as_json(facts: PictureFacts) -> dict[str, Any]:
    known = vars(facts) | {"lineage": list(facts.lineage)}
    if not facts.other:
        del known["other"]
    return known


def _json_files(directory: Path, problems: dict[Path, str]) -> Iterator[Path]:
    """Yield the JSON files below a directory, and set why a directory below it cannot be read."""
    seen = set()
    waiting = [str(directory)]
    while waiting:
        place = waiting.pop()
        if (known := file_identity(place)) in seen:
            continue
        if known:  # None of what leads nowhere, of which each is a problem of its own
            seen.add(known)
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            problems[Path(place)] = f"the directory cannot be opened: {error.strerror}"
            continue
        below = [entry.path for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
        waiting += reversed(below)
        yield from (Path(entry) for entry in entries if entry.name.lower().endswith(".json") and not entry.is_dir())


def _record(content: dict[str, Any]) -> Record:
    hierarchy = _lineage(content.get("hierarchy"), "`hierarchy`")
    lineage = _lineage(content.get("lineage", list(hierarchy)), "`lineage`")
    same = list(map(strip_blanks, lineage)) == list(map(strip_blanks, hierarchy))
    return Record(
        hierarchy=hierarchy,
        samples=_samples(content.get("samples")),
        lineage=lineage if same else hierarchy,
        page=_page(content["page"]) if isinstance(content.get("page"), dict) else None,
        pictures=_pictures(content.get("pictures")),
    )


def _lineage(value: Any, what: str) -> Lineage:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name.strip() for name in value):
        raise RecordError(f"{what} is not a list of names")
    return tuple(" ".join(name.split()) for name in value)


def _samples(value: Any) -> tuple[Sample, ...]:
    if not isinstance(value, list) or not all(isinstance(sample, dict) for sample in value):
        raise RecordError("`samples` is not a list of objects with `taxon` and `thumbs`")
    samples = []
    for sample in value:
        taxon, thumbs = sample.get("taxon", ""), sample.get("thumbs", [])
        if not isinstance(taxon, str) or not isinstance(thumbs, list) or not all(isinstance(t, str) for t in thumbs):
            raise RecordError("a sample's `taxon` is not text, or its `thumbs` are not a list of URLs")
        samples.append(Sample(taxon, tuple(thumb for thumb in thumbs if thumb.strip())))
    return tuple(samples)


def _page(value: dict[str, Any]) -> PageFacts:
    number = value.get("id")
    return PageFacts(
        **texts(value, ("url", "rank", "features", "fetched")),
        id=number if isinstance(number, int) and not isinstance(number, bool) else None,
        range=occurrences_from_json(value.get("range")),
        text=read_taxon_text(value),
        other_folders={name: names for name, names in lists(value.get("other_folders")).items() if names},
    )


def _pictures(value: Any) -> dict[str, PictureFacts]:
    pictures = {}
    for thumb, known in value.items() if isinstance(value, dict) else ():
        if isinstance(known, dict):
            try:
                lineage = _lineage(known.get("lineage"), "`lineage`")
            except RecordError:
                lineage = ()
            other = {name: text for name, text in items(known.get("other")) if isinstance(text, str)}
            pictures[thumb] = PictureFacts(**texts(known, _PICTURE_TEXTS), lineage=lineage, other=other)
    return pictures


_PICTURE_TEXTS = ("full", "file", *PICTURE_FIELDS, "page", "fetched")
