"""A picture on its way from the records to the data set, or out of it.

Each step returns new objects with one more thing known (`dataclasses.replace`); nothing is changed in place.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from common.records import Lineage
from dataset.descriptors import Descriptor


@dataclass(frozen=True, eq=False)
class ListedPicture:
    """A picture that records list, however many pages show it, and from `assign_labels` on its class.

    file: path below images/, with forward slashes, by which the picture is known; url: its address, or the name by
    which a record lists it; lineages: full names, root first, the longest lineage first: that of the picture itself if
    known, else those of the pages; taxa: names of the table rows that list it; facts: `common.records.PICTURE_FIELDS`,
    those that are known; label: the class; lineage: the lineage down to the class; own: whether it is the user's own,
    of which names say nothing but the taxon; source: where it lies, once it was found; specimen: what a table or folder
    says that pictures of one specimen share, "" where nothing does; listed_as: the taxon that it was listed as, where a
    correction says another.
    """

    file: str
    url: str
    lineages: tuple[Lineage, ...]
    taxa: frozenset[str] = frozenset()
    facts: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    lineage: Lineage = ()
    own: bool = False
    source: Path = Path()
    specimen: str = ""
    listed_as: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture(ListedPicture):
    """A picture whose file was read.

    descriptor: of its image; technique: SEM or LM, and technique_sure how sure that is, from 0 to 1; group:
    pictures of one group stay in one split; split: train, validate or test; path: below the directory of the data set.
    """

    descriptor: Descriptor
    technique: str = ""
    technique_sure: float = 0.0
    group: str = ""
    split: str = ""
    path: str = ""


@dataclass(frozen=True)
class Excluded:
    """A listed picture that is not used, and why; reasons are counted by what comes before their colon.

    label: the class that it would have belonged to, where that is known.
    """

    file: str
    reason: str
    url: str
    label: str = ""


AnyPicture = TypeVar("AnyPicture", bound=ListedPicture)


def exclude(picture: ListedPicture, reason: str) -> Excluded:
    """Return `picture` as one that is not used."""
    return Excluded(picture.file, reason, picture.url, picture.label)


def partition(
    pictures: Iterable[AnyPicture], reason_against: Callable[[AnyPicture], str]
) -> tuple[list[AnyPicture], list[Excluded]]:
    """Return the pictures for which `reason_against` returns an empty text, and the others, excluded for that text."""
    matching, excluded = [], []
    for picture in pictures:
        if reason := reason_against(picture):
            excluded.append(exclude(picture, reason))
        else:
            matching.append(picture)
    return matching, excluded
