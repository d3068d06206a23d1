"""The tables and notes that go with the records: credits of the pictures, how to cite, what failed."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from common import __version__
from common.files import write_csv, write_text
from common.manifest import ARROW
from common.records import PICTURE_FIELDS
from mikrotax.crawl import Failure
from mikrotax.records import Listed

CREDITS = ("file", "taxon", "lineage", *PICTURE_FIELDS, "page", "fetched", "url")
FAILURES = ("kind", "name", "url", "reason", "listed_on")

CITATION = """\
How to cite what lies here
==========================

Everything in these files comes from {site}. Cite the site, with the pages and the date on which you saw them. For
Nannotax3 the editors ask for:

  Young, J.R., Bown, P.R. & Lees, J.A. (eds) Nannotax3 website. International Nannoplankton Association.
  {site}/Nannotax3, viewed {last}.

For other modules of Mikrotax, see who compiled them at the foot of each page.

Fetched with scrape_mikrotax.py {version}, with the dates of the first and the last page:

{modules}
The pictures come from many publications and collections; images/credits.csv names the source of each one. No licence
for them is stated, so do not pass them on. The editors ask not to be used without being named: the database is not
available for anonymous download, and they welcome research together. Write to them before you publish.
"""


def write_credits(path: Path, images: Path, listed: Iterable[Listed]) -> None:
    """Write the table of pictures that lie below `images`; rows of pictures from earlier runs stay."""
    rows = {row["file"]: row for row in read_table(path) if row.get("file") and (images / row["file"]).is_file()}
    for entry in listed:
        if (images / entry.file).is_file():
            lineage = entry.picture.lineage
            about = {"file": entry.file, "taxon": lineage[-1], "lineage": ARROW.join(lineage), "url": entry.url}
            rows[entry.file] = vars(entry.facts()) | about
    table = [{name: row.get(name, "") for name in CREDITS} for _, row in sorted(rows.items())]
    if table:
        write_csv(path, CREDITS, table)


def write_failures(path: Path, failures: Iterable[Failure]) -> None:
    """Write the table of what could not be fetched; without any, an old table is removed."""
    _write_or_remove(path, FAILURES, [asdict(failure) for failure in failures])


def write_notices(path: Path, notices: Mapping[str, Iterable[str]]) -> None:
    """Write the table of what a person should look at: taxa by what is odd about their pages.

    Without any, an old table is removed.
    """
    rows = [{"notice": notice, "taxon": taxon} for notice, taxa in notices.items() for taxon in taxa]
    _write_or_remove(path, ("notice", "taxon"), rows)


def _write_or_remove(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    if rows:
        write_csv(path, columns, rows)
    else:
        path.unlink(missing_ok=True)


def write_citation(path: Path, site: str, dates: Mapping[str, Iterable[str]]) -> None:
    """Write how to cite the site; `dates` holds, by module, when each of its pages was fetched (`2026-11-24T…`)."""
    days = {module: sorted(fetched) for module, fetched in sorted(dates.items())}
    lines = [f"  {name}: {len(known)} pages, {known[0][:10]} to {known[-1][:10]}\n" for name, known in days.items()]
    last = max(known[-1] for known in days.values())[:10]
    write_text(path, CITATION.format(site=site, version=__version__, last=last, modules="".join(lines)))


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV table; none where it is missing or is not a table."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        return []
