"""dataset.json, what was done to make a data set: one dataclass, one reader, one writer.

It lies beside train/ and validate/ and tells which classes they hold, from which options and with what audit.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import common
from common.command_line import SHARPEST
from common.errors import ToolkitError
from common.files import write_json
from common.odd_names import clean_lineage

NAME = "dataset.json"
MADE_BY = "prepare_image_model.py"
FROM_A_FOLDER = f"in a sub-folder for each class, a data set is made by: python {MADE_BY} --folder DIR"
SPLITS = ("train", "validate", "test")


class DatasetInfoError(ToolkitError):
    """A file that does not describe a data set. Its text says which, and why."""


@dataclass(frozen=True)
class ClassInfo:
    """What is known of one class: full names of its lineage, root first, and its number of pictures in each split.

    hierarchy: the lineage without blanks; also: other lineages that gave the same class; groups, sources: how many;
    techniques: number of pictures by technique.
    """

    lineage: tuple[str, ...]
    hierarchy: tuple[str, ...] = ()
    also: tuple[tuple[str, ...], ...] = ()
    train: int = 0
    validate: int = 0
    test: int = 0
    groups: int = 0
    sources: int = 0
    techniques: Mapping[str, int] = field(default_factory=dict)

    def count(self, split: str) -> int:
        """Return the number of the class's pictures in one of SPLITS."""
        return {"train": self.train, "validate": self.validate, "test": self.test}[split]


@dataclass(frozen=True)
class DatasetInfo:
    """What dataset.json says. hash: SHA-256 of manifest.csv; audit: see `dataset.audit`.

    classes: by the name of their directory, in taxonomic order; counts: pictures used, excluded (by reason) and listed;
    majority_share: what always naming the largest class of validate/ gets right, in [0, 1]; page: which one of files
    with several is used (`common.pages`), and pages: how many those have, by their paths; corrections: what a person
    corrected, and how much of it counted; earlier_split: the split whose sides were kept, and what had to change side.
    """

    classes: Mapping[str, ClassInfo]
    made_by: str = ""
    version: str = ""
    hash: str = ""
    depth: int | str = ""
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)
    majority_share: float = 0.0
    audit: Mapping[str, Any] = field(default_factory=dict)
    page: int | str = 1
    pages: Mapping[str, int] = field(default_factory=dict)
    corrections: Mapping[str, Any] = field(default_factory=dict)
    earlier_split: Mapping[str, Any] = field(default_factory=dict)


def read_dataset_info(path: Path) -> DatasetInfo:
    """Return what a dataset.json says; what it lacks, all but the classes and their lineages, counts as not known.

    Raises FileNotFoundError where there is no such file, DatasetInfoError where it is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = {name: content[name] for name in _FIELDS if name in content}
        if "page" in known and not (known["page"] == SHARPEST or (type(known["page"]) is int and known["page"] > 0)):
            raise TypeError(f"{known['page']!r} is not a page")
        return DatasetInfo(classes={name: _class(facts) for name, facts in content["classes"].items()}, **known)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetInfoError(
            f"{path} does not describe a data set ({error!r}); run prepare_image_model.py again"
        ) from error


def write_dataset_info(path: Path, info: DatasetInfo) -> Path:
    """Write a dataset.json of this script and version, whole or not at all."""
    content = {name: getattr(info, name) for name in _FIELDS} | {"made_by": MADE_BY, "version": common.__version__}
    classes = {name: asdict(facts) for name, facts in info.classes.items()}
    return write_json(path, {**content, "classes": classes})


def _class(facts: Mapping[str, Any]) -> ClassInfo:
    known = {name: facts[name] for name in _CLASS_FIELDS if name in facts}
    return ClassInfo(
        lineage=_names(facts["lineage"]),
        hierarchy=_names(facts.get("hierarchy", [])),
        also=tuple(map(_names, facts.get("also", ()))),
        **known,
    )


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"{value!r} is not a list of names")
    return clean_lineage(tuple(value))


_FIELDS = (
    *("made_by", "version", "hash", "depth", "seed", "options", "counts", "majority_share", "audit"),
    *("page", "pages", "corrections", "earlier_split"),
)
_CLASS_FIELDS = ("train", "validate", "test", "groups", "sources", "techniques")
