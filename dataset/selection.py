"""Which classes are used, and how many pictures of each: rare classes, limits, and the split that they allow."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from common.names import is_type, strip_blanks
from dataset.records import Excluded, Picture, exclude
from dataset.splits import chance, split_groups


@dataclass(frozen=True)
class SelectionOptions:
    """What the user asked for."""

    shares: dict[str, float]  # of train, validate and test, as far as they are more than 0; they add up to 1
    min_samples: int
    rare: str  # drop or pool
    class_limit: int  # 0: no limit
    sample_limit: int  # 0: no limit
    hold_out_types: bool
    seed: int


def select(pictures: Sequence[Picture], options: SelectionOptions) -> tuple[list[Picture], list[Excluded]]:
    """Choose classes and pictures and set the split of each.

    Every class that is left has at least one picture in each split; there may be none left.
    """
    if options.rare == "pool":
        _pool_rare(pictures, options)
    excluded: list[Excluded] = []
    left = list(pictures)
    while True:
        left, out = _drop_rare(left, options)
        excluded += out
        within, beyond = _limit_classes(left, options.class_limit)
        used, over = _limit_samples(within, options)
        missing = _split(used, options)
        if not missing:
            break
        reason = "cannot be split: the groups of {} do not allow it a picture in each of " + ", ".join(options.shares)
        excluded += [exclude(p, reason.format(p.label)) for p in left if p.label in missing]
        left = [p for p in left if p.label not in missing]
    excluded += beyond + over
    return used, excluded


def _by_class(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    classes: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        classes[picture.label].append(picture)
    return classes


def _rare(members: Sequence[Picture], options: SelectionOptions) -> str:
    """Say why a class is too small to be used; nothing if it is not."""
    groups = len({picture.group for picture in members})
    least = max(options.min_samples, len(options.shares))
    if len(members) < least:
        return f"too few pictures: {members[0].label} has {len(members)}, and {least} are needed"
    if groups < len(options.shares):
        return f"too few groups: the pictures of {members[0].label} are {groups} of {len(options.shares)} needed"
    return ""


def _pool_rare(pictures: Sequence[Picture], options: SelectionOptions) -> None:
    """Return the pictures of rare classes the label `other <parent>`."""
    for members in _by_class(pictures).values():
        if _rare(members, options):
            for picture in members:
                parent = picture.lineage[:-1] or picture.lineage
                picture.label, picture.lineage = f"other {strip_blanks(parent[-1])}", (*parent, f"other {parent[-1]}")


def _drop_rare(pictures: Sequence[Picture], options: SelectionOptions) -> tuple[list[Picture], list[Excluded]]:
    kept, excluded = [], []
    for members in _by_class(pictures).values():
        reason = _rare(members, options)
        if reason:
            excluded += [exclude(picture, reason) for picture in members]
        else:
            kept += members
    return kept, excluded


def _limit_classes(pictures: Sequence[Picture], limit: int) -> tuple[list[Picture], list[Excluded]]:
    """Keep the `limit` classes with most pictures; of two with the same number the one that comes first by name."""
    if not limit:
        return list(pictures), []
    counts = Counter(picture.label for picture in pictures)
    largest = set(sorted(counts, key=lambda label: (-counts[label], label))[:limit])
    reason = f"class limit: not among the {limit} classes with most pictures"
    return (
        [picture for picture in pictures if picture.label in largest],
        [exclude(picture, reason) for picture in pictures if picture.label not in largest],
    )


def _limit_samples(pictures: Sequence[Picture], options: SelectionOptions) -> tuple[list[Picture], list[Excluded]]:
    """Keep at most `sample_limit` pictures of each class, from as many groups as possible, by seeded chance."""
    if not options.sample_limit:
        return list(pictures), []
    kept, excluded = [], []
    reason = f"sample limit: {options.sample_limit} other pictures of its class were drawn"
    for members in _by_class(pictures).values():
        turn: Counter = Counter()
        order = []
        for picture in sorted(members, key=lambda picture: chance(options.seed, "sample", picture.file)):
            order.append((turn[picture.group], chance(options.seed, "group", picture.group), picture))
            turn[picture.group] += 1
        order.sort(key=lambda entry: entry[:2])
        kept += [picture for *_, picture in order[: options.sample_limit]]
        excluded += [exclude(picture, reason) for *_, picture in order[options.sample_limit :]]
    return kept, excluded


def _split(pictures: Sequence[Picture], options: SelectionOptions) -> set[str]:
    """Set the split of each picture. Returns the classes that are missing from a split."""
    groups: dict[str, Counter] = defaultdict(Counter)
    for picture in sorted(pictures, key=lambda picture: picture.file):
        groups[picture.group][picture.label] += 1
    last = list(options.shares)[-1]
    types = (picture for picture in pictures if is_type(picture.facts.get("status", "")))
    held = {picture.group: last for picture in types if options.hold_out_types}
    split_of = split_groups(groups, options.shares, options.seed, held)
    for picture in pictures:
        picture.split = split_of[picture.group]
    found = {(picture.label, picture.split) for picture in pictures}
    return {picture.label for picture in pictures for split in options.shares if (picture.label, split) not in found}
