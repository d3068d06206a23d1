"""Connected components: what links hold together, directly or through others."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array, csgraph


def connected_components(size: int, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the numbers below `size` in lists of those that the links hold together, each in ascending order."""
    ends = np.array(links, dtype=int).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(size, size))
    members: dict[int, list[int]] = defaultdict(list)
    for number, component in enumerate(csgraph.connected_components(graph, directed=False)[1].tolist()):
        members[component].append(number)
    return list(members.values())
