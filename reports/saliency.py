"""Where a network looks: the parts of a picture that speak for its answer."""

import matplotlib
import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import nn

from evaluation.predictions import Answers
from models.networks import head_name
from models.prediction import Predictor
from models.preprocessing import fit_square, read_picture


def last_block(network: nn.Module) -> nn.Module | None:
    """Return the block of the last convolution before the last layer: all that its neighbours add to it counts too.

    None for a network with fewer than two: a transformer's only one cuts the picture into tiles, and says nothing of
    the answer.
    """
    head = head_name(network)
    names = [name for name, each in network.named_modules() if isinstance(each, nn.Conv2d) and name != head]
    return network.get_submodule(".".join(names[-1].split(".")[:2])) if len(names) > 1 else None


def saliency(predictor: Predictor, answers: Answers, chosen: list[int], size: int) -> dict[int, tuple]:
    """Show for pictures of `size` pixels what speaks for the model's answer, with Grad-CAM (Selvaraju et al. 2017).

    Returns for each index of `chosen` the picture and the same with the map laid over it, uint8 (size, size, 3) each;
    nothing for a network of which `last_block` gives none.
    """
    layer = last_block(predictor.network)
    if layer is None or not chosen:
        return {}
    pixels = np.stack([fit_square(read_picture(answers.paths[index]), size) for index in chosen])
    pictures = predictor.normalisation.apply(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    pictures = predictor.hardware.place_pictures(pictures).requires_grad_()
    targets = torch.as_tensor(answers.predicted[chosen], device=pictures.device)
    maps = LayerGradCam(predictor.network, layer).attribute(pictures, targets, relu_attributions=True)
    maps = LayerAttribution.interpolate(maps.float(), (size, size), "bilinear").detach().cpu().numpy()[:, 0]
    maps = maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
    return {
        index: (picture, _overlay(picture, heat)) for index, picture, heat in zip(chosen, pixels, maps, strict=True)
    }


def _overlay(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map with values in [0, 1] over a picture; what counts shines, the rest is dim."""
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    return (0.45 * picture.mean(axis=2, keepdims=True) + 0.55 * colours).astype(np.uint8)
