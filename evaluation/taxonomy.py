"""The tree of a model's classes: probabilities summed by rank, common ancestors, and names in open nomenclature.

A node of the tree is written as its lineage, a tuple of names with the root first; () is above all roots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from common.names import shown_name

Node = tuple[str, ...]


class Taxonomy:
    """The tree whose leaves are the classes of a model; a class may also lie above other classes.

    lineages: for each class, in the order of the model's outputs, its names from the root down to the class's own, as
    they are shown (`common.names.shown_name`);
    names: the classes' own names; depths: number of names in the longest lineage; order: the classes' indices in
    taxonomic order, in which all classes below a node are neighbours; nodes: all nodes, the roots first.
    """

    def __init__(self, lineages: Sequence[Sequence[str]]):
        self.lineages: list[Node] = [tuple(map(shown_name, lineage)) for lineage in lineages]
        if not all(self.lineages):
            raise ValueError("each class needs a lineage of one name or more")
        self.names = [lineage[-1] for lineage in self.lineages]
        self.depths = max(map(len, self.lineages), default=0)
        self.order = sorted(range(len(self.lineages)), key=lambda index: self.lineages[index])
        self._below: dict[Node, list[int]] = {}
        for index in self.order:
            for depth in range(1, len(self.lineages[index]) + 1):
                self._below.setdefault(self.lineages[index][:depth], []).append(index)
        self.nodes = sorted(self._below, key=lambda node: (len(node), node))

    @classmethod
    def of(cls, classes: Sequence[str], lineages: Mapping[str, Sequence[str]]) -> Taxonomy:
        """Return the tree of a model file's classes; a class without a lineage is a root of its own."""
        return cls([lineages.get(name) or [name] for name in classes])

    def node_probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, nodes) of all classes at or below each node, from (n, classes)."""
        return _sums(probabilities, [self._below[node] for node in self.nodes])

    def at_depth(self, probabilities: np.ndarray, depth: int) -> tuple[list[Node], np.ndarray]:
        """Return the probabilities (n, k) of the k nodes at a depth (1 for the roots), from (n, classes).

        A class whose lineage is shorter stands for itself, so that each row keeps its sum.
        """
        members: dict[Node, list[int]] = {}
        for index in self.order:
            members.setdefault(self.lineages[index][:depth], []).append(index)
        return list(members), _sums(probabilities, list(members.values()))

    def common_ancestor(self, classes: Iterable[int]) -> Node:
        """Return the deepest node that holds all the classes (one class: its own); () where they share none."""
        shared: Node | None = None
        for index in classes:
            lineage = self.lineages[index]
            shared = lineage if shared is None else shared[: _shared_depth(shared, lineage)]
        return shared or ()

    def lowest_taxon(self, classes: Iterable[int]) -> Node:
        """Return the common ancestor of classes if it tells anything; () for one that merely holds all classes."""
        node = self.common_ancestor(classes)
        return () if len(self._below.get(node, ())) == len(self.lineages) and node not in self.lineages else node

    @cached_property
    def is_flat(self) -> bool:
        """Whether no node holds several classes but not all of them: the tree tells nothing of how they belong."""
        return all(len(members) in (1, len(self.lineages)) for members in self._below.values())

    def distance(self, a: int, b: int) -> int:
        """Return the number of steps from class a up to its common ancestor with b; 0 where b is a or lies below it."""
        return len(self.lineages[a]) - _shared_depth(self.lineages[a], self.lineages[b])

    def title(self, node: Node) -> str:
        """Return a node's name in open nomenclature (Bengtson 1988, Palaeontology 31).

        A class is named by its own name, a genus of which the classes are species as "Syracosphaera sp.", any other
        node as "Noelaerhabdaceae indet.", and () as "indet." alone. Raises KeyError for what is not a node of the tree.
        """
        if not node:
            return "indet."
        below = self._below[tuple(node)]
        name = node[-1]
        if any(len(self.lineages[index]) == len(node) for index in below):
            return name
        return f"{name} sp." if all(_is_species(self.names[index], name) for index in below) else f"{name} indet."


def holds(node: Node, lineage: Node) -> bool:
    """Return whether a lineage ends at the node or below it; () holds everything."""
    return lineage[: len(node)] == node


def _sums(probabilities: np.ndarray, members: list[list[int]]) -> np.ndarray:
    """Return the sums of columns (n, classes) that belong together, (n, len(members))."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    return np.stack([probabilities[:, columns].sum(1) for columns in members], axis=1)


def _shared_depth(a: Node, b: Node) -> int:
    """Return the number of names that two lineages have in common, from the root on."""
    depth = 0
    while depth < min(len(a), len(b)) and a[depth] == b[depth]:
        depth += 1
    return depth


def _is_species(name: str, genus: str) -> bool:
    """Return whether `name` is a binomial in `genus` (hierarchies write it without the blank), or its pooled rest."""
    return name == f"other {genus}" or (name.startswith(genus) and name[len(genus) :].lstrip()[:1].islower())
