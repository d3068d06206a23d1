"""Where a network looks: the parts of an image that speak for its prediction.

An image is covered in places by its own median colour, softly, and the place counts by how much less the network then
believes in its answer (occlusion: Zeiler & Fergus 2014, ECCV). That needs nothing of how a network is built, and lies
where the covered place lies, whatever the stride and the padding of its convolutions. First all of the image is covered
in turn, then the neighbourhood of the most telling place in finer steps.
"""

from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
import torch
from scipy.ndimage import zoom
from torch import Tensor

from common.squares import Preparation, read_square
from evaluation.predictions import LabelledPredictions
from models.prediction import Predictor, as_batch

ImagePair = tuple[np.ndarray, np.ndarray]  # an image, and the same with its map laid over it: uint8 (s, s, 3) each
Score = Callable[[Tensor], Tensor]  # of images (n, 3, s, s): how much speaks for one class, (n,)

# Widths of the covers, as shares of an image's side. Their drops are added up: beside a narrow cover a network may see
# all that it needs, and a wide one says less of where that lies (NOTES.md).
WIDTHS = (0.3, 0.45)

# How many places along a side are covered first; the finer places, beside the most telling one.
COARSE_STEPS, FINE_OFFSETS = 8, (-0.16, -0.08, 0.0, 0.08, 0.16)
ROUNDS = 2  # of finer covers, each around the most telling place of the one before

# Finer places whose covers take away at least this share of what the best one does count alike, so far around them:
# what matters lies in their middle. Without half of it a square may look like a triangle, without all like nothing.
TELLING, FINE_REACH = 0.7, 0.12
DIMMED = 0.6  # how bright the first, coarse map stays beside the finer one, which alone says where the peak lies
BATCH = 32


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
    """Return the map of what speaks for a class, by its index, in an image of the network's size: uint8 (s, s, 3)."""
    image = predictor.device.place_images(predictor.normalisation.apply(as_batch([square])))
    return saliency_map(_log_odds(predictor, label), image.float())


def saliency_map(score: Score, image: Tensor) -> np.ndarray:
    """Return what of an image (1, 3, s, s) speaks for a class: float (s, s) in [0, 1], 1 at the most telling place.

    All is 0 where no one place tells anything.
    """
    size = image.shape[-1]
    steps = (np.arange(COARSE_STEPS) + 0.5) / COARSE_STEPS
    coarse = _drops(score, image, [(y, x) for y in steps for x in steps]).reshape(COARSE_STEPS, -1)
    heat = refined = _normalised(zoom(coarse, size / COARSE_STEPS, order=3, mode="nearest", grid_mode=True))
    for _ in range(ROUNDS if heat.any() else 0):
        top, left = np.unravel_index(refined.argmax(), refined.shape)
        middle = (top + 0.5) / size, (left + 0.5) / size
        places = [(middle[0] + y, middle[1] + x) for y in FINE_OFFSETS for x in FINE_OFFSETS]
        drops = _drops(score, image, places)
        telling = [place for place, drop in zip(places, drops, strict=True) if drop >= TELLING * drops.max()]
        fine = np.sum([_spot(size, place, FINE_REACH) for place in telling], axis=0)
        refined = _normalised(np.maximum(DIMMED * heat, _normalised(fine)))
    return refined


def _log_odds(predictor: Predictor, label: int) -> Score:
    """Return what scores images by how much more probable a class is than all others together."""

    def score(images: Tensor) -> Tensor:
        logits = predictor.network(images).float()
        others = [each for each in range(logits.shape[1]) if each != label]
        return logits[:, label] - (torch.logsumexp(logits[:, others], 1) if others else 0)

    return score


@torch.inference_mode()
def _drops(score: Score, image: Tensor, places: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return by how much the score sinks where each place (y, x) is covered: (n,), added up over widths, never < 0."""
    size = image.shape[-1]
    usual = image.flatten(2).median(2).values[:, :, None, None]
    before, total = score(image), np.zeros(len(places))
    for width in WIDTHS:
        # Full in the middle: through the rim of a Gaussian one much of what it covers can still be seen.
        spots = np.stack([_spot(size, place, width / 2, power=4) for place in places])[:, None]
        covers = torch.from_numpy(spots).float().to(image.device)
        scores = torch.cat([score(image * (1 - cover) + usual * cover) for cover in covers.split(BATCH)])
        total += (before - scores).clamp(min=0).double().cpu().numpy()
    return total


def _spot(size: int, place: tuple[float, float], reach: float, power: int = 2) -> np.ndarray:
    """Return a soft spot (size, size), 1 in its middle and 1/e at `reach` along an axis; both are shares of the side.

    The higher the power, an even number, the wider its full middle and the harder its edge; that of 2 is Gaussian.
    """
    axis = (np.arange(size) + 0.5) / size
    rows, columns = (np.exp(-(((axis - middle) / reach) ** power)) for middle in place)
    return np.outer(rows, columns)


def _normalised(values: np.ndarray) -> np.ndarray:
    """Return values without those below 0, the highest of them 1."""
    above = np.maximum(values, 0)
    return above / max(above.max(), 1e-12)


def _overlay(square: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a map with values in [0, 1] over an image; what counts shines, the rest is dim."""
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    return (0.45 * square.mean(axis=2, keepdims=True) + 0.55 * colours).astype(np.uint8)
