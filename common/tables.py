"""Tables for people: CSV that a spreadsheet opens as it is meant, and workbooks (.xlsx).

Excel reads CSV as the old code page of its machine unless a byte-order mark says that it is UTF-8; LibreOffice and R do
not mind the mark. Text that it would take for a formula, or for a number that it then rounds or rewrites, begins with
an apostrophe, which the readers here (`common.files.read_csv`) take off again.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.files import guard_cell, in_one_line, write_bytes, write_whole

BYTE_ORDER_MARK = "\ufeff"
WIDEST = 60  # letters of a column
MOST_LETTERS = 32_767  # in one cell, by the limits of Excel
MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384
SHEET_NAME = 31  # letters


@dataclass(frozen=True)
class Sheet:
    """One sheet of a workbook: its name, its columns, and its rows, of which numbers stay numbers."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


def write_table(path: Path | str, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write `rows` to `path` as CSV for people, whole or not at all."""
    names = list(columns)
    return write_lines(path, [names, *([row.get(name, "") for name in names] for row in rows)])


def write_lines(path: Path | str, lines: Iterable[Sequence[Any]]) -> Path:
    """Write lines of cells, of which the first is the head, to `path` as CSV for people, whole or not at all."""
    return write_bytes(path, (BYTE_ORDER_MARK + table_text(lines)).encode("utf-8", "backslashreplace"))


def table_text(lines: Iterable[Sequence[Any]]) -> str:
    """Return lines of cells as CSV that a spreadsheet leaves as it is."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(
        [guard_cell(in_one_line(cell)) if isinstance(cell, str) else cell for cell in line] for line in lines
    )
    return text.getvalue()


def write_workbook(path: Path | str, sheets: Sequence[Sheet]) -> Path:
    """Write sheets as .xlsx, whole or not at all. Text is written as text, so that no cell is a formula.

    What exceeds the limits of Excel (rows, columns, letters in a cell) is cut; the CSV files hold all of it.
    """
    import xlsxwriter  # only now: whoever writes no workbook can do without

    def write(file: Any) -> None:
        options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        with xlsxwriter.Workbook(file, options) as book:
            bold = book.add_format({"bold": True, "text_wrap": False})
            for sheet in sheets:
                _fill(book.add_worksheet(sheet.name[:SHEET_NAME]), sheet, bold)

    return write_whole(path, write)


def _fill(worksheet: Any, sheet: Sheet, bold: Any) -> None:
    columns = list(sheet.columns)[:MOST_COLUMNS]
    worksheet.freeze_panes(1, 1)
    for place, name in enumerate(columns):
        worksheet.write_string(0, place, in_one_line(name)[:MOST_LETTERS], bold)
        longest = max((len(str(row.get(name, ""))) for row in sheet.rows), default=0)
        worksheet.set_column(place, place, min(WIDEST, max(len(name), longest) + 2))
    for line, row in enumerate(sheet.rows[: MOST_ROWS - 1], 1):
        for place, name in enumerate(columns):
            value = row.get(name, "")
            if isinstance(value, int | float) and not isinstance(value, bool):
                worksheet.write_number(line, place, value)
            elif value not in ("", None):
                worksheet.write_string(line, place, in_one_line(str(value))[:MOST_LETTERS])
