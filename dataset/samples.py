"""Own pictures of samples, which have no classes until a person has named them: those that a review was made of."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from common.corrections import Correction
from common.records import Lineage
from dataset.pictures import Excluded, ListedPicture, exclude

UNNAMED: Lineage = ("",)  # the lineage of a picture that no person has named


def are_of_samples(corrections: Iterable[Correction]) -> bool:
    """Return whether corrections are of samples: then they have a column `sample`, as review.html writes it."""
    return any(correction.sample is not None for correction in corrections)


def without_classes(pictures: Iterable[ListedPicture], grouped: bool) -> list[ListedPicture]:
    """Return pictures of samples with no class; the sub-folder of each is its sample.

    grouped: whether the pictures of a sample stay in one split.
    """
    unnamed = []
    for picture in pictures:
        sample = picture.file.rpartition("/")[0]
        facts = {"sample": sample} if sample else {}
        unnamed.append(
            replace(
                picture,
                lineages=(UNNAMED,),
                lineage=UNNAMED,
                taxa=frozenset(),
                facts=facts,
                specimen=f"sample {sample}" if grouped else "",
            )
        )
    return unnamed


def is_unnamed(picture: ListedPicture) -> bool:
    """Return whether nobody has named a picture yet."""
    return picture.lineages == (UNNAMED,)


def leave_out_unnamed(
    pictures: Sequence[ListedPicture], depth: int | str | None
) -> tuple[list[ListedPicture], list[Excluded]]:
    """Return the pictures that a person has named, and the others with the reason why they are left out.

    depth: of the class; where it is None, pictures that were named as a taxon that holds others are left out, too: they
    would be a class beside its own parts.
    """
    named = [picture for picture in pictures if not is_unnamed(picture)]
    excluded = [
        exclude(picture, "not checked: no correction names this picture") for picture in pictures if is_unnamed(picture)
    ]
    if depth is not None:
        return named, excluded
    above = {
        picture.lineages[0][:end] for picture in named if picture.own for end in range(1, len(picture.lineages[0]))
    }
    used = []
    for picture in named:
        if picture.own and picture.lineages[0] in above:
            reason = f"higher taxon: {picture.lineages[0][-1]} holds other classes, so it is none itself"
            excluded.append(exclude(picture, reason))
        else:
            used.append(picture)
    return used, excluded
