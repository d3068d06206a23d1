"""What must stay in one split: shots of a specimen, one sample, one source, and near-duplicates."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from common.names import strip_blanks
from dataset.components import connected_components
from dataset.pictures import Excluded, Picture, exclude

Key = tuple[str, ...]  # what pictures of one group have in common: the kind of key, and its parts

# Another shot of one specimen: a letter or two after the number (`-65`, `-65p`, `-81b`), or how it was lit or stitched.
_SHOT = re.compile(
    r"(?<=\d)[a-z]{1,2}$|[ _-]*(?<![a-z])(xpl|ppl|xp|pc|dic|phase|gypsum)$|(?<=\d)mos[a-z]*([ _-]square)?$"
)
# Figures of one plate of one publication: `K_S 1983 20-4`, `Bown 1987 pl11-05`, `Bown_2001_PGA_Fig5-11`.
_PLATE = re.compile(r"(.*(?<!\d)(?:1[89]|20)\d\d(?!\d).*?[ _-](?:pl|plate|fig)?\.? ?\d+(?:[ _-]\d+)*)[ _-]+\d+")


def drop_identical(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Excluded]]:
    """Use pictures of the same bytes once; where their labels differ, not at all."""
    by_bytes: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        by_bytes[picture.descriptor.sha256].append(picture)
    remaining, excluded = [], []
    for same in by_bytes.values():
        labels = sorted({picture.label for picture in same})
        if len(labels) > 1:
            reason = f"conflict: the same file stands under {' and '.join(labels)}"
            excluded += [exclude(picture, reason) for picture in same]
            continue
        first = min(same, key=lambda picture: (-len(picture.facts), picture.file))
        remaining.append(first)
        reason = f"same bytes: as {first.file}"
        excluded += [exclude(picture, reason) for picture in same if picture is not first]
    return sorted(remaining, key=lambda picture: picture.file), excluded


def drop_conflicts(
    pictures: Sequence[Picture], pairs: Iterable[tuple[int, int]]
) -> tuple[list[Picture], list[Excluded], list[tuple[int, int]]]:
    """Leave out both pictures of each pair of near-duplicates that have different labels.

    `pairs` are indices of `pictures`. Returns the other pictures, those left out, and the pairs among the others (by
    their new indices).
    """
    conflicting: dict[int, list[int]] = defaultdict(list)
    pairs = list(pairs)
    for i, j in pairs:
        if pictures[i].label != pictures[j].label:
            conflicting[i].append(j)
            conflicting[j].append(i)
    excluded = []
    for i, others in sorted(conflicting.items()):
        other = pictures[min(others)]
        reason = f"conflict: {pictures[i].label} here, but looks like {other.file}, which is {other.label}"
        excluded.append(exclude(pictures[i], reason))
    new_index = {old: new for new, old in enumerate(i for i in range(len(pictures)) if i not in conflicting)}
    return (
        [pictures[i] for i in new_index],
        excluded,
        [(new_index[i], new_index[j]) for i, j in pairs if i in new_index and j in new_index],
    )


def assign_groups(
    pictures: Sequence[Picture], pairs: Iterable[tuple[int, int]], group_by: str
) -> tuple[list[Picture], list[Excluded]]:
    """Set the group of each picture: named after the first of the pictures that are connected by any link.

    `group_by` is one of GROUP_KEYS. Whatever it says, near-duplicates (`pairs` of indices) stay together. Returns the
    pictures, and with `source` those left out because they would make one group of two sources.
    """
    keys_of = GROUP_KEYS[group_by]
    specimens = connected_components(len(pictures), [*pairs, *_links(pictures, keys_of[:1])])
    excluded: list[Excluded] = []
    if group_by == "source":
        specimens, excluded = _one_source_each(pictures, specimens)
    links = [(members[0], index) for members in specimens for index in members]
    group_of: dict[int, str] = {}
    for members in connected_components(len(pictures), links + _links(pictures, keys_of[1:])):
        group_of |= dict.fromkeys(members, min(pictures[index].file for index in members))
    out = {each.file for each in excluded}
    grouped = [replace(picture, group=group_of[index]) for index, picture in enumerate(pictures)]
    return [picture for picture in grouped if picture.file not in out], excluded


def _links(pictures: Sequence[Picture], keys_of: Iterable[Callable[[Picture], list[Key]]]) -> list[tuple[int, int]]:
    """Return pairs of indices such that pictures with a key in common are connected."""
    first: dict[Key, int] = {}
    return [
        (first.setdefault(key, index), index)
        for keys in keys_of
        for index, picture in enumerate(pictures)
        for key in keys(picture)
    ]


def _one_source_each(
    pictures: Sequence[Picture], specimens: Iterable[list[int]]
) -> tuple[list[list[int]], list[Excluded]]:
    """Keep of each specimen the pictures of one source, the one with most of them.

    Sources are few: a figure that is printed in two of them would join the two, and some such figures all of them.
    """
    source_of = {
        index: members[0]
        for members in connected_components(len(pictures), _links(pictures, (source_keys,)))
        for index in members
        if source_keys(pictures[index])
    }
    remaining, excluded = [], []
    for members in specimens:
        sources = Counter(source_of[index] for index in members if index in source_of)
        most = max(sources, key=lambda source: (sources[source], -source), default=None)
        stay = [index for index in members if source_of.get(index, most) == most]
        reason = f"two sources: the same specimen or picture as {pictures[stay[0]].file}"
        excluded += [exclude(pictures[index], reason) for index in members if index not in stay]
        remaining.append(stay)
    return remaining, excluded


def specimen_keys(picture: Picture) -> list[Key]:
    """Return what other shots of the same specimen share with the picture, by its file name and status.

    Only within one taxon: a plate of a publication shows many. A picture that a correction has given to another taxon
    still belongs to the specimens that it was listed with. Of own pictures names count only within one folder: a camera
    numbers each series from 1.
    """
    if picture.specimen:
        return given_keys(picture)
    shot = _SHOT.sub("", PurePosixPath(picture.file).stem.casefold().strip())
    folder = (str(PurePosixPath(picture.file).parent),) if picture.own else ()
    plate = _PLATE.fullmatch(shot)
    keys: list[Key] = []
    for name in dict.fromkeys([picture.listed_as or picture.lineages[0][-1], picture.lineages[0][-1]]):
        taxon = strip_blanks(name).casefold()
        keys.append(("shot", taxon, shot, *folder))
        if plate:
            keys.append(("plate", taxon, plate.group(1), *folder))
        if "holotype" in picture.facts.get("status", "").casefold():
            keys.append(("holotype", taxon))
    return keys


def given_keys(picture: Picture) -> list[Key]:
    """Return what the user says that pictures of one specimen share: the group of a table, or their folder."""
    return [("given", picture.specimen)] if picture.specimen else []


def sample_keys(picture: Picture) -> list[Key]:
    """Return the picture's sample, if it is known."""
    sample = picture.facts.get("sample", "")
    return [("sample", strip_blanks(sample).casefold())] if sample else []


def source_keys(picture: Picture) -> list[Key]:
    """Return the picture's publication or collection: as the site names it, and as its file name begins."""
    source = picture.facts.get("source", "")
    keys: list[Key] = [("source", strip_blanks(source).casefold())] if source else []
    stem = PurePosixPath(picture.file).stem
    begins = re.match(r".*?(?<!\d)(1[89]|20)\d\d(?!\d)|[A-Z]{2,}[A-Za-z]*(?=[-_ ])", stem)
    return [*keys, ("name", re.sub(r"[\W_]+", "", begins.group()).casefold())] if begins else keys


# What may be grouped by, and by which keys: first those of a specimen, then more.
GROUP_KEYS: dict[str, tuple[Callable[[Picture], list[Key]], ...]] = {
    "specimen": (specimen_keys,),
    "sample": (specimen_keys, sample_keys),
    "source": (specimen_keys, source_keys),
    "folder": (specimen_keys,),
    "none": (given_keys,),
}
