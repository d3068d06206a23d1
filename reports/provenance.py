"""Where a model and its figures come from: versions, commands, seed, data, dates and sources."""

import hashlib
import platform
import shlex
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

import common
from common import dataset_info, manifest
from common.dataset_info import SPLITS, DatasetInfo
from common.errors import ToolkitError
from common.files import in_one_line
from common.manifest import ManifestRow
from common.records import Record
from common.tables import write_table
from evaluation.cross_fit import PredictedSplit
from models.checkpoint import Checkpoint
from reports.folds import NAME as FOLDS
from reports.settings import VisualiseSettings

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "cleanlab", "pillow", "matplotlib")
NOT_OPTIONS = {"size_bounds", "smoothing_from"}  # settings of a training that follow from others
NO_SOURCE = "no source named"


@dataclass(frozen=True)
class Provenance:
    """What is known of a model's and a report's origin; empty where it is not.

    trained, written: dates; fetched: the first and last date of the records; data_hash: of the data set that the model
    learnt from; beside: what dataset.json beside the pictures says; same_data: whether it is that data set, and
    manifest_changed: whether its manifest.csv was changed since; sources: images by source and split, the commonest
    first; commands: how to make it all again; libraries: versions, of those that made the model, and of those that made
    the report.
    """

    written: str
    trained: str
    fetched: tuple[str, ...]
    data_hash: str
    beside: DatasetInfo | None
    same_data: bool
    manifest_changed: bool
    sources: Mapping[str, Counter[str]]
    commands: list[str]
    libraries: Mapping[str, str] = field(default_factory=dict)
    model_libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def images(self) -> Counter[str]:
        """The number of images of the data set by split."""
        return sum(self.sources.values(), Counter[str]())


def trace(
    settings: VisualiseSettings, checkpoint: Checkpoint, rows: Sequence[ManifestRow], records: Mapping[Path, Record]
) -> Provenance:
    """Find out where a model and its report come from.

    rows: of the manifest beside the pictures; records: what the site says, by file.
    """
    place = settings.validate.resolve().parent
    beside = _dataset_beside(place)
    fetched = sorted(record.page.fetched[:10] for record in records.values() if record.page and record.page.fetched)
    return Provenance(
        written=time.strftime("%Y-%m-%d"),
        trained=checkpoint.trained or "",
        fetched=tuple(dict.fromkeys((fetched[0], fetched[-1]))) if fetched else (),
        data_hash=checkpoint.dataset,
        beside=beside,
        same_data=bool(beside and beside.hash and beside.hash == checkpoint.dataset),
        manifest_changed=bool(beside and beside.hash and beside.hash != _hash(place / manifest.NAME)),
        sources=count_sources(rows),
        commands=_commands(settings, checkpoint, beside),
        libraries={"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        model_libraries=checkpoint.versions,
    )


def count_sources(rows: Sequence[ManifestRow]) -> dict[str, Counter[str]]:
    """Count the images of a data set by source and split, the commonest source first."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        split = row.split or row.path.partition("/")[0]
        counts.setdefault(in_one_line(row.source.strip()) or NO_SOURCE, Counter())[split] += 1
    return dict(sorted(counts.items(), key=lambda each: (-each[1].total(), each[0])))


def write_sources(path: Path, sources: Mapping[str, Counter[str]]) -> None:
    """Write the credits: a row for each source with its numbers of images."""
    rows = [
        {"source": source, "pictures": counts.total(), **{split: counts[split] for split in SPLITS}}
        for source, counts in sources.items()
    ]
    path.unlink(missing_ok=True)
    if rows:
        write_table(path, rows[0], rows)


def chose_the_epoch(checkpoint: Checkpoint, split: PredictedSplit, same_data: bool) -> bool | None:
    """Return whether the images of a split chose the epoch that was kept, None where that is not known.

    They did if they are the validate/ of the data set that the model learnt from. For a layout made by hand, which has
    no hash, the labels that the model file keeps of its validation images must be theirs.
    """
    if split.name in ("test", FOLDS):
        return False
    if same_data:
        return split.name == "validate"
    if checkpoint.dataset:
        return False
    labels = checkpoint.calibration.get("labels")
    if labels is None:
        return None
    return labels.tolist() == split.labels.tolist()


def command(script: str, options: Mapping[str, Any]) -> str:
    """Return a command line as it may be typed; what is None, False, 0 or empty is left out.

    Of absolute paths the last part is named: where things lie on a user's machine concerns nobody else.
    """
    words = ["python", script]
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value not in (None, False, "", 0, "None"):
            words += [f"--{name}", _plain(value)]
    return shlex.join(words)


def _plain(value: Any) -> str:
    text = in_one_line(str(value))
    return PurePath(text).name if isinstance(value, str | Path) and PurePath(text).is_absolute() else text


def _commands(settings: VisualiseSettings, checkpoint: Checkpoint, beside: DatasetInfo | None) -> list[str]:
    commands = []
    if beside and beside.options:
        commands.append(command(dataset_info.MADE_BY, beside.options))
    if checkpoint.options:
        options = {name: value for name, value in checkpoint.options.items() if name not in NOT_OPTIONS}
        if beside and beside.hash and beside.hash == checkpoint.dataset and beside.options.get("train", ".") != ".":
            options = {"directory": beside.options["train"]} | options  # which a model does not keep
        commands.append(command("train_classifier.py", options))
    usual = vars(VisualiseSettings())
    changed = {name: value for name, value in vars(settings).items() if value != usual[name]}
    return [*commands, command("visualise_results.py", changed)]


def _dataset_beside(place: Path) -> DatasetInfo | None:
    try:
        return dataset_info.read_dataset_info(place / dataset_info.NAME)
    except (OSError, ToolkitError):
        return None


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def toolkit_versions(checkpoint: Checkpoint) -> str:
    """Say which version of the toolkit wrote the report, and which trained the model."""
    trained = f"version {checkpoint.toolkit}" if checkpoint.toolkit else "an earlier version"
    return f"Written by version {common.__version__} of the toolkit; the model was trained by {trained}."
