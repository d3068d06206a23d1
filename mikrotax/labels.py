"""Which taxon a picture is of, where its folder and the page that shows it do not say the same."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from common.names import comparison_key, picture_path, same_name
from common.records import Lineage
from mikrotax.links import is_catalogue, other_names
from mikrotax.picture_sources import Picture


def label_type_images(pictures: Iterable[Picture], lineage: Lineage) -> Iterator[Picture]:
    """Yield the pictures that a page shows of the taxon of `lineage`; type images out of a catalogue get that lineage.

    The folder of such a picture tells how it was once described, as this taxon or as one of its synonyms. A catalogue
    is known by its name, or as another module whose pictures are under the heading `Type images`.
    """
    for picture in pictures:
        module = picture_path(picture.full or picture.thumb).partition("/")[0]
        foreign = not _same_module(module, lineage[0])
        catalogue = foreign and (picture.catalogue or is_catalogue(module))
        yield replace(picture, lineage=lineage if catalogue else picture.lineage, catalogue=catalogue)


def folder_disagrees(folder: Lineage, lineage: Lineage) -> bool:
    """Return whether a picture's folder lies elsewhere than below the taxon of `lineage`, by the Classification.

    Old and new names of a module are one, and a folder that tells no more than the module says nothing.
    """
    if len(folder) < 2:
        return False
    return not _same_module(folder[0], lineage[0]) or [*map(comparison_key, folder[1 : len(lineage)])] != [
        *map(comparison_key, lineage[1:])
    ]


def _same_module(one: str, other: str) -> bool:
    """Return whether two names are those of one module, as it is called or was."""
    return any(same_name(one, name) for name in (other, *other_names(other)))
