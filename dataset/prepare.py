"""From records, folders and image files to a data set to learn from, in which nothing of train is in validate."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from common import dataset_info, manifest
from common.contact_sheet import draw_contact_sheet
from common.dataset_info import DatasetInfo
from common.errors import ToolkitError
from common.locks import exclusive_lock
from dataset import groups, kept_split, labels, layout, summary
from dataset.audit import Audit, audit
from dataset.gather import Gathered, gather
from dataset.kept_split import EarlierSplit, Move
from dataset.near_duplicates import near_duplicate_pairs
from dataset.pictures import Excluded, Picture
from dataset.selection import SelectionOptions, select
from dataset.settings import PrepareSettings


@dataclass(frozen=True)
class Chosen:
    """The pictures to use, with their groups and splits, those left out, and those that had to change side."""

    used: list[Picture]
    excluded: list[Excluded]
    moves: list[Move]


def prepare(settings: PrepareSettings) -> list[str]:
    """Make the data set and return the lines that say what was done.

    Raises ToolkitError for work that cannot be done, or where another run is doing it. However it ends, and whenever it
    is killed, the directory holds the old data set or the new one, never a mixture.
    """
    layout.check_directory(settings.train)
    with exclusive_lock(settings.train):
        try:
            layout.check_place(settings.train)
            earlier = earlier_split(settings)
            gathered = gather(settings)
            chosen = choose(settings, gathered, earlier)
            if not chosen.used:
                raise ToolkitError(" ".join([_no_class_left(chosen.excluded), *gathered.notes]))
            placed, info, result = build(settings, gathered, chosen, earlier)
        finally:
            layout.recover(settings.train)
    notes = [
        *summary.warnings(info.classes, placed, settings.validate_share),
        *summary.corrections_note(info),
        *summary.earlier_split_note(info),
        *gathered.notes,
    ]
    return summary.report(settings, info, result, chosen.excluded, notes)


def earlier_split(settings: PrepareSettings) -> EarlierSplit | None:
    """Return the split whose sides are kept: the one that is asked for, or that of the data set that is in place.

    None where there is none, or where another seed asks for another split. Raises ToolkitError where the one that is
    asked for cannot be read.
    """
    if settings.like:
        return EarlierSplit.read(settings.like)
    try:
        if dataset_info.read_dataset_info(settings.train / dataset_info.NAME).seed == settings.seed:
            return EarlierSplit.read(settings.train / manifest.NAME)
    except (OSError, ToolkitError):
        pass
    return None


def choose(settings: PrepareSettings, gathered: Gathered, earlier: EarlierSplit | None) -> Chosen:
    """Choose classes and pictures, and on which side each is."""
    guessed = labels.assign_techniques(gathered.pictures, settings.guess_technique or settings.technique is not None)
    pictures, other_technique = labels.only_technique(guessed, settings.technique)
    pictures, identical = groups.drop_identical(pictures)
    pairs = near_duplicate_pairs([picture.descriptor for picture in pictures])
    pictures, conflicts, pairs = groups.drop_conflicts(pictures, pairs)
    pictures, two_sources = groups.assign_groups(pictures, pairs, settings.group_by)
    options = SelectionOptions(
        shares=settings.shares,
        min_samples=settings.min_samples,
        rare=settings.rare,
        class_limit=settings.class_limit,
        sample_limit=settings.sample_limit,
        hold_out_types=settings.hold_out_types,
        seed=settings.seed,
        earlier=earlier,
    )
    used, unused, moves = select(pictures, options)
    left_out = [*gathered.excluded, *other_technique, *identical, *conflicts, *two_sources, *unused]
    return Chosen(used, left_out, moves)


def build(
    settings: PrepareSettings, gathered: Gathered, chosen: Chosen, earlier: EarlierSplit | None
) -> tuple[list[Picture], DatasetInfo, Audit]:
    """Lay the pictures out, audit the result and swap it in.

    Returns the pictures with their paths, what dataset.json says, and the audit. Raises ToolkitError, with nothing
    changed, where the audit finds a leak.
    """
    new, placed, copied = layout.place_pictures(settings.train, chosen.used, settings.link)
    table = manifest.write_manifest(new / manifest.NAME, map(layout.manifest_row, placed))
    layout.write_excluded(new / layout.EXCLUDED, chosen.excluded)
    result = audit(new, settings.page)
    if result.leaks:
        raise ToolkitError(f"the audit found a leak, so nothing was changed; please report it: {result}")
    classes = summary.describe_classes(placed)
    own_depth = "folder" if settings.depth is None else settings.depth
    info = DatasetInfo(
        classes=classes,
        hash=hashlib.sha256(table.read_bytes()).hexdigest(),
        depth=own_depth if settings.data is None else settings.records_depth,
        seed=settings.seed,
        options={name: str(value) if isinstance(value, Path) else value for name, value in vars(settings).items()},
        counts=_counts(placed, chosen.excluded, copied),
        majority_share=round(summary.majority_share(classes), 4),
        audit=asdict(result),
        page=settings.page,
        pages={picture.path: picture.descriptor.pages for picture in placed if picture.descriptor.pages > 1},
        corrections=gathered.corrections,
        earlier_split=kept_split.summary_of(earlier, placed, chosen.moves) if earlier else {},
    )
    draw_contact_sheet(new / layout.SHEET, summary.sheet_lines(new, classes, placed, settings.page))
    dataset_info.write_dataset_info(new / dataset_info.NAME, info)
    layout.swap_in(settings.train)
    return placed, info, result


def _counts(placed: Sequence[Picture], excluded: Sequence[Excluded], copied: int) -> dict[str, object]:
    return {
        "used": len(placed),
        "excluded": len(excluded),
        "listed": len(placed) + len(excluded),
        "copied": copied,
        **Counter(picture.split for picture in placed),
        "reasons": summary.count_reasons(excluded),
    }


def _no_class_left(excluded: Sequence[Excluded]) -> str:
    reasons = summary.count_reasons(excluded)
    counts = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
    return f"no class is left to learn from; pictures were left out for: {counts}."
