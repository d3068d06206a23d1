"""First and last occurrence of a taxon: the object `page.range` of a record, which the report and taxa.csv read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.taxon_text import pair, texts

ENDS = ("last", "first")


@dataclass(frozen=True)
class Occurrence:
    """One end of a taxon's geological range, in the site's `words`.

    ma: youngest and oldest age in Ma that the words allow, None where they tell no age; source: where the site has it
    from; zone, stage: names of biozone and stage, "" where there is none.
    """

    words: str = ""
    ma: tuple[float, float] | None = None
    source: str = ""
    zone: str = ""
    stage: str = ""


def occurrences_from_json(value: Any) -> dict[str, Occurrence]:
    """Return the occurrences in a record's `range`, by `last` and `first`; what is of a wrong type is not known."""
    found = {}
    for end in ENDS if isinstance(value, dict) else ():
        known = {"words": value.get(end)} | {name: value.get(f"{end}_{name}") for name in ("source", "zone", "stage")}
        occurrence = Occurrence(**texts(known, known), ma=_ages(value.get(f"{end}_ma")))
        if occurrence != Occurrence():
            found[end] = occurrence
    return found


def occurrences_as_json(occurrences: Mapping[str, Occurrence]) -> dict[str, Any]:
    """Return the object that `occurrences_from_json` reads."""
    content: dict[str, Any] = {}
    for end, known in occurrences.items():
        content |= {end: known.words, f"{end}_ma": list(known.ma) if known.ma else None}
        content |= {f"{end}_source": known.source, f"{end}_zone": known.zone, f"{end}_stage": known.stage}
    return content


def _ages(value: Any) -> tuple[float, float] | None:
    found = pair(value)
    return (min(found), max(found)) if found and min(found) >= 0 else None
