"""Reports on what users really have: odd names, tables edited by hand, deep folders, and leftovers of a killed run."""

import os
from pathlib import Path

import html5lib
import pytest
import torch

from common.files import clear_leftovers
from common.manifest import ManifestError, read_manifest
from models.checkpoint import Checkpoint, save_checkpoint
from models.networks import build_network
from tests.report_set import read, run
from tests.tiny import SHAPES, draw_shape, write_image_folders

ODD = [
    "two\nlines\r\nof a name",
    "bell\x07 and\x1b[31m escape\x85 and \u2028 a line",
    "x" * 200_000,
    "A$_$B $\\frac{1}{2}$",
    "</title><script>alert(1)</script>",
    "\u202eemaN \u05d0\u05d1",
    "颗石藻",
    "half \ud800 of a pair",
    "=HYPERLINK(1)",
]


def small_report(directory, lineages, each=3):
    """Write a set of three shapes with a random model of these lineages; return the options of its report."""
    write_image_folders(directory, train=2, validate=each)
    torch.manual_seed(0)
    weights = build_network("shufflenet_v2_x0_5", 3, 40).state_dict()
    save_checkpoint(
        directory / "model", Checkpoint("shufflenet_v2_x0_5", 40, sorted(SHAPES), weights, lineages=lineages)
    )
    options = ["--model", directory / "model", "--validate", directory / "validate", "--output", directory / "o.png"]
    return [*options, "--report", directory / "report", "--data", directory / "none", "--device", "cpu"]


@pytest.mark.slow
@pytest.mark.parametrize("names", [ODD[:3], ODD[3:6], ODD[6:]], ids=["lines", "marks", "letters"])
def test_whatever_a_class_is_called_the_report_is_written_and_can_be_read(tmp_path, names):
    lineages = {shape: ["Shapes", f"{name} family", name] for shape, name in zip(SHAPES, names, strict=True)}
    assert run(*small_report(tmp_path, lineages)) == 0
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    html5lib.HTMLParser(strict=True).parse(page)
    assert len(page) < 3_000_000 and "<script" not in page
    rows = read(tmp_path / "report" / "per_class.csv")
    assert len({row["class"] for row in rows}) == 3
    assert all(len(row["class"].splitlines()) == 1 for row in rows)
    for name in ("predictions", "per_rank", "confusion", "suspects"):
        table = (tmp_path / "report" / f"{name}.csv").read_text(encoding="utf-8")
        assert len(table.splitlines()) == len(table.split("\n")) - 1 and len(table) < 200_000


EDITED = {
    "semicolons": lambda text: text.replace(",", ";"),
    "byte-order mark": lambda text: "\ufeff" + text,
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "a column less": lambda text: "\n".join(line.rpartition(",")[0] for line in text.splitlines()),
    "columns of one's own": lambda text: "\n".join(f"{line},mine" for line in text.splitlines()),
    "an endless cell": lambda text: text.replace("Young", "Y" * 200_000),
    "control characters": lambda text: text.replace("Young", "Yo\x00un\x1bg"),
    "a certainty that is none": lambda text: text.replace("0.5", "quite"),
    "an empty line": lambda text: text.replace("\n", "\n\n"),
}
MANIFEST = "path,split,class,group,technique,technique_sure,source\n" + "".join(
    f"validate/{shape}/{shape}{number}.png,validate,{shape},{shape}{number},SEM,0.5,Young & Bown\n"
    for shape in SHAPES
    for number in range(3)
)


@pytest.mark.parametrize("edit", EDITED.values(), ids=EDITED)
def test_a_manifest_edited_by_hand_keeps_its_rows_or_is_refused_in_a_sentence(tmp_path, edit):
    path = tmp_path / "manifest.csv"
    path.write_text(edit(MANIFEST), encoding="utf-8", newline="")
    try:
        rows = read_manifest(path)
    except ManifestError as error:
        assert "manifest.csv" in str(error)
    else:
        assert [row.path for row in rows] == [line.partition(",")[0] for line in MANIFEST.splitlines()[1:]]


@pytest.mark.slow
@pytest.mark.parametrize("edit", [EDITED["a column less"], EDITED["an endless cell"]], ids=["column", "cell"])
def test_a_report_beside_an_edited_manifest(tmp_path, capsys, edit):
    options = small_report(tmp_path, {})
    (tmp_path / "manifest.csv").write_text(edit(MANIFEST), encoding="utf-8", newline="")
    status = run(*options)
    error = capsys.readouterr().err
    assert "Traceback" not in error and (status == 0 or "manifest.csv" in error)
    if status == 0:
        page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
        html5lib.HTMLParser(strict=True).parse(page)
        assert len(page) < 3_000_000


def remove_folders(name):
    """Remove folders of one name that lie in each other below here; shutil would go down by recursion."""
    depth = 0
    while Path(name).is_dir():
        os.chdir(name)
        depth += 1
    for _ in range(depth):
        for path in Path().iterdir():
            path.rmdir() if path.is_dir() else path.unlink()
        os.chdir("..")
    Path(name).rmdir()


@pytest.mark.slow
def test_pictures_in_folders_a_thousand_deep(tmp_path):
    options = small_report(tmp_path, {})
    here, top = os.open(tmp_path / "validate" / "disc", os.O_RDONLY), Path.cwd()
    picture = draw_shape("disc", 99)
    try:
        os.chdir(here)
        for _ in range(1100):
            Path("a").mkdir()
            os.chdir("a")
        picture.save("deep.png")
        os.chdir(top)
        assert run(*options) == 0
        rows = read(tmp_path / "report" / "predictions.csv")
        assert any(row["file"].endswith("/a/deep.png") for row in rows)
        page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
        html5lib.HTMLParser(strict=True).parse(page)
    finally:
        os.chdir(here)
        remove_folders("a")
        os.chdir(top)
        os.close(here)


@pytest.mark.slow
def test_leftovers_of_a_killed_report_are_cleared_away_and_nothing_else(tmp_path):
    options = small_report(tmp_path, {})
    report = tmp_path / "report"
    report.mkdir()
    left = [".report.html.x3_k9ab2.part", ".confusion.png.abcdefgh.part"]
    kept = ["my notes.txt", ".mine.part", "report.html.part"]
    for name in [*left, *kept, "confusion_block.png", "saliency.png"]:
        (report / name).write_bytes(b"torn")
    assert run(*options) == 0
    names = {path.name for path in report.iterdir()}
    assert not names & {*left, "confusion_block.png"} and names.issuperset(kept)
    assert all(path.read_bytes() != b"torn" for path in report.glob("*.png"))


def test_clearing_spares_what_is_no_file(tmp_path):
    (tmp_path / ".report.html.x3_k9ab2.part").mkdir()
    clear_leftovers(tmp_path)
    assert (tmp_path / ".report.html.x3_k9ab2.part").is_dir()
