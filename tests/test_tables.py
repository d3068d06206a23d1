"""Tables that people may have edited are read row by row; what is written stays in one line."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.corrections import Correction, CorrectionsError, read_corrections, write_corrections
from common.files import in_one_line, read_csv, write_csv


def table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(path):
    return [row for _, row in read_csv(path)]


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "\ufeffa,b\r\n1,2\r\n",
        "a;b\n1;2\n",
        "a\tb\r\n1\t2\r\n",
        "a,b\n\n1,2",
        '"a",b\n"1","2"\n',
        " a ,b\n1,2\n",
    ],
)
def test_tables_of_spreadsheets_are_read(tmp_path, text):
    assert rows(table(tmp_path, text)) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", ",;\t")
def test_tables_that_a_person_wrote_may_be_in_an_older_code(tmp_path, code, separator):
    text = "\r\n".join(separator.join(row) for row in [("file", "label"), ("Müller/é 1.png", "Größe")])
    assert read_corrections(table(tmp_path, text.encode(code))) == [Correction("Müller/é 1.png", "Größe")]


def test_cells_with_line_breaks_and_short_rows(tmp_path):
    assert rows(table(tmp_path, 'a,b\n"1\n2",3\n4\n')) == [{"a": "1\n2", "b": "3"}, {"a": "4", "b": ""}]


def test_a_stray_quotation_mark_spoils_its_own_row_only(tmp_path):
    lines = ['"p0,x', *(f"p{number},{'y' * 300}" for number in range(1, 2000))]
    found = list(read_csv(table(tmp_path, "\n".join(["path,text", *lines]))))
    assert found[0] == (2, "a quotation mark is out of place")
    assert [row["path"] for _, row in found[1:]] == [f"p{number}" for number in range(1, 2000)]


def test_a_row_with_too_many_cells_says_so(tmp_path):
    assert rows(table(tmp_path, "a,b\n1,2,3\n4,5\n")) == [
        "it has 3 cells, and the table 2 columns",
        {"a": "4", "b": "5"},
    ]


def test_a_cell_of_300_kilobytes_is_read(tmp_path):
    limit = csv.field_size_limit()
    assert rows(table(tmp_path, "a,b\n" + "x" * 300_000 + ",2\n")) == [{"a": "x" * 300_000, "b": "2"}]
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("text", "said"), [(b"", "it is empty"), (b"\n\n", "it is empty"), (b"a\n\xff\n", "utf-8"), (b"\0\1", "no text")]
)
def test_what_is_no_table_says_why(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        rows(table(tmp_path, text))


def test_no_table_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        rows(tmp_path / "absent.csv")


@given(st.text(max_size=20))
def test_any_text_stays_in_one_line_that_can_be_read_again(text):
    line = in_one_line(text)
    assert len(line.splitlines()) <= 1 and "\0" not in line
    if text.isprintable():
        assert line == text


def test_half_of_a_surrogate_pair_is_written_as_an_escape(tmp_path):
    write_csv(tmp_path / "a.csv", ["a"], [{"a": "x\ud800y"}])
    assert (tmp_path / "a.csv").read_text() == "a\nx\\ud800y\n"


def test_corrections_are_read_as_they_were_written(tmp_path):
    given_ones = [Correction("m/a.png", "Aus bus", "seen"), Correction("m/b.png", "drop")]
    assert read_corrections(write_corrections(tmp_path / "c.csv", given_ones)) == given_ones
    assert [each.is_drop for each in given_ones] == [False, True]


def test_corrections_may_have_other_columns_and_addresses(tmp_path):
    text = "suggested,Label,URL\nBus,Aus,https://example.org/images/m/thumbs/a.png\n,,\n"
    (only,) = read_corrections(table(tmp_path, text))
    assert only == Correction("https://example.org/images/m/thumbs/a.png", "Aus")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,taxon\na,b\n", r"needs the columns file \(or URL\) and label"),
        ("file,label\na,\n", "line 2: its label is empty"),
        ("file,label\n,b\n", "line 2: its file is empty"),
        ("file,label\na,b\na,c\n", "line 3: a is b in a row above, and c here"),
        ('file,label\n"a,b\n', "line 2 cannot be read: a quotation mark"),
        ("", "it is empty"),
    ],
)
def test_broken_corrections_are_refused_with_their_line(tmp_path, text, said):
    with pytest.raises(CorrectionsError, match=said) as error:
        read_corrections(table(tmp_path, text))
    assert error.value.settings in ((), ("corrections",))


def test_no_corrections_are_refused(tmp_path):
    with pytest.raises(CorrectionsError, match="there is no file"):
        read_corrections(tmp_path / "absent.csv")
