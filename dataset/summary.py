"""What was done, for a person: the facts about each class, its line in dataset.png, and the lines that are printed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from common import dataset_info, manifest
from common.contact_sheet import SHOWN, SheetLine
from common.dataset_info import SPLITS, ClassInfo, DatasetInfo
from common.images import read_image
from common.manifest import ARROW
from common.names import strip_blanks
from common.pages import Page
from common.remarks import listed
from dataset.audit import Audit
from dataset.layout import EXCLUDED, SHEET, class_name
from dataset.pictures import Excluded, Picture
from dataset.settings import PrepareSettings

MOVES_NAMED = 20  # pictures that had to change side that are printed


def describe_classes(pictures: Iterable[Picture]) -> dict[str, ClassInfo]:
    """Return what is known of each class, in taxonomic order."""
    classes = {}
    for name, members in _members_of_class(pictures).items():
        lineages = sorted({picture.lineage for picture in members})
        splits = Counter(picture.split for picture in members)
        classes[name] = ClassInfo(
            lineage=lineages[0],
            hierarchy=tuple(strip_blanks(taxon) for taxon in lineages[0]),
            also=tuple(lineages[1:]),
            **{split: splits[split] for split in SPLITS},
            groups=len({picture.group for picture in members}),
            sources=len({picture.facts.get("source", "") for picture in members} - {""}),
            techniques=dict(sorted(Counter(picture.technique for picture in members if picture.technique).items())),
        )
    return dict(sorted(classes.items(), key=lambda entry: (entry[1].lineage, entry[0])))


def sheet_lines(
    directory: Path, classes: Mapping[str, ClassInfo], pictures: Iterable[Picture], page: Page = 1
) -> list[SheetLine]:
    """Return the line of each class in dataset.png: its counts by split, and pictures of different groups."""
    members = _members_of_class(sorted(pictures, key=lambda picture: (SPLITS.index(picture.split), picture.path)))
    splits = _used_splits(classes)
    lines = []
    for name, facts in classes.items():
        one_of_each = {picture.group: picture for picture in reversed(members[name])}
        shown = list(reversed(one_of_each.values()))[:SHOWN]  # those of train first
        lines.append(
            SheetLine(
                name=name,
                parent=ARROW.join(facts.lineage[:-1]),
                counts={split: facts.count(split) for split in splits},
                pictures=[(partial(read_image, directory / picture.path, page), "") for picture in shown],
            )
        )
    return lines


def count_reasons(excluded: Iterable[Excluded]) -> dict[str, int]:
    """Return how many pictures were left out for each kind of reason, the most frequent first."""
    return dict(Counter(each.reason.split(":")[0] for each in excluded).most_common())


def majority_share(classes: Mapping[str, ClassInfo], split: str = "validate") -> float:
    """Return the share of the largest class among the pictures of `split`: what a model must beat."""
    counts = [facts.count(split) for facts in classes.values()]
    return max(counts) / sum(counts)


def report(
    settings: PrepareSettings, info: DatasetInfo, result: Audit, excluded: Iterable[Excluded], notes: Iterable[str]
) -> list[str]:
    """Return the lines that say what was done; `notes` are further sentences that the user should read."""
    counts = info.counts
    places = ", ".join(str(settings.train / split) for split in SPLITS if counts.get(split))
    return [
        *table(info.classes, Counter(each.label for each in excluded)),
        "",
        f"{counts['listed']} pictures are listed, {counts['used']} are used, {counts['excluded']} are left out:",
        *(f"  {count:6} {reason}" for reason, count in counts["reasons"].items()),
        f"Audit of the finished directories: {result.identical_bytes_across_splits} identical files, "
        f"{result.near_duplicates_across_splits} near-duplicates and {result.groups_across_splits} groups "
        "are in two splits.",
        f"Always naming the largest class is right for {info.majority_share:.1%}: what a model must beat.",
        *(f"Note: {note}" for note in notes),
        f"Wrote {places}, and beside them {dataset_info.NAME}, {SHEET}, {manifest.NAME} and {EXCLUDED}.",
    ]


def warnings(classes: Mapping[str, ClassInfo], pictures: Sequence[Picture], wanted: float) -> list[str]:
    """Return sentences on what a reader of the results should know; `wanted` is the share of validate, 0 to 1."""
    found = []
    share = sum(picture.split == "validate" for picture in pictures) / len(pictures)
    if abs(share - wanted) > 0.05:
        found.append(
            f"validate/ has {share:.0%} of the pictures where {wanted:.0%} were wanted: the groups are too large."
        )
    if len(classes) == 1:
        found.append("There is only one class: nothing to distinguish.")
    if single := [name for name, facts in classes.items() if facts.sources == 1]:
        found.append(f"All known sources are one for {_list(single)}: a model may learn the source.")
    if unknown := sum(not picture.facts.get("source") and not picture.own for picture in pictures):
        found.append(f"{unknown} of {len(pictures)} pictures name no source.")
    if several := [name for name, facts in classes.items() if facts.also]:
        found.append(f"One class from several places in the classification: {_list(several)}.")
    return found


def corrections_note(info: DatasetInfo) -> list[str]:
    """Return a sentence on the corrections' result, where there were some."""
    done = info.corrections
    if not done:
        return []
    return [
        f"Of {len(done['rows'])} corrections, {done['relabelled']} gave a picture another taxon, {done['dropped']} "
        f"dropped one, {done['unchanged']} changed nothing, and {done['of_unused']} are of pictures that are not used."
    ]


def earlier_split_note(info: DatasetInfo) -> list[str]:
    """Return a sentence on which pictures kept the side that they were on, where there was an earlier split."""
    earlier = info.earlier_split
    if not earlier:
        return []
    moves = [f"{move['file']} ({move['before']} to {move['now']}: {move['reason']})" for move in earlier["moved"]]
    named = f": {listed(moves, MOVES_NAMED)}; dataset.json names all" if moves else ""
    return [
        f"The split follows {earlier['like']}: {earlier['kept']} pictures keep their side, {earlier['new']} are new, "
        f"{len(moves)} had to change it{named}."
    ]


def table(classes: Mapping[str, ClassInfo], left_out: Mapping[str, int]) -> list[str]:
    """Return the lines of the table of classes; `left_out` holds the number of pictures left out by class."""
    splits = _used_splits(classes)
    width = max(map(len, [*classes, "class"]))
    lines = [f"{'class':{width}}" + "".join(f"{split:>10}" for split in splits) + "   sources  left out  technique"]
    for name, facts in classes.items():
        techniques = ", ".join(f"{count} {technique}" for technique, count in facts.techniques.items())
        counts = "".join(f"{facts.count(split):>10}" for split in splits)
        lines.append(f"{name:{width}}{counts}{facts.sources:>10}{left_out.get(name, 0):>10}  {techniques}")
    return lines


def _used_splits(classes: Mapping[str, ClassInfo]) -> list[str]:
    return [split for split in SPLITS if any(facts.count(split) for facts in classes.values())]


def _members_of_class(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    members: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        members[class_name(picture)].append(picture)
    return members


def _list(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
