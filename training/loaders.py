"""Where the batches of a phase come from: augmented images, or the cached features of frozen layers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from common.progress import Progress
from models.prediction import Prediction, Predictor, predict
from training.augmentation import augment
from training.frozen_layers import split_network
from training.images import InMemoryImages
from training.memmap import MemmapTensor
from training.ranks import Ranks
from training.trainer import Loader, Trainer


def make_loader(trainer: Trainer) -> Loader:
    """Return what the phase of a trainer learns from."""
    if trainer.phase.frozen == "none":
        return ImageLoader(trainer)
    dataset, copies = trainer.dataset, min(trainer.settings.augmented_copies, trainer.phase.epochs or 1 << 30)
    total = len(dataset.validate) + len(dataset.train) * copies
    with Progress(total=total, desc="Running the frozen layers", unit=" pictures", leave=False) as bar:
        return FeatureLoader(trainer, copies, bar.update)


class ImageLoader:
    """Batches of augmented images, for a network of which all layers learn.

    Batch normalisation of a pretrained network keeps the means and variances that it knows.
    """

    def __init__(self, trainer: Trainer):
        self.trainable, self.wrapped = trainer.network, trainer.ranks.wrap_ddp(trainer.network)
        self._pretrained = trainer.settings.pretrained
        self._dataset, self._device, self._ranks = trainer.dataset, trainer.device, trainer.ranks
        self._normalisation = trainer.normalisation

    def train_mode(self) -> None:
        """Put the network into training mode."""
        self.trainable.train()
        if self._pretrained:
            freeze_batch_norm(self.trainable)

    def draw(self, indices: Tensor, _epoch: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return this rank's slice of `indices`, and how those images are augmented."""
        parameters = self._dataset.augmentation.draw(len(indices), generator)
        own = self._ranks.local_slice(len(indices))
        return indices[own], parameters[own]

    def batch(self, chosen: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Return the training images at the indices `chosen` as they enter the network, and their labels."""
        train = self._dataset.train
        chosen = chosen.to(train.pixels.device)
        images = self._normalisation.apply(augment(train.pixels[chosen], parameters))
        return self._device.place_images(images), train.labels[chosen].to(self._device.device)

    def validation_logits(self) -> Tensor:
        """Return the network's logits for the validation images: float32 (n, classes) on the CPU."""
        predictor = Predictor(self.trainable, self._normalisation, self._device)
        return predict_by_rank(self._ranks, predictor, self._dataset.validate).logits


class FeatureLoader:
    """Batches of features that the frozen front of a network computed once, for the back of it that learns.

    The front has seen each training image in up to `copies` versions, the first as it is, the others augmented; each
    epoch learns from the next of them. No copy but the first is begun once half of the phase's time has passed.
    """

    def __init__(self, trainer: Trainer, copies: int, on_progress: Callable[[int], Any] = lambda _: None):
        self._dataset, self._device, self._ranks = trainer.dataset, trainer.device, trainer.ranks
        self._normalisation = trainer.normalisation
        train, validate = self._dataset.train, self._dataset.validate
        sample = self._device.place_images(self._normalisation.apply(train.pixels[:2]))
        self._front, self.trainable = split_network(trainer.network, sample)
        self.wrapped = self._ranks.wrap_ddp(self.trainable)
        self._labels, self._directory = train.labels.to(self._device.device), train.paths[0].parent
        if self._dataset.validates:
            self._validate = self._features(validate.pixels, on_progress)
        self._copies = [self._features(train.pixels, on_progress)]
        generator = Generator().manual_seed(trainer.settings.seed)
        while len(self._copies) < copies and not trainer.half_is_over():
            self._copies.append(self._features(train.pixels, on_progress, generator))

    def train_mode(self) -> None:
        """Put what learns into training mode; its batch normalisation, too, keeps the statistics that it knows."""
        self.trainable.train()
        freeze_batch_norm(self.trainable)

    def draw(self, indices: Tensor, epoch: int, _generator: Generator) -> tuple[Tensor, Tensor]:
        """Return the features of this rank's slice of the training images at `indices`, and their labels."""
        chosen = indices[self._ranks.local_slice(len(indices))].to(self._labels.device)
        return self._copies[epoch % len(self._copies)][chosen], self._labels[chosen]

    def batch(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return features as the layers behind take them, and their labels."""
        return _as_input(features), labels

    @torch.no_grad()
    def validation_logits(self) -> Tensor:
        """Return the network's logits for the validation images: float32 (n, classes) on the CPU."""
        self.trainable.eval()
        count = len(self._validate)
        own = torch.arange(count)[self._ranks.local_slice(count)].to(self._labels.device)
        with self._device.autocast():
            parts = [
                self.trainable(_as_input(self._validate[rows])).float()
                for rows in own.split(self._device.images_at_once)
            ]
        return self._ranks.gather(torch.cat(parts), count).cpu()

    def _features(
        self, images: Tensor, on_progress: Callable[[int], Any], generator: Generator | None = None
    ) -> MemmapTensor:
        """Return what the front computes of images, augmented where there is a generator: maps or features.

        Maps have channels last, as convolutions return them, so that rows are whole images whatever the layout.
        """
        features = None
        at_once = self._device.images_at_once
        for start in range(0, len(images), at_once):
            part = images[start : start + at_once]
            own = self._ranks.local_slice(len(part))
            parameters = self._dataset.augmentation.draw(len(part), generator)[own] if generator else None
            values = part[own] if parameters is None else augment(part[own], parameters)
            with self._device.autocast():
                computed = self._front(self._device.place_images(self._normalisation.apply(values)))
            computed = self._ranks.gather(computed.to(self._device.dtype), len(part))
            computed = computed.permute(0, 2, 3, 1) if computed.ndim == 4 else computed
            if features is None:
                shape = (len(images), *computed.shape[1:])
                features = MemmapTensor(shape, computed.dtype, self._device.device, self._directory)
            features[start : start + at_once] = computed
            on_progress(len(part))
        assert features is not None
        return features


def _as_input(features: Tensor) -> Tensor:
    """Return maps (n, h, w, channels) or features (n, d) as the layers behind take them: float32, channels second."""
    return (features.permute(0, 3, 1, 2) if features.ndim == 4 else features).float()


def freeze_batch_norm(module: nn.Module) -> None:
    """Let batch normalisation use the means and variances that it knows, and not those of a batch."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()


def predict_by_rank(ranks: Ranks, predictor: Predictor, images: InMemoryImages) -> Prediction:
    """Predict images, in their order, each rank its slice of them."""
    own = predict(predictor, images.pixels[ranks.local_slice(len(images))])
    return Prediction(ranks.gather(own.logits, len(images)), ranks.gather(own.features, len(images)))
