"""When taxa lived, as the records of the scraper say."""

from collections.abc import Mapping
from pathlib import Path

from common.occurrence import Occurrence
from common.records import read_records

Range = tuple[float, float]  # youngest and oldest, in Ma


def read_ranges(data: Path) -> dict[str, Range]:
    """Return the geological range of each taxon that the records below `data` give one, as (youngest, oldest) in Ma.

    A range is taken at its widest: from the older bound of the first occurrence to the younger bound of the last. What
    several records (of a Cenozoic and a Mesozoic module, say) tell of one name is joined. Records without a range,
    broken files and a missing directory are passed over.
    """
    ranges: dict[str, Range] = {}
    records, _ = read_records(data)
    for record in records.values():
        if record.page is None or (found := _widest(record.page.range)) is None:
            continue
        youngest, oldest = ranges.get(record.taxon, found)
        ranges[record.taxon] = (min(youngest, found[0]), max(oldest, found[1]))
    return ranges


def _widest(known: Mapping[str, Occurrence]) -> Range | None:
    """Return a page's range, None where it does not tell the ages of both ends, or tells them the wrong way round."""
    last, first = (known.get(end, Occurrence()).ma for end in ("last", "first"))
    return (last[0], first[1]) if last and first and last[0] <= first[1] else None
