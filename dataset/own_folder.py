"""A folder of the user's own pictures: each sub-folder is a class, and nested ones are its lineage."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from common.errors import ToolkitError
from common.files import in_one_line
from common.folders import comparable, list_images
from common.names import comparison_key, disambiguate
from common.odd_names import clean_lineage
from common.records import Lineage
from common.remarks import listed
from dataset.pictures import Excluded, ListedPicture, exclude


def list_own_pictures(
    folder: Path, skip: Iterable[Path] = (), classes: bool = True
) -> tuple[list[ListedPicture], list[Excluded], list[str]]:
    """List the pictures below a folder, with the names of the folders that they lie in as their lineage.

    Returns them, all other files with the reason why they are not used, and sentences on folders without a picture.
    What is in `skip` does not belong to the folder; classes: whether pictures beside the sub-folders have no class, and
    are not used for that. Raises FileNotFoundError where there is no such folder, ToolkitError where there is no
    picture in it.
    """
    listing = list_images(folder, skip)
    excluded = [Excluded(in_one_line(left.name), left.reason, "") for left in listing.left_out]
    pictures: dict[str, ListedPicture] = {}
    for image in listing.images:
        file = in_one_line(comparable(image.name))
        if file in pictures:  # two forms of one name, which this disk takes for two
            file = disambiguate(file, image.name)
        *folders, _ = image.name.split("/")
        try:
            lineage = clean_lineage(tuple(comparable(_as_unicode(name)) for name in folders))
        except ValueError as error:
            excluded.append(Excluded(file, f"odd name: it lies below {error}", file))
            continue
        if not lineage and not classes:
            lineage = ("",)
        if not lineage:
            excluded.append(Excluded(file, "no class: it lies beside the folders of the classes", file))
            continue
        pictures[file] = ListedPicture(
            file, file, (lineage,), frozenset(lineage[-1:]), own=True, source=image.path, lineage=lineage
        )
    if not pictures:
        raise ToolkitError(
            f"no picture lies in a sub-folder of {folder}; each class needs a sub-folder with its pictures"
            f"{_first_reason(excluded)}",
            "folder",
        )
    filled = {parent for image in listing.images for parent in _parents(image.name)}
    empty = [name for name in listing.directories if name not in filled and _parent(name) in {"", *filled}]
    notes = [f"There is no picture in {listed([in_one_line(name) for name in empty])}."] if empty else []
    return [pictures[file] for file in sorted(pictures)], excluded, notes


def by_folder(pictures: Iterable[ListedPicture], depth: int | None) -> list[ListedPicture]:
    """Return the pictures with their folder as what their specimen shares, where it lies below that of their class.

    depth: the level of folders that is the class; None: the lowest folder is that of a specimen, and the one above it
    is the class. Pictures that lie in their class's own folder stay as they are.
    """
    grouped = []
    for picture in pictures:
        (lineage,) = picture.lineages
        levels = min(depth or max(len(lineage) - 1, 1), len(lineage))
        specimen = picture.file.rpartition("/")[0] if len(lineage) > levels else ""
        grouped.append(replace(picture, lineages=(lineage[:levels],), lineage=lineage[:levels], specimen=specimen))
    return grouped


def assign_own_labels(
    pictures: Iterable[ListedPicture], depth: int | str | None
) -> tuple[list[ListedPicture], list[Excluded]]:
    """Set the label of each picture: the name of its folder, or of the folder at `depth` levels, counted from 1.

    Where two folders in different places have one name, the names of those above are put before it, so that
    `Syracosphaera/pulchra` and `Helicosphaera/pulchra` stay two classes.
    """
    reached, excluded = [], []
    for picture in pictures:
        (lineage, *_) = picture.lineages
        if isinstance(depth, int) and depth > len(lineage):
            excluded.append(exclude(picture, f"no entry at depth {depth}"))
        else:
            reached.append(replace(picture, lineage=lineage[:depth] if isinstance(depth, int) else lineage))
    labels = unique_labels({picture.lineage for picture in reached})
    return [replace(picture, label=labels[picture.lineage]) for picture in reached], excluded


def unique_labels(lineages: Iterable[Lineage]) -> dict[Lineage, str]:
    """Return for each lineage its last names, as few as tell it from all others."""
    labels: dict[Lineage, str] = {}
    waiting, names = sorted(set(lineages)), 1
    while waiting:
        same: dict[str, list[Lineage]] = defaultdict(list)
        for lineage in waiting:
            same[" ".join(lineage[-names:])].append(lineage)
        waiting = []
        for label, members in same.items():
            longer = [lineage for lineage in members if len(members) > 1 and len(lineage) > names]
            labels |= dict.fromkeys(set(members) - set(longer), label)
            waiting += longer
        names += 1
    return labels


def known_lineages(lineages: Iterable[Lineage]) -> dict[str, list[Lineage]]:
    """Return the lineages of each taxon by its name as it is compared: more than one where a name is used twice."""
    known: dict[str, set[Lineage]] = defaultdict(set)
    for lineage in set(lineages):
        for end in range(1, len(lineage) + 1):
            known[comparison_key(lineage[end - 1])].add(lineage[:end])
    return {name: sorted(places) for name, places in known.items()}


def adopt_lineages(pictures: Sequence[ListedPicture], known: Mapping[str, Sequence[Lineage]]) -> list[ListedPicture]:
    """Return own pictures with the lineages that records know: the lowest folder that names a known taxon decides.

    Folders below it are added to its lineage, and those above it do not count. Pictures of no known taxon stay as they
    are; and no lineage of the records ever changes.
    """
    adopted = []
    for picture in pictures:
        (own,) = picture.lineages
        place = next((end for end in range(len(own), 0, -1) if comparison_key(own[end - 1]) in known), 0)
        if place:
            above = {comparison_key(name) for name in own[: place - 1]}
            places = known[comparison_key(own[place - 1])]
            taken = max(places, key=lambda lineage: sum(comparison_key(name) in above for name in lineage))
            own = (*taken, *own[place:])
        adopted.append(replace(picture, lineages=(own,), taxa=frozenset(own[-1:])))
    return adopted


def _as_unicode(name: str) -> str:
    """Return a name that is not UTF-8 on the disk as the older code page of Windows would read it."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return name


def _parents(file: str) -> Iterable[str]:
    parts = file.split("/")[:-1]
    return ("/".join(parts[:end]) for end in range(1, len(parts) + 1))


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _first_reason(excluded: Sequence[Excluded]) -> str:
    return f" ({excluded[0].file}: {excluded[0].reason})" if excluded else ""
