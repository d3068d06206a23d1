"""Names like one that was not found."""

from collections.abc import Iterable
from difflib import get_close_matches

from common.names import comparison_key

MOST = 3


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the known names most like `name`, as a part of a sentence; "" where it is known itself, or none is near.

    Without case, blanks and `_` they are compared, and a name that holds the other one is near, too.
    """
    names = {comparison_key(each): each for each in sorted(known) if each.strip()}
    key = comparison_key(name)
    if not key or name in names.values():
        return ""
    close = get_close_matches(key, names, n=MOST, cutoff=0.6)
    holding = sorted((each for each in names if len(key) > 2 and (key in each or each in key)), key=len)
    near = [names[each] for each in dict.fromkeys([*close, *holding])][:MOST]
    near = near or [names[each] for each in get_close_matches(key, names, n=MOST, cutoff=0.5)]
    return f"; did you mean {' or '.join(near)}?" if near else ""
