"""A split that stays: what was on one side of an earlier split stays there, unless it cannot."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import manifest
from common.errors import ToolkitError
from common.files import in_one_line
from common.folders import comparable
from dataset.pictures import Picture
from dataset.splits import Groups, random_key, split_groups


@dataclass(frozen=True)
class EarlierSplit:
    """The sides of the pictures of an earlier data set, by their files and by their bytes."""

    path: Path
    by_file: Mapping[str, str] = field(default_factory=dict)
    by_bytes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "EarlierSplit":
        """Read the manifest.csv of a data set, or that in a directory. Raises ToolkitError where there is none."""
        file = manifest.manifest_path(path)
        try:
            rows = manifest.read_manifest(file)
        except OSError as error:
            raise ToolkitError(
                f"there is no {manifest.NAME} to split alike at {path} ({error.strerror or 'no such file'})", "like"
            ) from None
        return cls(
            file,
            {comparable(row.file): row.split for row in rows if row.file},
            {row.sha256: row.split for row in rows if row.sha256},
        )

    def side(self, picture: Picture) -> str:
        """Return the side that a picture was on; "" for a new one."""
        file = comparable(in_one_line(picture.file))
        return self.by_file.get(file) or self.by_bytes.get(picture.descriptor.sha256, "")


@dataclass(frozen=True)
class Move:
    """A picture that could not stay on its side, and why."""

    file: str
    before: str
    now: str
    reason: str


@dataclass
class KeptSplit:
    """A split of groups after an earlier one: the side of each group, and why groups could not stay on theirs."""

    split_of: dict[str, str]
    reasons: dict[str, str]

    def moves(self, pictures: Sequence[Picture], earlier: EarlierSplit) -> list[Move]:
        """Return the pictures, with their new sides, that were on another one before."""
        moved = []
        for picture in pictures:
            before = earlier.side(picture)
            if before and before != picture.split:
                reason = self.reasons.get(picture.group, "it is in one group now with pictures of the other side")
                moved.append(Move(picture.file, before, picture.split, reason))
        return sorted(moved, key=lambda move: move.file)


def split_like(
    groups: Groups, sides: Mapping[str, Counter[str]], shares: Mapping[str, float], seed: int, fixed: Mapping[str, str]
) -> KeptSplit:
    """Split groups so that those that were on a side before stay there.

    sides: for each group, how many of its pictures were on which side; fixed: the only split that a group may go to.
    New groups fill up to the shares. A group that was on several sides goes to the one that most of it was on. A class
    that would lack one side gets the smallest group that can be spared elsewhere.
    """
    kept, reasons = _kept_sides(sides, shares)
    for group, split in fixed.items():
        if kept.get(group, split) != split:
            reasons[group] = f"what it shows belongs into {split}/"
        kept[group] = split
    held = {*fixed, *reasons}
    while True:
        split_of = split_groups(groups, shares, seed, kept)
        need = _unmet_need(groups, split_of, shares)
        spare = [name for name in need.spare if name not in held] if need else []
        if not need or not spare:
            return KeptSplit(split_of, reasons)
        name = min(spare, key=lambda name: (bool(sides.get(name)), groups[name].total(), random_key(seed, name)))
        kept[name] = need.split
        held.add(name)
        if sides.get(name):
            reasons[name] = f"{need.label} would lack {need.split}/"


def _kept_sides(
    sides: Mapping[str, Counter[str]], shares: Mapping[str, float]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the side on which each known group stays, and why some cannot."""
    there = {side for counts in sides.values() for side in counts}
    new_side = any(split not in there for split in shares) and bool(there)
    last = list(shares)[-1]
    kept, reasons = {}, {}
    for group, counts in sides.items():
        if not counts:
            continue
        best = max(counts, key=lambda side: (counts[side], side in shares, side == "train"))
        if best in shares:
            if new_side and best == "train":  # what a split that is new needs can only come from here
                reasons[group] = "a split is wanted that was not there before"
                continue
            kept[group] = best
        else:
            kept[group] = last
            reasons[group] = f"{best}/ is no longer wanted"
    return kept, reasons


@dataclass(frozen=True)
class _Need:
    """A class that lacks a split, and the groups that could be spared where they are."""

    label: str
    split: str
    spare: list[str]


def _unmet_need(groups: Groups, split_of: Mapping[str, str], shares: Mapping[str, float]) -> _Need | None:
    """Return the first class that lacks a split and could have one, None where there is none."""
    of_class: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, counts in groups.items():
        for label in counts:
            of_class[label][split_of[name]].append(name)
    for label, by_side in sorted(of_class.items()):
        for split in shares:
            if by_side.get(split):
                continue
            names = [name for names in by_side.values() for name in names]
            spare = [name for name in names if all(len(of_class[other][split_of[name]]) > 1 for other in groups[name])]
            if spare:
                return _Need(label, split, spare)
    return None


def summary_of(earlier: EarlierSplit, pictures: Sequence[Picture], moves: Sequence[Move]) -> dict[str, Any]:
    """Return what dataset.json says of a split that was kept."""
    known = sum(bool(earlier.side(picture)) for picture in pictures)
    return {
        "like": str(earlier.path),
        "kept": known - len(moves),
        "new": len(pictures) - known,
        "moved": [vars(move) for move in moves],
    }
