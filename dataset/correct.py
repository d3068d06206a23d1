"""A person's corrections: pictures get the taxon that they really show, or are dropped, before anything else."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from common.command_line import nearest
from common.corrections import Correction
from common.errors import ToolkitError
from common.manifest import ARROW
from common.names import comparison_key
from common.records import Lineage
from dataset import samples
from dataset.names_of_pictures import PictureNames
from dataset.own_folder import known_lineages, unique_labels
from dataset.pictures import Excluded, ListedPicture, exclude


@dataclass
class Corrected:
    """What became of corrections: the pictures, those dropped, and how many of the corrections did what."""

    pictures: list[ListedPicture]
    dropped: list[Excluded] = field(default_factory=list)
    relabelled: int = 0
    unchanged: int = 0
    of_unused: int = 0  # of pictures that are left out anyway

    def summary(self, path: Path, corrections: Sequence[Correction]) -> dict[str, Any]:
        """Return what dataset.json says of the corrections."""
        return {
            "file": str(path),
            "relabelled": self.relabelled,
            "dropped": len(self.dropped),
            "unchanged": self.unchanged,
            "of_unused": self.of_unused,
            "rows": [vars(each) for each in corrections],
        }


def apply_corrections(
    corrections: Sequence[Correction], pictures: Sequence[ListedPicture], names: PictureNames
) -> Corrected:
    """Apply corrections to listed pictures.

    names: also of pictures that are left out already, which may be corrected without effect. Raises ToolkitError for a
    picture or a taxon that is not known, with the nearest names.
    """
    place = {picture.file: number for number, picture in enumerate(pictures)}
    known = _Taxa([picture for picture in pictures if not samples.is_unnamed(picture)], corrections)
    result = Corrected(list(pictures))
    dropped: set[int] = set()
    for correction in corrections:
        file = names.resolve(correction.file)
        if file is None:
            raise ToolkitError(f"in the corrections, {names.unknown(correction.file)}", "corrections")
        taxon = None if correction.is_drop else known.find(correction)
        number = place.get(file)
        if number is None:
            result.of_unused += 1
        elif taxon is None:
            dropped.add(number)
            why = "dropped" if correction.is_drop else "unidentified"
            reason = f"{why}: by the corrections" + (f" ({correction.note})" if correction.note else "")
            result.dropped.append(exclude(pictures[number], reason))
        elif _shows(pictures[number], taxon):
            result.unchanged += 1
        else:
            result.relabelled += 1
            result.pictures[number] = _relabelled(pictures[number], taxon)
    result.pictures = [picture for number, picture in enumerate(result.pictures) if number not in dropped]
    return result


class _Taxa:
    """The taxa that pictures are listed as, by their names."""

    def __init__(self, pictures: Sequence[ListedPicture], corrections: Sequence[Correction]):
        lineages = [lineage for picture in pictures for lineage in picture.lineages]
        named = {comparison_key(name) for lineage in lineages for name in lineage}
        # of a taxon that pictures are listed as, their lineage counts, not the one that a model knows
        lineages += [each.lineage for each in corrections if each.lineage and comparison_key(each.label) not in named]
        self._known = known_lineages(lineages)
        own = unique_labels({picture.lineages[0] for picture in pictures if picture.own})
        for lineage, label in [*own.items(), *((lineage, ARROW.join(lineage)) for lineage in set(lineages))]:
            self._known.setdefault(comparison_key(label), [lineage])
        self._names = sorted({name for lineage in set(lineages) for name in lineage} | set(own.values()))

    def find(self, correction: Correction) -> Lineage | None:
        """Return the lineage of the taxon of a correction: of several of that name the longest.

        None where nobody can tell the taxon, unless a taxon has that name.
        """
        name = correction.label
        places = self._known.get(comparison_key(name))
        if not places and (correction.lineage or correction.is_unidentified):
            return correction.lineage or None
        if not places:
            advice = (
                "" if correction.sample is None else "; a new one needs its column lineage (Family > Genus > Taxon)"
            )
            near = nearest(name, self._names)
            raise ToolkitError(f"in the corrections, there is no taxon {name}{near}{advice}", "corrections")
        return max(places, key=len)


def _shows(picture: ListedPicture, taxon: Lineage) -> bool:
    """Return whether a picture is listed as a taxon, or as one within it."""
    return any(lineage[: len(taxon)] == taxon for lineage in picture.lineages) and len(picture.lineages) == 1


def _relabelled(picture: ListedPicture, taxon: Lineage) -> ListedPicture:
    return replace(
        picture,
        lineages=(taxon,),
        lineage=taxon if picture.own else (),
        taxa=frozenset(taxon[-1:]),
        listed_as=picture.listed_as or ("" if samples.is_unnamed(picture) else picture.lineages[0][-1]),
    )
