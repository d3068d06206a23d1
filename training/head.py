"""The head of a network solved on its frozen features: multinomial logistic regression, to convergence.

A linear classifier on the features of a pretrained network is what everything else has to beat, and has one optimum. So
it is not trained in epochs: L-BFGS finds it within seconds, and how strongly its weights are held to zero, and whether
labels are smoothed, is chosen by cross-validation inside the training images, groups kept together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor

from evaluation.group_folds import group_folds

# What is tried: L2 strengths, the likeliest ones first, since time may run out; and smoothing.
STRENGTHS = (0.03, 0.01, 0.1, 0.003, 0.3, 0.001)
SMOOTHINGS = (0.0, 0.1)
DEFAULT_STRENGTH = 0.01  # where nothing can be tried
FOLDS = 3

# L-BFGS stops where no gradient of the mean loss is larger, or after so many iterations. In float32 it comes near in
# half the time, but the gradient's rounding leaves probabilities wrong in the third digit; a choice between strengths
# needs no more.
ROUGH_GRADIENT, GRADIENT = 5e-6, 5e-7
ITERATIONS, TRIAL_ITERATIONS = 1000, 60
CHUNK = 20  # iterations between two looks at the clock


@dataclass(frozen=True)
class Regularisation:
    """How a head is held back: `l2` times half the squared weights is added to the mean loss; see `make_loss`."""

    l2: float
    smoothing: float


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier of features (n, d): weight float32 (classes, d) and bias (classes,)."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def on_standardised(cls, solution: Tensor, mean: Tensor, scale: Tensor) -> LinearHead:
        """Return a solution, (classes, d + 1), on features (x - mean) / scale, written for the features as they are."""
        weight = solution[:, :-1] / scale
        return cls(weight, solution[:, -1] - weight @ mean)

    def __call__(self, features: Tensor) -> Tensor:
        """Return logits (n, classes)."""
        return features @ self.weight.T + self.bias


@dataclass(frozen=True)
class Problem:
    """What a head is solved for: features (n, d), labels (n,), and what is done for classes with few images.

    weights: what each image counts, (n,), of mean 1; offsets: what is added to the logits while solving, (classes,).
    """

    features: Tensor
    labels: Tensor
    num_classes: int
    weights: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, num_classes: int, balance: str = "none") -> Problem:
        """Pose the problem with a balance of `training.loss` ("sampler" counts here as "weights")."""
        counts = torch.bincount(labels, minlength=num_classes).clamp(min=1).float()
        weights = torch.ones(len(labels), device=labels.device)
        if balance in ("weights", "sampler"):
            weights = (len(labels) / (num_classes * counts))[labels]
        adjusted = balance == "logit_adjusted"
        offsets = (counts / counts.sum()).log() if adjusted else torch.zeros_like(counts)
        return cls(features.float(), labels, num_classes, weights, offsets)

    def double(self) -> Problem:
        """Return the same problem in float64."""
        return replace(self, **{name: getattr(self, name).double() for name in ("features", "weights", "offsets")})

    def standardised(self) -> tuple[Problem, Tensor, Tensor]:
        """Return the same problem on features (x - mean) / scale, with mean and scale, (d,) each."""
        mean, deviation = self.features.mean(0), self.features.std(0, correction=0)
        scale = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
        return replace(self, features=(self.features - mean) / scale), mean, scale

    def part(self, rows: Tensor) -> Problem:
        """Return the problem of some of the images."""
        return Problem(self.features[rows], self.labels[rows], self.num_classes, self.weights[rows], self.offsets)


def solve_head(problem: Problem, chosen: Regularisation, deadline: float | None = None) -> LinearHead:
    """Return the head that minimises the loss on standardised features, written for the features as they are.

    With no smoothing it is scikit-learn's LogisticRegression(C=1 / (l2 * n)) behind a StandardScaler. After `deadline`
    (time.monotonic) it is as good as it has become by then.
    """
    standardised, mean, scale = problem.standardised()
    rough = _minimise(standardised, chosen, None, ITERATIONS, deadline)
    exact = _minimise(standardised.double(), chosen, rough, ITERATIONS, deadline).to(rough.dtype)
    return LinearHead.on_standardised(exact, mean, scale)


def choose_regularisation(
    problem: Problem,
    groups: Sequence[str],
    smoothings: Sequence[float] = SMOOTHINGS,
    deadline: float | None = None,
    on_progress: Callable[[int], Any] = lambda _: None,
) -> Regularisation:
    """Return the regularisation with the best mean of accuracy and macro-F1 on held-out groups of the images.

    groups: what each image must not be parted from, n texts; smoothings: what is tried, all but the first at the best
    strength and the next larger one only (at the largest: the next smaller one); deadline: the moment (time.monotonic)
    after which no further one is tried; on_progress: called with 1 after each of `trials`. Where classes are too small
    to hold some out, the default is returned.
    """
    folds = [_Fold.of(problem, *rows) for rows in _folds(problem, groups)]
    scores: dict[Regularisation, float] = {}

    def try_strengths(smoothing: float, strengths: Sequence[float]) -> None:
        starts: list[Tensor | None] = [None] * len(folds)
        for tried in (Regularisation(l2, smoothing) for l2 in strengths):
            merits = []
            for number, fold in enumerate(folds):
                if deadline is not None and time.monotonic() > deadline:
                    return
                merit, starts[number] = fold.try_out(tried, starts[number])
                merits.append(merit)
                on_progress(1)
            scores[tried] = float(np.mean(merits))

    def best() -> Regularisation:
        return max(scores, key=lambda tried: (round(scores[tried], 3), tried.l2))

    if folds:
        try_strengths(smoothings[0], STRENGTHS)
        for smoothing in smoothings[1:] if scores else ():
            upwards = sorted(STRENGTHS)
            place = min(upwards.index(best().l2), len(upwards) - 2)
            try_strengths(smoothing, upwards[place : place + 2])
    return best() if scores else Regularisation(DEFAULT_STRENGTH, smoothings[0])


@dataclass(frozen=True)
class _Fold:
    """A part of a problem, on standardised features (x - mean) / scale, and what is held out of it."""

    problem: Problem
    mean: Tensor
    scale: Tensor
    held_out: Problem

    @classmethod
    def of(cls, problem: Problem, rows: Tensor, held_out: Tensor) -> _Fold:
        return cls(*problem.part(rows).standardised(), problem.part(held_out))

    def try_out(self, tried: Regularisation, start: Tensor | None) -> tuple[float, Tensor]:
        """Return how good a regularisation is, and the solution; start: that of another one."""
        solution = _minimise(self.problem, tried, start, TRIAL_ITERATIONS)
        head = LinearHead.on_standardised(solution, self.mean, self.scale)
        predicted = head(self.held_out.features).argmax(1).cpu().numpy()
        return _merit(self.held_out.labels.cpu().numpy(), predicted), solution


def trials(smoothings: Sequence[float]) -> int:
    """Return how many solutions `choose_regularisation` compares."""
    return FOLDS * (len(STRENGTHS) + 2 * (len(smoothings) - 1))


def _merit(actual: np.ndarray, predicted: np.ndarray) -> float:
    macro_f1 = f1_score(actual, predicted, labels=np.unique(actual), average="macro", zero_division=0)
    return float(np.mean(actual == predicted) + macro_f1) / 2


def _folds(problem: Problem, groups: Sequence[str]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the rows to learn from and those held out, FOLDS times; none where there are too few groups."""
    labels = problem.labels.cpu().numpy()
    if len(set(groups)) < FOLDS or np.bincount(labels).max() < FOLDS:
        return
    for rows, held_out in group_folds(labels, groups, FOLDS):
        yield torch.from_numpy(rows), torch.from_numpy(held_out)


def _minimise(
    problem: Problem, chosen: Regularisation, start: Tensor | None, iterations: int, deadline: float | None = None
) -> Tensor:
    """Return weights and biases, (classes, d + 1) in the features' type, that minimise the loss of a problem.

    Biases are not held to zero. In float64 it goes on to GRADIENT, else to ROUGH_GRADIENT.
    """
    features = problem.features
    device, dtype = features.device, features.dtype
    count, width = features.shape
    shape = (count, problem.num_classes)
    targets = torch.full(shape, chosen.smoothing / problem.num_classes, device=device, dtype=dtype)
    targets[torch.arange(count, device=device), problem.labels] += 1 - chosen.smoothing
    weights = problem.weights[:, None] / count
    found = torch.zeros(problem.num_classes, width + 1, device=device, dtype=dtype)
    if start is not None:
        found.copy_(start)
    # torch's own is five times as fast as scipy's: their threads would wait for each other.
    search = torch.optim.LBFGS(
        [found],
        max_iter=CHUNK,
        history_size=10,
        tolerance_grad=GRADIENT if dtype == torch.float64 else ROUGH_GRADIENT,
        tolerance_change=torch.finfo(dtype).eps / 10,  # of the loss: less is rounding
        line_search_fn="strong_wolfe",
    )

    def loss_and_gradient() -> Tensor:
        weight, bias = found[:, :-1], found[:, -1]
        logarithms = (features @ weight.T + bias + problem.offsets).log_softmax(1)
        error = weights * (logarithms.exp() - targets)
        found.grad = torch.cat([error.T @ features + chosen.l2 * weight, error.sum(0)[:, None]], 1)
        return -(weights * targets * logarithms).sum() + chosen.l2 / 2 * weight.square().sum()

    for taken in range(CHUNK, iterations + 1, CHUNK):
        search.step(loss_and_gradient)
        if search.state[found]["n_iter"] < taken or (deadline is not None and time.monotonic() > deadline):
            break
    return found
