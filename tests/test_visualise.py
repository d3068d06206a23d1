"""The results as a user sees them: test.png and what is printed, from a model made here."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import visualise_results
from evaluation.predictions import Answers
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from models.networks import build_network
from reports.grid import LINE_LETTERS, NAME_LETTERS, choose, draw_grid, shorten, wrap
from tests.tiny import SHAPES, draw_shape, write_image_folders


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A directory with validate/ and a model that answers by chance."""
    directory = write_image_folders(tmp_path_factory.mktemp("results"), train=1, validate=5)
    torch.manual_seed(0)
    lineages = {"ring": ["Root", "Rings of a very long name that goes on and on and on and on"]}
    weights = build_network("vgg11_adaptive", 3, 40).state_dict()
    save_checkpoint(directory / "model", Checkpoint("vgg11_adaptive", 40, sorted(SHAPES), weights, lineages=lineages))
    return directory


def visualise(capsys, *arguments):
    """Run the script in this process; give its status, what it printed, and what it complained of."""
    try:
        status = visualise_results.main([str(argument) for argument in arguments])
    except SystemExit as error:
        status = error.code
    return status, *capsys.readouterr()


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


@pytest.mark.parametrize("number, cells", [(1, 1), (2, 2), (15, 15), (400, 15)])
def test_any_number_of_pictures(directory, capsys, tmp_path, number, cells):
    options = ["--model", directory / "model", "--validate", directory / "validate", "--num_images", number]
    status, out, _ = visualise(capsys, *options, "--output", tmp_path / "grid.png")
    assert status == 0 and f": {cells} pictures" in out and (tmp_path / "grid.png").stat().st_size > 5000


def test_right_and_wrong_differ_without_colour(tmp_path):
    path = tmp_path / "disc.png"
    draw_shape("disc", 0).save(path)
    for name, actual in (("right", 0), ("wrong", 1)):
        answers = Answers([path], Taxonomy([["disc"], ["ring"]]), np.array([actual]), np.array([[0.8, 0.2]]))
        draw_grid(tmp_path / f"{name}.png", answers, np.array([0]))
    right, wrong = (Image.open(tmp_path / f"{name}.png").convert("L") for name in ("right", "wrong"))
    height = right.height // 8
    above = [np.asarray(picture.crop((0, 0, picture.width, height))) < 160 for picture in (right, wrong)]
    assert above[1].sum() > 1.2 * above[0].sum()  # "✗ wrong:" in place of "✓", in grey too


def test_long_names_are_broken_into_lines_that_fit_their_cell(directory, tmp_path):
    name = "Verylongfamilynamewithoutanyblank" * 4
    assert max(map(len, wrap(f"actual: {name}").splitlines())) <= LINE_LETTERS
    path = next((directory / "validate" / "disc").iterdir())
    answers = Answers([path] * 4, Taxonomy([[name], [name[::-1]]]), np.array([0, 1, 0, 1]), np.full((4, 2), 0.5))
    draw_grid(tmp_path / "long.png", answers, np.arange(4))
    border = np.asarray(Image.open(tmp_path / "long.png").convert("L"))
    assert border[:, [0, -1]].min() > 250 and border[[0, -1]].min() > 250  # nothing is cut by the edge


def drawn_answers(count, classes=4):
    """Answers on pictures that are never opened, drawn by chance; the classes' taxonomic order is 2, 0, 3, 1."""
    random = np.random.default_rng(0)
    taxonomy = Taxonomy([["B", "b"], ["D", "d"], ["A", "a"], ["C", "c"]])
    probabilities = random.dirichlet(np.ones(classes), count)
    return Answers([Path("none")] * count, taxonomy, random.integers(0, classes, count), probabilities)


def test_the_choice_is_seeded():
    answers = drawn_answers(100)
    assert (choose(answers, 12, "random", 5) == choose(answers, 12, "random", 5)).all()
    assert set(choose(answers, 12, "random", 5)) != set(choose(answers, 12, "random", 6))
    assert sorted(choose(drawn_answers(3), 12, "random")) == [0, 1, 2]


@pytest.mark.parametrize("select", ["random", "worst", "best", "uncertain"])
def test_pictures_stand_in_taxonomic_order(select):
    answers = drawn_answers(50)
    chosen = choose(answers, 20, select)
    place = [[2, 0, 3, 1].index(answers.actual[index]) for index in chosen]
    assert len(set(chosen)) == 20 and place == sorted(place) and len(set(place)) == 4


def test_worst_best_and_uncertain_are_what_they_say():
    answers = drawn_answers(50)
    given = answers.probabilities[np.arange(50), answers.actual]
    top = np.sort(answers.probabilities, axis=1)
    assert set(choose(answers, 7, "worst")) == set(np.argsort(given)[:7])
    assert set(choose(answers, 7, "best")) == set(np.argsort(given)[-7:])
    assert set(choose(answers, 7, "uncertain")) == set(np.argsort(top[:, -1] - top[:, -2])[:7])


def test_a_long_file_name_keeps_its_end():
    name = "Syracosphaera_" * 9 + "65p.jpg"
    assert len(shorten(name)) <= NAME_LETTERS and shorten(name).endswith("65p.jpg") and shorten("a.jpg") == "a.jpg"


def test_faults_of_the_user_end_with_one_sentence_and_write_nothing(directory, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "other" / "cube").mkdir(parents=True)
    (tmp_path / "text").write_text("no model")
    before = sorted(tmp_path.rglob("*"))
    model, validate = ["--model", directory / "model"], ["--validate", directory / "validate"]
    cases = [
        (1, "there is no file model", validate),
        (1, "text is no file of tensors", ["--model", "text", *validate]),
        (1, "there is no directory nowhere", [*model, "--validate", "nowhere"]),
        (1, "empty holds no classes", [*model, "--validate", "empty"]),
        (1, "has the class cube, which is none of the 3 classes", [*model, "--validate", "other"]),
        (1, "there is no directory lost", [*model, "--images", "lost"]),
        (1, "there is no directory data, where --age looks up", [*model, "--images", "empty", "--age", "3"]),
        (2, "a whole number above 0", ["--num_images", "0"]),
        (2, "invalid choice: 'nicest'", ["--select", "nicest"]),
        (2, "a number between 0 and 1 is needed", ["--confidence", "1"]),
        (2, "a number between 0 and 1 is needed", ["--confidence", "nan"]),
        (2, "--age goes with --images", ["--age", "12.5"]),
    ]
    for status, sentence, arguments in cases:
        result = visualise(capsys, *arguments)
        assert result[0] == status and sentence in result[2].strip().splitlines()[-1], result
    assert sorted(tmp_path.rglob("*")) == before


def test_an_output_of_unknown_kind_is_refused(directory, tmp_path, capsys):
    options = ["--model", directory / "model", "--validate", directory / "validate"]
    status, _, err = visualise(capsys, *options, "--output", tmp_path / "test.nonsense")
    assert status == 1 and "nonsense" in err and not list(tmp_path.iterdir())
