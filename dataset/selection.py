"""Which classes are used, and how many pictures of each: rare classes, limits, and the split that they allow."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from common.names import is_type, strip_blanks
from dataset.kept_split import EarlierSplit, Move, split_like
from dataset.pictures import Excluded, Picture, exclude, partition
from dataset.splits import random_key, split_groups


@dataclass(frozen=True)
class SelectionOptions:
    """What is wanted.

    shares: of the pictures, by split, each above 0, together 1; min_samples: a class with fewer pictures is rare;
    rare: `drop` or `pool`; class_limit, sample_limit: how many classes, and pictures of each, 0 for any number;
    hold_out_types: whether type specimens stay out of train; seed: another one draws other pictures and splits;
    earlier: a split whose sides are kept.
    """

    shares: Mapping[str, float]
    min_samples: int = 2
    rare: str = "drop"
    class_limit: int = 0
    sample_limit: int = 0
    hold_out_types: bool = False
    seed: int = 0
    earlier: EarlierSplit | None = None


def select(pictures: Sequence[Picture], options: SelectionOptions) -> tuple[list[Picture], list[Excluded], list[Move]]:
    """Return the pictures of the chosen classes, with the split of each.

    Returns the pictures to use, those left out, and those that could not stay on their side of the earlier split. Every
    class that is left has at least one picture in each split; there may be none left.
    """
    left = _pool_rare(pictures, options) if options.rare == "pool" else list(pictures)
    excluded: list[Excluded] = []
    # A class that the split cannot serve makes room for another one within the limit, and its groups may have been what
    # others needed; so everything is chosen again without it.
    while True:
        left, out = _drop_rare(left, options)
        excluded += out
        within, beyond = _limit_classes(left, options.class_limit)
        sampled, over = _limit_samples(within, options)
        used, moves = _split(sampled, options)
        left, out = _drop_missing(left, used, options)
        if not out:
            return used, excluded + beyond + over, moves
        excluded += out


def _by_class(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    classes: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        classes[picture.label].append(picture)
    return classes


def _why_rare(members: Sequence[Picture], options: SelectionOptions) -> str:
    """Return why a class is too small to be used; "" where it is not."""
    groups = len({picture.group for picture in members})
    least = max(options.min_samples, len(options.shares))
    if len(members) < least:
        return f"too few pictures: {members[0].label} has {len(members)}, and {least} are needed"
    if groups < len(options.shares):
        return f"too few groups: the pictures of {members[0].label} are {groups} of {len(options.shares)} needed"
    return ""


def _pool_rare(pictures: Sequence[Picture], options: SelectionOptions) -> list[Picture]:
    """Return the pictures, those of rare classes with the label `other <parent>`."""
    rare = {label for label, members in _by_class(pictures).items() if _why_rare(members, options)}
    return [_pooled(picture) if picture.label in rare else picture for picture in pictures]


def _pooled(picture: Picture) -> Picture:
    parent = picture.lineage[:-1] or picture.lineage
    return replace(picture, label=f"other {strip_blanks(parent[-1])}", lineage=(*parent, f"other {parent[-1]}"))


def _drop_rare(pictures: Sequence[Picture], options: SelectionOptions) -> tuple[list[Picture], list[Excluded]]:
    classes = _by_class(pictures)
    reasons = {label: _why_rare(members, options) for label, members in classes.items()}
    return partition(pictures, lambda picture: reasons[picture.label])


def _limit_classes(pictures: Sequence[Picture], limit: int) -> tuple[list[Picture], list[Excluded]]:
    """Keep the `limit` classes with most pictures; of two with the same number the one that comes first by name."""
    if not limit:
        return list(pictures), []
    counts = Counter(picture.label for picture in pictures)
    largest = set(sorted(counts, key=lambda label: (-counts[label], label))[:limit])
    reason = f"class limit: not among the {limit} classes with most pictures"
    return partition(pictures, lambda picture: "" if picture.label in largest else reason)


def _limit_samples(pictures: Sequence[Picture], options: SelectionOptions) -> tuple[list[Picture], list[Excluded]]:
    """Draw at most `sample_limit` pictures of each class, from as many groups as possible."""
    if not options.sample_limit:
        return list(pictures), []
    drawn, excluded = [], []
    reason = f"sample limit: {options.sample_limit} other pictures of its class were drawn"
    for members in _by_class(pictures).values():
        taken: Counter[str] = Counter()  # pictures of each group that come before
        order = []
        for picture in sorted(members, key=lambda picture: random_key(options.seed, "sample", picture.file)):
            order.append((taken[picture.group], random_key(options.seed, "group", picture.group), picture))
            taken[picture.group] += 1
        order.sort(key=lambda entry: entry[:2])  # the first picture of each group, then the second of each, ...
        drawn += [picture for *_, picture in order[: options.sample_limit]]
        excluded += [exclude(picture, reason) for *_, picture in order[options.sample_limit :]]
    return drawn, excluded


def _split(pictures: Sequence[Picture], options: SelectionOptions) -> tuple[list[Picture], list[Move]]:
    """Set the split of each picture; return also those that could not stay on their side of the earlier one."""
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for picture in sorted(pictures, key=lambda picture: picture.file):
        groups[picture.group][picture.label] += 1
    last = list(options.shares)[-1]
    types = (picture for picture in pictures if is_type(picture.facts.get("status", "")))
    fixed = {picture.group: last for picture in types if options.hold_out_types}
    if not options.earlier:
        split_of = split_groups(groups, options.shares, options.seed, fixed)
        return [replace(picture, split=split_of[picture.group]) for picture in pictures], []
    sides: dict[str, Counter[str]] = {group: Counter() for group in groups}
    for picture in pictures:
        if side := options.earlier.side(picture):
            sides[picture.group][side] += 1
    kept = split_like(groups, sides, options.shares, options.seed, fixed)
    used = [replace(picture, split=kept.split_of[picture.group]) for picture in pictures]
    return used, kept.moves(used, options.earlier)


def _drop_missing(
    pictures: Sequence[Picture], used: Iterable[Picture], options: SelectionOptions
) -> tuple[list[Picture], list[Excluded]]:
    """Leave out the classes that lack a picture in one of the splits of `used`."""
    splits_of: dict[str, set[str]] = defaultdict(set)
    for picture in used:
        splits_of[picture.label].add(picture.split)
    missing = {label for label, splits in splits_of.items() if splits != set(options.shares)}
    reason = f"do not allow it a picture in each of {', '.join(options.shares)}"

    def reason_against(picture: Picture) -> str:
        return f"cannot be split: the groups of {picture.label} {reason}" if picture.label in missing else ""

    return partition(pictures, reason_against)
