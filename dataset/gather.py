"""Everything that there is to make a data set from: records, own folders, corrections, and what the files hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from common.command_line import nearest
from common.corrections import read_corrections
from common.errors import ToolkitError
from common.folders import FileFinder
from common.images import ImageError
from common.names import disambiguate
from common.records import Lineage, Record
from common.remarks import counted, remarks
from dataset import group_table, labels, layout, listing, own_folder, samples
from dataset.correct import apply_corrections
from dataset.descriptors import describe_all
from dataset.names_of_pictures import PictureNames
from dataset.pictures import Excluded, ListedPicture, Picture, exclude, partition
from dataset.settings import PrepareSettings

LONGEST_SHOWN = 200  # letters of a file's name in a note


@dataclass
class Gathered:
    """What records and folders list and the files hold.

    excluded: the listed pictures and files that are not among `pictures`; notes: sentences that the user should read;
    corrections: what dataset.json says of them.
    """

    pictures: list[Picture] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    corrections: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Listed:
    """What is listed, before any file is read."""

    pictures: list[ListedPicture] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ranks: dict[str, str] = field(default_factory=dict)


def gather(settings: PrepareSettings) -> Gathered:
    """List and read all pictures. Raises ToolkitError where there are none, or none that has a class."""
    corrections = read_corrections(settings.corrections) if settings.corrections else []
    of_samples = samples.are_of_samples(corrections)
    listed = _list_all(settings, of_samples)
    names = PictureNames(listed.pictures, listed.excluded)
    corrected: dict[str, Any] = {}
    if settings.corrections:
        result = apply_corrections(corrections, listed.pictures, names)
        listed.pictures = result.pictures
        listed.excluded += result.dropped
        corrected = result.summary(settings.corrections, corrections)
        if of_samples:
            listed.pictures, unused = samples.leave_out_unnamed(listed.pictures, settings.depth)
            listed.excluded += unused
    if settings.groups:
        groups = group_table.read_groups(settings.groups, names)
        listed.pictures = group_table.apply_groups(listed.pictures, groups)
    labelled, unlabelled = _assign_labels(settings, listed)
    wanted, unwanted = labels.leave_out_by_name(labelled, settings.keep_drawings, settings.keep_unidentified)
    found, missing, notes = _find_files(settings.images, wanted)
    pictures, unusable = describe_pictures(found, settings.page)
    notes += remarks(
        {each.file: each.descriptor.pages for each in pictures if each.descriptor.pages > 1}, [], settings.page
    )
    excluded = [*listed.excluded, *unlabelled, *unwanted, *missing, *unusable]
    return Gathered(pictures, excluded, [*listed.notes, *notes], corrected)


def _list_all(settings: PrepareSettings, of_samples: bool) -> _Listed:
    """List what the records and the folder hold, own pictures with the lineages that the records know.

    of_samples: whether the folder's sub-folders are samples, and not classes.
    """
    listed = _Listed()
    records: list[Record] = []
    if settings.data is not None:
        records, unusable = listing.read_all_records(settings.data)
        listed.pictures, listed.excluded = listing.list_pictures(records)
        listed.excluded += unusable
        listed.notes, listed.ranks = listing.notes_on_records(unusable), listing.known_ranks(records)
    if settings.folder is not None:
        skip = [settings.train / name for name in layout.NAMES]
        own, left_out, notes = own_folder.list_own_pictures(settings.folder, skip, classes=not of_samples)
        if of_samples:
            own = samples.without_classes(own, settings.group_by == "folder")
        elif settings.group_by == "folder":
            own = own_folder.by_folder(own, settings.depth if isinstance(settings.depth, int) and not records else None)
        if records and not of_samples:
            own = own_folder.adopt_lineages(own, _lineages_of_records(listed.pictures, records))
        taken = {picture.file for picture in listed.pictures}
        listed.pictures += [_with_free_name(picture, taken) for picture in own]
        listed.excluded += left_out
        listed.notes += notes
    return listed


def _lineages_of_records(pictures: Sequence[ListedPicture], records: Sequence[Record]) -> dict[str, list[Lineage]]:
    lineages = [record.lineage for record in records] + [each for picture in pictures for each in picture.lineages]
    return own_folder.known_lineages(lineages)


def _with_free_name(picture: ListedPicture, taken: set[str]) -> ListedPicture:
    if picture.file not in taken:
        return picture
    file = disambiguate(picture.file, f"own {picture.file}")
    return replace(picture, file=file, url=file)


def _assign_labels(settings: PrepareSettings, listed: _Listed) -> tuple[list[ListedPicture], list[Excluded]]:
    """Set the class of each picture: at the depth that is wanted; of own pictures of no known taxon, their folder."""
    own = [picture for picture in listed.pictures if picture.own]
    of_records = [picture for picture in listed.pictures if not picture.own]
    if settings.data is None:
        labelled, unlabelled = own_folder.assign_own_labels(own, settings.depth)
    else:
        labelled, unlabelled = labels.assign_labels(of_records, settings.records_depth, listed.ranks)
        known, unknown = labels.assign_labels(own, settings.records_depth, listed.ranks)
        shallow = {left.file for left in unknown}
        rest = [picture for picture in own if picture.file in shallow]
        labelled += known + own_folder.assign_own_labels(rest, None)[0]
    if not labelled:
        raise _no_class(settings, listed.pictures, sorted(set(listed.ranks.values())))
    return sorted(labelled, key=lambda picture: picture.file), unlabelled


def _find_files(
    images: Path, pictures: Sequence[ListedPicture]
) -> tuple[list[ListedPicture], list[Excluded], list[str]]:
    """Set where each picture lies; return also those that are missing, and what to say of them."""
    directory = _common_directory(images, [picture for picture in pictures if not picture.own])
    finder = FileFinder(directory)
    located = []
    for picture in pictures:
        source = picture.source if picture.own else finder.find(picture.file)
        located.append((picture, source))
    found = [replace(picture, source=source) for picture, source in located if source]
    _, missing = partition([picture for picture, source in located if not source], lambda _: "missing file")
    return found, missing, [_missing_note(directory, missing)] if missing else []


def describe_pictures(pictures: Sequence[ListedPicture], page: int | str) -> tuple[list[Picture], list[Excluded]]:
    """Read the pictures' files, and leave out those that cannot be used."""
    described, excluded = [], []
    descriptors = describe_all([picture.source for picture in pictures], "reading pictures", page=page)
    for picture, descriptor in zip(pictures, descriptors, strict=True):
        if isinstance(descriptor, ImageError):
            excluded.append(exclude(picture, str(descriptor)))
        else:
            described.append(Picture(**vars(picture), descriptor=descriptor))
    return described, excluded


def _common_directory(images: Path, pictures: Sequence[ListedPicture]) -> Path:
    """Return the directory of the pictures of all modules, where `images` may be that of one module."""
    modules = {picture.file.split("/")[0] for picture in pictures}
    if images.name in modules and not (images / images.name).is_dir():
        return images.resolve().parent
    return images


def _missing_note(images: Path, missing: Sequence[Excluded]) -> str:
    example = min((left.file for left in missing), key=lambda file: (len(file) > LONGEST_SHOWN, file))
    return (
        f"No file below {images} for {len(missing)} listed, such as {example[:LONGEST_SHOWN]}: "
        "run scrape_mikrotax.py again to fetch what is missing, or try another directory of pictures."
    )


def _no_class(settings: PrepareSettings, listed: Sequence[ListedPicture], ranks: Sequence[str]) -> ToolkitError:
    """Return the error for pictures none of which has a class, which says what the depth could be instead."""
    depths = labels.classes_by_depth(listed)
    if not depths:
        return ToolkitError(f"the records below {settings.data} list no picture; run scrape_mikrotax.py again", "data")
    offered = ", ".join(f"{number} ({counted(count, 'class', 'classes')})" for number, count in depths.items())
    known = f"ranks: {', '.join(ranks)}" if ranks else "no ranks are known"
    depth = settings.records_depth
    near = nearest(depth, ranks) if isinstance(depth, str) else ""
    message = f"no picture has an entry at depth {depth}; possible depths: {offered}; {known}{near}"
    return ToolkitError(message, "depth")
