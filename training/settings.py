"""What the user decides about a run, with every default filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from common.dataset_info import FROM_A_FOLDER
from common.errors import ToolkitError
from common.files import check_directory, check_file, check_writable
from common.fold_table import ENDING as FOLD_TABLE

DEFAULT_EPOCHS = 16

# The highest learning rates that a batch of 32 images bears, by measurement (NOTES.md).
FROM_SCRATCH_RATE = 0.02
PRETRAINED_RATE = 0.0005

# Labels are smoothed from so many classes on: sets of few classes are there to see the loss go to 0.
PRETRAINED_SMOOTHING, SMOOTHING_FROM = 0.1, 10

# Settings that say where files lie and what is shown, and so do not change what is learnt.
PLACES = ("directory", "log")  # a resumed run finds these again, unless they are given anew
NOT_RECORDED = (*PLACES, "save_model", "resume", "given")

# What the names of a run's files add to that of the model.
ENDINGS = ("", ".last", ".history.csv", ".left_out.csv", FOLD_TABLE, ".previous", ".previous.history.csv")


@dataclass(frozen=True)
class Settings:
    """Everything that the user decides about a run.

    use_model: a name of `models.network_names`; weights: "imagenet", "none" or the path of a file; freeze:
    "features" (all but the head stays as it is), "block" (all but the last block and the head) or "none";
    augmented_copies: in how many versions frozen layers see each image; epochs: None for as many as the time budget
    (in minutes) allows; folds: how many of cross-validation (`training.folds`), or None; patience: epochs without a
    better one after which the run ends, or None; learning_rate: the highest of the schedule; balance: see
    `training.loss`; label_smoothing: the share of each label that is spread over all classes, None for what suits (see
    `smoothing`; a solved head tries some); rotation: "free", "slight",
    or "auto" to find out whether the images are oriented; tta: whether the model predicts with test-time
    augmentation; image_size: the side in pixels, or None for what suits (`training.image_size`); page: which one
    of files with several (`common.pages`), or None for that which the data set was made from; device: a name of
    torch's or None; precision: "auto", "fp32" or "bf16"; given: names of the settings that the user gave, of which
    none is a default.
    """

    directory: Path
    save_model: Path
    log: bool
    resume: bool
    use_model: str
    weights: str
    freeze: str
    augmented_copies: int
    epochs: int | None
    folds: int | None
    time_budget: float | None
    patience: int | None
    batch_size: int
    learning_rate: float
    balance: str
    label_smoothing: float | None
    rotation: str
    tta: bool
    deterministic: bool
    image_size: int | None
    page: int | str | None
    seed: int
    device: str | None
    precision: str
    given: frozenset[str] = frozenset()

    @classmethod
    def resolve(cls, options: Mapping[str, Any], given: Iterable[str] = ()) -> Settings:
        """Return settings with the defaults that depend on other options, where these are None, filled in."""
        pretrained = options["weights"] != "none"
        resolved = {
            "epochs": options["epochs"] or (DEFAULT_EPOCHS if options["time_budget"] is None else None),
            "learning_rate": options["learning_rate"] or (PRETRAINED_RATE if pretrained else FROM_SCRATCH_RATE),
        }
        return cls(**{**options, **resolved}, given=frozenset(given))

    def resumed(self, saved: Mapping[str, Any]) -> Settings:
        """Return the settings of the run that is resumed, with more epochs if they are given.

        saved: what `recorded` and `places` returned of it. Raises ToolkitError where a given setting does not agree.
        """
        again = {name: saved[name] for name in self.recorded()}
        if again["epochs"] and self.epochs and self.epochs > again["epochs"] and not again["folds"]:
            again["epochs"] = self.epochs if "epochs" in self.given else again["epochs"]
        differing = sorted(name for name in self.given & again.keys() if getattr(self, name) != again[name])
        if differing:
            told = ", ".join(f"with {name} {again[name]}, not {getattr(self, name)}" for name in differing)
            raise ToolkitError(
                f"{self.last} was saved by a run {told}; a run is resumed with the options that it was begun with, "
                "which need not be given again (more epochs may be, but not with folds)"
            )
        directory = self.directory if "directory" in self.given else Path(saved["directory"])
        return replace(self, **again, directory=directory, log=self.log or saved["log"])

    @property
    def last(self) -> Path:
        """The file that a resumed run goes on from."""
        return self.save_model.with_name(self.save_model.name + ".last")

    @property
    def files(self) -> list[Path]:
        """All files that a run may write, the model first."""
        return [self.save_model.with_name(self.save_model.name + ending) for ending in ENDINGS]

    def check_inputs(self) -> None:
        """Raise ToolkitError where a file or directory that is to be read is not there, or the model cannot be written.

        What only torch can tell, such as whether the device exists, is checked later; so is where a resumed run finds
        its pictures.
        """
        if not self.save_model.name:
            raise ToolkitError(f"{self.save_model} is a directory, not a file to write the model to", "save_model")
        if self.resume:
            if not self.last.is_file():
                raise ToolkitError(f"there is no interrupted run to resume (no file {self.last})", "save_model")
        else:
            self.check_directory()
            if self.weights not in ("imagenet", "none"):
                check_file(Path(self.weights), "weights")
        check_writable(self.files, "save_model")

    def check_directory(self) -> None:
        """Raise ToolkitError where there is no train/ or validate/."""
        for split in ("train", "validate"):
            check_directory(self.directory / split, "directory", f"; from your own pictures, {FROM_A_FOLDER}")

    @property
    def pretrained(self) -> bool:
        """Whether the network starts from weights that it learnt elsewhere."""
        return self.weights != "none"

    def smoothing(self, num_classes: int) -> float:
        """Return the share of a label that is spread over `num_classes` classes."""
        if self.label_smoothing is not None:
            return self.label_smoothing
        return PRETRAINED_SMOOTHING if self.pretrained and num_classes >= SMOOTHING_FROM else 0.0

    def recorded(self) -> dict[str, Any]:
        """Return the settings that decide what comes out of a run, as plain values."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in NOT_RECORDED}

    def places(self) -> dict[str, Any]:
        """Return the settings that a resumed run goes on with unless they are given anew, as plain values."""
        return {"directory": str(self.directory), "log": self.log}
