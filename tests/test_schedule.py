"""Settings, phases, budgets of time and learning rates."""

import pytest
import torch

from common.errors import ToolkitError
from tests.training_runs import CPU, drawn_data, settings
from training.schedule import Phase, PhaseClock, learning_rate, phase_end, plan_phases, run_end
from training.trainer import Trainer

SCRATCH, WEIGHTS = ["--weights", "none"], ["--weights", "imagenet"]


@pytest.mark.parametrize(
    "arguments, frozen, epochs, rates",
    [
        (WEIGHTS, ["features", "none"], [1, 15], [0, 0.0005]),
        ([*WEIGHTS, "--epochs", "100"], ["features", "none"], [1, 99], [0, 0.0005]),
        ([*WEIGHTS, "--time_budget", "5"], ["features", "none"], [1, None], [0, 0.0005]),
        ([*WEIGHTS, "--learning_rate", "0.1"], ["features", "none"], [1, 15], [0, 0.1]),
        ([*WEIGHTS, "--epochs", "1"], ["features"], [1], [0]),
        ([*WEIGHTS, "--freeze", "block"], ["features", "block"], [1, 15], [0, 0.0005]),
        ([*WEIGHTS, "--freeze", "features"], ["features"], [1], [0]),
        ([*SCRATCH, "--freeze", "features"], ["features"], [1], [0]),
        ([*SCRATCH, "--freeze", "block"], ["block"], [16], [0.02]),
        (SCRATCH, ["none"], [16], [0.02]),
    ],
)
def test_a_pretrained_network_learns_head_first_and_a_random_one_all_at_once(arguments, frozen, epochs, rates):
    phases = plan_phases(settings(*arguments))
    assert [phase.frozen for phase in phases] == frozen
    assert [phase.epochs for phase in phases] == epochs
    assert [phase.learning_rate for phase in phases] == rates
    assert [phase.is_last for phase in phases] == [False] * (len(phases) - 1) + [True]


@pytest.mark.parametrize(
    "arguments, classes, smoothing",
    [
        (WEIGHTS, 10, 0.1),
        (WEIGHTS, 9, 0.0),
        (SCRATCH, 100, 0.0),
        ([*WEIGHTS, "--label_smoothing", "0"], 100, 0.0),
        ([*SCRATCH, "--label_smoothing", "0.2"], 2, 0.2),
    ],
)
def test_labels_are_smoothed_from_pretrained_weights_where_there_are_many_classes(arguments, classes, smoothing):
    assert settings(*arguments).smoothing(classes) == smoothing


def test_where_files_lie_is_not_recorded():
    recorded = settings("--save_model", "here/model", "--log", *SCRATCH).recorded()
    assert recorded["epochs"] == 16 and not {"save_model", "log", "directory", "resume"} & set(recorded)


def test_a_phase_goes_by_what_is_further():
    phase = Phase("none", epochs=10, learning_rate=0.1)
    both = PhaseClock(phase, first_epoch=4, start=90, end=200, learning_start=100)
    assert both.progress(9, 120) == 0.5 and both.progress(5, 180) == 0.8
    assert PhaseClock(Phase("none", None, 0.1), 0, 0, 60).progress(1000, 30) == 0.5
    assert PhaseClock(Phase("none", 8, 0.1), 0, 0).progress(2, 1e9) == 0.25


def test_learning_leaves_time_to_the_end_of_the_run():
    timed = settings(*WEIGHTS, "--time_budget", "10")
    head, _ = plan_phases(timed)
    assert phase_end(timed, head) == 90
    assert run_end(timed, 20) == 600 - 5 - 20


def test_the_rate_warms_up_and_ends_at_nothing():
    rates = [learning_rate(0.1, step / 1000) for step in range(1001)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.1) and 50 < top < 200
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[0] < 0.02 and rates[-1] < 1e-9


def phases_begun(monkeypatch, seconds_an_image, budget, history=(), options=()):
    """Return what is frozen in the phases that a run of so many minutes begins, where predictions take so long.

    It learns from 40 images and validates 10.
    """
    monkeypatch.setattr(Trainer, "seconds_to_predict", lambda _, count: count * seconds_an_image)
    timed = settings(*WEIGHTS, "--time_budget", budget, *options)
    trainer = Trainer(torch.nn.Identity(), timed, drawn_data(40, 10), CPU)
    trainer.history += history
    return [(phase.frozen, trainer.clock.end) for phase in trainer.remaining_phases(lambda _: 0.0)]


def test_what_does_not_fit_into_the_time_is_not_begun(monkeypatch):
    # Frozen layers take 50 predictions, all layers 4 * 130, and 5 seconds are set aside.
    assert phases_begun(monkeypatch, 0.1, 1.1) == [("features", pytest.approx(0.15 * 66)), ("none", 61)]
    assert phases_begun(monkeypatch, 0.1, 1.0) == [("features", 55), ("none", 55)]
    # Once the head is solved, half of what was planned for all layers is enough.
    assert phases_begun(monkeypatch, 0.1, 0.53, [{}]) == [("none", pytest.approx(26.8))]
    assert phases_begun(monkeypatch, 0.1, 0.51, [{}]) == []


def test_a_run_without_time_to_learn_is_refused_unless_it_has_learnt(monkeypatch):
    with pytest.raises(ToolkitError, match="too short"):
        phases_begun(monkeypatch, 0.5, 0.05)
    assert phases_begun(monkeypatch, 0.5, 0.05, history=[{}]) == []


def test_a_budget_that_is_a_little_too_short_is_overrun_and_not_refused(monkeypatch, caplog):
    # Frozen layers take 25 seconds, and 19 are left.
    with caplog.at_level("INFO"):
        begun = phases_begun(monkeypatch, 0.5, 0.4, options=["--freeze", "features"])
    assert begun == [("features", pytest.approx(19))]
    assert "about 6 seconds longer" in caplog.text


def test_patience_begins_anew_with_each_phase():
    trainer = Trainer(torch.nn.Identity(), settings(*SCRATCH, "--patience", "1"), drawn_data(), CPU)
    trainer.history, trainer.best = [{}, {}], {"epoch": 1}
    assert not trainer.phase_goes_on()
    trainer.clock.first_epoch = 2
    assert trainer.phase_goes_on()
