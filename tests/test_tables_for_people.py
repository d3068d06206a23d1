"""Tables for people: a spreadsheet opens them as they are meant, and nothing in them runs or is rounded."""

import csv
import io

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.files import guard_cell, read_csv, unguard_cell
from common.tables import Sheet, table_text, write_table, write_workbook

FORMULAS = ["=1+1", "+1+1", "-1+cmd", "@SUM(A1)", "\t=1", "\r=1", " =1", "=cmd|' /C calc'!A0", "＝1+1", "'=1", "%0A=1"]
ROUNDED = ["2026112600000001", "12345678901234567890", "1e5", "12E300", "-1234567890123456"]
PLAIN = ["", "-", "12", "-0.5", "+0.25", "0.1234", "a=b", "Emiliania huxleyi", "core 1/0-10 cm", "'abc", "1,5", "x-1"]


@pytest.mark.parametrize("text", FORMULAS + ROUNDED)
def test_what_a_spreadsheet_would_change_begins_with_an_apostrophe(text):
    assert guard_cell(text) == f"'{text}" and unguard_cell(guard_cell(text)) == text


@pytest.mark.parametrize("text", PLAIN)
def test_all_else_stays(text):
    assert guard_cell(text) == text == unguard_cell(text)


@given(st.text(alphabet="'=-+@1e. a;,\"\t|", max_size=9))
def test_every_text_comes_back(text):
    assert unguard_cell(guard_cell(text)) == text


def test_a_table_has_the_mark_and_is_read_back(tmp_path):
    names = ["Noëlius", "Ελλάς", "中文", "line\nbreak", 'a "quoted", name', "x" * 200_000, *FORMULAS, *ROUNDED, *PLAIN]
    path = write_table(tmp_path / "t.csv", ["=name", "count"], [{"=name": name, "count": 3} for name in names])
    content = path.read_bytes()
    assert content.startswith("\ufeff'=name,count\n".encode()) and content.count(b"\n") == len(names) + 1
    rows = [cells for _, cells in read_csv(path)]
    escaped = [name.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") for name in names]
    assert [row["=name"] if "=name" in row else row["'=name"] for row in rows] == escaped
    assert {row["count"] for row in rows} == {"3"}


def test_lines_alone_have_no_head():
    assert list(csv.reader(io.StringIO(table_text([["=a", 1], ["b,c", 0.5]])))) == [["'=a", "1"], ["b,c", "0.5"]]


def test_a_workbook_holds_texts_and_numbers_and_no_formula(tmp_path):
    names = [*FORMULAS, "line\nbreak", "x" * 40_000, "http://127.0.0.1/a"]
    rows = [{"taxon": name, "count": 3, "share": 0.25} for name in names]
    path = write_workbook(tmp_path / "t.xlsx", [Sheet("a" * 40, ["taxon", "count", "share"], rows), Sheet("b", [], [])])
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["a" * 31, "b"]
    sheet = book["a" * 31]
    assert [cell.value for cell in sheet[1]] == ["taxon", "count", "share"] and sheet.freeze_panes == "B2"
    assert {row[0].data_type for row in sheet.iter_rows(min_row=2)} == {"s"}
    assert {(row[1].value, row[2].value) for row in sheet.iter_rows(min_row=2)} == {(3, 0.25)}
    assert max(len(row[0].value) for row in sheet.iter_rows(min_row=2)) == 32_767
