"""What the records of the scraper say of taxa: their ranks and distinguishing features."""

from dataclasses import dataclass, field
from pathlib import Path

from common.records import read_records
from evaluation.taxonomy import Node


@dataclass(frozen=True)
class TaxonFacts:
    """Ranks ("genus") and distinguishing features of taxa, by lineage, as far as they are known."""

    ranks: dict[Node, str] = field(default_factory=dict)
    features: dict[Node, str] = field(default_factory=dict)


def read_taxon_facts(data: Path) -> TaxonFacts:
    """Read the records below a directory such as data/; those that are broken or written by hand are passed over."""
    records, _ = read_records(data)
    pages = {record.lineage: record.page for record in records.values() if record.page}
    return TaxonFacts(
        {lineage: page.rank.strip() for lineage, page in pages.items() if page.rank.strip()},
        {lineage: page.features.strip() for lineage, page in pages.items() if page.features.strip()},
    )
