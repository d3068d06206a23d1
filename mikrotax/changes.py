"""What a taxonomic revision has changed: the records of a module before and after, compared by stable id."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common.files import write_csv
from common.manifest import ARROW
from common.names import picture_path
from common.records import Lineage, Record
from mikrotax.records import Pool
from mikrotax.tables import read_table

COLUMNS = ("date", "module", "change", "id", "name", "before", "after")


def changes(before: list[Record], now: list[Record], pool: Pool, whole: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each taxon or picture that is new, gone, renamed, moved or relabelled.

    `before` and `now` are the records of a module, `pool` the pictures of now. A taxon has moved if its parent is
    another one; that its parent has a new name, or has moved itself, is reported once, of the parent. What is gone is
    reported only where the `whole` module was read.
    """
    old = {_key(record): record.lineage for record in before}
    new = {_key(record): record.lineage for record in now}
    renamed = {old[key][-1]: new[key][-1] for key in old.keys() & new.keys()}

    for key, lineage in new.items():
        if key not in old:
            yield _row("new taxon", key, lineage[-1], "", ARROW.join(lineage))
            continue
        if old[key][-1] != lineage[-1]:
            yield _row("renamed", key, lineage[-1], old[key][-1], lineage[-1])
        above = tuple(renamed.get(name, name) for name in old[key][-2:-1])
        if above != lineage[-2:-1]:
            yield _row("moved", key, lineage[-1], ARROW.join(old[key]), ARROW.join(lineage))
    if whole:
        for key in old.keys() - new.keys():
            yield _row("gone taxon", key, old[key][-1], ARROW.join(old[key]), "")
    pages = {record.page.url for record in now if record.page}
    yield from _of_pictures(_lineages(before), pool, pages, renamed, whole)


def _of_pictures(
    before: Mapping[str, Lineage], pool: Pool, pages: set[str], renamed: Mapping[str, str], whole: bool
) -> Iterator[dict[str, Any]]:
    for key, listed in pool.listed.items():
        lineage = listed.picture.lineage
        if key not in before:
            if listed.page in pages:
                yield _row("new picture", "", key, "", ARROW.join(lineage))
        elif renamed.get(before[key][-1], before[key][-1]) != lineage[-1]:
            yield _row("relabelled picture", "", key, ARROW.join(before[key]), ARROW.join(lineage))
    if whole:
        for key in before.keys() - pool.listed.keys():
            yield _row("gone picture", "", key, ARROW.join(before[key]), "")


def write_changes(path: Path, date: str, module: str, rows: list[dict[str, Any]]) -> None:
    """Add `rows` to the table of changes at `path`, which keeps those of earlier runs; none is there twice."""
    order = sorted(rows, key=lambda row: (row["change"], row["name"]))
    new = [{name: str(({"date": date, "module": module} | row)[name]) for name in COLUMNS} for row in order]
    table = [{name: row.get(name) or "" for name in COLUMNS} for row in read_table(path)]
    fresh = [row for row in new if row not in table]
    if fresh:
        write_csv(path, COLUMNS, table + fresh)


def _lineages(records: list[Record]) -> dict[str, Lineage]:
    """Return the lineage of each picture in records, by its key."""
    lineages = {}
    for record in records:
        for thumb, facts in record.pictures.items():
            try:
                if facts.lineage:
                    lineages[picture_path(thumb)] = facts.lineage
            except ValueError:
                continue
    return lineages


def _key(record: Record) -> int | str:
    number = record.page.id if record.page else None
    return record.taxon if number is None else number


def _row(change: str, key: int | str, name: str, before: str, after: str) -> dict[str, Any]:
    return {"change": change, "id": key if isinstance(key, int) else "", "name": name, "before": before, "after": after}
