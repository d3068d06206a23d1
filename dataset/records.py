"""Record files (JSON) to pictures: each picture of the site once, however many pages list it."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from common.names import picture_file, strip_blanks
from dataset import DataSetError
from dataset.descriptors import Look

FIELDS = ("source", "caption", "status", "notes", "location", "sample", "age")

Lineage = tuple[str, ...]


@dataclass
class Picture:
    """One picture and what is known of it. The later fields are filled as the picture goes on its way."""

    file: str  # path below images/, with forward slashes: the picture's key
    url: str  # its address, or the name by which a record lists it
    lineages: list[Lineage]  # full names, root first, deepest first: of its folder if known, else of the pages
    taxa: frozenset[str]  # names of the table rows that list it
    facts: dict[str, str]  # the FIELDS that are known
    look: Look | None = None
    technique: str = ""  # SEM, LM, or empty where nobody can tell
    technique_sure: float = 0.0  # 0 to 1
    label: str = ""  # class, the directory's name
    lineage: Lineage = ()  # the lineage that gave the label
    group: str = ""  # pictures of one group stay on one side of the split
    split: str = ""  # train, validate or test
    path: str = ""  # below the directory of the layout


@dataclass(frozen=True)
class Excluded:
    """A listed picture that is not used, and why. What stands before a colon in the reason is counted as one kind."""

    file: str
    reason: str
    url: str
    label: str = ""  # the class that it would have belonged to


def exclude(picture: Picture, reason: str) -> Excluded:
    """Say that `picture` is not used, and why."""
    return Excluded(picture.file, reason, picture.url, picture.label)


@dataclass(frozen=True)
class Record:
    """What one record file says: a page's lineage, its rank, and the pictures that it lists."""

    lineage: Lineage
    rank: str
    listed: list[tuple[str, str]]  # (taxon of the row, URL)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)  # URL: what is known of the picture


def read_records(data: Path) -> tuple[list[Record], list[str]]:
    """Read every record below `data`, hidden directories apart, in the order of their paths.

    Returns the records and a sentence for each file that could not be used. JSON that is no record (an object without
    `hierarchy` and `samples`, or no object at all) is passed over in silence. Raises DataSetError where no record is
    left.
    """
    if not data.is_dir():
        raise DataSetError(f"There is no directory {data}: give the one with the JSON files as --data.")
    records, problems = [], []
    for path in _json_files(data):
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
            if isinstance(content, dict) and ("hierarchy" in content or "samples" in content):
                records.append(_record(content))
        except (OSError, ValueError, RecursionError) as error:
            problems.append(f"{path} is no usable record: {_reason(error)}.")
    if not records:
        hint = problems[0] if problems else "Run scrape_mikrotax.py first, or give another directory as --data."
        raise DataSetError(f"No record with `hierarchy` and `samples` was found below {data}. {hint}")
    return records, problems


def list_pictures(records: Iterable[Record]) -> tuple[list[Picture], list[Excluded]]:
    """Bring together what all records say of each picture; sorted by file, so that no order of files matters.

    A listed name without a scheme (`my_own/a.png`) is taken as a path below images/.
    """
    pages: dict[str, dict[str, Any]] = {}
    excluded: dict[str, Excluded] = {}
    for record in records:
        for taxon, url in record.listed:
            details = record.details.get(url, {})
            try:
                file = _file(url, details)
            except ValueError as error:
                excluded[url] = Excluded(url, f"no file name: {error}", url)
                continue
            page = pages.setdefault(file, {"urls": set(), "own": set(), "listing": set(), "taxa": set(), "facts": []})
            page["urls"].add(url)
            page["taxa"].add(taxon)
            page["listing"].add(record.lineage)
            page["own"].update([details["lineage"]] if details.get("lineage") else [])
            page["facts"].append({name: details[name] for name in FIELDS if details.get(name)})
    pictures = [_picture(file, page) for file, page in sorted(pages.items())]
    return pictures, [excluded[url] for url in sorted(excluded)]


def known_ranks(records: Iterable[Record]) -> dict[str, str]:
    """Return the rank of each taxon that has a page of its own, by its name without blanks, both without case."""
    return {strip_blanks(record.lineage[-1]).casefold(): record.rank for record in records if record.rank}


def _json_files(data: Path) -> Iterator[Path]:
    for directory, subdirectories, names in os.walk(data):
        subdirectories[:] = sorted(name for name in subdirectories if not name.startswith("."))
        yield from (Path(directory, name) for name in sorted(names) if name.lower().endswith(".json"))


def _record(content: dict[str, Any]) -> Record:
    """Check the types of one record. Raises ValueError that says what is wrong."""
    hierarchy = _names(content.get("hierarchy"), "`hierarchy`")
    lineage = _names(content.get("lineage", list(hierarchy)), "`lineage`")
    samples = content.get("samples")
    if not isinstance(samples, list) or not all(isinstance(sample, dict) for sample in samples):
        raise ValueError("`samples` is not a list of objects with `taxon` and `thumbs`")
    listed = []
    for sample in samples:
        taxon, thumbs = sample.get("taxon", ""), sample.get("thumbs", [])
        if not isinstance(taxon, str) or not isinstance(thumbs, list) or not all(isinstance(t, str) for t in thumbs):
            raise ValueError("a sample's `taxon` is not text, or its `thumbs` are not a list of URLs")
        listed += [(taxon, thumb) for thumb in thumbs if thumb.strip()]
    same = len(lineage) == len(hierarchy) and all(map(_same, lineage, hierarchy))
    page = content.get("page") if isinstance(content.get("page"), dict) else {}
    rank = page.get("rank") if isinstance(page.get("rank"), str) else ""
    return Record(lineage if same else hierarchy, rank.strip().casefold(), listed, _details(content.get("pictures")))


def _details(pictures: Any) -> dict[str, dict[str, Any]]:
    """Return what a record says of its pictures by URL; values of the wrong type count as not known."""
    details = {}
    for url, known in pictures.items() if isinstance(pictures, dict) else ():
        if isinstance(known, dict):
            texts = {name: known[name] for name in ("file", *FIELDS) if isinstance(known.get(name), str)}
            details[url] = {name: text.strip() for name, text in texts.items() if text.strip(" -;")}
            try:
                details[url]["lineage"] = _names(known.get("lineage"), "`lineage`")
            except ValueError:
                continue
    return details


def _names(value: Any, what: str) -> Lineage:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name.strip() for name in value):
        raise ValueError(f"{what} is not a list of names")
    return tuple(" ".join(name.split()) for name in value)


def _same(name: str, squeezed: str) -> bool:
    return strip_blanks(name) == strip_blanks(squeezed)


def _file(url: str, details: dict[str, Any]) -> str:
    """Return the picture's path below images/. Raises ValueError for one that leads out of it."""
    file = details.get("file") or (picture_file(url) if "://" in url or url.startswith("/") else url)
    path = PurePosixPath(file.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0] or "\0" in file:
        raise ValueError(f"{file!r} leads out of the directory of pictures")
    return str(path)


def _picture(file: str, page: dict[str, Any]) -> Picture:
    lineages = sorted(page["own"] or page["listing"], key=lambda lineage: (-len(lineage), lineage))
    facts = max(page["facts"], key=lambda known: (len(known), sorted(known.items())))
    return Picture(file, min(page["urls"]), lineages, frozenset(page["taxa"]), facts)


def _reason(error: BaseException) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON (line {error.lineno}: {error.msg})"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error)
