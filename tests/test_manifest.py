"""manifest.csv: what is written is read again, whatever the texts; other files are refused."""

import csv
import io
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.files import in_one_line
from common.manifest import COLUMNS, ManifestError, ManifestRow, read_manifest, write_manifest


def _in_one_line(row):
    """The texts of a row as a table holds them."""
    return {name: in_one_line(value) for name, value in vars(row).items() if isinstance(value, str)}


ROW = ManifestRow(
    path="train/Aus/a-1.png",
    split="train",
    label="Aus",
    lineage=("M", "Order one", "Aus"),
    group="M/a.png",
    technique="SEM",
    technique_sure=0.95,
    source="Young, 1999",
    sample='S "1"',
    status="holotype",
    url="https://example.org/images/M/thumbs/a.png",
    sha256="00ff",
    file="M/a.png",
)


def test_rows_are_read_as_they_were_written(tmp_path):
    rows = [replace(ROW, path=f"{split}/a.png", split=split) for split in ("train", "validate")]
    assert read_manifest(write_manifest(tmp_path / "manifest.csv", rows)) == rows


def test_the_file_is_the_same_whatever_the_order_of_rows(tmp_path):
    rows = [replace(ROW, path=f"train/{number}.png") for number in range(9)]
    one, other = (write_manifest(tmp_path / name, order) for name, order in (("a", rows), ("b", rows[::-1])))
    assert one.read_bytes() == other.read_bytes()


def test_the_bytes_are_these(tmp_path):
    path = write_manifest(tmp_path / "manifest.csv", [ROW])
    assert path.read_text(encoding="utf-8") == (
        "path,split,class,lineage,group,technique,technique_sure,source,sample,status,URL,sha256,file\n"
        "train/Aus/a-1.png,train,Aus,M > Order one > Aus,M/a.png,SEM,0.95,"
        '"Young, 1999","S ""1""",holotype,https://example.org/images/M/thumbs/a.png,00ff,M/a.png\n'
    )


def test_what_a_manifest_lacks_is_not_known(tmp_path):
    (tmp_path / "manifest.csv").write_text("more,path,class\nx,train/A/a.png,A\n,,\ny,train/A/b.png\n")
    assert read_manifest(tmp_path / "manifest.csv") == [
        ManifestRow("train/A/a.png", label="A"),
        ManifestRow("train/A/b.png"),
    ]


def test_a_spreadsheet_may_have_saved_it(tmp_path):
    (tmp_path / "manifest.csv").write_bytes("path,source\r\na.png,Mü\r\n".encode("utf-8-sig"))
    assert read_manifest(tmp_path / "manifest.csv") == [ManifestRow("a.png", source="Mü")]


@pytest.mark.parametrize("content", [b"", b"file,class\na,b\n", b"path\n\xff\xfe\n", b"path,technique_sure\na,very\n"])
def test_what_is_no_manifest_is_refused_with_its_name(tmp_path, content):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(ManifestError, match=r"manifest\.csv cannot be read .*; run prepare_image_model\.py again"):
        read_manifest(tmp_path / "manifest.csv")


def test_a_row_of_wrong_types_costs_itself_alone(tmp_path, caplog):
    (tmp_path / "manifest.csv").write_text(f"path,technique_sure\na.png,0.5\nb.png,{'very' * 80_000}\n")
    assert read_manifest(tmp_path / "manifest.csv") == [ManifestRow("a.png", technique_sure=0.5)]
    assert "line 3 is left out" in caplog.text and len(caplog.text) < 500


def test_no_manifest_is_an_error_of_its_own(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_manifest(tmp_path / "manifest.csv")


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(("label", "source", "status", "url", "file"), TEXT)), max_size=4))
def test_any_text_survives(texts):
    rows = [ManifestRow(path=f"train/{number}", **each) for number, each in enumerate(texts)]
    with tempfile.TemporaryDirectory() as directory:
        path = write_manifest(Path(directory, "manifest.csv"), rows)
        assert read_manifest(path) == [replace(row, **_in_one_line(row)) for row in rows]
        assert list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))).fieldnames) == list(COLUMNS)
