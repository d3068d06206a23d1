"""Whole runs of train_classifier.py on tiny drawn images: what they write, and that they go on where they were."""

import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import common
import train_classifier
from common.errors import ToolkitError
from common.image_folder import list_image_folder
from models.checkpoint import load_checkpoint, load_tensors, save_tensors
from models.prediction import predict_files
from tests.processes import Script
from tests.tiny import SHAPES, write_image_folders
from tests.training_runs import (
    CPU,
    PRETRAINED,
    SCRIPT,
    SMALL,
    history,
    interrupt_when,
    train,
    write_pretrained,
)
from training import run_folder
from training.errors import torch_errors


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A directory with a run of four epochs, its output, and all that it wrote."""
    directory = write_image_folders(tmp_path_factory.mktemp("trained"), train=4)
    run = train(directory, *SMALL, "--epochs", "4", "--log")
    assert run.status == 0, run.stderr
    return directory, run


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A directory with tiny images and weights.pth of a whole squeezenet1_1."""
    return write_pretrained(tmp_path_factory.mktemp("pretrained"), train=2, validate=2)


@pytest.mark.slow
def test_a_run_writes_model_history_and_last(trained):
    directory, run = trained
    model = load_checkpoint(directory / "model")
    assert model.classes == sorted(SHAPES) and model.image_size == 40 and model.architecture == "squeezenet1_1"
    assert model.lineages["disc"] == ["Shapes", "The disc family"]
    assert model.toolkit == common.__version__ and model.options["epochs"] == 4
    rows = history(directory)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    best = max(float(row["validate_accuracy"]) for row in rows)
    assert model.scores["accuracy"] == pytest.approx(best)
    assert f"{best:.1%} of the validation pictures are right" in run.stdout
    assert run.stdout.splitlines()[-1].startswith("Wrote model.")
    assert not list(directory.glob(".*"))


@pytest.mark.slow
def test_the_saved_model_is_the_best_one(trained):
    directory, _ = trained
    model = load_checkpoint(directory / "model")
    samples = list_image_folder(directory / "validate", model.classes).samples
    paths = [path for path, _ in samples]
    prediction = predict_files(model.predictor(CPU), paths, model.preparation()).prediction
    right = prediction.logits.argmax(1) == torch.tensor([label for _, label in samples])
    assert right.double().mean().item() == pytest.approx(model.scores["accuracy"])


@pytest.mark.slow
def test_tensorboard_reads_every_series(trained):
    directory, _ = trained
    (run,) = (directory / "logs").iterdir()
    rows = history(directory)
    for split in ("train", "validate"):
        events = EventAccumulator(str(run / split), size_guidance={"histograms": 0, "images": 0}).Reload()
        for quantity in ("loss", "accuracy"):
            logged = events.Scalars(quantity)
            assert [event.step for event in logged] == [1, 2, 3, 4]
            assert [event.value for event in logged] == pytest.approx(
                [float(row[f"{split}_{quantity}"]) for row in rows], rel=1e-5
            )
        assert events.Images("pictures")[0].width > 8 * 40  # eight images in a row
    events = EventAccumulator(str(run / "train"), size_guidance={"histograms": 0}).Reload()
    rates = [event.value for event in events.Scalars("learning_rate")]
    assert rates == pytest.approx([float(row["learning_rate"]) for row in rows], rel=1e-5)
    names = events.Tags()["histograms"]
    assert "weights/classifier.1.weight" in names and "gradients/classifier.1.weight" in names
    gradients = events.Histograms("gradients/classifier.1.weight")[0].histogram_value
    assert gradients.num == 3 * 512 and gradients.min < 0 < gradients.max


@pytest.mark.slow
def test_logged_images_are_undone_from_normalisation(trained):
    directory, _ = trained
    (run,) = (directory / "logs").iterdir()
    events = EventAccumulator(str(run / "validate"), size_guidance={"images": 0}).Reload()
    (directory / "shown.png").write_bytes(events.Images("pictures")[0].encoded_image_string)
    shown = Image.open(directory / "shown.png").convert("RGB").crop((2, 2, 42, 42))  # make_grid's margin is 2
    samples = list_image_folder(directory / "validate").samples
    with Image.open(samples[0][0]) as original:
        pairs = zip(shown.tobytes(), original.convert("RGB").tobytes(), strict=True)
        assert max(abs(one - other) for one, other in pairs) <= 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(trained, tmp_path):
    directory, _ = trained
    write_image_folders(tmp_path, train=4)
    assert train(tmp_path, *SMALL, "--epochs", "4").status == 0
    assert history(tmp_path) == history(directory)


@pytest.mark.slow
@pytest.mark.parametrize("how, status, log", [(signal.SIGTERM, 143, ["--log"]), (signal.SIGINT, 130, [])])
def test_an_interrupted_run_is_resumed_to_the_same_history_and_its_log_shows_all_saved_epochs(
    trained, tmp_path, how, status, log
):
    directory, _ = trained
    write_image_folders(tmp_path, train=4)
    options = [*SMALL, "--epochs", "4", *log]
    with Script(SCRIPT, *options, directory=tmp_path) as script:
        script.wait_for(tmp_path / "model.history.csv")  # once it exists, the epoch is being drawn for the log
        script.send_signal(how)
        assert script.wait().status == status
    epochs = [int(row["epoch"]) for row in history(tmp_path)]
    assert 0 < len(epochs) < 4
    if log:
        (run,) = (tmp_path / "logs").iterdir()
        events = EventAccumulator(str(run / "validate")).Reload()
        assert [event.step for event in events.Scalars("loss")] == epochs
        assert [event.step for event in events.Images("confusion matrix")] == epochs
    assert train(tmp_path, *SMALL, "--epochs", "4", "--resume").status == 0
    assert history(tmp_path) == history(directory)


@pytest.mark.slow
def test_deterministic_runs_give_the_same_file(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    for name in "ab":
        assert train(tmp_path, *SMALL, "--epochs", "2", "--deterministic", "--save_model", f"{name}/model").status == 0
    assert (tmp_path / "a" / "model").read_bytes() == (tmp_path / "b" / "model").read_bytes()


def test_what_torch_refuses_is_reported_in_a_sentence():
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(ToolkitError, match=r"put_[^\n]*\)$") as refusal, torch_errors():
            torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert refusal.value.settings == ("deterministic", "device")
    with pytest.raises(ToolkitError, match="not enough memory") as refusal, torch_errors():
        torch.empty(1 << 50)
    assert refusal.value.settings[0] == "batch_size"
    with pytest.raises(RuntimeError, match="shapes"), torch_errors():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.slow
def test_resuming_on_other_images_is_refused(trained, tmp_path):
    directory, _ = trained
    write_image_folders(tmp_path, train=2, validate=1, shapes=("disc", "bar"))
    (tmp_path / "model.last").write_bytes((directory / "model.last").read_bytes())
    run = train(tmp_path, *SMALL, "--epochs", "4", "--resume")
    assert run.status == 1 and "a run on other pictures" in run.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_two_classes_of_three_images_are_overfitted(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1, shapes=("disc", "bar"))
    run = train(tmp_path, "--use_model", "vgg11_adaptive", "--weights", "none", "--epochs", "4", "--image_size", "40")
    assert run.status == 0, run.stderr
    assert min(float(row["train_loss"]) for row in history(tmp_path)) < 0.01


@pytest.mark.parametrize("with_classifier", [True, False])
def test_weights_are_taken_from_a_file(tmp_path, with_classifier):
    from torchvision.models import squeezenet1_1

    torch.manual_seed(1)
    weights = squeezenet1_1(weights=None).half().state_dict()
    if not with_classifier:
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")}
    torch.save(weights, tmp_path / "weights.pth")
    write_image_folders(tmp_path, train=2, validate=1)
    run = train(tmp_path, *PRETRAINED, "--epochs", "1", "--learning_rate", "1e-9")
    assert run.status == 0, run.stderr
    assert "starting at random: classifier.1.weight, classifier.1.bias" in run.stdout
    saved = load_checkpoint(tmp_path / "model").weights["features.0.weight"]
    assert torch.allclose(saved, weights["features.0.weight"].float(), atol=1e-5)


def last_line(run):
    """Return the exit status of a run and the last line of what it said on standard error."""
    return run.status, run.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_faults_of_the_user_end_with_one_sentence_and_write_nothing(tmp_path):
    hollow = tmp_path / "hollow"
    for path in ("empty/train", "empty/validate", "hollow/validate"):
        (tmp_path / path).mkdir(parents=True)
    (hollow / "train" / "a").mkdir(parents=True)
    single = write_image_folders(tmp_path / "single", train=1, validate=1, shapes=("disc",))
    corrupt = write_image_folders(tmp_path / "corrupt", train=1, validate=1)
    for picture in (corrupt / "train" / "disc").iterdir():
        picture.write_bytes(b"no picture")
    undescribed = write_image_folders(tmp_path / "undescribed", train=1, validate=1)
    (undescribed / "dataset.json").write_text('{"classes": {"disc": {"lineage": ["Disc"]}}}')
    good = write_image_folders(tmp_path / "good", train=1, validate=1)
    before = sorted(tmp_path.rglob("*"))
    scratch = ["--weights", "none"]
    tiled = [*scratch, "--use_model", "vit_b_16"]
    cases = [
        (1, "there is no directory", ["--directory", tmp_path / "nowhere", *scratch]),
        (1, "holds no classes", ["--directory", tmp_path / "empty", *scratch]),
        (1, "hold no pictures", ["--directory", hollow, *scratch]),
        (1, "has one class only, disc", ["--directory", single, *scratch]),
        (1, "no picture of a class in", ["--directory", corrupt, *scratch]),
        (1, "disc0.png (it is not an image", ["--directory", corrupt, *scratch]),
        (1, "does not describe train/ (it lacks bar)", ["--directory", undescribed, *scratch]),
        (1, "at least 32 pixels, not 16", ["--directory", good, "--image_size", "16", *scratch]),
        (1, "takes no pictures of 8 pixels", ["--directory", good, *SMALL, "--image_size", "8"]),
        (1, "takes no pictures of 40 pixels", ["--directory", good, *tiled, "--image_size", "40"]),
        (1, "; try another --image_size", ["--directory", good, *tiled, "--image_size", "40"]),
        (1, "there is no file missing.pth", ["--directory", good, "--weights", "missing.pth"]),
        (1, "is not a file of tensors", ["--directory", good, "--weights", good / "dataset.json"]),
        (1, "there is no interrupted run to resume (no file model.last)", ["--directory", good, "--resume"]),
        (1, "there is no device xpu", ["--directory", good, "--device", "xpu"]),
        (2, "must be the name of a device", ["--directory", good, "--device", "nonsense"]),
        (2, "there is no network vgg99; did you mean vgg19", ["--use_model", "vgg99"]),
        (2, "must be a whole number of 1 or more, not '0'", ["--epochs", "0"]),
        (2, "must be a number above 0", ["--learning_rate", "nan"]),
    ]
    for status, sentence, arguments in cases:
        found = last_line(train(tmp_path, *arguments))
        assert (status, True) == (found[0], sentence in found[1]), found
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"directory": Path("absent")}, "there is no directory absent/train; from your own pictures, "),
        ({"directory": Path("half")}, "there is no directory half/validate"),
        ({"save_model": Path("whole")}, "whole is a directory"),
        ({"save_model": Path()}, "is a directory"),
        ({"weights": "lost.pth"}, "there is no file lost.pth"),
        ({"resume": True}, "there is no interrupted run to resume (no file model.last)"),
    ],
)
def test_what_is_missing_is_reported_before_torch_is_imported(tmp_path, monkeypatch, options, sentence):
    for name in ("half/train", "whole/train", "whole/validate"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "training.train", None)  # to import it now is an error
    settings = train_classifier.read_settings(["--directory", "whole", "--weights", "none"])
    with pytest.raises(ToolkitError) as error:
        train_classifier.work(replace(settings, **options))
    assert sentence in str(error.value)


def test_mistakes_do_not_wait_for_torch(tmp_path):
    run = subprocess.run(
        [sys.executable, "-X", "importtime", train_classifier.__file__, "--directory", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1 and "there is no directory" in run.stderr
    assert not re.search(r"\| +(torch|torchvision|numpy|PIL)$", run.stderr, re.MULTILINE)


def test_a_resumed_run_does_not_need_the_file_of_its_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("train", "validate"):
        (tmp_path / name).mkdir()
    (tmp_path / "model.last").touch()
    train_classifier.read_settings(["--weights", "lost.pth", "--resume"]).check_inputs()


def test_without_the_hub_the_message_says_what_to_try(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody answers there
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    status, sentence = last_line(train(write_image_folders(tmp_path, train=1, validate=1), *SMALL[:2]))
    assert status == 1
    assert "ImageNet weights of squeezenet1_1 could not be downloaded" in sentence
    assert sentence.endswith("; try another --weights")
    assert not (tmp_path / "model").exists()


def test_a_loss_that_is_not_a_number_ends_the_run_and_says_what_to_do(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    run = train(tmp_path, *SMALL, "--learning_rate", "1e30")
    assert run.status == 1
    assert "the loss became nan in epoch 1; try another --learning_rate" in run.stderr


@pytest.mark.slow
def test_patience_ends_a_run_that_gets_no_better(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    run = train(tmp_path, *SMALL, "--learning_rate", "1e-12", "--epochs", "50", "--patience", "2")
    assert run.status == 0
    assert len(history(tmp_path)) < 10


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["--use_model", "resnet5"], ["--freeze", "all"]])
def test_help_and_mistakes_answer_at_once(arguments):
    start = time.monotonic()
    process = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)
    assert process.returncode == (2 if len(arguments) > 1 else 0)
    assert "train_classifier.py" in process.stdout + process.stderr
    assert time.monotonic() - start < 1.5  # a torch import alone takes longer; see NOTES.md for the real figure


def test_images_that_were_moved_by_hand_are_not_gone_on_with(tmp_path):
    write_image_folders(tmp_path, train=2, validate=2)
    (tmp_path / "dataset.json").unlink()
    assert train(tmp_path, *SMALL, "--epochs", "1").status == 0
    (tmp_path / "validate/disc/disc0.png").rename(tmp_path / "train/disc/disc100.png")
    run = train(tmp_path, *SMALL, "--epochs", "1", "--resume")
    assert run.status == 1 and "was saved by a run on other pictures" in run.stderr


@pytest.mark.slow
def test_a_run_killed_before_its_last_row_was_written_writes_it_when_resumed(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    assert train(tmp_path, *SMALL, "--epochs", "2").status == 0
    whole = history(tmp_path)
    path = tmp_path / "model.history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert train(tmp_path, *SMALL, "--epochs", "2", "--resume").status == 0
    assert len(whole) == 2 and history(tmp_path) == whole


def test_what_an_older_version_saved_is_refused_with_a_sentence(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    assert train(tmp_path, *SMALL, "--epochs", "1").status == 0
    last = load_tensors(tmp_path / "model.last")
    del last["trainer"]["learning_start"]
    save_tensors(tmp_path / "model.last", last)
    run = train(tmp_path, *SMALL, "--epochs", "1", "--resume")
    assert run.status == 1 and "older version" in run.stderr


@pytest.mark.parametrize("frozen, learns", [("features", "classifier."), ("block", ("classifier.", "features.9"))])
def test_what_is_frozen_stays_as_it_was(pretrained, frozen, learns):
    run = train(pretrained, *PRETRAINED, "--freeze", frozen, "--epochs", "2", "--save_model", f"{frozen}/model")
    assert run.status == 0, run.stderr
    before = torch.load(pretrained / "weights.pth")
    after = load_checkpoint(pretrained / frozen / "model").weights
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name][: len(tensor)])}
    fresh = ("features.9.", "features.10.", "features.11.", "features.12.", "classifier.")
    assert changed and all(name.startswith("classifier." if frozen == "features" else fresh) for name in changed)
    assert any(name.startswith(learns) for name in changed)


@pytest.mark.slow
def test_a_run_in_two_phases_is_resumed_to_the_same_history(pretrained, monkeypatch):
    options = [*PRETRAINED, "--epochs", "6", "--balance", "sampler", "--label_smoothing", "0.1"]
    whole = train(pretrained, *options, "--save_model", "whole/model")
    assert whole.status == 0, whole.stderr
    for epochs in (1, 4):  # in the first phase, and in the second
        with monkeypatch.context() as patch:
            interrupt_when(patch, lambda trainer, epochs=epochs: trainer.epoch == epochs)
            assert train(pretrained, *options, "--save_model", f"stopped{epochs}/model").status == 130
        assert train(pretrained, *options, "--save_model", f"stopped{epochs}/model", "--resume").status == 0
        assert history(pretrained / f"stopped{epochs}") == history(pretrained / "whole")


@pytest.mark.slow
def test_a_time_budget_is_kept_and_the_schedule_ends_in_it(pretrained, monkeypatch):
    monkeypatch.setattr("training.schedule.WRITING_SECONDS", 1.0)
    start = time.monotonic()
    run = train(pretrained, *PRETRAINED, "--time_budget", "0.12", "--save_model", "timed/model")
    seconds = time.monotonic() - start
    assert run.status == 0, run.stderr
    rows = history(pretrained / "timed")
    assert 3 < seconds < 12, seconds
    assert float(rows[-1]["learning_rate"]) < 1e-4
    assert len(rows) > 2


@pytest.mark.slow
def test_a_budget_goes_on_where_it_was_interrupted(pretrained, monkeypatch):
    """The rate falls on after --resume, and does not rise once more."""
    monkeypatch.setattr("training.schedule.WRITING_SECONDS", 1.0)
    options = [*PRETRAINED, "--time_budget", "0.08", "--save_model", "resumed/model"]
    with monkeypatch.context() as patch:
        interrupt_when(patch, lambda trainer: trainer.seconds > 2)
        assert train(pretrained, *options).status == 130
    before = [float(row["learning_rate"]) for row in history(pretrained / "resumed")]
    assert train(pretrained, *options, "--resume").status == 0
    after = [float(row["learning_rate"]) for row in history(pretrained / "resumed")][len(before) :]
    assert after and max(after) < before[-1]


def test_a_budget_without_time_to_learn_ends_with_a_sentence(pretrained):
    run = train(pretrained, *PRETRAINED, "--time_budget", "0.001", "--save_model", "hurried/model")
    assert run.status == 1
    assert "the time budget is too short for these pictures" in run.stderr and " 1 minutes more" not in run.stderr
    assert "try another --time_budget" in run.stderr
    assert not (pretrained / "hurried" / "model").exists()


@pytest.mark.parametrize("rotation, views", [("slight", 2), ("free", 8)])
def test_test_time_augmentation_and_calibration_are_saved_in_the_model(pretrained, rotation, views):
    options = ["--epochs", "1", "--freeze", "features", "--tta", "--rotation", rotation]
    run = train(pretrained, *PRETRAINED, *options, "--save_model", f"{rotation}/model")
    assert run.status == 0, run.stderr
    assert {"slight": "rotated by up to 15 degrees", "free": "rotated freely"}[rotation] in run.stdout
    model = load_checkpoint(pretrained / rotation / "model")
    assert model.tta_views == views
    assert int(model.calibration["confusion"].sum()) == 6


def test_ctrl_c_waits_until_what_belongs_together_is_written():
    with pytest.raises(KeyboardInterrupt), run_folder.signals_delayed():
        signal.raise_signal(signal.SIGINT)
        written = True
    assert written
