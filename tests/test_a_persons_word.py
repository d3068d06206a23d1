"""Corrections of own pictures: a person's word wins, one rule counts, and what nobody can mean is refused."""

import csv
import re
from collections import Counter

import numpy as np
import openpyxl
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

import visualise_results
from common.corrections import Correction
from evaluation.taxonomy import Taxonomy
from models.checkpoint import save_checkpoint
from reports.assemblage import wide_rows
from reports.own_summary import what_it_is
from reports.person import Titles, apply_corrections
from reports.prediction_table import COLUMNS
from reports.verify import verification_order, verified_shares
from tests.report_set import trained_checkpoint
from tests.tiny import draw_shape

TREE = Taxonomy([["R", "Fam", "Aus", "Aus bus"], ["R", "Fam", "Aus", "Aus cus"], ["R", "Gam", "Dus"]])


def run(*arguments):
    try:
        return visualise_results.main([str(argument) for argument in arguments])
    except SystemExit as error:
        return error.code


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model"
    checkpoint = trained_checkpoint()
    checkpoint.calibration = {"confusion": torch.eye(3).long() * 20}
    save_checkpoint(path, checkpoint)
    return path


@pytest.fixture
def own(tmp_path, model):
    """Twelve pictures in two samples, and what names them."""
    for number in range(12):
        folder = tmp_path / "own" / f"core {number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        draw_shape("disc" if number < 8 else "bar", number).save(folder / f"shot {number}.png")
    return ["--images", tmp_path / "own", "--model", model, "--report", tmp_path / "out", "--device", "cpu"]


def correct(tmp_path, *rows, head="file,label,note"):
    path = tmp_path / "corrections.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return ["--corrections", path]


@pytest.mark.slow
def test_a_persons_word_wins_and_all_tables_tell_one_story(own, tmp_path, capsys):
    assert run(*own) == 0
    before = {row["file"]: row for row in table(tmp_path / "out" / "predictions.csv")}
    rows = ["core 0/shot 0.png,bar,seen", "shot 1.png,Round,", "core 0\\shot 2.png,DROP,broken"]
    rows += ["core 1/shot 3.png,Emiliania huxleyi,", "core 1/shot 5.png,unknown,"]
    assert run(*own, *correct(tmp_path, *rows)) == 0
    said = capsys.readouterr().out
    assert "A person has checked 5 pictures" in said and "put right: 4; pictures dropped from all counts: 1" in said
    assert "The model knows no taxon of these names" in said and "Each picture counts once, as its answer" in said
    after = {row["file"]: row for row in table(tmp_path / "out" / "predictions.csv")}
    wanted = {"core 0/shot 0.png": "Bar", "core 1/shot 1.png": "Round indet.", "core 0/shot 2.png": ""}
    wanted |= {"core 1/shot 3.png": "Emiliania huxleyi", "core 1/shot 5.png": "unknown"}
    for file, row in after.items():
        assert row["answer"] == wanted.get(file, before[file]["answer"])
        assert row["checked"] == ("" if file not in wanted else "yes" if wanted[file] else "dropped")
        assert row["model_answer"] == before[file]["answer"] and row["first"] == before[file]["first"]
    counted = Counter((row["sample"], row["answer"]) for row in after.values() if row["answer"])
    long = table(tmp_path / "out" / "assemblage.csv")
    assert {(row["sample"], row["taxon"]): int(row["count"]) for row in long} == counted
    for row in long:
        total = sum(count for (sample, _), count in counted.items() if sample == row["sample"])
        share = binomtest(int(row["count"]), total).proportion_ci(method="wilson")
        cells = [float(row[name]) for name in ("share", "share_low", "share_high")]
        assert cells == pytest.approx([int(row["count"]) / total, share.low, share.high], abs=1e-4)
    corrected = table(tmp_path / "out" / "corrected_shares.csv")  # a person's word counts there as well
    said_so = Counter((after[file]["sample"], answer) for file, answer in wanted.items() if answer)
    assert said_so == {(row["sample"], row["taxon"]): int(row["counted"]) for row in corrected if row["counted"] != "0"}
    for sample in ("core 0", "core 1"):
        of_sample = [row for row in corrected if row["sample"] == sample]
        assert sum(int(row["counted"]) + int(row["likeliest"]) for row in of_sample) == 6 - (sample == "core 0")
        assert sum(float(row["corrected"]) for row in of_sample) == pytest.approx(1, abs=1e-3)
    wide = table(tmp_path / "out" / "assemblage_wide.csv")
    assert {
        (row["sample"], taxon): int(row[taxon])
        for row in wide[:-1]
        for taxon in row
        if taxon not in ("sample", "total")
    } == {
        (sample, taxon): counted[sample, taxon] for sample in ("core 0", "core 1") for taxon in {t for _, t in counted}
    }
    assert (wide[-1]["sample"], wide[-1]["total"]) == ("total", "11") and list(wide[0])[-2] == "unknown"
    book = openpyxl.load_workbook(tmp_path / "out" / "assemblage.xlsx")
    assert [cell.value for cell in book["counts"][4]] == [
        int(cell) if cell.isdigit() else cell for cell in wide[-1].values()
    ]
    for sheet, rows in (("long", long), ("corrected", corrected)):
        head, *lines = [[cell.value for cell in line] for line in book[sheet].iter_rows()]
        assert head == list(rows[0])
        assert [[str(cell or 0) for cell in line] for line in lines] == [
            [cell if cell not in ("", "0.0") else "0" for cell in row.values()] for row in rows
        ]
    head, *lines = [[cell.value for cell in line] for line in book["shares"].iter_rows()]
    shares = {(line[0], taxon): share for line in lines for taxon, share in zip(head[1:], line[1:], strict=True)}
    assert {key: share for key, share in shares.items() if share} == {
        (row["sample"], row["taxon"]): float(row["share"]) for row in long
    }
    assert run(*own) == 0  # without corrections it is the model's again
    again = {row["file"]: row for row in table(tmp_path / "out" / "predictions.csv")}
    assert again == before


def test_answers_as_particletrieur_takes_them(own, tmp_path):
    assert (
        run(*own, *correct(tmp_path, "core 0/shot 0.png,Round,", "core 0/shot 2.png,drop,", "core 0/shot 4.png,Bar,"))
        == 0
    )
    rows = {row["short_filename"]: row for row in table(tmp_path / "out" / "answers_particletrieur.csv")}
    assert list(rows["shot 0.png"]) == ["filename", "short_filename", "sample", "class_index", "class", "score"]
    assert len(rows) == 11 and "shot 2.png" not in rows
    assert rows["shot 4.png"] == {
        "filename": (tmp_path / "own" / "core 0" / "shot 4.png").as_posix(),
        **{"short_filename": "shot 4.png", "sample": "core 0", "class_index": "0", "class": "Bar", "score": "1.0000"},
    }
    assert (rows["shot 0.png"]["class_index"], rows["shot 0.png"]["class"]) == ("-1", "Round indet.")
    first = {row["file"]: row for row in table(tmp_path / "out" / "predictions.csv")}["core 1/shot 1.png"]
    assert rows["shot 1.png"]["class"] == first["answer"] and rows["shot 1.png"]["score"] == first["first_probability"]
    assert not (tmp_path / "out" / "answers_particletrieur.csv").read_bytes().startswith(b"\xef")


HEAD = "file,label,note"


@pytest.mark.parametrize(
    "rows, head, said",
    [
        (
            ["core 0/shot 99.png,Bar,"],
            HEAD,
            "name core 0/shot 99.png, and no picture of that name was read; did you mean",
        ),
        (["shot 1.png,Bar,", "core 1/shot 1.png,Disc,"], HEAD, "are one picture with two labels, Bar and Disc"),
        (["core 1/shot 1.png,,"], HEAD, "line 2: its label is empty"),
        (['core 1/shot 1.png,"Bar,'], HEAD, "line 2 cannot be read"),
        (
            ["core 1/shot 1.png,Bar"],
            "picture,taxon",
            "needs the columns file (or URL) and label; it has picture, taxon",
        ),
    ],
)
def test_broken_corrections_are_refused_with_a_sentence(own, tmp_path, capsys, rows, head, said):
    assert run(*own, *correct(tmp_path, *rows, head=head)) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert said in error and error.startswith("visualise_results.py: ")


def test_a_workbook_is_refused_as_corrections(own, tmp_path, capsys):
    (tmp_path / "c.xlsx").write_bytes(b"PK\x03\x04 workbook")
    assert run(*own, "--corrections", tmp_path / "c.xlsx") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be read as corrections: it is a workbook; save the sheet as CSV UTF-8" in error


@pytest.mark.slow
@pytest.mark.parametrize("how", ["answer", "probability", "class", "semicolons", "mark"])
def test_a_table_of_answers_that_was_changed_is_refused(own, tmp_path, capsys, how):
    assert run(*own) == 0
    path = tmp_path / "out" / "predictions.csv"
    text = path.read_text(encoding="utf-8")
    changes = {
        "answer": lambda: text.replace(",Disc,", ",Bar,", 1),
        "probability": lambda: re.sub(r"0\.\d{4}", "many", text, count=1),
        "class": lambda: text.replace(",Bar,", ",Foo,"),
        "semicolons": lambda: text.replace(",", ";").replace("\n", "\r\n"),
        "mark": lambda: text.removeprefix("\ufeff"),
    }
    path.write_text(changes[how](), encoding="utf-8")
    changed = path.read_bytes()
    assert run(*own) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "predictions.csv was" in error and "as corrections" in error and path.read_bytes() == changed


@pytest.mark.parametrize(
    "label, title",
    [
        ("aus BUS", "Aus bus"),
        ("Aus", "Aus sp."),
        ("Aus sp.", "Aus sp."),
        ("Fam", "Fam indet."),
        ("Indet.", "indet."),
        ("d", "Dus"),
    ],
)
def test_a_label_is_the_row_that_the_model_would_count(label, title):
    assert Titles(TREE, TREE.names, ["a", "b", "d"]).find(label) == title


def test_taxa_of_the_names_of_columns_stay_apart():
    rows = [{"sample": "s", "taxon": taxon, "count": 2} for taxon in ("sample", "total", "Aus")]
    columns, (row, total) = wide_rows(rows)
    assert columns == ["sample", "Aus", "sample (taxon)", "total (taxon)", "total"]
    assert row == {"sample": "s", "Aus": 2, "sample (taxon)": 2, "total (taxon)": 2, "total": 6} and total["total"] == 6


def rows_of(count, checked):
    """Return rows of one sample: the model is right in three of four, and a person has checked some of them."""
    rows = []
    for number in range(count):
        truth = "ab"[number % 3 == 0]
        first = truth if number % 4 else "a"
        row = dict.fromkeys(COLUMNS, "") | {
            "sample": "s",
            "file": f"s/{number}",
            "model_answer": first,
            "answer": first,
        }
        row |= {"first": first, "first_probability": "0.8000", "model_answer_probability": "0.8000"}
        rows.append(row)
    for row in verification_order(rows, 0)[:checked]:
        row |= {"answer": "ab"[int(row["file"][2:]) % 3 == 0], "checked": "yes"}
    return rows


def by_hand(rows, count, taxon):
    """Compute a share and its 95 % interval from its definition, with NumPy and scipy (PPI++, then Wilson's)."""
    said = np.array([row["answer"] == taxon for row in rows[:count]], dtype=float)
    model = np.array([0.8 * (row["model_answer"] == taxon) for row in rows])
    there, others = model[:count], model[count:]
    power = np.cov(said, there, ddof=0)[0, 1] / ((1 + count / len(others)) * np.var(model, ddof=1))
    left = said - power * there
    share = left.mean() + power * others.mean()
    # Beside the pictures lies a tenth of each kind: of the taxon or not, predicted so or not.
    padded = np.concatenate([left, [1, 0, 1 - power, -power]]), [1.0] * count + [0.1] * 4
    own = np.cov(padded[0], aweights=padded[1], ddof=0) / sum(padded[1])
    alone = np.cov([*said, 1, 0, 1, 0], aweights=padded[1], ddof=0) / sum(padded[1])
    size = count * alone / (own + power**2 * others.var() / len(others))
    interval = [
        brentq(lambda p, z=z: share - p + z * (p * (1 - p) / size) ** 0.5, 0, 1) for z in norm.ppf((0.025, 0.975))
    ]
    return share, min(interval), max(interval)


def test_the_random_sample_is_what_was_checked_in_order():
    assert verified_shares(rows_of(100, 9), ["a", "b"], 0) is None
    rows = rows_of(100, 40)
    verified = verified_shares(rows, ["a", "b"], 0)
    assert verified.checked == 40 and 0.5 < verified.shares["a"][0] < 0.8
    assert verified.shares["a"] == pytest.approx(by_hand(verification_order(rows, 0), 40, "a"), abs=1e-9)
    later = next(row for row in verification_order(rows, 0) if not row["checked"])
    skipped = verification_order(rows, 0)[60]
    skipped |= {"checked": "yes", "answer": "b"}  # chosen, and not by chance: it tells nothing of the others
    assert later is not skipped and verified_shares(rows, ["a", "b"], 0) == verified
    all_of_few = verified_shares(rows_of(5, 5), ["a", "b"], 0)
    assert all_of_few.checked == 5 and all_of_few.shares["b"][0] == pytest.approx(2 / 5)


@pytest.mark.slow
def test_pictures_are_sorted_by_answer_and_again(own, tmp_path, capsys):
    into = tmp_path / "own" / "sorted"  # within the pictures' folder: what lies there is not named again
    for more in ([], correct(tmp_path, "core 0/shot 0.png,A/B: c?,", "core 0/shot 2.png,drop,")):
        assert run(*own, "--sort_into", into, *more) == 0
        rows = {row["file"]: row for row in table(tmp_path / "out" / "predictions.csv") if row["answer"]}
        placed = {row["file"]: row for row in table(into / "sorted.csv")}
        assert {file: row["answer"] for file, row in rows.items()} == {
            file: row["answer"] for file, row in placed.items()
        }
        for file, row in placed.items():
            assert (into / row["place"]).read_bytes() == (tmp_path / "own" / file).read_bytes()
        assert sum(path.is_file() for path in into.rglob("*")) == len(rows) + 1
    assert (into / "A_B_ c_" / "core 0" / "shot 0.png").is_file()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    assert run(*own, "--sort_into", tmp_path / "mine") == 1
    assert "holds files that are not of an earlier run" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"


def test_a_single_picture_is_named(own, tmp_path, capsys):
    one = tmp_path / "own" / "core 0" / "shot 0.png"
    assert run("--images", one, *own[2:]) == 0
    said = capsys.readouterr().out
    assert "Classified 1 picture, 0 of" in said and "a page to check the picture:" in said
    (row,) = table(tmp_path / "out" / "predictions.csv")
    assert (row["sample"], row["file"]) == (".", "shot 0.png")
    likeliest = ", ".join(
        f"{row[name]} ({float(row[f'{name}_probability']):.0%})" for name in ("first", "second", "third")
    )
    probability = f"{float(row['answer_probability']):.0%}"
    assert (
        f"shot 0.png is {row['first']}, with a probability of {probability}. The likeliest classes: {likeliest}."
        in said
    )
    (answer,) = table(tmp_path / "out" / "answers_particletrieur.csv")
    assert (answer["filename"], answer["sample"]) == (one.as_posix(), "core 0")


@pytest.mark.parametrize(
    "answer, checked, said",
    [
        ("unknown", "", "is unknown, since it is unlike all training pictures."),
        ("indet.", "", "is indeterminate, since the classes that stay possible have no taxon in common."),
        ("Fam indet.", "", "is Fam indet., with a probability of 91%."),
        ("Bar", "yes", "is Bar, as a person said."),
        ("", "dropped", "is dropped, as a person said."),
    ],
)
def test_it_is_said_what_a_picture_is(answer, checked, said):
    row = dict.fromkeys(COLUMNS, "") | {"file": "a.png", "answer": answer, "checked": checked}
    row |= {"answer_probability": "0.9123", "first": "Bar", "first_probability": "0.5049"}
    assert what_it_is(row) == f"a.png {said} The likeliest classes: Bar (50%)."


def test_a_single_file_that_is_no_picture_is_refused(own, tmp_path, capsys):
    (tmp_path / "notes.png").write_text("no picture")
    assert run("--images", tmp_path / "notes.png", *own[2:]) == 1
    assert "1 file could not be read" in capsys.readouterr().out


@pytest.mark.parametrize("option", [["--select", "worst"], ["--num_images", "3"], ["--output", "a.png"]])
def test_options_of_the_grid_are_refused_with_images(own, capsys, option):
    assert run(*own, *option) == 2
    assert f"{option[0]} is of the grid of labelled pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [["--verify", "3"], ["--corrections", "c.csv"], ["--sort_into", "d"], ["--age", "3"]]
)
def test_options_of_own_pictures_are_refused_without_images(capsys, option):
    assert run(*option) == 2
    assert f"{option[0]} goes with --images" in capsys.readouterr().err


def test_no_number_of_the_tables_is_rounded_by_a_spreadsheet(own, tmp_path):
    """Each cell that a spreadsheet takes for a number has at most 15 digits, and no power of ten."""
    assert run(*own) == 0
    for path in (tmp_path / "out").glob("*.csv"):
        for row in table(path):
            for cell in row.values():
                try:
                    float(cell)
                except ValueError:
                    continue
                assert re.fullmatch(r"-?\d+(\.\d+)?", cell) and sum(map(str.isdigit, cell)) <= 15, (path, cell)


def test_a_name_that_the_model_does_not_know_is_told_in_one_sentence():
    rows = [{"file": "a.png", "model_answer": "Bar", "model_answer_probability": "0.9"}]
    titles = Titles(Taxonomy([("Bar",), ("Disc",)]), ["Bar", "Disc"], ["bar", "disc"])
    said = apply_corrections(rows, [Correction("a.png", "Barr")], titles)
    assert said[0].startswith("A person has checked 1 picture. ")
    assert said[1].endswith("written: Barr (did you mean Bar?).")
    said = apply_corrections(rows, [Correction("a.png", 200_000 * "x")], titles)
    assert len(said[1]) < 400
