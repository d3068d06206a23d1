"""From records and image files to a data set to learn from, in which nothing of train is in validate."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from common import dataset_info, manifest
from common.contact_sheet import draw_contact_sheet
from common.dataset_info import DatasetInfo
from common.errors import ToolkitError
from common.images import ImageError
from dataset import groups, labels, layout, listing, summary
from dataset.audit import Audit, audit
from dataset.descriptors import describe_all
from dataset.near_duplicates import near_duplicate_pairs
from dataset.pictures import Excluded, ListedPicture, Picture, exclude, partition
from dataset.selection import SelectionOptions, select
from dataset.settings import PrepareSettings


@dataclass
class Gathered:
    """What the records list and the files hold.

    images: the directory in which the files of `pictures` lie; excluded: the listed pictures that are not among
    `pictures`; notes: sentences that the user should read.
    """

    images: Path
    pictures: list[Picture] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def prepare(settings: PrepareSettings) -> list[str]:
    """Make the data set and return the lines that say what was done.

    Raises ToolkitError for work that cannot be done. However it ends, and whenever it is killed, the directory holds
    the old data set or the new one, never a mixture.
    """
    try:
        layout.check_place(settings.train)
        gathered = gather(settings)
        used, unused = choose(settings, gathered.pictures)
        excluded = gathered.excluded + unused
        if not used:
            raise ToolkitError(" ".join([_no_class_left(excluded), *gathered.notes]))
        placed, info, result = build(settings, gathered.images, used, excluded)
    finally:
        layout.recover(settings.train)
    warnings = summary.warnings(info.classes, placed, settings.validate_share)
    return summary.report(settings, info, result, excluded, [*warnings, *gathered.notes])


def gather(settings: PrepareSettings) -> Gathered:
    """Read records and pictures. Raises ToolkitError where there are none, or none that has a class."""
    records, problems = listing.read_all_records(settings.data)
    listed, excluded = listing.list_pictures(records)
    if not settings.images.is_dir():
        raise ToolkitError(f"there is no directory {settings.images} with picture files", "images")
    ranks = listing.known_ranks(records)
    labelled, unlabelled = labels.assign_labels(listed, settings.depth, ranks)
    if not labelled:
        raise _no_class(settings, listed, sorted(set(ranks.values())))
    wanted, unwanted = labels.leave_out_by_name(labelled, settings.keep_drawings, settings.keep_unidentified)
    images = _common_directory(settings.images, wanted)
    found, missing = partition(wanted, lambda picture: "" if (images / picture.file).is_file() else "missing file")
    pictures, unusable = describe_pictures(images, found)
    notes = [*problems, *([_missing_note(images, missing)] if missing else [])]
    return Gathered(images, pictures, [*excluded, *unlabelled, *unwanted, *missing, *unusable], notes)


def describe_pictures(images: Path, pictures: Sequence[ListedPicture]) -> tuple[list[Picture], list[Excluded]]:
    """Read the pictures' files below `images`, and leave out those that cannot be used."""
    described, excluded = [], []
    descriptors = describe_all([images / picture.file for picture in pictures], "reading pictures")
    for picture, descriptor in zip(pictures, descriptors, strict=True):
        if isinstance(descriptor, ImageError):
            excluded.append(exclude(picture, str(descriptor)))
        else:
            described.append(Picture(**vars(picture), descriptor=descriptor))
    return described, excluded


def choose(settings: PrepareSettings, pictures: Sequence[Picture]) -> tuple[list[Picture], list[Excluded]]:
    """Return the pictures to use, with their groups and splits, and those left out."""
    pictures, other_technique = labels.only_technique(labels.assign_techniques(pictures), settings.technique)
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
    )
    used, unused = select(pictures, options)
    return used, [*other_technique, *identical, *conflicts, *two_sources, *unused]


def build(
    settings: PrepareSettings, images: Path, used: Sequence[Picture], excluded: Sequence[Excluded]
) -> tuple[list[Picture], DatasetInfo, Audit]:
    """Lay the pictures out, audit the result and swap it in.

    Returns the pictures with their paths, what dataset.json says, and the audit. Raises ToolkitError, with nothing
    changed, where the audit finds a leak.
    """
    new, placed, copied = layout.place_pictures(settings.train, images, used, settings.link)
    table = manifest.write_manifest(new / manifest.NAME, map(layout.manifest_row, placed))
    layout.write_excluded(new / layout.EXCLUDED, excluded)
    result = audit(new)
    if result.leaks:
        raise ToolkitError(f"the audit found a leak, so nothing was changed; please report it: {result}")
    classes = summary.describe_classes(placed)
    info = DatasetInfo(
        classes=classes,
        hash=hashlib.sha256(table.read_bytes()).hexdigest(),
        depth=settings.depth,
        seed=settings.seed,
        options={name: str(value) if isinstance(value, Path) else value for name, value in vars(settings).items()},
        counts={
            "used": len(placed),
            "excluded": len(excluded),
            "listed": len(placed) + len(excluded),
            "copied_for_want_of_links": copied,
            **Counter(picture.split for picture in placed),
            "reasons": summary.count_reasons(excluded),
        },
        majority_share=round(summary.majority_share(classes), 4),
        audit=asdict(result),
    )
    draw_contact_sheet(new / layout.SHEET, summary.sheet_lines(new, classes, placed))
    dataset_info.write_dataset_info(new / dataset_info.NAME, info)
    layout.swap_in(settings.train)
    return placed, info, result


def _common_directory(images: Path, pictures: Sequence[ListedPicture]) -> Path:
    """Return the directory of the pictures of all modules, where `images` may be that of one module."""
    modules = {picture.file.split("/")[0] for picture in pictures}
    if images.name in modules and not (images / images.name).is_dir():
        return images.resolve().parent
    return images


def _missing_note(images: Path, missing: Sequence[Excluded]) -> str:
    return (
        f"No file below {images} for {len(missing)} listed, such as {missing[0].file}: "
        "run scrape_mikrotax.py again to fetch what is missing, or try another directory of pictures."
    )


def _no_class(settings: PrepareSettings, listed: Sequence[ListedPicture], ranks: Sequence[str]) -> ToolkitError:
    """Return the error for pictures none of which has a class, which says what the depth could be instead."""
    depths = labels.classes_by_depth(listed)
    if not depths:
        return ToolkitError(f"the records below {settings.data} list no picture; run scrape_mikrotax.py again", "data")
    offered = ", ".join(f"{number} ({count} classes)" for number, count in depths.items())
    known = f"ranks: {', '.join(ranks)}" if ranks else "no ranks are known"
    return ToolkitError(
        f"no picture has an entry at depth {settings.depth}; depths that can be: {offered}; {known}", "depth"
    )


def _no_class_left(excluded: Sequence[Excluded]) -> str:
    reasons = summary.count_reasons(excluded)
    counts = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
    return f"no class is left to learn from; pictures were left out for: {counts}."
