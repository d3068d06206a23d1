"""The results as a user sees them: test.png and what is printed, from a model made here."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import visualise_results
from evaluation.figures import shorten
from evaluation.predictions import LabelledPredictions
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from models.networks import build_network
from reports.grid import FILE_LETTERS, choose, draw_grid
from reports.settings import GRID_FORMATS
from tests.tiny import SHAPES, draw_shape, write_image_folders


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A directory with validate/ and a model that predicts by chance."""
    directory = write_image_folders(tmp_path_factory.mktemp("results"), train=1, validate=5)
    torch.manual_seed(0)
    lineages = {"ring": ["Root", "Rings of a very long name that goes on and on and on and on"]}
    weights = build_network("mnasnet0_5", 3, 40).state_dict()
    save_checkpoint(directory / "model", Checkpoint("mnasnet0_5", 40, sorted(SHAPES), weights, lineages=lineages))
    return directory


def visualise(capsys, *arguments):
    """Run the script in this process; return its status, what it printed, and what it complained of."""
    try:
        status = visualise_results.main([str(argument) for argument in arguments])
    except SystemExit as error:
        status = error.code
    return status, *capsys.readouterr()


@pytest.mark.slow
def test_it_draws_test_png_and_prints_what_is_right(directory, capsys, monkeypatch):
    monkeypatch.chdir(directory)
    status, out, _ = visualise(capsys)
    assert status == 0
    with Image.open("test.png") as picture:
        picture.load()
        assert picture.width > 900 and picture.height > 600
    right, count = map(int, re.search(r"(\d+) of (\d+) pictures are right", out).groups())
    assert count == 15 and f"accuracy {right / 15:.1%}" in out
    by_class = [line.rsplit(None, 3) for line in out.splitlines()[1:4]]
    assert [row[1] for row in by_class] == ["5", "5", "5"]
    assert sum(int(row[2].rstrip("%")) * 5 / 100 for row in by_class) == pytest.approx(right, abs=0.1)
    assert "Wrote test.png: 12 pictures" in out


@pytest.mark.slow
def test_the_printed_accuracy_is_the_models(directory, capsys):
    model = load_checkpoint(directory / "model")
    pictures = np.stack([np.asarray(draw_shape(shape, 1000 + n)) for shape in model.classes for n in range(5)])
    inputs = model.normalisation.apply(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    with torch.no_grad():
        right = (model.network()(inputs).argmax(1) == torch.arange(3).repeat_interleave(5)).sum().item()
    _, out, _ = visualise(
        capsys, "--model", directory / "model", "--validate", directory / "validate", "--output", directory / "o.png"
    )
    assert f"{right} of 15 pictures are right" in out


@pytest.mark.slow
@pytest.mark.parametrize("number, cells", [(1, 1), (2, 2), (400, 15)])
def test_any_number_of_pictures(directory, capsys, tmp_path, number, cells):
    options = ["--model", directory / "model", "--validate", directory / "validate", "--num_images", number]
    status, out, _ = visualise(capsys, *options, "--output", tmp_path / "grid.png")
    assert status == 0 and f": {cells} pictures" in out and (tmp_path / "grid.png").stat().st_size > 5000


def test_right_and_wrong_differ_without_colour(tmp_path):
    path = tmp_path / "disc.png"
    draw_shape("disc", 0).save(path)
    for name, actual in (("right", 0), ("wrong", 1)):
        taxonomy, probabilities = Taxonomy([["disc"], ["ring"]]), np.array([[0.8, 0.2]])
        predictions = LabelledPredictions([path], taxonomy, np.array([actual]), probabilities)
        draw_grid(tmp_path / f"{name}.png", predictions, np.array([0]))
    right, wrong = (Image.open(tmp_path / f"{name}.png").convert("L") for name in ("right", "wrong"))
    height = right.height // 8
    above = [np.asarray(picture.crop((0, 0, picture.width, height))) < 160 for picture in (right, wrong)]
    assert above[1].sum() > 1.2 * above[0].sum()  # "✗ wrong:" in place of "✓", in grey too


def test_long_names_fit_their_cell(directory, tmp_path):
    name = "Verylongfamilynamewithoutanyblank" * 4
    path = next((directory / "validate" / "disc").iterdir())
    taxonomy = Taxonomy([[name], [name[::-1]]])
    predictions = LabelledPredictions([path] * 4, taxonomy, np.array([0, 1, 0, 1]), np.full((4, 2), 0.5))
    draw_grid(tmp_path / "long.png", predictions, np.arange(4))
    border = np.asarray(Image.open(tmp_path / "long.png").convert("L"))
    assert border[:, [0, -1]].min() > 250 and border[[0, -1]].min() > 250  # nothing is cut by the edge


def drawn_predictions(count, classes=4):
    """Return random predictions of images that are never opened; the classes' taxonomic order is 2, 0, 3, 1."""
    random = np.random.default_rng(0)
    taxonomy = Taxonomy([["B", "b"], ["D", "d"], ["A", "a"], ["C", "c"]])
    probabilities = random.dirichlet(np.ones(classes), count)
    return LabelledPredictions([Path("none")] * count, taxonomy, random.integers(0, classes, count), probabilities)


def test_the_choice_is_seeded():
    predictions = drawn_predictions(100)
    assert (choose(predictions, 12, "random", 5) == choose(predictions, 12, "random", 5)).all()
    assert set(choose(predictions, 12, "random", 5)) != set(choose(predictions, 12, "random", 6))
    assert sorted(choose(drawn_predictions(3), 12, "random")) == [0, 1, 2]


@pytest.mark.parametrize("select", ["random", "worst", "best", "uncertain"])
def test_pictures_stand_in_taxonomic_order(select):
    predictions = drawn_predictions(50)
    chosen = choose(predictions, 20, select)
    place = [[2, 0, 3, 1].index(predictions.actual[index]) for index in chosen]
    assert len(set(chosen)) == 20 and place == sorted(place) and len(set(place)) == 4


def test_worst_best_and_uncertain_are_what_they_say():
    predictions = drawn_predictions(50)
    given = predictions.probabilities[np.arange(50), predictions.actual]
    top = np.sort(predictions.probabilities, axis=1)
    assert set(choose(predictions, 7, "worst")) == set(np.argsort(given)[:7])
    assert set(choose(predictions, 7, "best")) == set(np.argsort(given)[-7:])
    assert set(choose(predictions, 7, "uncertain")) == set(np.argsort(top[:, -1] - top[:, -2])[:7])


def test_a_long_file_name_keeps_its_end():
    name = "Syracosphaera_" * 9 + "65p.jpg"
    short = shorten(name, FILE_LETTERS)
    assert len(short) <= FILE_LETTERS and short.endswith("65p.jpg") and shorten("a.jpg") == "a.jpg"


def test_faults_of_the_user_end_with_one_sentence_and_write_nothing(directory, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "other" / "cube").mkdir(parents=True)
    draw_shape("bar", 0).save(tmp_path / "other" / "cube" / "cube.png")
    (tmp_path / "text").write_text("no model")
    for file in ("written/report.html", "answers/assemblage.csv"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    before = sorted(tmp_path.rglob("*"))
    model, validate = ["--model", directory / "model"], ["--validate", directory / "validate"]
    cases = [
        (1, "there is no model file model: run train_classifier.py first; try another --model", validate),
        (1, "text is not a file of tensors", ["--model", "text", *validate]),
        (
            1,
            "there is no directory nowhere; prepare_image_model.py makes it; try another --validate",
            [*model, "--validate", "nowhere"],
        ),
        (1, "empty holds no classes", [*model, "--validate", "empty"]),
        (1, "has the class cube, which is not one of the 3 known", [*model, "--validate", "other"]),
        (1, "there is no directory lost; try another --images", [*model, "--images", "lost"]),
        (1, "written holds a report, and the answers", [*model, "--images", "empty", "--report", "written"]),
        (1, "answers holds answers on own pictures", [*model, *validate, "--report", "answers"]),
        (1, "there is no device xpu", [*model, *validate, "--device", "xpu"]),
        (2, "must be the name of a device", [*model, *validate, "--device", "abacus"]),
        (1, "there is no directory data, where the ages of taxa", [*model, "--images", "empty", "--age", "3"]),
        (2, "a whole number of 1 or more", ["--num_images", "0"]),
        (2, "--seed: must be a whole number of 0 or more, not '-1'", ["--seed", "-1"]),
        (2, "invalid choice: 'nicest'", ["--select", "nicest"]),
        (2, "must be a number between 0 and 1", ["--confidence", "1"]),
        (2, "must be a number between 0 and 1", ["--confidence", "nan"]),
        (2, "--age goes with --images", ["--age", "12.5"]),
        (2, "--output must end in one of .png, .jpg", [*model, *validate, "--output", "test.nonsense"]),
    ]
    for status, sentence, arguments in cases:
        result = visualise(capsys, *arguments)
        assert result[0] == status and sentence in result[2].strip().splitlines()[-1], result
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (0, ["--help"]),
        (0, ["--version"]),
        (2, ["--select", "nicest"]),
        (2, ["--output", "a.b"]),
        (1, ["--model", "no"]),
    ],
)
def test_help_and_mistakes_do_not_wait_for_torch(status, arguments, tmp_path):
    script = Path(visualise_results.__file__)
    run = subprocess.run(
        [sys.executable, "-X", "importtime", script, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time:")}
    assert run.returncode == status and "argparse" in imported
    assert not imported & {"torch", "numpy", "scipy", "sklearn", "matplotlib", "PIL"}


@pytest.mark.slow
def test_every_format_that_is_offered_can_be_written(directory, tmp_path):
    path = next((directory / "validate" / "disc").iterdir())
    predictions = LabelledPredictions([path], Taxonomy([["disc"], ["ring"]]), np.array([0]), np.array([[0.8, 0.2]]))
    for kind in GRID_FORMATS:
        draw_grid(tmp_path / f"grid.{kind}", predictions, np.array([0]), kind)
        assert (tmp_path / f"grid.{kind}").stat().st_size > 1000


@pytest.mark.slow
def test_files_with_odd_names_are_shown_and_written(directory, tmp_path):
    """A name that is not UTF-8, with a line break and a backslash, in grid, tables and page."""
    shutil.copytree(directory / "validate", tmp_path / "validate")
    odd = os.path.join(os.fsencode(tmp_path), b"validate/disc/not utf-8 \xff $x_\n\\.png")  # noqa: PTH118 - bytes
    draw_shape("disc", 7).save(odd)
    options = ["--model", directory / "model", "--validate", tmp_path / "validate", "--num_images", "99"]
    options += ["--output", tmp_path / "test.png", "--report", tmp_path / "report", "--device", "cpu"]
    assert visualise_results.main([*map(str, options), "--data", str(tmp_path / "none")]) == 0
    with (tmp_path / "report" / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        files = {row["file"] for row in csv.DictReader(file)}
    assert len(files) == 16 and r"validate/disc/not utf-8 \udcff $x_\n\\.png" in files
