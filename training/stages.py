"""The stages of a run: which part of the network learns, from what, and for how long."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torchvision.transforms import v2

from models.device import Hardware
from models.prediction import BATCH_SIZE, Predictor
from models.preprocessing import IMAGENET, Store, augment, draw_changes
from training.data import Data
from training.distributed import ALONE, World, predict_together
from training.frozen_layers import split_network
from training.memory import Rows

MIXES = {"mixup": v2.MixUp, "cutmix": v2.CutMix}
MIX_ALPHA = 0.2
WHAT_LEARNS = {"features": "the head", "block": "the last block and the head", "none": "all layers"}

# The head of a pretrained network learns first, on features computed once: else its random answers would shake what
# the layers before it know (Kumar et al., "Fine-tuning can distort pretrained features and underperform
# out-of-distribution", ICLR 2022, https://arxiv.org/abs/2202.10054). Not for long: a head that knows the pictures by
# heart leaves little to learn from to the layers before it (NOTES.md).
HEAD_EPOCHS = 2
HEAD_SHARE = 0.125
HEAD_TIME_SHARE = 0.15


@dataclass(frozen=True)
class Stage:
    """A part of a run: what is frozen meanwhile (a key of WHAT_LEARNS), and its end.

    It ends after `epochs`, and when `share` of the run's time budget has passed, where there is one.
    """

    frozen: str
    epochs: int | None
    share: float = 1.0


def plan_stages(pretrained: bool, freeze: str | None, epochs: int | None) -> list[Stage]:
    """Return the stages of a run of `epochs` (None: as many as the time allows), frozen as --freeze says.

    Where it says nothing, a pretrained network learns in two stages, head and all, and a random one all at once.
    """
    if freeze or not pretrained:
        return [Stage(freeze or "none", epochs)]
    head = HEAD_EPOCHS if epochs is None else min(HEAD_EPOCHS, round(epochs * HEAD_SHARE))
    everything = Stage("none", None if epochs is None else epochs - head)
    return [Stage("features", head, HEAD_TIME_SHARE), everything] if head else [everything]


@dataclass(frozen=True)
class Timetable:
    """A stage between its beginning (progress 0) and its end (1), by epochs or by seconds, whichever is further."""

    first_epoch: int
    epochs: int | None
    start: float
    end: float | None

    def progress(self, epoch: float, now: float) -> float:
        """Say how far the stage is, when `epoch` epochs and `now` seconds of the whole run have passed."""
        by_epoch = (epoch - self.first_epoch) / self.epochs if self.epochs else 0.0
        if self.end is None:
            return by_epoch
        return max(by_epoch, (now - self.start) / max(self.end - self.start, 1e-3))


class PictureSource:
    """Batches of augmented pictures, for a network of which all layers learn.

    Batch normalisation of a pretrained network keeps the means and variances that it knows. With a `mix`, a key of
    MIXES, each picture is blended with another or has a piece of it (Zhang et al., "mixup", ICLR 2018,
    https://arxiv.org/abs/1710.09412; Yun et al., "CutMix", ICCV 2019, https://arxiv.org/abs/1905.04899).
    """

    def __init__(
        self,
        network: nn.Module,
        data: Data,
        hardware: Hardware,
        pretrained: bool,
        mix: str = "none",
        world: World = ALONE,
    ):
        self.module, self.learner, self._world = network, world.learner(network), world
        self._mix = MIXES[mix](alpha=MIX_ALPHA, num_classes=len(data.classes)) if mix in MIXES else None
        self._pretrained = pretrained
        self._data, self._hardware = data, hardware

    def train(self) -> None:
        """Make the network ready to learn."""
        self.module.train()
        if self._pretrained:
            keep_statistics(self.module)

    def batch(self, indices: Tensor, _epoch: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return this process's share of the training pictures at `indices` as they enter the network, and their labels.

        The labels are int64 (n,), or after mixing the share of each class: float32 (n, classes).
        """
        changes = draw_changes(len(indices), generator, self._data.turn)
        own = torch.arange(len(indices))[self._world.rows(len(indices))]
        if not self._mix:
            return augmented_batch(self._data.train, indices[own], changes[own], self._hardware)
        # Each picture is mixed with the one before it, which may be another process's, or the last for the first.
        own = torch.cat([own[:1] - 1, own])
        pictures, labels = augmented_batch(self._data.train, indices[own], changes[own], self._hardware)
        return tuple(mixed[1:] for mixed in self._mix(pictures, labels))

    def validation_logits(self) -> Tensor:
        """Return what the network says of the validation pictures: float32 (n, classes) on the CPU."""
        return predict_together(
            self._world, Predictor(self.module, IMAGENET, self._hardware), self._data.validate
        ).logits


class CachedSource:
    """Batches of what the frozen front of a network gave once, for the back of it that learns.

    The front has seen each training picture in up to `views` ways, the first as it stands, the others augmented; epoch
    by epoch the next of them is learnt. No view but the first is begun when `enough` says so.
    """

    def __init__(
        self,
        network: nn.Module,
        frozen: str,
        data: Data,
        hardware: Hardware,
        views: int,
        seed: int,
        tick: Callable[[int], Any] = lambda _: None,
        enough: Callable[[], bool] = lambda: False,
        world: World = ALONE,
    ):
        sample = hardware.place_pictures(IMAGENET.apply(data.train.pictures[:2]))
        self._front, self.module = split_network(network, frozen, sample)
        self.learner = world.learner(self.module)
        self._hardware, self._world, self._turn = hardware, world, data.turn
        self._labels, self._directory = data.train.labels.to(hardware.device), data.train.paths[0].parent
        self._validate = self._maps(data.validate.pictures, tick)
        self._views = [self._maps(data.train.pictures, tick)]
        generator = Generator().manual_seed(seed)
        while len(self._views) < views and not enough():
            self._views.append(self._maps(data.train.pictures, tick, generator))

    def _maps(self, pictures: Tensor, tick: Callable[[int], Any], generator: Generator | None = None) -> Rows:
        """Return what the front says of pictures: maps, with channels last as convolutions give them, or features."""
        maps = None
        for start in range(0, len(pictures), BATCH_SIZE):
            part = pictures[start : start + BATCH_SIZE]
            rows = self._world.rows(len(part))
            changes = draw_changes(len(part), generator, self._turn)[rows] if generator else None
            values = part[rows] if changes is None else augment(part[rows], changes)
            with self._hardware.autocast():
                given = self._front(self._hardware.place_pictures(IMAGENET.apply(values)))
            given = self._world.gather(given.to(self._hardware.dtype), len(part))
            given = given.permute(0, 2, 3, 1) if given.ndim == 4 else given
            if maps is None:
                shape = (len(pictures), *given.shape[1:])
                maps = Rows(shape, given.dtype, self._hardware.device, self._directory)
            maps[start : start + BATCH_SIZE] = given
            tick(len(part))
        return maps

    def train(self) -> None:
        """Make what learns ready for it; its statistics, too, stay those of the pretrained network."""
        self.module.train()
        keep_statistics(self.module)

    def batch(self, indices: Tensor, epoch: int, _generator: Generator) -> tuple[Tensor, Tensor]:
        """Return what the front said of the training pictures at `indices`, in this epoch's view, and their labels."""
        indices = indices[self._world.rows(len(indices))].to(self._labels.device)
        return _inputs(self._views[epoch % len(self._views)][indices]), self._labels[indices]

    @torch.no_grad()
    def validation_logits(self) -> Tensor:
        """Return what the network says of the validation pictures: float32 (n, classes) on the CPU."""
        self.module.eval()
        count = len(self._validate)
        own = torch.arange(count)[self._world.rows(count)].to(self._labels.device)
        with self._hardware.autocast():
            parts = [self.module(_inputs(self._validate[rows])).float() for rows in own.split(BATCH_SIZE)]
        return self._world.gather(torch.cat(parts), count).cpu()


def _inputs(maps: Tensor) -> Tensor:
    """Return maps (n, h, w, channels) or features as the layers behind take them."""
    return (maps.permute(0, 3, 1, 2) if maps.ndim == 4 else maps).float()


def keep_statistics(module: nn.Module) -> None:
    """Let batch normalisation go by the means and variances that it knows, and not by those of a batch."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()


def augmented_batch(store: Store, indices: Tensor, changes: Tensor, hardware: Hardware) -> tuple[Tensor, Tensor]:
    """Return the pictures at `indices`, changed by `augment`, as they enter the network, and their labels."""
    indices = indices.to(store.pictures.device)
    pictures = augment(store.pictures[indices], changes)
    return hardware.place_pictures(IMAGENET.apply(pictures)), store.labels[indices].to(hardware.device)


def seconds_a_picture(predictor: Predictor, store: Store) -> float:
    """Measure what it costs to name a picture, on one batch after another that warms up."""
    for _ in range(2):
        start = time.monotonic()
        predictor(store.pictures[:BATCH_SIZE])
        seconds = time.monotonic() - start
    return seconds / min(BATCH_SIZE, len(store))
