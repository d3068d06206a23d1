"""data/taxa.csv: one row for each taxon, in columns that GBIF's tools know, with types that other programs read."""

import csv

import pytest

from common.occurrence import occurrences_from_json
from common.records import PageFacts, Record
from common.taxon_text import TaxonText
from mikrotax.taxa_table import OWN, TERMS, write_taxa
from tests.scraping import records, rows

# Terms of https://dwc.tdwg.org/terms/ (classes Taxon and GeologicalContext), and of Dublin Core.
DARWIN_CORE = {
    *("taxonID", "scientificNameID", "acceptedNameUsageID", "parentNameUsageID", "originalNameUsageID"),
    *("nameAccordingToID", "namePublishedInID", "taxonConceptID", "scientificName", "acceptedNameUsage"),
    *("parentNameUsage", "originalNameUsage", "nameAccordingTo", "namePublishedIn", "namePublishedInYear"),
    *("higherClassification", "kingdom", "phylum", "class", "order", "superfamily", "family", "subfamily", "tribe"),
    *("genus", "subgenus", "specificEpithet", "infraspecificEpithet", "cultivarEpithet", "taxonRank"),
    *("verbatimTaxonRank", "scientificNameAuthorship", "vernacularName", "nomenclaturalCode", "taxonomicStatus"),
    *("nomenclaturalStatus", "taxonRemarks", "earliestAgeOrLowestStage", "latestAgeOrHighestStage"),
    *("lowestBiostratigraphicZone", "highestBiostratigraphicZone", "references", "modified", "source"),
}


def record(*lineage, number=None, fetched="2026-01-02T03:04:05Z", **facts):
    text = TaxonText(**facts.pop("text", {}))
    ages = occurrences_from_json(facts.pop("range", {}))
    page = PageFacts(url=f"http://x/{lineage[-1]}", id=number, range=ages, fetched=fetched, text=text, **facts)
    return Record(tuple(name.replace(" ", "") for name in lineage), (), lineage, page)


def test_columns_that_darwin_core_has_a_term_for_go_by_it():
    assert set(TERMS) <= DARWIN_CORE and not set(OWN) & DARWIN_CORE
    assert {"taxonID", "scientificName", "scientificNameAuthorship", "taxonRank", "parentNameUsageID"} <= set(TERMS)


def test_a_row_tells_what_a_record_does(tmp_path):
    ages = {"first": "in lower part of NN18 subzone (26% up, 2.4Ma, in Gelasian stage)", "first_ma": [2.4, 2.4]}
    ages |= {"first_zone": "NN18", "first_stage": "Gelasian", "last": "Extant", "last_ma": [0.0, 0.0]}
    text = {"author": "(Müller) Smith", "year": 1902, "synonyms": ("Bus unus", "Cus unus"), "citation": "Aus unus …"}
    text |= {"metrics": {"lith_size_um": (1.5, 3.5)}}
    write_taxa(
        tmp_path / "taxa.csv",
        [
            record("m", number=1),
            record("m", "Aus", number=2, rank="Genus"),
            record("m", "Aus", "Aus unus", number=3, rank="Species", range=ages, text=text),
        ],
    )
    module, genus, species = rows(tmp_path / "taxa.csv")
    assert (module["taxonID"], module["parentNameUsageID"], module["higherClassification"]) == ("1", "", "")
    assert (genus["taxonRank"], genus["parentNameUsageID"], genus["lith_size_um_min"]) == ("Genus", "1", "")
    expected = {"taxonID": "3", "scientificName": "Aus unus", "parentNameUsageID": "2", "parentNameUsage": "Aus"}
    expected |= {"higherClassification": "m | Aus", "synonyms": "Bus unus | Cus unus", "dateViewed": "2026-01-02"}
    expected |= {"scientificNameAuthorship": "(Müller) Smith, 1902", "namePublishedInYear": "1902"}
    expected |= {"lowestBiostratigraphicZone": "NN18", "earliestAgeOrLowestStage": "Gelasian", "module": "m"}
    expected |= {"firstOccurrenceOldestMa": "2.4", "lastOccurrenceYoungestMa": "0.0", "lastOccurrence": "Extant"}
    expected |= {"lith_size_um_min": "1.5", "lith_size_um_max": "3.5", "references": "http://x/Aus unus"}
    assert expected.items() <= species.items()


def test_two_taxa_of_one_name_have_two_rows_and_their_own_parents(tmp_path):
    taxa = [record("m", number=1), record("m", "A", number=2), record("m", "B", number=3)]
    taxa += [record("m", "A", "Others", number=4), record("m", "B", "Others", number=5)]
    write_taxa(tmp_path / "taxa.csv", taxa)
    found = {(row["taxonID"], row["parentNameUsageID"]) for row in rows(tmp_path / "taxa.csv")}
    assert {("4", "2"), ("5", "3")} <= found and len(found) == 5


def test_a_module_that_was_renamed_has_the_rows_of_its_later_name(tmp_path):
    old = record("Mesozoic", "Aus", number=2, fetched="2020-01-01T00:00:00Z")
    write_taxa(tmp_path / "taxa.csv", [record("ntax_mesozoic", "Aus", number=2), old])
    assert [row["module"] for row in rows(tmp_path / "taxa.csv")] == ["ntax_mesozoic"]


def test_records_without_ids_and_of_odd_values(tmp_path):
    odd = {"first": 3, "first_ma": "old", "last_ma": [1], "first_stage": None}
    taxa = [record("m", fetched=""), record("m", "A, b", range=odd), record("m", "=SUM(A1)", text={"author": "Smith"})]
    write_taxa(tmp_path / "taxa.csv", taxa)
    found = {row["scientificName"]: row for row in rows(tmp_path / "taxa.csv")}
    assert found["A, b"]["taxonID"] == "m: A, b" and found["A, b"]["parentNameUsageID"] == "m: m"
    assert found["A, b"]["firstOccurrenceYoungestMa"] == "" and found["m"]["dateViewed"] == ""


@pytest.fixture
def table(crawled):
    return crawled.folder / "data" / "taxa.csv"


def test_the_table_of_a_crawl_has_a_row_for_each_record(crawled, table):
    found = rows(table)
    assert sorted(row["scientificName"] for row in found) == sorted(
        record["lineage"][-1] for record in records(crawled.folder).values()
    )
    assert len({row["taxonID"] for row in found}) == len(found)
    assert all(row["taxonRank"] and row["references"] and row["dateViewed"] for row in found)


def test_columns_of_numbers_hold_numbers_alone(table):
    """As R's read.csv and pandas guess types: a column is one of numbers if all of its cells are, or are empty."""
    with table.open(encoding="utf-8", newline="") as file:
        head, *body = csv.reader(file)
    columns = dict(zip(head, zip(*body, strict=True), strict=True))
    numeric = {name for name in head if name.endswith(("_min", "_max", "Ma"))} | {"namePublishedInYear"}
    assert len(numeric) > 5
    assert all(cell == "" or float(cell) >= 0 for name in numeric for cell in columns[name])
    assert all(cell.isdigit() for cell in columns["taxonID"])
