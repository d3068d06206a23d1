"""Where a network looks: the parts of an image that speak for its prediction.

Two methods are asked, and a place counts where both agree; both need nothing of how a network is built, and lie where
the pixels lie, whatever the stride and the padding of its convolutions.

The image is faded in from its own median colour, and what each pixel adds to the network's belief in its answer is
summed up on the way (integrated gradients: Sundararajan, Taly & Yan 2017, ICML), with noise on each step, which takes
the speckles away (SmoothGrad: Smilkov et al. 2017, arXiv 1706.03825). And large parts of it are covered with that
colour in turn, to see how much of the belief goes with them (occlusion: Zeiler & Fergus 2014, ECCV).
"""

from collections.abc import Callable

import matplotlib
import numpy as np
import torch
from scipy.ndimage import gaussian_filter, zoom
from torch import Tensor

from common.squares import Preparation, read_square
from evaluation.predictions import LabelledPredictions
from models.prediction import Predictor, as_batch

ImagePair = tuple[np.ndarray, np.ndarray]  # an image, and the same with its map laid over it: uint8 (s, s, 3) each
Score = Callable[[Tensor], Tensor]  # of images (n, 3, s, s): how much speaks for one class, (n,)

STEPS = 24  # from the median colour to the image
NOISE = 0.1  # its standard deviation, as a share of the range of the image's values
SMOOTHING = 0.08  # of what the pixels add: the standard deviation, as a share of the side

# Width of the covers, as a share of the side, and how many places along a side are covered. Covers as wide as that say
# only roughly where a place lies, so they count by their third root (NOTES.md).
COVER, PLACES, COVER_EXPONENT = 0.45, 6, 1 / 3
BATCH = 8


def saliency(
    predictor: Predictor, predictions: LabelledPredictions, chosen: list[int], preparation: Preparation
) -> dict[int, ImagePair]:
    """Return what speaks for the prediction of some images: an entry for each index of `chosen`."""
    pairs = {}
    for index in chosen:
        square = read_square(predictions.paths[index], preparation).pixels
        pairs[index] = (square, _overlay(square, explain(predictor, square, int(predictions.predicted[index]))))
    return pairs


def explain(predictor: Predictor, square: np.ndarray, label: int) -> np.ndarray:
    """Return what speaks for a class, by its index, in an image of the network's size: the map of `saliency_map`.

    square: uint8 (s, s, 3).
    """
    image = predictor.device.place_images(predictor.normalisation.apply(as_batch([square])))
    return saliency_map(_log_odds(predictor, label), image.float())


def saliency_map(score: Score, image: Tensor) -> np.ndarray:
    """Return what of an image (1, 3, s, s) speaks for a class: float (s, s) in [0, 1], 1 at the most telling place.

    All is 0 where nothing does.
    """
    added = _contributions(score, image).sum(0).double().cpu().numpy()
    # What speaks against the class lies within a few pixels of what speaks for it, and would cancel it.
    adding = gaussian_filter(np.maximum(added, 0), SMOOTHING * image.shape[-1], mode="constant")
    heat = adding * _lost_under_covers(score, image) ** COVER_EXPONENT
    return heat / max(heat.max(), np.finfo(float).tiny)


def _contributions(score: Score, image: Tensor) -> Tensor:
    """Return what each value of an image (1, 3, s, s) adds to the score of its median colour: (3, s, s)."""
    random = torch.Generator().manual_seed(0)
    usual = _median_colour(image)
    spread = NOISE * (image.max() - image.min())
    slopes = torch.zeros_like(image)
    for shares in ((torch.arange(STEPS) + 0.5) / STEPS).split(BATCH):
        noise = torch.randn(len(shares), *image.shape[1:], generator=random).to(image.device)
        faded = usual + shares[:, None, None, None].to(image.device) * (image - usual) + spread * noise
        faded.requires_grad_()
        (slope,) = torch.autograd.grad(score(faded).sum(), faded)
        slopes += slope.sum(0) / STEPS
    return (slopes * (image - usual))[0]


@torch.inference_mode()
def _lost_under_covers(score: Score, image: Tensor) -> np.ndarray:
    """Return how much of an image's score is lost where a place is covered by its median colour: (s, s), never < 0."""
    size = image.shape[-1]
    usual = _median_colour(image)
    along = (np.arange(size) + 0.5) / size
    middles = (np.arange(PLACES) + 0.5) / PLACES
    # Full in the middle: through the rim of a Gaussian cover much of what it covers can still be seen.
    bars = np.exp(-(((along - middles[:, None]) / (COVER / 2)) ** 4))
    covers = torch.from_numpy(np.einsum("iy,jx->ijyx", bars, bars)).float().flatten(0, 1)[:, None].to(image.device)
    scores = torch.cat([score(image * (1 - cover) + usual * cover) for cover in covers.split(BATCH)])
    lost = (score(image) - scores).clamp(min=0).double().cpu().numpy().reshape(PLACES, PLACES)
    return np.maximum(zoom(lost, size / PLACES, order=3, mode="nearest", grid_mode=True), 0)


def _median_colour(image: Tensor) -> Tensor:
    """Return the median of each channel of an image (1, 3, s, s): (1, 3, 1, 1)."""
    return image.flatten(2).median(2).values[:, :, None, None]


def _log_odds(predictor: Predictor, label: int) -> Score:
    """Return what scores images by how much more probable a class is than all others together."""

    def score(images: Tensor) -> Tensor:
        logits = predictor.network(images).float()
        others = [each for each in range(logits.shape[1]) if each != label]
        return logits[:, label] - (torch.logsumexp(logits[:, others], 1) if others else 0)

    return score


def _overlay(square: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map with values in [0, 1] over an image; what counts shines, the rest is dim."""
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    return (0.45 * square.mean(axis=2, keepdims=True) + 0.55 * colours).astype(np.uint8)
