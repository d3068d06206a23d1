"""The text of a page as fields: citation, metrics, tags, headings that are known and such that are not."""

import json
from dataclasses import replace

import pytest

from common.records import PageFacts, Record, read_record, write_record
from common.taxon_text import TaxonText
from mikrotax.citation import author_and_year
from mikrotax.pages import parse_page
from mikrotax.search_data import read_metrics, read_tags
from tests.own_pages import BASE, page

SPECIES = """
<p><b>Taxonomy:</b></p>
<p><article><i>Citation: </i><em>Aus bus</em> (Nobody 1902) Someone &amp; Other 1967</article>
<article><i>Rank: </i>Species</article>
<article><i>Type species: </i><em>Aus unus</em> Nobody, 1902</article><article><i>Synonyms: </i><ul>
<li><em>Bus bus</em> Nobody 1902</li><li><em>Cus bus</em> (Nobody) Third, 1950&nbsp;</li></ul></article>
<article><i>Notes & discussion: </i>Like <a href='/x?taxon=Bus&module=m'>Bus</a>.<br>Note: not like Cus.</article></p>
<p><i>Farinacci & Howe catalog pages: </i>none</p>
<p><article><br><b>Morphology remarks: </b><p><strong>Rim</strong>: wide</p><strong>Centre</strong>: open<br>
<strong>Variation</strong>: in size</article><article><b>Similar species: </b>Aus cus</article><article><br>
<b>Ecology & Biogeography: </b>warm water</article><article><b>Preservation: </b>robust</article></p>
<b>Search data:</b><table><tr class='char-matrix-data'><td>Tags</td><td>LITHS: ring, round, <br>T-UNITS: c-str, </td>
</tr><tr class='char-matrix-data'><td>Metrics</td><td>Lith size: 1.5->3.5µm; Height: 0->0µm; Segments: 8; Look: odd<br>
Sources: A 2018;</td></tr></table>
<p><b>Geological Range: </b><br><em>Last occurrence (top)</em>: <b>Extant</b></p>
<p><article><div id='refs'><b>References:</b><p>Nobody (1902). A. <i>Journal</i>, 1: 2. <a href='x'>gs</a></p><p>Someone
&amp; Other (1967). B.</p></div></article></p><hr><table><tr><td><em>Aus bus</em> compiled by A  <em>viewed: </em>2025
<table><tr><td><b>Taxon Search:</b></td></tr></table></td></tr></table>
"""


def parsed(body, lineage=("m", "Aus", "Aus bus")):
    return parse_page(page(lineage, body, taxonomy=""), BASE)


def test_the_fields_of_a_species_page():
    found = parsed(SPECIES.replace("<p><b>Taxonomy:</b></p>", "", 1))
    text = found.text
    assert (text.citation, text.author, text.year) == (
        *("Aus bus (Nobody 1902) Someone & Other 1967", "(Nobody 1902) Someone & Other", 1967),
    )
    assert text.type_species == "Aus unus Nobody, 1902"
    assert text.synonyms == ("Bus bus Nobody 1902", "Cus bus (Nobody) Third, 1950")
    assert text.taxonomic_discussion == "Like Bus. Note: not like Cus."
    assert text.morphology == "Rim: wide Centre: open" and text.variation == "in size"
    assert text.similar_species == "Aus cus" and text.ecology_and_biogeography == "warm water"
    assert text.metrics == {"lith_size_um": (1.5, 3.5), "segments": (8.0, 8.0)}
    assert text.tags == {"LITHS": ("ring", "round"), "T-UNITS": ("c-str",)}
    assert text.references == ("Nobody (1902). A. Journal, 1: 2.", "Someone & Other (1967). B.")
    assert text.other == {"Preservation": "robust", "Metrics": "Look: odd", "Sources of the metrics": "A 2018"}
    assert found.range["last"].ma == (0.0, 0.0) and found.rank == "Species"
    assert "unknown heading: 'Preservation'" in found.notices
    assert len([notice for notice in found.notices if "heading" in notice]) == 1


@pytest.mark.parametrize("tag", ["b", "strong", "i", "em", "h3", "h4"])
def test_headings_in_other_tags_and_words(tag):
    head = f"<{tag}>{{}}: </{tag}>"
    body = f"{head.format('taxonomic rank')}genus<p>{head.format('Taxonomic discussion')}words</p>"
    body += f"<div>{head.format('Morphology')}round</div>{head.format('Ecology')}cold"
    body += f"<p>{head.format('Variability')}none</p>"
    text = parsed(body).text
    assert (text.taxonomic_discussion, text.morphology, text.variation) == ("words", "round", "none")
    assert text.ecology_and_biogeography == "cold"


def test_the_diagnosis_is_its_own_or_the_distinguishing_features():
    features = "<p><b>Distinguishing features: </b>wide</p>"
    assert parsed(features).text.diagnosis == parsed(features).features == "wide"
    assert parsed(f"{features}<article><i>Diagnosis: </i>very wide</article>").text.diagnosis == "very wide"


def test_a_page_without_text_has_empty_fields():
    assert parsed("").text == TaxonText()


@pytest.mark.parametrize("form", ["<h3>{}</h3><p>{}</p>", "<dl><dt>{}</dt><dd>{}</dd></dl>", "<p><i>{}</i>: {}</p>"])
def test_headings_without_a_colon_of_their_own(form):
    fields = {"Citation": "Aus bus Nobody, 1902", "Rank": "Species", "Diagnosis": "round", "Wall layers": "two"}
    found = parsed("".join(form.format(*each) for each in fields.items()))
    assert (found.text.author, found.rank, found.text.diagnosis) == ("Nobody", "Species", "round")
    assert found.text.other == {"Wall layers": "two"} and "unknown heading: 'Wall layers'" in found.notices


@pytest.mark.parametrize(
    ("citation", "taxon", "author", "year"),
    [
        ("Aus Nobody, 1902", "Aus", "Nobody", 1902),
        ("Aus bus d'Orbigny 1839", "Aus bus", "d'Orbigny", 1839),
        ("Aus bus (d'Orbigny, 1839)", "Aus bus", "d'Orbigny", 1839),
        ("Aus bus Young et al. 2018", "Aus bus", "Young et al.", 2018),
        ("Aceae Poche, 1913 emend. Young & Bown, 1997", "Aceae", "Poche", 1913),
        ("Aus bus subsp. cus van der Meer in Meer 1999", "Aus bus subsp. cus", "van der Meer in Meer", 1999),
        ("AU bus gp Young et al., 2003", "AU bus gp", "Young et al.", 2003),
        ("Bus bus (Lecal, 1966) Gaarder, 1981", "Aus bus", "(Lecal, 1966) Gaarder", 1981),
        ("Aus - fossil species", "Aus - fossil", "", None),
        ("Aus bus", "Aus bus", "", None),
        ("", "Aus bus", "", None),
        ("Aus bus Nobody 19022", "Aus bus", "", None),
        ("Aus bus Nobody in Someone & Other 1950a", "Aus bus", "Nobody in Someone & Other", 1950),
        ("(Nobody 1950) Someone 1967", "Aus bus", "(Nobody 1950) Someone", 1967),
        ("Nobody 1950", "Aus", "Nobody", 1950),
        ("Aus bus var. cus Nobody, 1950", "Aus bus", "Nobody", 1950),
        ("Aus bus Nobody (1950)", "Aus bus", "Nobody", 1950),
    ],
)
def test_author_and_year(citation, taxon, author, year):
    assert author_and_year(citation, taxon) == (author, year)


@pytest.mark.parametrize(
    ("words", "name", "values"),
    [
        ("Lith size: 1.5->3.5µm", "lith_size_um", (1.5, 3.5)),
        ("Lith size: 1,5 – 3,5 \u03bcm", "lith_size_um", (1.5, 3.5)),
        ("Lith size: 1.5Âµm->3.5Âµm", "lith_size_um", (1.5, 3.5)),
        ("Lith size: 3.5 to 1.5 microns", "lith_size_um", (1.5, 3.5)),
        ("Test diameter: 0.2-0.4 mm", "test_diameter_mm", (0.2, 0.4)),
        ("Pore size (inner): 200nm", "pore_size_inner_nm", (200.0, 200.0)),
        ("Liths per sphere: 1,200->2,400", "liths_per_sphere", (1200.0, 2400.0)),
        ("Liths per sphere: 30->60", "liths_per_sphere", (30.0, 60.0)),
        ("Angle: ca. 30°", "angle_degrees", (30.0, 30.0)),
        ("Porosity: 10->20%", "porosity_percent", (10.0, 20.0)),
        ("Size: >5µm", "size_um", (5.0, 5.0)),
    ],
)
def test_metrics_are_numbers_with_units(words, name, values):
    assert read_metrics(words) == ({name: values}, "", [])


def test_search_data_without_a_heading_are_no_text():
    rows = "<tr class='char-matrix-data'><td>Metrics</td><td>Lith size: 1->2µm</td></tr>"
    text = parsed(f"<article><i>Citation: </i>A</article><i>Synonyms: </i>Bus<table>{rows}</table>").text
    assert text.synonyms == ("Bus",) and text.metrics == {"lith_size_um": (1.0, 2.0)}


def test_what_is_no_metric_is_kept_and_what_is_empty_is_not():
    assert read_metrics("Lith size: 0->0µm; Liths: many;\nData source notes: A; B;") == ({}, "A; B", ["Liths: many"])
    assert [*read_metrics("Lith size: 1.5->3.5µm, Liths per sphere: 30->60")[0]] == ["lith_size_um", "liths_per_sphere"]
    assert read_tags("round, wide, CA: open") == {"": ["round", "wide"], "CA": ["open"]}
    assert read_tags("") == {}


def test_a_record_keeps_the_text_and_reads_it_again(tmp_path):
    text = TaxonText(
        "Aus X 1900", "X", 1900, ("Bus",), metrics={"size_um": (1.0, 2.5)}, tags={"A": ("b",)}, other={"Q": "r"}
    )
    facts = PageFacts("u", 1, text=text, other_folders={"t": ("m", "Bus")})
    record = Record(("m", "Aus"), (), ("m", "Aus"), facts)
    write_record(tmp_path / "a.json", record)
    content = json.loads((tmp_path / "a.json").read_text("utf-8"))["page"]
    assert content["metrics"] == {"size_um": [1.0, 2.5]} and content["synonyms"] == ["Bus"] and content["year"] == 1900
    assert content["other_folders"] == {"t": ["m", "Bus"]} and "text" not in content
    assert read_record(tmp_path / "a.json") == record
    older = {key: content[key] for key in ("url", "id", "rank", "features", "range", "fetched")}
    (tmp_path / "a.json").write_text(json.dumps({"hierarchy": ["m"], "samples": [], "page": older}))
    assert read_record(tmp_path / "a.json").page == replace(facts, text=TaxonText(), other_folders={})


def test_fields_of_a_wrong_type_count_as_not_known(tmp_path):
    page = {"citation": 1, "year": "x", "synonyms": "a", "references": [1, "b"], "metrics": {"a": [1], "b": [1, "c"]}}
    page |= {"tags": {"a": 1, "b": ["c", 2]}, "other": {"a": 1}, "other_folders": {"t": 1}, "diagnosis": ["x"]}
    page["metrics"] |= {"huge": [10**400, 1], "nan": [float("nan"), 1], "good": [1, 2]}
    (tmp_path / "a.json").write_text(json.dumps({"hierarchy": ["m"], "samples": [], "page": page}))
    found = read_record(tmp_path / "a.json").page
    text = TaxonText(references=("b",), metrics={"good": (1, 2)}, tags={"a": (), "b": ("c",)})
    assert found.text == text and not found.other_folders
