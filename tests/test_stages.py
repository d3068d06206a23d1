"""The depths and stages of training: networks cut in two, schedules, budgets of time, and uneven classes."""

import time
from pathlib import Path

import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from models.checkpoint import load_checkpoint
from models.device import choose_hardware
from models.networks import build_network, size_step, transfer
from models.prediction import Predictor, turned_pictures
from models.preprocessing import IMAGENET, Store
from tests.test_train import history, train
from tests.tiny import write_image_folders
from train_classifier import build_parser, has_time, is_stuck, label_smoothing
from training.average import averaged, make_average
from training.balance import draw, make_loss
from training.data import Data
from training.distributed import ALONE
from training.final import known_features, pictures_looked_at
from training.frozen_layers import split_network
from training.loop import Run, TrainingError, make_optimizer
from training.stages import CachedSource, PictureSource, Timetable, plan_stages

CPU = choose_hardware("cpu", "fp32")


@pytest.mark.parametrize("name", ["vgg11", "vgg11_adaptive", "squeezenet1_1", "mobilenet_v3_small", "resnet18"])
@pytest.mark.parametrize("frozen", ["features", "block"])
def test_front_and_back_answer_as_the_whole_network(name, frozen):
    network = build_network(name, 3, 64)
    pictures = torch.rand(2, 3, 64, 64)
    front, back = split_network(network, frozen, pictures)
    with torch.inference_mode():
        assert torch.allclose(back.eval()(front(pictures)), network.eval()(pictures), atol=1e-5)
    mine, all_of_it = {id(p) for p in back.parameters()}, {id(p) for p in network.parameters()}
    assert mine < all_of_it  # the back learns in place, and not everything does
    assert network.state_dict().keys() == build_network(name, 3, 64).state_dict().keys()


def test_the_block_of_vgg11_begins_after_the_fourth_pooling():
    front, _ = split_network(build_network("vgg11", 3, 120), "block", torch.rand(1, 3, 120, 120))
    assert front(torch.rand(1, 3, 120, 120)).shape == (1, 512, 7, 7)


def test_a_network_without_a_last_block_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="--freeze block; use --freeze none"):
        split_network(build_network("vit_b_16", 3, 64), "block", torch.rand(1, 3, 64, 64))


def test_the_weights_of_a_vit_fit_other_sizes():
    whole = build_network("vit_b_32", 5, 224)
    network = build_network("vit_b_32", 3, 96)
    fresh = transfer(network, whole.state_dict())
    assert fresh == ["heads.head.weight", "heads.head.bias"]
    places = whole.encoder.pos_embedding[0, 1:].detach().view(7, 7, 768)  # at the corners the same tiles
    found = network.encoder.pos_embedding[0, 1:].detach().view(3, 3, 768)
    assert torch.allclose(found[[0, 0, 2, 2], [0, 2, 0, 2]], places[[0, 0, 6, 6], [0, 6, 0, 6]], atol=1e-5)
    assert [size_step(name) for name in ("vit_b_16", "vit_h_14", "vgg11")] == [16, 14, 8]


def test_a_pretrained_network_learns_head_first_and_a_random_one_all_at_once():
    assert [stage.frozen for stage in plan_stages(True, None, 16)] == ["features", "none"]
    assert [stage.epochs for stage in plan_stages(True, None, 16)] == [2, 14]
    assert [stage.epochs for stage in plan_stages(True, None, 100)] == [2, 98]
    assert [stage.epochs for stage in plan_stages(True, None, None)] == [2, None]
    assert [stage.frozen for stage in plan_stages(False, None, 16)] == ["none"]
    assert [stage.frozen for stage in plan_stages(True, "block", 16)] == ["block"]
    assert [stage.epochs for stage in plan_stages(True, None, 1)] == [1]


def test_a_timetable_goes_by_what_is_further():
    both = Timetable(first_epoch=4, epochs=10, start=100, end=200)
    assert both.progress(9, 120) == 0.5 and both.progress(5, 180) == 0.8
    assert Timetable(0, None, 0, 60).progress(1000, 30) == 0.5
    assert Timetable(0, 8, 0, None).progress(2, 1e9) == 0.25


def test_earlier_layers_of_a_pretrained_network_learn_at_lower_rates():
    network = build_network("squeezenet1_1", 3, 64)
    optimizer = make_optimizer(network, adaptive=True, lowest=0.1)
    factors = {id(p): group["factor"] for group in optimizer.param_groups for p in group["params"]}
    ordered = [factors[id(parameter)] for parameter in network.parameters()]
    assert ordered == sorted(ordered) and ordered[-1] == 1 and 0.1 <= ordered[0] < 0.2


def test_balance_by_hand():
    labels = torch.tensor([0, 0, 0, 1])
    logits = torch.tensor([[1.0, 2.0], [0.0, 0.5], [3.0, -1.0], [0.2, 0.1]])
    plain = F.cross_entropy(logits, labels, reduction="none")
    assert torch.allclose(make_loss("none", labels, 2, 0.0)(logits, labels), plain)
    weighted = make_loss("weights", labels, 2, 0.0)(logits, labels)
    assert torch.allclose(weighted, plain * torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0]))
    adjusted = make_loss("logit_adjusted", labels, 2, 0.0)(logits, labels)
    assert torch.allclose(
        adjusted, F.cross_entropy(logits + torch.tensor([0.75, 0.25]).log(), labels, reduction="none")
    )


@pytest.mark.parametrize(
    "arguments, classes, smoothing",
    [
        (["--weights", "imagenet"], 10, 0.1),
        (["--weights", "imagenet"], 9, 0.0),
        (["--weights", "none"], 100, 0.0),
        (["--weights", "imagenet", "--label_smoothing", "0"], 100, 0.0),
        (["--weights", "none", "--label_smoothing", "0.2"], 2, 0.2),
    ],
)
def test_labels_are_smoothed_from_pretrained_weights_where_there_are_many_classes(arguments, classes, smoothing):
    assert label_smoothing(build_parser().parse_args(arguments), classes) == smoothing


def test_the_sampler_draws_each_class_equally_often():
    labels = torch.tensor([0] * 990 + [1] * 10)
    drawn = labels[draw("sampler", labels, 4, Generator().manual_seed(0))]
    assert len(drawn) == 4000 and 0.46 < drawn.double().mean() < 0.54


def test_the_average_of_weights_by_hand():
    module = torch.nn.Linear(1, 1, bias=False)
    average = make_average(module, 0.5)
    by_hand = None
    for step, weight in enumerate([1.0, 5.0, 2.0, 8.0, -4.0, 3.0]):
        torch.nn.init.constant_(module.weight, weight)
        average.update_parameters(module)
        keep = min(0.5, (1 + step) / (10 + step)) if step else 0.0
        by_hand = keep * (by_hand or 0.0) + (1 - keep) * weight
    with averaged(module, average):
        assert module.weight.item() == pytest.approx(by_hand)
    assert module.weight.item() == 3.0


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixed_pictures_have_the_share_of_both_labels(mix):
    pictures = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
    pictures[1::2] = 255
    store = Store(pictures, torch.tensor([0, 1, 0, 1]), [Path(str(place)) for place in range(4)])
    source = PictureSource(torch.nn.Identity(), Data(store, store, ["dark", "light"], 32), CPU, False, mix)
    torch.manual_seed(0)
    seen, targets = source.batch(torch.arange(4), 0, Generator().manual_seed(0))
    light = IMAGENET.undo(seen).mean((1, 2, 3))
    dark, full = light[targets[:, 0] > 0.5], light[targets[:, 1] > 0.5]
    assert targets.shape == (4, 2) and torch.allclose(targets.sum(1), torch.ones(4))
    assert targets.min() > 0 and torch.allclose(light, targets[:, 1], atol=0.15) and full.min() > dark.max()


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A directory with tiny pictures and weights.pth of a whole squeezenet1_1."""
    directory = write_image_folders(tmp_path_factory.mktemp("pretrained"))
    torch.manual_seed(1)
    torch.save(build_network("squeezenet1_1", 1000, 40).state_dict(), directory / "weights.pth")
    return directory


USED = [
    "--use_model",
    "squeezenet1_1",
    "--weights",
    "weights.pth",
    "--image_size",
    "40",
    "--device",
    "cpu",
    "--precision",
    "fp32",
]


@pytest.mark.parametrize("frozen, learns", [("features", "classifier."), ("block", ("classifier.", "features.9"))])
def test_what_is_frozen_stays_as_it_was(pretrained, frozen, learns):
    process = train(pretrained, *USED, "--freeze", frozen, "--epochs", "2", "--save_model", f"{frozen}/model")
    assert process.returncode == 0, process.stderr
    before = torch.load(pretrained / "weights.pth")
    after = load_checkpoint(pretrained / frozen / "model").weights
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name][: len(tensor)])}
    fresh = ("features.9.", "features.10.", "features.11.", "features.12.", "classifier.")
    assert changed and all(name.startswith("classifier." if frozen == "features" else fresh) for name in changed)
    assert any(name.startswith(learns) for name in changed)


def test_batch_normalisation_of_a_frozen_network_keeps_what_it_knows():
    store = Store(torch.zeros(4, 3, 64, 64, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]), [Path("x")] * 4)
    data = Data(store, store, ["dark", "light"], 64)
    source = CachedSource(build_network("resnet18", 2, 64), "block", data, CPU, 1, 0)
    source.train()
    norms = [part for part in source.module.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert norms and not any(norm.training for norm in norms)
    assert source.module.training


def test_a_run_in_two_stages_is_taken_up_again_to_the_same_history(pretrained):
    options = [
        *USED,
        "--epochs",
        "6",
        "--balance",
        "sampler",
        "--label_smoothing",
        "0.1",
        "--ema",
        "0.9",
        "--mix",
        "mixup",
    ]
    whole = train(pretrained, *options, "--save_model", "whole/model")
    assert whole.returncode == 0, whole.stderr
    for epochs in (1, 4):  # in the first stage, and in the second
        stopped = f"stopped{epochs}"
        code = (
            "import sys, train_classifier, training.kept as kept; keep = kept.keep_last\n"
            "def stop(run, *rest):\n"
            "    keep(run, *rest)\n"
            f"    if len(run.history) == {epochs}: raise KeyboardInterrupt\n"
            "kept.keep_last = stop; sys.exit(train_classifier.main(sys.argv[1:]))"
        )
        process = run_code(pretrained, code, *options, "--save_model", f"{stopped}/model")
        assert process.returncode == 130, process.stderr
        process = train(pretrained, *options, "--save_model", f"{stopped}/model", "--resume")
        assert process.returncode == 0, process.stderr
        assert history(pretrained / stopped) == history(pretrained / "whole")


def run_code(directory, code, *arguments):
    import subprocess
    import sys

    from tests.test_train import TOP, one_thread

    environment = {**one_thread(), "PYTHONPATH": str(TOP)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, env=environment)


def test_a_time_budget_is_kept_and_the_schedule_ends_in_it(pretrained):
    start = time.monotonic()
    process = train(pretrained, *USED, "--time_budget", "0.4", "--save_model", "timed/model")
    seconds = time.monotonic() - start
    assert process.returncode == 0, process.stderr
    rows = history(pretrained / "timed")
    assert 12 < seconds < 36, seconds
    assert float(rows[-1]["learning_rate"]) < 1e-4
    assert len(rows) > 2


def test_positions_are_all_different_and_begin_with_the_mirror_image():
    picture = torch.arange(9.0).view(1, 1, 3, 3)
    two, eight = turned_pictures(picture, 2), turned_pictures(picture, 8)
    assert torch.equal(two[0], picture) and torch.equal(two[1], picture.flip(3))
    assert len({tuple(turned.flatten().tolist()) for turned in eight}) == 8


def test_an_upright_picture_is_looked_at_in_two_positions(pretrained):
    options = ["--epochs", "1", "--freeze", "features", "--tta", "--rotation", "slight"]
    process = train(pretrained, *USED, *options, "--save_model", "upright/model")
    assert process.returncode == 0, process.stderr
    assert "turned by up to 15 degrees" in process.stdout
    assert load_checkpoint(pretrained / "upright" / "model").turns == 2


def test_eight_views_and_calibration_are_kept_in_the_model(pretrained):
    process = train(pretrained, *USED, "--epochs", "1", "--tta", "--save_model", "tta/model")
    assert process.returncode == 0, process.stderr
    model = load_checkpoint(pretrained / "tta" / "model")
    assert model.turns == 8
    assert int(model.calibration["confusion"].sum()) == 9


@pytest.mark.parametrize(
    "limits, looks", [((2000, 4, 4000), 28), ((2000, 3, 4000), 21), ((2000, 4, 15), 14), ((3, 4, 9), 9)]
)
def test_known_pictures_are_looked_at_as_they_stand_and_as_training_changes_them(monkeypatch, limits, looks):
    for name, limit in zip(("REMEMBERED", "VIEWS", "LOOKS"), limits, strict=True):
        monkeypatch.setattr(f"training.final.{name}", limit)
    pictures = torch.randint(0, 256, (7, 3, 64, 64), dtype=torch.uint8, generator=Generator().manual_seed(0))
    store = Store(pictures, torch.arange(7) % 2, [Path("x")] * 7)
    data = Data(store, store[:2], ["dark", "light"], 64)
    predictor = Predictor(build_network("squeezenet1_1", 2, 64).eval(), IMAGENET, CPU)
    features = known_features(predictor, data, ALONE)
    known = pictures[:: 3 if limits[0] == 3 else 1]
    assert features.shape[:2] == (looks // len(known), len(known)) and looks == pictures_looked_at(data) - 2
    assert torch.allclose(features[0], predictor(known).features, atol=1e-5)
    assert len(torch.unique(features.flatten(0, 1), dim=0)) == looks
    assert torch.equal(features, known_features(predictor, data, ALONE))


def test_a_budget_without_time_to_learn_ends_with_a_sentence(pretrained):
    process = train(pretrained, *USED, "--time_budget", "0.01", "--save_model", "hurried/model")
    assert process.returncode == 1 and "Traceback" not in process.stderr
    assert "--time_budget is too short for these pictures" in process.stderr and "1 minutes more" not in process.stderr
    assert not (pretrained / "hurried" / "model").exists()


def test_a_stage_whose_frozen_layers_would_take_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr("training.stages.seconds_a_picture", lambda *_: 0.5)
    store = Store(torch.zeros(40, 3, 8, 8, dtype=torch.uint8), torch.arange(40) % 2, [Path("x")] * 40)
    data, run = Data(store, store[:10], ["dark", "light"], 8), Run(torch.nn.Identity())
    head, everything = plan_stages(True, None, None)
    assert has_time(run, head, data, CPU, 60)  # 25 seconds of frozen layers, of which half of the stage is 30
    assert not has_time(run, head, data, CPU, 40)
    assert has_time(run, everything, data, CPU, 40)
    with pytest.raises(TrainingError, match="too short"):
        has_time(run, everything, data, CPU, -10)
    run.history.append({})
    assert not has_time(run, everything, data, CPU, -10)  # what the head has learnt is kept


def test_patience_begins_anew_with_each_stage():
    run = Run(torch.nn.Identity(), history=[{}, {}], best={"epoch": 1})
    assert is_stuck(run, 1) and not is_stuck(run, 2) and not is_stuck(run, None)
    run.stage_epoch = 2
    assert not is_stuck(run, 1)


def test_a_budget_goes_on_where_it_was_interrupted(pretrained):
    """The rate falls on after --resume, and does not rise once more."""
    options = [*USED, "--freeze", "none", "--time_budget", "0.4", "--save_model", "resumed/model"]
    code = (
        "import sys, train_classifier, training.kept as kept; keep = kept.keep_last\n"
        "def stop(run, *rest):\n"
        "    keep(run, *rest)\n"
        "    if run.seconds > 12: raise KeyboardInterrupt\n"
        "kept.keep_last = stop; sys.exit(train_classifier.main(sys.argv[1:]))"
    )
    process = run_code(pretrained, code, *options)
    assert process.returncode == 130, process.stderr
    before = [float(row["learning_rate"]) for row in history(pretrained / "resumed")]
    process = train(pretrained, *options, "--resume")
    assert process.returncode == 0, process.stderr
    after = [float(row["learning_rate"]) for row in history(pretrained / "resumed")][len(before) :]
    assert after and max(after) < before[-1]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limit is set where Linux tells what is used")
def test_too_little_memory_ends_with_a_sentence(pretrained):
    code = (
        "import resource, sys, torch, train_classifier, training.kept\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 400_000_000,) * 2)\n"
        "sys.exit(train_classifier.main(sys.argv[1:]))"
    )
    options = ["--use_model", "vgg11", "--weights", "none", "--device", "cpu", "--save_model", "large/model"]
    process = run_code(pretrained, code, *options)
    assert process.returncode == 1 and "Traceback" not in process.stderr, process.stderr
    assert "there is not enough memory; give a smaller --batch_size" in process.stderr
