"""Cross-validation: every picture is judged once, by a network that has seen neither it nor its group."""

import csv
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from common.errors import ToolkitError
from common.manifest import ManifestRow, write_manifest
from evaluation.calibration import Calibration
from models.checkpoint import load_checkpoint
from models.networks import build_network
from tests.training_runs import PRETRAINED, drawn_data, train, write_pretrained
from training.folds import assign_folds
from training.run_folder import RunFolder
from visualise_results import main as visualise

OPTIONS = [*PRETRAINED, "--augmented_copies", "1"]
CLASSES, GROUPS, SHOTS = ("A", "B"), 8, 2


def read(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@given(st.lists(st.integers(0, 9), min_size=8, max_size=60), st.integers(2, 4), st.integers(0, 3))
def test_each_group_is_in_one_fold(groups, count, seed):
    data = drawn_data(len(groups), 2)
    data.groups[:] = [str(group) for group in groups]
    if len(set(groups)) < count:
        with pytest.raises(ToolkitError, match="cannot be parted into"):
            assign_folds(data, count, seed)
        return
    fold_of = assign_folds(data, count, seed)
    assert {*fold_of.tolist()} <= {*range(count)} and len(fold_of) == len(groups)
    assert all(len({*fold_of[np.array(groups) == group].tolist()}) == 1 for group in set(groups))


def test_more_folds_than_any_class_has_pictures():
    data = drawn_data(6, 2)
    data.groups[:] = list("abcdef")
    assert {*assign_folds(data, 5, 0).tolist()} == {*range(5)}  # three pictures of each class


def write_noise(directory):
    """Write pictures of pure noise, of which nothing can be told but by heart: each specimen in two equal files."""
    torch.manual_seed(1)
    torch.save(build_network("squeezenet1_1", 1000, 40).state_dict(), directory / "weights.pth")
    rows, random = [], np.random.default_rng(0)
    for label in CLASSES:
        for number in range(GROUPS):
            pixels = random.integers(0, 255, (40, 40, 3), dtype=np.uint8)
            for shot in range(SHOTS):
                split = "validate" if number < 2 else "train"
                path = directory / split / label / f"{label}{number}-{shot}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
                name = path.relative_to(directory).as_posix()
                rows.append(ManifestRow(path=name, label=label, group=f"{label}{number}"))
    write_manifest(directory / "manifest.csv", rows)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A data set of noise, and a model of it with its folds."""
    directory = tmp_path_factory.mktemp("noise")
    write_noise(directory)
    run = train(directory, *OPTIONS, "--freeze", "features", "--folds", "4")
    assert run.status == 0, run.stderr
    return directory, run


@pytest.mark.slow
def test_every_picture_is_judged_once_and_its_group_together(noise):
    directory, _ = noise
    rows = read(directory / "model.folds.csv")
    files = {path.relative_to(directory).as_posix() for path in directory.glob("*/*/*.png")}
    assert len(rows) == len(files) and {row["file"] for row in rows} == files
    assert all(row["label"] == row["file"].split("/")[1] for row in rows)
    fold_of = {}
    for row in rows:
        fold_of.setdefault(row["file"].split("/")[2].split("-")[0], set()).add(row["fold"])
    assert len(fold_of) == len(CLASSES) * GROUPS and all(len(folds) == 1 for folds in fold_of.values())
    assert {fold for folds in fold_of.values() for fold in folds} == {"1", "2", "3", "4"}


@pytest.mark.slow
def test_what_can_only_be_learnt_by_heart_is_not_known_out_of_fold(noise):
    directory, _ = noise
    rows = read(directory / "model.folds.csv")
    right = [row["answer_1"] == row["label"] for row in rows]
    assert np.mean(right) < 0.8  # with one of the two equal files in the network's training pictures it would be 1
    model = load_checkpoint(directory / "model")
    assert len(model.fingerprints) == len(CLASSES) * GROUPS  # but the model itself has learnt all of them


@pytest.mark.slow
def test_scores_are_those_of_the_table(noise):
    directory, run = noise
    rows, scores = read(directory / "model.folds.csv"), load_checkpoint(directory / "model").scores
    actual, predicted = ([row[name] for row in rows] for name in ("label", "answer_1"))
    assert scores["folds"] == 4
    assert scores["accuracy"] == pytest.approx(accuracy_score(actual, predicted))
    assert scores["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(actual, predicted))
    assert scores["macro_f1"] == pytest.approx(f1_score(actual, predicted, average="macro"))
    by_fold = [
        accuracy_score(*zip(*[(row["label"], row["answer_1"]) for row in rows if row["fold"] == fold], strict=True))
        for fold in "1234"
    ]
    assert scores["accuracy_sd"] == pytest.approx(statistics.stdev(by_fold))
    assert scores["accuracy_low"] <= scores["accuracy"] <= scores["accuracy_high"]
    assert f"In cross-validation, 4 folds, {scores['accuracy']:.1%} of all pictures are right" in run.stdout
    model = load_checkpoint(directory / "model")
    calibration = Calibration.of(model)
    assert len(calibration.conformal.labels) == len(calibration.ood_detector.validation_scores) == len(rows)
    assert int(torch.as_tensor(model.calibration["confusion"]).trace()) == round(scores["accuracy"] * len(rows))


@pytest.mark.slow
def test_the_report_shows_what_the_folds_said(noise, monkeypatch, capsys):
    directory, _ = noise
    monkeypatch.chdir(directory)
    assert visualise(["--report", "report", "--device", "cpu"]) == 0
    said, rows = capsys.readouterr().out, read(directory / "model.folds.csv")
    right = sum(row["answer_1"] == row["label"] for row in rows)
    assert f"{right} of {len(rows)} pictures are right" in said and "a network of cross-validation" in said
    table = read(directory / "report" / "predictions.csv")
    assert {row["file"]: row["answer_1"] for row in table} == {row["file"]: row["answer_1"] for row in rows}
    by_file = {row["file"]: row for row in rows}
    for row in table:
        assert float(row["uncalibrated_1"]) == pytest.approx(float(by_file[row["file"]]["probability_1"]), abs=1e-4)


@pytest.fixture
def table(noise, monkeypatch):
    """The table of the set that the test now works in; what the test makes of it is undone."""
    directory, _ = noise
    monkeypatch.chdir(directory)
    table = directory / "model.folds.csv"
    whole = table.read_text()
    yield table
    table.write_text(whole)


@pytest.mark.slow
def test_pictures_that_the_table_does_not_name_are_said_to_be_left_out(table, capsys):
    table.write_text("\n".join(table.read_text().splitlines()[:-3]) + "\n")
    assert visualise(["--device", "cpu"]) == 0
    count = len(CLASSES) * GROUPS * SHOTS
    assert f"model.folds.csv does not name 3 of {count} pictures, which are left out" in capsys.readouterr().out


@pytest.mark.slow
def test_a_picture_is_unknown_where_it_was_so_to_the_network_that_had_not_seen_it(table):
    lines = table.read_text().splitlines()
    far = lines[5].split(",")[0]
    lines[1:] = [f"{line.rpartition(',')[0]},{9 if line.startswith(far) else 0.1}" for line in lines[1:]]
    table.write_text("\n".join(lines) + "\n")
    assert visualise(["--report", "far", "--device", "cpu"]) == 0
    rows = read(table.with_name("far") / "predictions.csv")
    assert [row["file"] for row in rows if row["lowest_supported_taxon"] == "unknown"] == [far]


@pytest.mark.slow
def test_a_damaged_table_is_refused_with_a_sentence(table, capsys):
    whole = table.read_text()
    for text in (
        whole.replace("probability_1", "p"),
        "a,b\n1,2\n",
        whole.replace(",A,", ",Z,"),
        whole.replace(",0.", ",7."),
    ):
        table.write_text(text)
        assert visualise(["--device", "cpu"]) == 1
        said = capsys.readouterr().err
        assert "model.folds.csv" in said and "Traceback" not in said


INTERRUPTED = [*OPTIONS, "--epochs", "2", "--folds", "3", "--learning_rate", "0.0001"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A data set, and a model of it with its folds."""
    directory = write_pretrained(tmp_path_factory.mktemp("whole"), train=3, validate=1)
    run = train(directory, *INTERRUPTED, "--save_model", "whole/model")
    assert run.status == 0, run.stderr
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("finished", [1, 3])  # folds; 3: all of them
def test_an_interrupted_run_goes_on_with_the_fold_in_hand(uninterrupted, monkeypatch, finished):
    name = "epoch_end" if finished == 3 else "save_fold"
    epoch_end, seen = getattr(RunFolder, name), []

    def stop(folder, trainer, *result):
        epoch_end(folder, trainer, *result)
        if len(folder.folds["finished"]) == finished:
            seen.append(trainer.epoch)
            raise KeyboardInterrupt

    stopped = f"stopped{finished}"
    options = [*INTERRUPTED, "--save_model", f"{stopped}/model"]
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, name, stop)
        assert train(uninterrupted, *options).status == 130
    run = train(uninterrupted, *options, "--resume")
    assert run.status == 0 and seen == [1], run.stderr
    assert "Fold 1 of 3" not in run.stdout
    tables = [(uninterrupted / each / "model.folds.csv").read_bytes() for each in ("whole", stopped)]
    assert tables[0] == tables[1]
    mine, its = (load_checkpoint(uninterrupted / each / "model") for each in ("whole", stopped))
    assert all(torch.equal(its.weights[name], tensor) for name, tensor in mine.weights.items())
    assert mine.scores == its.scores


@pytest.mark.slow
def test_from_scratch_and_with_a_time_budget(tmp_path):
    write_pretrained(tmp_path, train=2, validate=1)
    scratch = ["--use_model", "squeezenet1_1", "--weights", "none", "--image_size", "32", "--device", "cpu"]
    run = train(tmp_path, *scratch, "--epochs", "1", "--folds", "2")
    assert run.status == 0 and len(read(tmp_path / "model.folds.csv")) == 9, run.stderr
    run = train(tmp_path, *OPTIONS, "--time_budget", "0.2", "--folds", "2")
    assert run.status == 0 and len(read(tmp_path / "model.folds.csv")) == 9, run.stderr


def test_patience_and_too_many_folds_are_refused(tmp_path):
    write_pretrained(tmp_path, train=1, validate=1)
    run = train(tmp_path, *OPTIONS, "--folds", "3", "--patience", "2")
    assert run.status == 2 and "--patience looks at the pictures that --folds holds out" in run.stderr
    run = train(tmp_path, *OPTIONS, "--folds", "7")
    assert run.status == 1 and "cannot be parted into 7 folds; try another --folds" in run.stderr
