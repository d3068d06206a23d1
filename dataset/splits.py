"""A split that is stratified by class and keeps every group whole.

scikit-learn's StratifiedGroupKFold takes groups in order of the unevenness of their classes and gives each to the fold
where it leaves the classes most even. This does the same with splits of any share in place of equal folds, and then
improves the result by moving single groups, so that a class is never further from its share than half a group could
mend and none is missing from a split that it could be in. Every choice depends on hashes of names, never on an order.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping

from dataset.components import connected_components

MISSING = 1e6  # what it costs that a class is missing from a split: more than any unevenness
TRIES = 16  # starts from different orders, of which the best counts

Groups = Mapping[str, Counter[str]]  # the number of pictures of each class in each group


def random_key(seed: int, *names: str) -> str:
    """Return a key to sort by (64 hexadecimal digits) that looks random and depends on the seed and the names alone."""
    return hashlib.sha256("\0".join([str(seed), *names]).encode(errors="surrogatepass")).hexdigest()


def split_groups(
    groups: Groups, shares: Mapping[str, float], seed: int, fixed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the split of each group.

    `shares` holds the wanted share of each split (they add up to 1), and `fixed` the only split that a group may go to,
    where it has one. Classes that share no group are independent of each other, so each such set of classes is solved
    separately.
    """
    groups = {name: Counter(dict(sorted(groups[name].items()))) for name in sorted(groups)}
    split_of: dict[str, str] = {}
    for part in _independent(groups):
        classes = {label for counts in part.values() for label in counts}
        tries = range(TRIES if len(classes) > 1 else 1)
        solved = [_Solution(part, shares, fixed or {}, seed, number) for number in tries]
        split_of |= min(solved, key=lambda solution: solution.cost).split_of
    return split_of


def _independent(groups: Groups) -> list[Groups]:
    """Return the groups in parts that have no class in common."""
    names = list(groups)
    first: dict[str, int] = {}  # the first group that holds a class; its others are linked to that
    links = [(first.setdefault(label, index), index) for index, name in enumerate(names) for label in groups[name]]
    parts = connected_components(len(names), links)
    return [{names[index]: groups[names[index]] for index in part} for part in parts]


class _Solution:
    """One way to assign groups, found from one seeded order: `split_of` each group, and its `cost`."""

    def __init__(self, groups: Groups, shares: Mapping[str, float], fixed: Mapping[str, str], seed: int, number: int):
        self.groups, self.shares, self.fixed = groups, shares, fixed
        self.total: Counter[str] = sum(groups.values(), Counter())
        self.assigned: dict[str, Counter[str]] = {split: Counter() for split in shares}
        self.split_of: dict[str, str] = {}
        order = sorted(groups, key=lambda name: (-max(groups[name].values()), random_key(seed, str(number), name)))
        for name in order:
            self._assign(name, min(self._allowed(name), key=lambda split: self._cost_of_change(name, split, 1)))
        while sum(self._improve(name) for name in order):
            pass
        self.cost = sum(self._unevenness(split, label, 0) for split in shares for label in self.total)

    def _allowed(self, name: str) -> list[str]:
        return [self.fixed[name]] if name in self.fixed else list(self.shares)

    def _assign(self, name: str, split: str) -> None:
        self.split_of[name] = split
        self.assigned[split].update(self.groups[name])

    def _improve(self, name: str) -> bool:
        """Move a group to where it lowers the cost most, if anywhere."""
        here = self.split_of[name]
        leaving = self._cost_of_change(name, here, -1)
        others = (split for split in self._allowed(name) if split != here)
        costs = {split: leaving + self._cost_of_change(name, split, 1) for split in others}
        best = min(costs, key=lambda split: costs[split], default=here)
        if best == here or costs[best] > -1e-9:
            return False
        self.assigned[here].subtract(self.groups[name])
        self._assign(name, best)
        return True

    def _cost_of_change(self, name: str, split: str, sign: int) -> float:
        """Return how the cost changes when a group comes to a split (sign 1) or leaves it (-1)."""
        return sum(
            self._unevenness(split, label, sign * count) - self._unevenness(split, label, 0)
            for label, count in self.groups[name].items()
        )

    def _unevenness(self, split: str, label: str, more: int) -> float:
        """Return what it costs that a split would hold `more` pictures of a class than now: a squared distance.

        In units of the class's number, so that a small class is as important as a large one.
        """
        count, total = self.assigned[split][label] + more, self.total[label]
        return (count - self.shares[split] * total) ** 2 / total + (MISSING if count == 0 else 0)
