"""The tree of taxa that the demo site serves, with their pictures, and how it grows from an outline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from demo.taxa import INTERVALS


@dataclass(frozen=True)
class Picture:
    """One image of the site: what its page says of it, and what is needed to draw it."""

    file: str
    source: str = ""
    caption: str = ""
    status: str = "-"
    notes: str = ""
    location: str = "-; ; "
    sample: str = "-"
    age: str = "- "
    species: str = ""  # a key of demo.coccoliths.SPECIES
    specimen: int = 0  # the same individual in each of its shots
    shot: str = ""
    technique: str = "SEM"
    scene: str = "photo"
    corrupt: bool = False  # the file breaks off in its middle


@dataclass(eq=False)
class Taxon:
    """One page of the site. `id` stays when a revision moves or renames the taxon."""

    name: str
    rank: str
    id: int
    range: str = ""  # "first–last", each a key of INTERVALS, or "Extant" for last; empty where nothing is known
    diagnosis: str = ""
    heading: str = ""  # above this taxon in its parent's table
    parent: Taxon | None = None
    children: list[Taxon] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    @property
    def lineage(self) -> list[str]:
        """Full names from the module down to this taxon."""
        return [*(self.parent.lineage if self.parent else []), self.name]

    @property
    def module(self) -> str:
        """The module's name, the first item of the lineage."""
        return self.parent.module if self.parent else self.name

    def walk(self) -> Iterator[Taxon]:
        """Yield this taxon and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def below_genus(self) -> bool:
        """Return whether this is a genus or lies below one."""
        return self.rank == "Genus" or (self.parent is not None and self.parent.below_genus())

    def ages(self) -> tuple[str, str] | None:
        """Return first and last occurrence as names of intervals, summed over any children; None if not known."""
        if self.range:
            first, last = self.range.split("–")
            return first, last
        known = [ages for child in self.children if (ages := child.ages())]
        if not known:
            return None
        first = max((ages[0] for ages in known), key=lambda name: INTERVALS[name][2])
        last = min((ages[1] for ages in known), key=lambda name: INTERVALS[name][1] if name in INTERVALS else -1)
        return first, last

    def adopt(self, child: Taxon) -> None:
        """Make `child` the last of the children, taking it away from its parent before."""
        if child.parent:
            child.parent.children.remove(child)
        child.parent = self
        self.children.append(child)


def grow(root: Taxon, outline: str) -> Taxon:
    """Hang the taxa of `outline` below `root`, ids counted on from the root's, and return `root`."""
    path, heading = [root], ""
    for number, line in enumerate(filter(str.strip, outline.splitlines()), start=1):
        if line.startswith("= "):
            heading = line[2:]
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        name, rank, ages, diagnosis = (part.strip() for part in line.split("|"))
        taxon = Taxon(name, rank, root.id + number, ages, diagnosis, heading)
        heading = ""
        del path[depth + 1 :]
        path[-1].adopt(taxon)
        path.append(taxon)
    return root
