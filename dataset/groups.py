"""What must stay on one side of a split: shots of a specimen, one sample, one source, and pictures that look alike."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dataset.records import Excluded, Picture, exclude
from mikrotax.names import squeeze

# Another shot of one specimen: a letter or two after the number (`-65`, `-65p`, `-81b`), or how it was lit or stitched.
_SHOT = re.compile(
    r"(?<=\d)[a-z]{1,2}$|[ _-]*(?<![a-z])(xpl|ppl|xp|pc|dic|phase|gypsum)$|(?<=\d)mos[a-z]*([ _-]square)?$"
)
# Figures of one plate of one publication: `K_S 1983 20-4`, `Bown 1987 pl11-05`.
_PLATE = re.compile(r"^(.*(?<!\d)(?:1[89]|20)\d\d(?!\d).*?[ _-](?:pl|plate)?\.? ?\d+(?:[ _-]\d+)*)[ _-]+\d+[a-z]?$")


def drop_identical(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Excluded]]:
    """Use pictures of the same bytes once; where their labels differ, not at all."""
    by_bytes: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        by_bytes[picture.look.sha256].append(picture)
    kept, excluded = [], []
    for same in by_bytes.values():
        labels = sorted({picture.label for picture in same})
        if len(labels) > 1:
            reason = f"conflict: the same file stands under {' and '.join(labels)}"
            excluded += [exclude(picture, reason) for picture in same]
            continue
        first = min(same, key=lambda picture: (-len(picture.facts), picture.file))
        kept.append(first)
        reason = f"same bytes: as {first.file}"
        excluded += [exclude(picture, reason) for picture in same if picture is not first]
    return sorted(kept, key=lambda picture: picture.file), excluded


def drop_conflicts(
    pictures: Sequence[Picture], pairs: Iterable[tuple[int, int]]
) -> tuple[list[Picture], list[Excluded], list[tuple[int, int]]]:
    """Leave out both pictures of each pair that looks alike under two labels.

    Returns the pictures kept, those left out, and the pairs among the kept ones (with their new numbers).
    """
    rivals: dict[int, list[int]] = defaultdict(list)
    pairs = list(pairs)
    for i, j in pairs:
        if pictures[i].label != pictures[j].label:
            rivals[i].append(j)
            rivals[j].append(i)
    excluded = []
    for i, others in sorted(rivals.items()):
        other = pictures[min(others)]
        reason = f"conflict: {pictures[i].label} here, but looks like {other.file}, which is {other.label}"
        excluded.append(exclude(pictures[i], reason))
    place = {old: new for new, old in enumerate(i for i in range(len(pictures)) if i not in rivals)}
    return (
        [pictures[i] for i in place],
        excluded,
        [(place[i], place[j]) for i, j in pairs if i in place and j in place],
    )


def give_groups(pictures: Sequence[Picture], pairs: Iterable[tuple[int, int]], group_by: str) -> None:
    """Set the group of each picture: named after the first of the pictures that are bound together by any link.

    `group_by` is one of LINKS. Whatever it says, pictures that look alike (`pairs` of places) stay together.
    """
    links = list(pairs)
    first: dict[tuple, int] = {}
    for place, picture in enumerate(pictures):
        keys = [key for keys_of in LINKS[group_by] for key in keys_of(picture)]
        links += [(first.setdefault(key, place), place) for key in keys]
    for members in _components(len(pictures), links):
        name = min(pictures[place].file for place in members)
        for place in members:
            pictures[place].group = name


def specimen_keys(picture: Picture) -> list[tuple]:
    """Return what other shots of the same specimen share with the picture, by its file name and status.

    Only within one taxon: a plate of a publication shows many.
    """
    taxon = squeeze(picture.lineages[0][-1]).casefold()
    if len(picture.taxa) == 1 and len(picture.lineages[0]) > 1:
        taxon = squeeze(min(picture.taxa)).casefold() or taxon
    stem = PurePosixPath(picture.file).stem.casefold().strip()
    keys = [("shot", taxon, _SHOT.sub("", stem))]
    plate = _PLATE.match(stem)
    if plate:
        keys.append(("plate", taxon, plate.group(1)))
    if "holotype" in picture.facts.get("status", "").casefold():
        keys.append(("holotype", taxon))
    return keys


def sample_keys(picture: Picture) -> list[tuple]:
    """Return the picture's sample, if it is known."""
    sample = picture.facts.get("sample", "")
    return [("sample", squeeze(sample).casefold())] if sample else []


def source_keys(picture: Picture) -> list[tuple]:
    """Return the picture's publication or collection: as the site names it, and as its file name begins."""
    source = picture.facts.get("source", "")
    keys = [("source", squeeze(source).casefold())] if source else []
    stem = PurePosixPath(picture.file).stem
    begins = re.match(r".*?(?<!\d)(1[89]|20)\d\d(?!\d)|[A-Z]{2,}[A-Za-z]*(?=[-_ ])", stem)
    return [*keys, ("name", re.sub(r"[\W_]+", "", begins.group()).casefold())] if begins else keys


def _components(size: int, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the numbers below `size` in sets that the links hold together."""
    ends = np.array(links, dtype=int).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(size, size))
    members: dict[int, list[int]] = defaultdict(list)
    for place, component in enumerate(connected_components(graph, directed=False)[1].tolist()):
        members[component].append(place)
    return list(members.values())


# What --group_by may say, and what it keeps together.
LINKS = {
    "specimen": (specimen_keys,),
    "sample": (specimen_keys, sample_keys),
    "source": (specimen_keys, source_keys),
    "none": (),
}
