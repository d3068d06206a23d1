"""The proof that nothing leaks: the finished directories are read again, instead of trusting the plan."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from common import manifest
from common.dataset_info import SPLITS
from common.errors import ToolkitError
from common.folders import comparable, list_images
from common.images import ImageError
from common.pages import Page
from dataset.descriptors import Descriptor, describe_all
from dataset.near_duplicates import near_duplicate_pairs


@dataclass(frozen=True)
class Audit:
    """What was found in the directories: numbers of what is in more than one split, which must all be 0.

    share: by class, the share of its pictures in each split, 0 to 1.
    """

    pictures: int
    identical_bytes_across_splits: int
    near_duplicates_across_splits: int
    groups_across_splits: int
    share: Mapping[str, Mapping[str, float]]

    @property
    def leaks(self) -> int:
        """How much was found that is in more than one split."""
        return self.identical_bytes_across_splits + self.near_duplicates_across_splits + self.groups_across_splits


def audit(directory: Path, page: Page = 1) -> Audit:
    """Return what every picture below train/, validate/ and test/ of `directory`, and its manifest.csv, tell of leaks.

    page: which one of a file with several. Raises ToolkitError for a picture that cannot be read, one that the manifest
    lacks, or one that only the manifest has.
    """
    splits = [split for split in SPLITS if (directory / split).is_dir()]
    paths = {
        comparable(f"{split}/{image.name}"): image.path
        for split in splits
        for image in list_images(directory / split).images
    }
    group_of = {comparable(row.path): row.group for row in manifest.read_manifest(directory / manifest.NAME)}
    if paths.keys() != group_of.keys():
        raise ToolkitError(f"the audit found other pictures in {directory} than its {manifest.NAME} lists")
    descriptors: list[Descriptor] = []
    for name, descriptor in zip(paths, describe_all(list(paths.values()), "audit", page=page), strict=True):
        if isinstance(descriptor, ImageError):
            raise ToolkitError(f"the audit could not read {name}: {descriptor}")
        descriptors.append(descriptor)
    split_of = [name.split("/")[0] for name in paths]
    return Audit(
        pictures=len(paths),
        identical_bytes_across_splits=_across([each.sha256 for each in descriptors], split_of),
        near_duplicates_across_splits=sum(split_of[i] != split_of[j] for i, j in near_duplicate_pairs(descriptors)),
        groups_across_splits=_across([group_of[name] for name in paths], split_of),
        share=_shares(paths, splits),
    )


def _across(things: Iterable[str], split_of: Iterable[str]) -> int:
    """Return the number of things that are in more than one split."""
    found = defaultdict(set)
    for thing, split in zip(things, split_of, strict=True):
        found[thing].add(split)
    return sum(len(splits) > 1 for splits in found.values())


def _shares(names: Iterable[str], splits: list[str]) -> dict[str, dict[str, float]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name in names:
        split, label, _ = name.split("/")
        counts[label][split] += 1
    return {
        label: {split: round(count[split] / count.total(), 4) for split in splits}
        for label, count in sorted(counts.items())
    }
