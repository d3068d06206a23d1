"""Which taxon a picture is of, where its folder and the page that shows it do not say the same."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from common.names import comparison_key, same_name
from common.records import Lineage
from mikrotax.links import is_catalogue, other_names
from mikrotax.picture_sources import Picture


def label_type_images(pictures: Iterable[Picture], lineage: Lineage) -> Iterator[Picture]:
    """Yield the pictures that a page shows of the taxon of `lineage`; type images out of a catalogue get that lineage.

    The folder of such a picture tells how it was once described, as this taxon or as one of its synonyms. A catalogue
    is known by its name, or as another module whose pictures stand under the heading `Type images`.
    """
    for picture in pictures:
        foreign = bool(picture.lineage) and not _same_module(picture.lineage[0], lineage[0])
        catalogue = foreign and (picture.catalogue or is_catalogue(picture.lineage[0]))
        yield replace(picture, lineage=lineage if catalogue else picture.lineage, catalogue=catalogue)


def folder_disagrees(folder: Lineage, lineage: Lineage) -> bool:
    """Tell whether a picture's folder lies elsewhere than below the taxon of `lineage`, by the Classification.

    Old and new names of a module are one, and a folder that tells no more than the module says nothing.
    """
    if len(folder) < 2:
        return False
    return not _same_module(folder[0], lineage[0]) or [*map(comparison_key, folder[1 : len(lineage)])] != [
        *map(comparison_key, lineage[1:])
    ]


def _same_module(one: str, other: str) -> bool:
    """Tell whether two names are those of one module, as it is called or was."""
    return any(same_name(one, name) for name in (other, *other_names(other)))
