"""Writes the tables of options into the pages of docs/ from the scripts' own parsers: python -m docs.options.

Each page has a line BEGIN and a line END; what lies between them is made anew.
"""

import argparse
import importlib
import sys
from pathlib import Path

from common.files import write_text

SCRIPTS = ("scrape_mikrotax", "prepare_image_model", "train_classifier", "visualise_results")
BEGIN, END = "<!-- options: made by `make docs` from build_parser() -->", "<!-- end of options -->"
DOCS = Path(__file__).resolve().parent


def option_tables(parser: argparse.ArgumentParser) -> str:
    """Return the options of a parser as Markdown, a table for each of its groups."""
    tables = []
    for group in parser._action_groups:
        rows = [row(action) for action in group._group_actions if action.help != argparse.SUPPRESS]
        if rows:
            heading = "" if group.title in ("options", None) else f"**{group.title}**\n\n"
            tables.append(heading + "\n".join(["| option | meaning |", "|---|---|", *rows]))
    return "\n\n".join(tables)


def row(action: argparse.Action) -> str:
    """Return the line of one option: its names, what it takes, and its help."""
    value = "" if action.nargs == 0 else str(action.metavar or "|".join(action.choices or [action.dest.upper()]))
    names = ", ".join(f"`{name} {value}`".replace(" `", "`") for name in action.option_strings)
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    cells = [" ".join(cell.split()).replace("|", "\\|") for cell in (names, text.replace("<", "&lt;"))]
    return f"| {cells[0]} | {cells[1]} |"


def updated(script: str) -> tuple[Path, str]:
    """Return the page of a script and what it should say. Raises ValueError where it lacks BEGIN or END."""
    page = DOCS / f"{script}.md"
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks the line {END if begin else BEGIN}")
    tables = option_tables(importlib.import_module(script).build_parser())
    return page, f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def main() -> int:
    """Write all pages anew; return 0."""
    for script in SCRIPTS:
        write_text(*updated(script))
    return 0


if __name__ == "__main__":
    sys.exit(main())
