"""The solved head: the same optimum as scikit-learn's, a regularisation chosen by groups, and its place in a run."""

import time

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Generator, Tensor, nn

from models.networks import build_network, head_name
from models.prediction import Predictor
from models.preprocessing import IMAGENET
from tests.training_runs import CPU, drawn_data, settings
from training.head import (
    DEFAULT_STRENGTH,
    STRENGTHS,
    Problem,
    Regularisation,
    choose_regularisation,
    solve_head,
    trials,
)
from training.head_phase import solve_head_phase
from training.trainer import Trainer


def blobs(count: int, classes: int = 5, width: int = 20, noise: float = 2.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return features that overlap and lie far from 0, some of them constant, and their labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    features = np.random.default_rng(99).normal(size=(classes, width))[labels] + noise * random.normal(
        size=(count, width)
    )
    features = 3 + features * np.linspace(0.1, 10, width)
    features[:, 0] = 7
    return torch.tensor(features, dtype=torch.float32), torch.tensor(labels)


def probabilities_of_scikit_learn(features, labels, l2, others, **options):
    model = LogisticRegression(C=1 / (l2 * len(labels)), tol=1e-8, max_iter=10_000, **options)
    return (
        make_pipeline(StandardScaler(), model)
        .fit(features.double().numpy(), labels.numpy())
        .predict_proba(others.double().numpy())
    )


@pytest.mark.parametrize("balance", ["none", "weights"])
@pytest.mark.parametrize("l2", STRENGTHS)
def test_it_is_the_solution_of_scikit_learn(l2, balance):
    features, labels = blobs(300)
    features, labels = features[labels.numpy() != 1][:200], labels[labels != 1][:200]
    labels[labels > 1] -= 1
    labels[:40] = 0  # classes of different sizes
    head = solve_head(Problem.of(features, labels, 4, balance), Regularisation(l2, 0.0))
    others, _ = blobs(100, seed=1)
    weights = "balanced" if balance == "weights" else None
    expected = probabilities_of_scikit_learn(features, labels, l2, others, class_weight=weights)
    assert np.abs(head(others).softmax(1).numpy() - expected).max() < 1e-3


def test_smoothed_labels_are_the_average_of_all_labels():
    """To smooth labels is to show each image once with every label, weighted."""
    features, labels = blobs(60, classes=3)
    head = solve_head(Problem.of(features, labels, 3), Regularisation(0.03, 0.3))
    repeated, each = features.repeat(3, 1), torch.arange(3).repeat_interleave(60)
    weights = torch.where(each == labels.repeat(3), 0.7 + 0.1, 0.1) * 3
    weighted = Problem(repeated, each, 3, weights, torch.zeros(3))
    expected = solve_head(weighted, Regularisation(0.03, 0.0))
    assert torch.allclose(head(features).softmax(1), expected(features).softmax(1), atol=1e-3)


def test_logit_adjustment_favours_rare_classes():
    features, labels = blobs(400, classes=2, noise=8)
    rare = torch.cat([torch.where(labels == 0)[0], torch.where(labels == 1)[0][:20]])
    others, actual = blobs(400, classes=2, noise=8, seed=1)
    found = {}
    for balance in ("none", "logit_adjusted"):
        head = solve_head(Problem.of(features[rare], labels[rare], 2, balance), Regularisation(0.1, 0.0))
        found[balance] = float((head(others).argmax(1)[actual == 1] == 1).double().mean())
    assert found["logit_adjusted"] > found["none"] + 0.2


@pytest.mark.slow
def test_copies_in_one_group_do_not_hide_that_a_head_overfits():
    """Ten copies of each image: held out one by one, the weakest strength would look best."""
    features, labels = blobs(40, classes=2, noise=20)
    copies = features.repeat(10, 1) + 0.01 * torch.randn(400, 20, generator=Generator())
    problem = Problem.of(copies, labels.repeat(10), 2)
    grouped = choose_regularisation(problem, [str(n % 40) for n in range(400)], (0.0,))
    alone = choose_regularisation(problem, [str(n) for n in range(400)], (0.0,))
    assert grouped.l2 > alone.l2


def test_where_nothing_can_be_held_out_the_default_is_taken():
    features, labels = blobs(4, classes=2)
    assert choose_regularisation(Problem.of(features, labels, 2), list("aabb")).l2 == DEFAULT_STRENGTH


def test_trials_are_counted_and_end_at_the_deadline():
    features, labels = blobs(100)
    problem, groups, done = Problem.of(features, labels, 5), [str(n) for n in range(100)], []
    choose_regularisation(problem, groups, (0.0, 0.1), None, done.append)
    assert sum(done) == trials((0.0, 0.1))
    done.clear()
    late = choose_regularisation(problem, groups, (0.0,), time.monotonic() - 1, done.append)
    assert not done and late == Regularisation(DEFAULT_STRENGTH, 0.0)


def test_a_late_solution_is_as_good_as_it_has_become():
    features, labels = blobs(100)
    head = solve_head(Problem.of(features, labels, 5), Regularisation(0.01, 0.0), time.monotonic() - 1)
    assert torch.isfinite(head(features)).all()


@pytest.mark.parametrize(
    "name", ["squeezenet1_1", "mobilenet_v3_small", pytest.param("resnet18", marks=pytest.mark.slow)]
)
def test_the_phase_installs_what_it_reports(name):
    torch.manual_seed(0)
    data = drawn_data(24, 8, side=64)
    data.train.pixels[:] = torch.randint(0, 100, data.train.pixels.shape, generator=Generator().manual_seed(1))
    data.train.pixels[1::2] += 120  # the odd ones are light
    network = build_network(name, 2, 64)
    trainer = Trainer(network, settings("--freeze", "features", "--augmented_copies", "2"), data, CPU)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    result = solve_head_phase(trainer)
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed and all(key.startswith(head_name(network)) for key in changed)
    predicted = Predictor(network, IMAGENET, CPU)(data.validate.pixels).logits.softmax(1)
    assert torch.allclose(predicted, result.logits.softmax(1), atol=1e-3)
    assert result.validate["accuracy"] == 1 and trainer.epoch == 1 and result.improved
    assert trainer.reference_features is not None and trainer.reference_features.shape[:2] == (2, 24)


def test_the_first_phase_need_not_be_done_twice():
    trainer = Trainer(nn.Identity(), settings("--epochs", "3"), drawn_data(), CPU)
    trainer.history.append({})
    assert [phase.frozen for phase in trainer.remaining_phases(lambda _: 0.0)] == ["none"]
