"""The report on paper and on a phone, by a real browser."""

import json
import re
import shutil
from collections import Counter

import pytest
import torch
from pypdf import PdfReader

from models.checkpoint import Checkpoint, save_checkpoint
from models.networks import build_network
from reports.pdf import print_page
from tests.browser import measure, needs_browser
from tests.report_set import read, run
from tests.tiny import SHAPES, draw_shape

SIZES = {"A4": (595, 842), "Letter": (612, 792)}


def text_of(pdf):
    """Return the words of a PDF file without blanks, which a printed line may break anywhere."""
    return ["".join(page.extract_text().split()) for page in PdfReader(pdf).pages]


def squeezed(text):
    return "".join(str(text).split())


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A report of 48 classes, which a table of one page does not hold, and of which a block is shown first."""
    directory = tmp_path_factory.mktemp("large")
    classes = [f"species{number:03}" for number in range(48)]
    lineages = {name: ["Root", f"Family {place // 6}", f"Genus of {name}"] for place, name in enumerate(classes)}
    for number, name in enumerate(classes):
        (directory / "validate" / name).mkdir(parents=True)
        for copy in range(2):
            draw_shape(SHAPES[number % 3], 10 * number + copy, 32).save(directory / "validate" / name / f"{copy}.png")
    torch.manual_seed(0)
    weights = build_network("squeezenet1_1", 48, 32).state_dict()
    save_checkpoint(directory / "model", Checkpoint("squeezenet1_1", 32, classes, weights, lineages=lineages))
    options = ["--model", directory / "model", "--validate", directory / "validate", "--output", directory / "o.png"]
    options += ["--report", directory / "report", "--pdf", "Letter", "--data", directory / "none", "--device", "cpu"]
    assert run(*options) == 0
    return directory / "report"


@needs_browser
@pytest.mark.slow
def test_every_class_and_column_is_printed_and_heads_are_repeated(large):
    pages = text_of(large / "report.pdf")
    whole = "".join(pages)
    rows = read(large / "per_class.csv")
    assert len(rows) == 48 and all(squeezed(row["class"]) in whole for row in rows)
    for row in rows:  # F1, the last column, with its interval
        shown = f"{float(row['f1']):.2f}({float(row['f1_low']):.2f}to{float(row['f1_high']):.2f})"
        assert shown in whole
    head = "classpicturesrecallprecisionF1"
    with_rows = [page for page in pages if any(squeezed(f"{row['class']}2") in page for row in rows)]
    assert sum(head in page for page in pages) >= 2 and all(head in page or "takenfor" in page for page in with_rows)
    assert (large / "confusion_block.png").is_file()
    for title in ("Methodsandprovenance", "Picturesbysource", "Thewholematrix", "MayItrustit?"):
        assert title in whole


@needs_browser
@pytest.mark.slow
def test_large_sets_are_named_in_part(large):
    """A random network rules out little: at most 20 names, and dots, whatever the number of classes."""
    rows = read(large / "predictions.csv")
    assert max(int(row["set_size"]) for row in rows) > 20
    for row in rows:
        names, size = row["set"].split(" | "), int(row["set_size"])
        assert len(names) == min(size, 21) and (names[-1] == "…") == (size > 20)
        assert row["answer_1"] in names
        assert row["set_holds_actual"] == "1" or row["actual"] not in names


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("paper", SIZES)
def test_paper_has_its_size_and_pictures_are_whole(report_set, tmp_path, paper):
    shutil.copytree(report_set / "report", tmp_path / "report")
    pdf = print_page(tmp_path / "report" / "report.html", paper)
    pages = PdfReader(pdf).pages
    assert {tuple(round(float(side)) for side in page.mediabox[2:]) for page in pages} == {SIZES[paper]}
    assert len(pages) < 15 and not list((tmp_path / "report").glob(".*.html"))
    sources = Counter(re.findall(r'<img src="([^"]+)"', (tmp_path / "report" / "report.html").read_text("utf-8")))
    drawn = [{hash(each.data) for each in page.images} for page in pages]
    assert len(set().union(*drawn)) == len(sources)
    once = sum(count == 1 for count in sources.values())  # and on one page, since none is cut by the end of it
    assert sum(count == 1 for count in Counter(each for page in drawn for each in page).values()) >= once
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    first = summary["splits"]["validate"]
    front = text_of(pdf)[0]
    assert f"{first['accuracy']['part']}of{first['pictures']}" in front and "howsplit" in front


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_on_a_screen_every_column_can_be_reached_and_no_row_is_cut(report_set, large, width):
    for page in (report_set / "report" / "report.html", large / "report.html"):
        found = measure(page, width)
        assert found["width"] <= width and found["inner"] == [] and found["cut"] == 0
        assert len(found["tables"]) > 3
        for table in found["tables"]:
            assert table["reach"] and table["hint"] == table["wide"]
        assert any(table["wide"] for table in found["tables"]) == (width < 400)


@needs_browser
@pytest.mark.slow
def test_endless_words_do_not_widen_the_page(large, tmp_path):
    """Such as the hash of the data set in the paragraph for a paper, or names of taxa, of which nothing is known."""
    text = (large / "report.html").read_text(encoding="utf-8").replace("species003", "species" + 300 * "x")
    assert "The software was" in text and "xxx" in text
    page = tmp_path / "page.html"
    page.write_text(text.replace("The software was", 64 * "f" + " The software was"), encoding="utf-8")
    assert measure(page, 390)["width"] <= 390


@pytest.mark.slow
def test_without_a_browser_it_is_said_what_to_do(report_set, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("reports.pdf.find_browser", lambda: None)
    options = ["--model", report_set / "model", "--validate", report_set / "test", "--output", tmp_path / "o.png"]
    assert run(*options, "--report", tmp_path / "r", "--pdf", "--device", "cpu", "--data", tmp_path / "none") == 1
    error = capsys.readouterr().err
    assert "no Chromium, Chrome or Edge" in error and "report.html in a browser" in error
    assert (tmp_path / "r" / "report.html").is_file()


@pytest.mark.parametrize("options", [["--pdf"], ["--images", ".", "--report", "r", "--pdf", "A4"]])
def test_there_is_nothing_to_print_without_a_report(options, capsys):
    with pytest.raises(SystemExit) as ended:
        run(*options)
    assert ended.value.code == 2 and "--pdf " in capsys.readouterr().err
