"""The tables and notes that go with the records: credits of the pictures, how to cite, what failed."""

import csv
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from common import __version__
from common.files import write_csv, write_text
from common.manifest import ARROW
from common.names import is_safe_file
from common.records import PICTURE_FIELDS, Record
from mikrotax.crawl import Failure
from mikrotax.outcome import Outcome
from mikrotax.records import Listed
from mikrotax.settings import ScrapeSettings
from mikrotax.taxa_table import write_taxa

CREDITS = ("file", "taxon", "lineage", *PICTURE_FIELDS, "rights", "page", "fetched", "url")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
NO_RIGHTS = "no licence stated"
RIGHTS = re.compile(r"rights?$|copyright|licen[cs]e", re.IGNORECASE)  # labels in captions
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
NO_TRAINING = """
The site's robots.txt says `{line}`: its content may not be used to train models without the editors' leave.
"""


class Tables:
    """Writes the tables of a run into data/ and images/; one whose place is taken by a directory is passed over."""

    def __init__(self, settings: ScrapeSettings, outcome: Outcome):
        self.settings = settings
        self.outcome = outcome

    def write(
        self, records: Mapping[Path, Record], listed: Iterable[Listed], no_training: str, tried: Set[str]
    ) -> None:
        """Write all of them: about all records that are there, and the pictures that this run has seen.

        tried: the addresses that it asked for.
        """
        data, images = self.settings.data, self.settings.images
        parts = urlsplit(self.settings.site)
        unfinished = tried if self.outcome.stopped else None
        site = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        for path, write in {
            data / "CITATION.txt": lambda path: write_citation(path, site, fetch_dates(records.values()), no_training),
            data / "taxa.csv": lambda path: write_taxa(path, records.values()),
            images / "credits.csv": lambda path: write_credits(path, images, listed),
            data / "failures.csv": lambda path: write_failures(path, self.outcome.failures, unfinished),
            data / "notices.csv": lambda path: write_notices(path, self.outcome.not_understood, self.outcome.notices),
        }.items():
            if path.is_dir():
                self.outcome.notices["a directory has the name of a table, which is not written"].append(str(path))
            else:
                write(path)


def fetch_dates(records: Iterable[Record]) -> dict[str, list[str]]:
    """Return when the page of each record was fetched (`2026-11-24T05:33:02Z`), by module."""
    dates: dict[str, list[str]] = {}
    for record in records:
        if record.page and DATE.match(record.page.fetched):
            dates.setdefault(record.lineage[0], []).append(record.page.fetched)
    return dates


def write_credits(path: Path, images: Path, listed: Iterable[Listed]) -> None:
    """Write the table of pictures that lie below `images`; rows of pictures from earlier runs stay."""
    earlier = [row for row in read_table(path) if is_safe_file(row.get("file") or "")]
    rows = {row["file"]: {"rights": NO_RIGHTS} | row for row in earlier if (images / row["file"]).is_file()}
    for entry in listed:
        if (images / entry.file).is_file():
            lineage = entry.picture.lineage
            about = {"file": entry.file, "taxon": lineage[-1], "lineage": ARROW.join(lineage), "url": entry.url}
            stated = [text for label, text in entry.picture.other.items() if RIGHTS.search(label)]
            about["rights"] = "; ".join(stated) or NO_RIGHTS
            rows[entry.file] = vars(entry.facts()) | about
    table = [{name: row.get(name, "") for name in CREDITS} for _, row in sorted(rows.items())]
    if table:
        write_csv(path, CREDITS, table)


def write_failures(path: Path, failures: Iterable[Failure], tried: Set[str] | None = None) -> None:
    """Write the table of what could not be fetched; without any, an old table is removed.

    Where `tried` is given, for a run that came to no end, rows of the old table stay whose addresses are not among it.
    """
    rows = [asdict(failure) for failure in failures]
    known = {row["url"] for row in rows}
    earlier = [] if tried is None else [{name: row.get(name) or "" for name in FAILURES} for row in read_table(path)]
    _write_or_remove(path, FAILURES, rows + [row for row in earlier if row["url"] not in known | (tried or set())])


def write_notices(path: Path, *notices: Mapping[str, Iterable[str]]) -> None:
    """Write the table of what a person should look at: taxa by what is odd about their pages.

    Without any, an old table is removed.
    """
    rows = [{"notice": notice, "taxon": taxon} for each in notices for notice, taxa in each.items() for taxon in taxa]
    _write_or_remove(path, ("notice", "taxon"), rows)


def _write_or_remove(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    if rows:
        write_csv(path, columns, rows)
    else:
        path.unlink(missing_ok=True)


def write_citation(path: Path, site: str, dates: Mapping[str, Iterable[str]], no_training: str = "") -> None:
    """Write how to cite the site; `dates` holds, by module, when each of its pages was fetched (`2026-11-24T…`).

    no_training: the line by which the site's robots.txt asks not to train models with it.
    """
    days = {module: sorted(fetched) for module, fetched in sorted(dates.items())}
    lines = [f"  {name}: {len(known)} pages, {known[0][:10]} to {known[-1][:10]}\n" for name, known in days.items()]
    last = max(known[-1] for known in days.values())[:10] if days else f"{date.today()}"
    more = NO_TRAINING.format(line=no_training) if no_training else ""
    write_text(path, CITATION.format(site=site, version=__version__, last=last, modules="".join(lines)) + more)


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV table; none where it is missing or is not a table."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        return []
