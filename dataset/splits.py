"""A split that is stratified by class and never parts a group.

scikit-learn's StratifiedGroupKFold takes groups in order of the unevenness of their classes and gives each to the fold
where it leaves the classes most even. This does the same with splits of any share in place of equal folds, and then
improves the result by moving single groups, so that a class is never further from its share than half a group could
mend and none is missing from a split that it could be in. Every choice hangs on hashes of names, never on an order.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping

MISSING = 1e6  # what it costs that a class is missing from a split: more than any unevenness
TRIES = 16  # starts from different orders; the best counts


def chance(seed: int, *names: str) -> str:
    """Return a number (64 hexadecimal digits) that looks random and depends on nothing but the seed and the names."""
    return hashlib.sha256("\0".join([str(seed), *names]).encode(errors="surrogatepass")).hexdigest()


def split_groups(
    groups: Mapping[str, Counter],
    shares: Mapping[str, float],
    seed: int,
    held: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return each group to a split.

    `groups` holds the number of pictures of each class in each group, `shares` the wanted share of each split (they
    add up to 1), and `held` the only split that a group may go to, where it has one. Classes that share no group are
    independent of each other, so each such set of classes is solved alone.
    """
    groups = {name: Counter(dict(sorted(groups[name].items()))) for name in sorted(groups)}
    chosen: dict[str, str] = {}
    for names in _independent(groups):
        part = {name: groups[name] for name in names}
        classes = {label for counts in part.values() for label in counts}
        tries = range(TRIES if len(classes) > 1 else 1)
        solved = [_Solution(part, shares, seed, number, held or {}) for number in tries]
        chosen |= min(solved, key=lambda solution: solution.cost).split_of
    return chosen


def _independent(groups: Mapping[str, Counter]) -> list[list[str]]:
    """Return the names of groups in sets that have no class in common."""
    leader: dict[str, str] = {}

    def lead(label: str) -> str:
        while leader.setdefault(label, label) != label:
            leader[label] = label = leader[leader[label]]
        return label

    for counts in groups.values():
        first, *others = counts
        for other in others:
            leader[lead(other)] = lead(first)
    sets: dict[str, list[str]] = defaultdict(list)
    for name, counts in groups.items():
        sets[lead(next(iter(counts)))].append(name)
    return list(sets.values())


class _Solution:
    """One way to share out groups, found from one seeded order: `split_of` each group, and its `cost`."""

    def __init__(self, groups, shares, seed, number, held):
        self.groups, self.shares, self.held = groups, shares, held
        self.total: Counter = sum(groups.values(), Counter())
        self.have = {split: Counter() for split in shares}
        self.split_of: dict[str, str] = {}
        order = sorted(groups, key=lambda name: (-max(groups[name].values()), chance(seed, str(number), name)))
        for name in order:
            self._put(name, min(self._open_to(name), key=lambda split: self._price(name, split, 1)))
        while sum(self._improve(name) for name in order):
            pass
        self.cost = sum(self._unevenness(split, label, 0) for split in shares for label in self.total)

    def _open_to(self, name: str) -> list[str]:
        return [self.held[name]] if name in self.held else list(self.shares)

    def _put(self, name: str, split: str) -> None:
        self.split_of[name] = split
        self.have[split].update(self.groups[name])

    def _improve(self, name: str) -> bool:
        """Move a group to where it lowers the cost most, if anywhere."""
        here = self.split_of[name]
        leaving = self._price(name, here, -1)
        prices = {split: leaving + self._price(name, split, 1) for split in self._open_to(name) if split != here}
        best = min(prices, key=prices.get, default=here)
        if best == here or prices[best] > -1e-9:
            return False
        self.have[here].subtract(self.groups[name])
        self._put(name, best)
        return True

    def _price(self, name: str, split: str, sign: int) -> float:
        """Return how the cost changes when a group comes to a split (sign 1) or leaves it (-1)."""
        return sum(
            self._unevenness(split, label, sign * count) - self._unevenness(split, label, 0)
            for label, count in self.groups[name].items()
        )

    def _unevenness(self, split: str, label: str, more: int) -> float:
        have, total = self.have[split][label] + more, self.total[label]
        return (have - self.shares[split] * total) ** 2 / total + (MISSING if have == 0 else 0)
