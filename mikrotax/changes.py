"""What a taxonomic revision has changed: the records of a module before and after, compared by stable id."""

from collections.abc import Iterator
from pathlib import Path

from common.files import write_csv
from mikrotax.records import Old, Pool
from mikrotax.tables import read_table

COLUMNS = ("date", "module", "change", "id", "name", "before", "after")


def changes(old: list[Old], records: list[dict], pool: Pool, whole: bool) -> Iterator[dict]:
    """Yield a row for each taxon or picture that is new, gone, renamed, moved or relabelled since `old`.

    `records` are the outlines of now, `pool` their pictures. A taxon has moved if its parent is another one; that its
    parent has a new name, or has moved itself, is said once, of the parent. What is gone is told only where the
    `whole` module was read.
    """
    before = {_key(known.id, known.lineage): known for known in old}
    now = {_key(record["page"]["id"], record["lineage"]): tuple(record["lineage"]) for record in records}
    renamed = {before[key].lineage[-1]: now[key][-1] for key in before.keys() & now.keys()}

    for key, lineage in now.items():
        known = before.get(key)
        if known is None:
            yield _row("new taxon", key, lineage[-1], "", " > ".join(lineage))
            continue
        if known.lineage[-1] != lineage[-1]:
            yield _row("renamed", key, lineage[-1], known.lineage[-1], lineage[-1])
        above = [renamed.get(name, name) for name in known.lineage[-2:-1]]
        if above != list(lineage[-2:-1]):
            yield _row("moved", key, lineage[-1], " > ".join(known.lineage), " > ".join(lineage))
    if whole:
        for key in before.keys() - now.keys():
            yield _row("gone taxon", key, before[key].lineage[-1], " > ".join(before[key].lineage), "")
    yield from _of_pictures(old, records, pool, renamed, whole)


def _of_pictures(old: list[Old], records: list[dict], pool: Pool, renamed: dict, whole: bool) -> Iterator[dict]:
    before = {key: lineage for known in old for key, lineage in known.pictures.items()}
    pages = {record["page"]["url"] for record in records}
    for key, listed in pool.listed.items():
        lineage = listed.picture.lineage
        if key not in before:
            if listed.page in pages:
                yield _row("new picture", "", key, "", " > ".join(lineage))
        elif renamed.get(before[key][-1], before[key][-1]) != lineage[-1]:
            yield _row("relabelled picture", "", key, " > ".join(before[key]), " > ".join(lineage))
    if whole:
        for key in before.keys() - pool.listed.keys():
            yield _row("gone picture", "", key, " > ".join(before[key]), "")


def write_changes(path: Path, date: str, module: str, rows: list[dict]) -> None:
    """Add `rows` to the table of changes at `path`, which keeps those of earlier runs; none is there twice."""
    order = sorted(rows, key=lambda row: (row["change"], row["name"]))
    new = [{name: str(({"date": date, "module": module} | row)[name]) for name in COLUMNS} for row in order]
    table = [{name: row.get(name) or "" for name in COLUMNS} for row in read_table(path)]
    fresh = [row for row in new if row not in table]
    if fresh:
        write_csv(path, COLUMNS, table + fresh)


def _key(number: int | None, lineage) -> int | str:
    return lineage[-1] if number is None else number


def _row(change: str, key: int | str, name: str, before: str, after: str) -> dict:
    return {"change": change, "id": key if isinstance(key, int) else "", "name": name, "before": before, "after": after}
