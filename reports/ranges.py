"""When taxa lived, as the records of the scraper say."""

import json
import math
from pathlib import Path
from typing import Any

Range = tuple[float, float]


def read_ranges(data: Path) -> dict[str, Range]:
    """Return the geological range of each taxon that the records below `data` give one, as (youngest, oldest) in Ma.

    A range is taken at its widest: from the older bound of the first occurrence to the younger bound of the last. What
    several records (of a Cenozoic and a Mesozoic module, say) tell of one name is joined. Records without a range,
    broken files and a missing directory are passed over.
    """
    ranges: dict[str, Range] = {}
    for path in sorted(data.glob("*/*.json")) + sorted(data.glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            name, (youngest, oldest) = str(record["lineage"][-1]), _widest(record["page"]["range"])
        except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
            continue
        known = ranges.get(name, (youngest, oldest))
        ranges[name] = (min(known[0], youngest), max(known[1], oldest))
    return ranges


def _widest(known: dict[str, Any]) -> Range:
    youngest, oldest = float(known["last_ma"][0]), float(known["first_ma"][1])
    if not 0 <= youngest <= oldest < math.inf:
        raise ValueError("no range of ages")
    return youngest, oldest
