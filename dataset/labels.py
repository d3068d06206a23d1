"""Which class a picture belongs to, and which pictures are left out by what is written about them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from common.names import strip_blanks
from common.records import Lineage
from dataset.descriptors import Descriptor
from dataset.pictures import Excluded, ListedPicture, Picture, exclude, partition

# Whole words only: a substring `fig` would leave out the photograph `Bown_in_Gale2011 Fig52W.jpg`. An underscore or a
# digit ends a word here, so that TypeFig_3 and drawing2 are found.
_DRAWING = re.compile(
    r"(?<![a-z])(type[ _-]?fig(ure)?s?|(line[ _-]?)?drawings?|line[ _-]?art|(type )?illustrations?|sketch(es)?"
    r"|diagrams?|maps?|plots?|logos?|charts?|graphs?|graphics)(?![a-z])",
    re.IGNORECASE,
)
_UNIDENTIFIED = re.compile(r"(sp\.|\s(sp|spp|indet)\.?)$", re.IGNORECASE)

# Hints in file names and sources. JRYSEM and JRYlm are one collection's own marks.
_SEM = re.compile(r"SEM(?![a-z])|(?<![A-Za-z])sem(?![A-Za-z])|scanning", re.ASCII)
_LM = re.compile(
    r"(?<![A-Za-z])(JRY)?(LM|lm|XPL|xpl|PPL|ppl|PPC|DIC|XP|PC|[Pp]hase|[Pp]olari[sz]ed|[Ll]ight)(?![A-Za-z])", re.ASCII
)
_COLOURED = 0.02  # mean difference between channels from which a picture counts as coloured, 0 to 1
_BRIGHT = 130  # grey level of the edges from which light came from behind, 0 to 255


def assign_labels(
    pictures: Iterable[ListedPicture], depth: int | str, ranks: Mapping[str, str]
) -> tuple[list[ListedPicture], list[Excluded]]:
    """Set the label of each picture: the entry of its lineage at `depth`, counted from 1 = module, or of that rank.

    `ranks` holds the rank of each taxon (see `listing.known_ranks`). A picture whose pages disagree is a conflict.
    """
    labelled, excluded = [], []
    for picture in pictures:
        entries: dict[str, Lineage] = {}
        for lineage in reversed(picture.lineages):  # the longest last, so that its names are used
            if end := _position(lineage, depth, ranks):
                entries[strip_blanks(lineage[end - 1])] = lineage[:end]
        if len(entries) == 1:
            ((label, lineage),) = entries.items()
            labelled.append(replace(picture, label=label, lineage=lineage))
            continue
        missing = f"no entry at depth {depth}" if isinstance(depth, int) else f"no entry of rank {depth}"
        reason = f"conflict: listed as {' and '.join(sorted(entries))}" if entries else missing
        excluded.append(exclude(picture, reason))
    return labelled, excluded


def leave_out_by_name(
    pictures: Iterable[ListedPicture], keep_drawings: bool, keep_unidentified: bool
) -> tuple[list[ListedPicture], list[Excluded]]:
    """Leave out pictures below `hidden`, and unless they are to be kept, drawings and pictures of `sp.`.

    The user's own pictures stay: they were put into their folders by intent.
    """

    def reason_against(picture: ListedPicture) -> str:
        if picture.own:
            return ""
        return (
            _hidden(picture)
            or (not keep_drawings and _drawing(picture))
            or (not keep_unidentified and _unidentified(picture))
            or ""
        )

    return partition(pictures, reason_against)


def classes_by_depth(pictures: Iterable[ListedPicture]) -> dict[int, int]:
    """Return how many classes each depth would give, counted from 1 = module."""
    names: dict[int, set[str]] = defaultdict(set)
    for picture in pictures:
        for depth, name in enumerate(picture.lineages[0], 1):
            names[depth].add(strip_blanks(name))
    return {depth: len(found) for depth, found in sorted(names.items())}


def assign_techniques(pictures: Iterable[Picture], of_own: bool) -> list[Picture]:
    """Set the technique of each picture, and how sure that is: by file name and source, else by its own colours.

    of_own: whether that of the user's own pictures is guessed too; else it is not known.
    """
    found = []
    for picture in pictures:
        if picture.own and not of_own:
            found.append(picture)
            continue
        text = f"{PurePosixPath(picture.file).stem} {picture.facts.get('source', '')}"
        sem, lm = bool(_SEM.search(text)), bool(_LM.search(text))
        technique, sure = (("SEM" if sem else "LM"), 0.95) if sem != lm else _guess(picture.descriptor)
        found.append(replace(picture, technique=technique, technique_sure=sure))
    return found


def _guess(descriptor: Descriptor) -> tuple[str, float]:
    """Return a technique and how sure it is (0 to 1): LM for coloured images and grey ones on a bright ground."""
    if descriptor.colour >= _COLOURED:
        return "LM", 0.9
    grey = descriptor.coarse
    edges = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return ("LM" if np.median(edges) >= _BRIGHT else "SEM"), 0.6


def only_technique(pictures: Iterable[Picture], technique: str | None) -> tuple[list[Picture], list[Excluded]]:
    """Leave out the pictures that were not made by `technique`; None lets all of them be."""

    def reason_against(picture: Picture) -> str:
        if technique in (None, picture.technique):
            return ""
        return f"technique: {picture.technique} (sure: {picture.technique_sure:.2f})"

    return partition(pictures, reason_against)


def _hidden(picture: ListedPicture) -> str:
    names = {name.casefold() for lineage in picture.lineages[:1] for name in lineage} | {
        taxon.casefold() for taxon in picture.taxa
    }
    return "hidden: the site itself does not show it" if "hidden" in names else ""


def _drawing(picture: ListedPicture) -> str:
    texts = {"file name": PurePosixPath(picture.file).stem, "path": str(PurePosixPath(picture.file).parent)}
    texts["address"] = "graphics" if "/graphics/" in picture.url else ""
    texts |= {"source": picture.facts.get("source", ""), "caption": picture.facts.get("caption", "")}
    for place, text in texts.items():
        found = _DRAWING.search(text)
        if found:
            return f"drawing: '{found.group()}' in its {place}"
    return ""


def _unidentified(picture: ListedPicture) -> str:
    names = [*picture.lineages[0], *sorted(picture.taxa)]
    found = next((name for name in sorted(names, key=len) if _UNIDENTIFIED.search(name)), "")
    return f"unidentified: {found}" if found else ""


def _position(lineage: Lineage, depth: int | str, ranks: Mapping[str, str]) -> int:
    """Return the position of the wanted entry in the lineage, counted from 1; 0 where there is none."""
    if isinstance(depth, int):
        return depth if depth <= len(lineage) else 0
    positions = [
        position for position, name in enumerate(lineage, 1) if ranks.get(strip_blanks(name).casefold()) == depth
    ]
    return positions[0] if positions else 0
