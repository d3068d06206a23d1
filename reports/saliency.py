"""Where a network looks: the parts of an image that speak for its prediction."""

import matplotlib
import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import nn

from evaluation.predictions import LabelledPredictions
from models.networks import head_name
from models.prediction import Predictor, as_batch
from models.preprocessing import read_square

ImagePair = tuple[np.ndarray, np.ndarray]  # an image, and the same with its map laid over it: uint8 (s, s, 3) each


def last_block(network: nn.Module) -> nn.Module | None:
    """Return the block of the last convolution before the last layer, since what its neighbours add counts too.

    None for a network with fewer than two convolutions: a transformer's only one cuts the image into tiles, and says
    nothing of the prediction.
    """
    head = head_name(network)
    names = [name for name, each in network.named_modules() if isinstance(each, nn.Conv2d) and name != head]
    return network.get_submodule(".".join(names[-1].split(".")[:2])) if len(names) > 1 else None


def saliency(
    predictor: Predictor, predictions: LabelledPredictions, chosen: list[int], size: int
) -> dict[int, ImagePair]:
    """Return for images of `size` pixels what speaks for the prediction, by Grad-CAM (Selvaraju et al. 2017, ICCV).

    The result has an entry for each index of `chosen`, and none at all for a network of which `last_block` is None.
    """
    layer = last_block(predictor.network)
    if layer is None or not chosen:
        return {}
    squares = [read_square(predictions.paths[index], size, predictions.page).pixels for index in chosen]
    images = predictor.device.place_images(predictor.normalisation.apply(as_batch(squares))).requires_grad_()
    targets = torch.as_tensor(predictions.predicted[chosen], device=images.device)
    maps = LayerGradCam(predictor.network, layer).attribute(images, targets, relu_attributions=True)
    maps = LayerAttribution.interpolate(maps.float(), (size, size), "bilinear").detach().cpu().numpy()[:, 0]
    maps = maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
    return {index: (square, _overlay(square, heat)) for index, square, heat in zip(chosen, squares, maps, strict=True)}


def _overlay(square: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map with values in [0, 1] over an image; what counts shines, the rest is dim."""
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    return (0.45 * square.mean(axis=2, keepdims=True) + 0.55 * colours).astype(np.uint8)
