"""When taxa lived, as the records of the scraper say."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def _widest(known: Mapping[str, Any]) -> Range | None:
    """Return a page's range, None where it names no valid one."""
    try:
        youngest, oldest = float(known["last_ma"][0]), float(known["first_ma"][1])
    except (ValueError, LookupError, TypeError, OverflowError):
        return None
    return (youngest, oldest) if 0 <= youngest <= oldest < math.inf else None
