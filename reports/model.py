"""A model that is ready to predict, with what its file tells about how far it may be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.pages import Page
from evaluation.calibration import Calibration
from evaluation.ood import OODDetector
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint, load_checkpoint
from models.device import Device
from models.prediction import Predictor


@dataclass(frozen=True)
class LoadedModel:
    """What a model file holds, and its network on a device."""

    checkpoint: Checkpoint
    predictor: Predictor

    @classmethod
    def load(cls, path: Path, device: str | None = None) -> LoadedModel:
        """Read a model file and place its network on a device, by name, or on the best there is.

        Raises ToolkitError where there is no such device, or the file is not a model that can be used.
        """
        return cls.of(load_checkpoint(path), Device.choose(device))

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: Device) -> LoadedModel:
        """Place a network on a device. Raises CheckpointError where the weights do not fit the network."""
        return cls(checkpoint, checkpoint.predictor(device))

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The tree of the model's classes."""
        return Taxonomy.of(self.checkpoint.classes, self.checkpoint.lineages)

    @cached_property
    def calibration(self) -> Calibration | None:
        """What training fitted on validate/, None where the file holds nothing of it. Raises CheckpointError."""
        return Calibration.of(self.checkpoint)

    @property
    def page(self) -> Page:
        """Which page of files with several the model learnt from."""
        page = self.checkpoint.options.get("page") or 1
        return page if isinstance(page, int | str) else 1

    @property
    def ood_detector(self) -> OODDetector | None:
        """What tells which images are unlike all training images, None where the file holds nothing of it."""
        return self.calibration.ood_detector if self.calibration else None
