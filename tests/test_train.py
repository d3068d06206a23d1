"""Training as a user runs it: in processes of their own, on tiny drawn pictures."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train_classifier
from models.checkpoint import load_checkpoint, load_tensors, save_tensors
from models.device import choose_hardware
from models.prediction import predict
from models.preprocessing import list_pictures, read_store
from tests.tiny import SHAPES, write_image_folders
from training.loop import STEPS_PER_EPOCH, Recipe, epoch_batches, epoch_length, make_optimizer

TOP = Path(__file__).parent.parent
SMALL = ["--use_model", "squeezenet1_1", "--weights", "none", "--device", "cpu"]
MEASURED = ("seconds", "images_per_second")


def train(directory, *arguments):
    """Run train_classifier.py in `directory`, where train/ and validate/ lie; give the finished process."""
    command = [sys.executable, TOP / "train_classifier.py", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, env=one_thread())


def one_thread():
    """Return an environment in which tiny networks do not spend their time on sharing out work."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def history(directory):
    """Read model.history.csv without what no two runs share."""
    with (directory / "model.history.csv").open() as file:
        return [{name: value for name, value in row.items() if name not in MEASURED} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A directory with a run of four epochs, its output, and all that it wrote."""
    directory = write_image_folders(tmp_path_factory.mktemp("trained"))
    process = train(directory, *SMALL, "--epochs", "4", "--log")
    assert process.returncode == 0, process.stderr
    return directory, process


def test_a_run_writes_model_history_and_last(trained):
    directory, process = trained
    model = load_checkpoint(directory / "model")
    assert model.classes == sorted(SHAPES) and model.image_size == 40 and model.architecture == "squeezenet1_1"
    assert model.lineages["disc"] == ["Shapes", "The disc family"]
    rows = history(directory)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    best = max(float(row["validate_accuracy"]) for row in rows)
    assert model.scores["accuracy"] == pytest.approx(best)
    assert f"{best:.1%} of the validation pictures are right" in process.stdout
    assert "pictures/s" in process.stderr  # the progress bar
    assert not list(directory.glob(".*"))


def test_the_saved_model_is_the_best_one(trained):
    directory, _ = trained
    model, hardware = load_checkpoint(directory / "model"), choose_hardware("cpu")
    samples, _ = list_pictures(directory / "validate", model.classes)
    store = read_store(samples, model.image_size)
    logits, _ = predict(model.predictor(hardware), store)
    accuracy = (logits.argmax(1) == store.labels).double().mean().item()
    assert accuracy == pytest.approx(model.scores["accuracy"])


def test_tensorboard_reads_every_series(trained):
    directory, _ = trained
    (run,) = (directory / "logs").iterdir()
    rows = history(directory)
    for phase in ("train", "validate"):
        events = EventAccumulator(str(run / phase), size_guidance={"histograms": 0, "images": 0}).Reload()
        for quantity in ("loss", "accuracy"):
            logged = events.Scalars(quantity)
            assert [event.step for event in logged] == [1, 2, 3, 4]
            assert [event.value for event in logged] == pytest.approx(
                [float(row[f"{phase}_{quantity}"]) for row in rows], rel=1e-5
            )
        picture = events.Images("pictures")[0]
        assert picture.width > 8 * 40
    events = EventAccumulator(str(run / "train"), size_guidance={"histograms": 0}).Reload()
    rates = [event.value for event in events.Scalars("learning_rate")]
    assert rates == pytest.approx([float(row["learning_rate"]) for row in rows], rel=1e-5)
    names = events.Tags()["histograms"]
    assert "weights/classifier.1.weight" in names and "gradients/classifier.1.weight" in names
    spread = events.Histograms("gradients/classifier.1.weight")[0].histogram_value
    assert spread.num == 3 * 512 and spread.min < 0 < spread.max


def test_logged_pictures_are_undone_from_normalisation(trained):
    directory, _ = trained
    (run,) = (directory / "logs").iterdir()
    events = EventAccumulator(str(run / "validate"), size_guidance={"images": 0}).Reload()
    (directory / "shown.png").write_bytes(events.Images("pictures")[0].encoded_image_string)
    shown = Image.open(directory / "shown.png").convert("RGB").crop((2, 2, 42, 42))  # make_grid's margin is 2
    samples, _ = list_pictures(directory / "validate")
    with Image.open(samples[0][0]) as original:
        pairs = zip(shown.tobytes(), original.convert("RGB").tobytes(), strict=True)
        assert max(abs(one - other) for one, other in pairs) <= 1


def test_the_same_seed_gives_the_same_run(trained, tmp_path):
    directory, _ = trained
    write_image_folders(tmp_path)
    assert train(tmp_path, *SMALL, "--epochs", "4").returncode == 0
    assert history(tmp_path) == history(directory)


@pytest.mark.parametrize("how, status", [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_is_taken_up_again_to_the_same_history(trained, tmp_path, how, status):
    directory, _ = trained
    write_image_folders(tmp_path)
    command = [sys.executable, TOP / "train_classifier.py", *SMALL, "--epochs", "4"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=one_thread()) as process:
        while not (tmp_path / "model.history.csv").exists():
            time.sleep(0.02)
        process.send_signal(how)
        process.communicate()
        assert process.returncode == status
    assert 0 < len(history(tmp_path)) < 4
    assert train(tmp_path, *SMALL, "--epochs", "4", "--resume").returncode == 0
    assert history(tmp_path) == history(directory)


@pytest.mark.parametrize("how, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_log_shows_all_epochs_that_are_kept(tmp_path, how, status):
    write_image_folders(tmp_path)
    command = [sys.executable, TOP / "train_classifier.py", *SMALL, "--epochs", "40", "--log"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=one_thread()) as process:
        while not (tmp_path / "model.history.csv").exists():  # once it does, the epoch is being drawn for the log
            time.sleep(0.001)
        process.send_signal(how)
        process.communicate()
        assert process.returncode == status
    epochs = [int(row["epoch"]) for row in history(tmp_path)]
    (run,) = (tmp_path / "logs").iterdir()
    events = EventAccumulator(str(run / "validate")).Reload()
    assert [event.step for event in events.Scalars("loss")] == epochs
    assert [event.step for event in events.Images("confusion matrix")] == epochs


def test_what_torch_refuses_is_said_in_a_sentence():
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError) as refusal:
            torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2))
    finally:
        torch.use_deterministic_algorithms(False)
    said = train_classifier.explain(refusal.value)
    assert "put_" in said and "leave out --deterministic" in said and "\n" not in said
    with pytest.raises(RuntimeError) as refusal:
        torch.empty(1 << 50)
    assert "not enough memory; give a smaller --batch_size" in train_classifier.explain(refusal.value)
    assert not train_classifier.explain(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_resuming_with_other_options_is_refused(trained):
    directory, _ = trained
    process = train(directory, *SMALL, "--epochs", "5", "--resume")
    assert process.returncode == 1 and "with --epochs 4, not 5" in process.stderr


def test_resuming_on_other_pictures_is_refused(trained, tmp_path):
    directory, _ = trained
    write_image_folders(tmp_path, train=2, validate=1, shapes=("disc", "bar"))
    (tmp_path / "model.last").write_bytes((directory / "model.last").read_bytes())
    process = train(tmp_path, *SMALL, "--epochs", "4", "--resume")
    assert process.returncode == 1 and "a run on other pictures" in process.stderr
    assert not (tmp_path / "model").exists()


def test_two_classes_of_three_pictures_are_learnt_by_heart(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1, shapes=("disc", "bar"))
    process = train(tmp_path, "--use_model", "vgg11_adaptive", "--weights", "none", "--epochs", "4")
    assert process.returncode == 0, process.stderr
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
    options = ["--use_model", "squeezenet1_1", "--weights", "weights.pth", "--epochs", "1"]
    process = train(tmp_path, *options, "--learning_rate", "1e-9")
    assert process.returncode == 0, process.stderr
    assert "starting at random: classifier.1.weight, classifier.1.bias" in process.stdout
    kept = load_checkpoint(tmp_path / "model").weights["features.0.weight"]
    assert torch.allclose(kept, weights["features.0.weight"].float(), atol=1e-5)


def refuse(capsys, *arguments):
    """Run the script in this process; give its status and the last line of what it said."""
    try:
        status = train_classifier.main([str(argument) for argument in arguments])
    except SystemExit as error:
        status = error.code
    return status, capsys.readouterr().err.strip().splitlines()[-1]


def test_faults_of_the_user_end_with_one_sentence_and_write_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty" / "train").mkdir(parents=True)
    hollow = tmp_path / "hollow"
    (hollow / "train" / "a").mkdir(parents=True)
    single = write_image_folders(tmp_path / "single", train=1, validate=1, shapes=("disc",))
    corrupt = write_image_folders(tmp_path / "corrupt", train=1, validate=1)
    (corrupt / "train" / "disc" / "bad.jpg").write_bytes(b"no picture")
    good = write_image_folders(tmp_path / "good", train=1, validate=1)
    before = sorted(tmp_path.rglob("*"))
    scratch = ["--weights", "none"]
    tiled = [*scratch, "--use_model", "vit_b_16"]
    cases = [
        (1, "there is no directory", ["--directory", tmp_path / "nowhere", *scratch]),
        (1, "holds no classes", ["--directory", tmp_path / "empty", *scratch]),
        (1, "hold no pictures", ["--directory", hollow, *scratch]),
        (1, "has one class only, disc", ["--directory", single, *scratch]),
        (1, "bad.jpg is not a picture", ["--directory", corrupt, *scratch]),
        (1, "at least 32 pixels, not 16", ["--directory", good, "--image_size", "16", *scratch]),
        (1, "takes no pictures of 8 pixels", ["--directory", good, *SMALL, "--image_size", "8"]),
        (1, "takes no pictures of 40 pixels", ["--directory", good, *tiled, "--image_size", "40"]),
        (1, "there is no file missing.pth", ["--directory", good, "--weights", "missing.pth"]),
        (1, "no file of tensors", ["--directory", good, "--weights", good / "dataset.json"]),
        (1, "there is no file model.last", ["--directory", good, "--resume"]),
        (1, "there is no device nonsense", ["--directory", good, "--device", "nonsense"]),
        (2, "there is no network vgg99", ["--use_model", "vgg99"]),
        (2, "a whole number above 0", ["--epochs", "0"]),
        (2, "a number above 0", ["--learning_rate", "nan"]),
    ]
    for status, sentence, arguments in cases:
        assert (status, True) == ((result := refuse(capsys, *arguments))[0], sentence in result[1]), result
    assert sorted(tmp_path.rglob("*")) == before


def test_without_the_hub_the_message_says_how_else(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody answers there
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.chdir(write_image_folders(tmp_path, train=1, validate=1))
    status, sentence = refuse(capsys, "--use_model", "squeezenet1_1")
    assert status == 1
    assert "ImageNet weights of squeezenet1_1 could not be downloaded" in sentence
    assert "--weights FILE" in sentence and "--weights none" in sentence
    assert not (tmp_path / "model").exists()


def test_a_loss_that_is_no_number_ends_the_run_and_says_what_to_do(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    process = train(tmp_path, *SMALL, "--learning_rate", "1e30")
    assert process.returncode == 1
    assert "try a lower --learning_rate" in process.stderr and "Traceback" not in process.stderr


def test_patience_ends_a_run_that_gets_no_better(tmp_path):
    write_image_folders(tmp_path, train=2, validate=1)
    process = train(tmp_path, *SMALL, "--learning_rate", "1e-12", "--epochs", "50", "--patience", "2")
    assert process.returncode == 0
    assert len(history(tmp_path)) < 10


def test_help_answers_at_once():
    start = time.monotonic()
    process = train(TOP, "--help")
    assert process.returncode == 0 and "--use_model" in process.stdout
    assert time.monotonic() - start < 2  # a torch import alone takes as long; see NOTES.md for the real figure


def test_the_schedule_warms_up_and_ends_at_nothing():
    recipe = Recipe(batch_size=1, learning_rate=0.1, seed=0)
    rates = [recipe.rate(step / 1000) for step in range(1001)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.1) and 50 < top < 200
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[0] < 0.02 and rates[-1] < 1e-9


@pytest.mark.parametrize("count, batch_size", [(1, 32), (3, 2), (33, 32), (639, 32), (1000, 32), (7, 7)])
def test_an_epoch_deals_out_each_picture_equally_often(count, batch_size):
    dealt = epoch_batches(torch.zeros(count, dtype=torch.int64), batch_size, torch.Generator().manual_seed(0))
    times = torch.bincount(torch.cat(dealt), minlength=count)
    assert times.min() == times.max() and times.sum() == epoch_length(count, batch_size)
    sizes = [len(batch) for batch in dealt]
    assert max(sizes) - min(sizes) <= 1 and max(sizes) <= 2 * batch_size
    assert len(dealt) >= STEPS_PER_EPOCH - 1


def test_norms_and_biases_are_not_decayed():
    from models.networks import build_network

    decayed, others = make_optimizer(build_network("vgg11_adaptive", 2, 40)).param_groups
    assert decayed["weight_decay"] > 0 and others["weight_decay"] == 0
    assert {parameter.ndim for parameter in others["params"]} == {1}
    assert all(parameter.ndim > 1 for parameter in decayed["params"])


def test_pictures_that_were_moved_by_hand_are_not_gone_on_with(tmp_path):
    write_image_folders(tmp_path)
    (tmp_path / "dataset.json").unlink()
    assert train(tmp_path, *SMALL, "--epochs", "1").returncode == 0
    (tmp_path / "validate/disc/disc0.png").rename(tmp_path / "train/disc/disc100.png")
    process = train(tmp_path, *SMALL, "--epochs", "1", "--resume")
    assert process.returncode == 1 and "was left by a run on other pictures" in process.stderr


def test_a_run_killed_before_its_last_row_was_written_writes_it_when_resumed(tmp_path):
    write_image_folders(tmp_path)
    assert train(tmp_path, *SMALL, "--epochs", "2").returncode == 0
    whole = history(tmp_path)
    path = tmp_path / "model.history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert train(tmp_path, *SMALL, "--epochs", "2", "--resume").returncode == 0
    assert len(whole) == 2 and history(tmp_path) == whole


def test_what_an_older_version_left_is_refused_with_a_sentence(tmp_path):
    write_image_folders(tmp_path)
    assert train(tmp_path, *SMALL, "--epochs", "1").returncode == 0
    left = load_tensors(tmp_path / "model.last")
    del left["run"]["learning_start"]
    save_tensors(tmp_path / "model.last", left)
    process = train(tmp_path, *SMALL, "--epochs", "1", "--resume")
    assert process.returncode == 1 and "older version" in process.stderr and "Traceback" not in process.stderr
