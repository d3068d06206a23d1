"""data/taxa.csv: one row for each taxon of all modules, in columns named by the terms of Darwin Core.

Darwin Core (https://dwc.tdwg.org/terms/) is what GBIF and its tools for R read. Lists in one cell are divided by ` | `,
as it advises. What it has no term for (ages in Ma, measures, synonyms) has a column with a name of ours.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common.files import write_csv
from common.names import comparison_key
from common.occurrence import Occurrence
from common.records import Lineage, PageFacts, Record

SEPARATOR = " | "
# Terms of the classes Taxon and GeologicalContext, and `references` for the address of the page.
TERMS = (
    *("taxonID", "scientificName", "scientificNameAuthorship", "namePublishedInYear", "taxonRank"),
    *("parentNameUsageID", "parentNameUsage", "higherClassification", "earliestAgeOrLowestStage"),
    *("latestAgeOrHighestStage", "lowestBiostratigraphicZone", "highestBiostratigraphicZone", "references"),
)
OWN = (
    *("module", "dateViewed", "firstOccurrence", "firstOccurrenceYoungestMa", "firstOccurrenceOldestMa"),
    *("lastOccurrence", "lastOccurrenceYoungestMa", "lastOccurrenceOldestMa", "synonyms"),
)


def write_taxa(path: Path, records: Iterable[Record]) -> None:
    """Write the table of all taxa that have a page; two columns for each measure follow, its least and its most.

    A page that two records hold, because its module was renamed, has the row of the later one.
    """
    taxa = sorted((record for record in records if record.page), key=lambda record: _fetched(record))
    ids = {_key(record.lineage): _taxon_id(record) for record in taxa}
    latest = {(_taxon_id(record), comparison_key(record.taxon)): record for record in taxa}
    rows = [_row(each, each.page, ids) for each in sorted(latest.values(), key=lambda each: each.lineage) if each.page]
    measures = sorted({name for row in rows for name in row} - {*TERMS, *OWN})
    columns = (*TERMS, *OWN, *measures)
    if rows:
        write_csv(path, columns, [{name: row.get(name, "") for name in columns} for row in rows])


def _fetched(record: Record) -> str:
    return record.page.fetched if record.page else ""


def _taxon_id(record: Record) -> int | str:
    """Return the page's stable id; where the site gives none, module and name, which tell it as well."""
    number = record.page.id if record.page else None
    return f"{record.lineage[0]}: {record.taxon}" if number is None else number


def _row(record: Record, page: PageFacts, ids: dict[Lineage, int | str]) -> dict[str, Any]:
    above, text = record.lineage[:-1], page.text
    row = {
        "taxonID": _taxon_id(record),
        "scientificName": record.taxon,
        "scientificNameAuthorship": f"{text.author}, {text.year}" if text.author and text.year else text.author,
        "namePublishedInYear": _blank(text.year),
        "taxonRank": page.rank,
        "parentNameUsageID": ids.get(_key(above), ""),
        "parentNameUsage": above[-1] if above else "",
        "higherClassification": SEPARATOR.join(above),
        "references": page.url,
        "module": record.lineage[0],
        "dateViewed": page.fetched[:10],
        "synonyms": SEPARATOR.join(text.synonyms),
    }
    for end, stage, zone in (
        ("first", "earliestAgeOrLowestStage", "lowestBiostratigraphicZone"),
        ("last", "latestAgeOrHighestStage", "highestBiostratigraphicZone"),
    ):
        known = page.range.get(end, Occurrence())
        youngest, oldest = known.ma or ("", "")
        row |= {stage: known.stage, zone: known.zone, f"{end}Occurrence": known.words}
        row |= {f"{end}OccurrenceYoungestMa": youngest, f"{end}OccurrenceOldestMa": oldest}
    for name, (least, most) in text.metrics.items():
        row |= {f"{name}_min": least, f"{name}_max": most}
    return row


def _key(lineage: Lineage) -> Lineage:
    return tuple(map(comparison_key, lineage))


def _blank(value: Any) -> Any:
    return "" if value is None else value
