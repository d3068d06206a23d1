"""What was done, for a person: counts by class, warnings, and the contents of dataset.json."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from common.names import strip_blanks
from dataset.layout import SPLITS
from dataset.records import Excluded, Picture


def describe_classes(pictures: Iterable[Picture]) -> dict[str, dict[str, Any]]:
    """Return for each class, in taxonomic order: lineage, hierarchy, counts by split, sources and techniques."""
    members: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        members[picture.path.split("/")[1]].append(picture)
    classes = {}
    for name, own in members.items():
        lineages = sorted({picture.lineage for picture in own})
        splits = Counter(picture.split for picture in own)
        classes[name] = {
            "lineage": list(lineages[0]),
            "hierarchy": [strip_blanks(part) for part in lineages[0]],
            "also": [list(lineage) for lineage in lineages[1:]],
            **{split: splits[split] for split in SPLITS},
            "groups": len({picture.group for picture in own}),
            "sources": len({picture.facts.get("source", "") for picture in own} - {""}),
            "techniques": dict(sorted(Counter(picture.technique for picture in own).items())),
        }
    return dict(sorted(classes.items(), key=lambda entry: (entry[1]["lineage"], entry[0])))


def count_reasons(excluded: Iterable[Excluded]) -> dict[str, int]:
    """Return how many pictures were left out for each kind of reason, the most frequent first."""
    return dict(Counter(left.reason.split(":")[0] for left in excluded).most_common())


def majority_share(classes: dict[str, dict[str, Any]], split: str = "validate") -> float:
    """Return the share of the largest class among the pictures of `split`: what a model must beat."""
    counts = [known[split] for known in classes.values()]
    return max(counts) / sum(counts)


def warnings(classes: dict[str, dict[str, Any]], pictures: Sequence[Picture], wanted: float) -> list[str]:
    """Return sentences on what a reader of the results should know; `wanted` is the share of validate, 0 to 1."""
    found = []
    share = sum(picture.split == "validate" for picture in pictures) / len(pictures)
    if abs(share - wanted) > 0.05:
        found.append(
            f"validate/ has {share:.0%} of the pictures where {wanted:.0%} were wanted: the groups are too large."
        )
    if len(classes) == 1:
        found.append("There is only one class: nothing to tell apart.")
    single = [name for name, known in classes.items() if known["sources"] == 1]
    if single:
        found.append(f"All known sources are one for {_list(single)}: a model may learn the source.")
    unknown = sum(not picture.facts.get("source") for picture in pictures)
    if unknown:
        found.append(f"{unknown} of {len(pictures)} pictures name no source.")
    several = [name for name, known in classes.items() if known["also"]]
    if several:
        found.append(f"One class from several places in the classification: {_list(several)}.")
    return found


def table(classes: dict[str, dict[str, Any]], left_out: Counter) -> list[str]:
    """Return the lines of the table of classes; `left_out` holds the number of pictures left out by class."""
    splits = [split for split in SPLITS if split != "test" or any(known["test"] for known in classes.values())]
    width = max(map(len, [*classes, "class"]))
    lines = [f"{'class':{width}}" + "".join(f"{split:>10}" for split in splits) + "   sources  left out  technique"]
    for name, known in classes.items():
        techniques = ", ".join(f"{count} {technique}" for technique, count in known["techniques"].items())
        counts = "".join(f"{known[split]:>10}" for split in splits)
        lines.append(f"{name:{width}}{counts}{known['sources']:>10}{left_out[name]:>10}  {techniques}")
    return lines


def _list(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
