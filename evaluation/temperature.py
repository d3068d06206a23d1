"""Temperature scaling: one number by which all logits are divided, so that probabilities mean what they say.

Guo et al. 2017, ICML, "On calibration of modern neural networks".
"""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

LARGEST = 20.0  # temperature; the smallest is its inverse


def softmax(logits: Tensor, temperature: float = 1.0) -> np.ndarray:
    """Return the probabilities, float64, of logits (n, classes) that are divided by the temperature."""
    return (torch.as_tensor(logits).double() / temperature).softmax(1).numpy()


def fit_temperature(logits: Tensor, labels: np.ndarray) -> float:
    """Return the temperature that makes labels (n,) likeliest under logits (n, classes), held near 1 by its prior."""

    def loss(log_temperature: float) -> float:
        tried = np.exp([log_temperature])
        return float(temperature_losses(logits, labels, tried).sum() + temperature_prior(tried)[0])

    bound = math.log(LARGEST)
    return math.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x)


def temperature_prior(temperatures: np.ndarray) -> np.ndarray:
    """Return what temperatures (k,) cost by themselves, (k,): their logarithms are held near 0.

    The prior weighs about as much as one image, so that a few images, or faultless predictions, do not make the
    network sure of everything.
    """
    return np.log(temperatures) ** 2 / 2


def temperature_losses(logits: Tensor, labels: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """Return each image's cross-entropy at each of k temperatures, (n, k), from logits (n, classes), labels (n,)."""
    logits, target = torch.as_tensor(logits).double(), torch.as_tensor(labels)
    losses = [torch.nn.functional.cross_entropy(logits / each, target, reduction="none") for each in temperatures]
    return torch.stack(losses, dim=1).numpy()
