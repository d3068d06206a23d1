"""The text below a page's pictures, cut into fields at its headings."""

import re
from dataclasses import dataclass, field

from bs4 import Tag

from common.taxon_text import TaxonText
from mikrotax.citation import author_and_year
from mikrotax.markup import LINK, tidy
from mikrotax.search_data import Metrics, read_metrics, read_rows, read_tags

# What the site calls a field, in all its years, and what a record does.
FIELDS = {
    "citation": "citation",
    "synonyms": "synonyms",
    "synonym": "synonyms",
    "synonymy": "synonyms",
    "type species": "type_species",
    "distinguishing features": "features",
    "short diagnosis": "features",
    "diagnosis": "diagnosis",
    "emended diagnosis": "diagnosis",
    "original diagnosis": "diagnosis",
    "notes and discussion": "taxonomic_discussion",
    "notes": "taxonomic_discussion",
    "discussion": "taxonomic_discussion",
    "taxonomic discussion": "taxonomic_discussion",
    "taxonomic notes": "taxonomic_discussion",
    "taxonomic remarks": "taxonomic_discussion",
    "morphology remarks": "morphology",
    "morphology": "morphology",
    "ecology and biogeography": "ecology_and_biogeography",
    "ecology": "ecology_and_biogeography",
    "biogeography": "ecology_and_biogeography",
    "geographic distribution": "ecology_and_biogeography",
    "biogeography and ecology": "ecology_and_biogeography",
    "variation": "variation",
    "variability": "variation",
    "similar species": "similar_species",
    "similar taxa": "similar_species",
    "references": "references",
    "key references": "references",
}
# Headings that are read elsewhere, or begin what is no text about the taxon.
ELSEWHERE = {
    *("taxonomy", "rank", "taxonomic rank", "search data", "tags", "metrics", "geological range", "data source"),
    *("first occurrence", "last occurrence", "plot of occurrence data", "sources", "data source notes", "range"),
    *("classification", "ancestry", "higher levels", "sister taxa", "other pages this level", "parent taxon"),
    *("this taxon", "short stable page link", "short stables page link", "viewed", "taxon search", "file name"),
    *("farinacci and howe catalog pages", "catalog pages", "catalog entries", "catalog", "comments", "parent"),
    *("daughter taxa", "granddaughter taxa", "sub-taxa", "type images", "current identification"),
}
# Headings that the site is known to have, and that have no field of their own.
KNOWN_OTHERS = {
    *("biology and life-cycles", "biology and life cycles", "biology", "life-cycle", "life cycles", "basionym"),
    *("phylogenetic relations", "phylogenetic relationships", "description", "emended description", "wall type"),
    *("most likely ancestor", "likely descendants", "identification", "remarks", "nomenclature", "etymology"),
    *("character matrix", "molecular data", "genetic data", "isotope paleobiology", "stratigraphic distribution"),
}
HEADING = re.compile(
    r"^[ \x04]{0,2}(?P<label>[^\W\d_](?:[^\n:\x02-\x04]|\x02\d+\x03){1,60}?) ?(?: ?\([^\n()]{0,60}\))? ?:", re.MULTILINE
)
# Where the text about the taxon is over: the foot of the page.
FOOT = re.compile(r"^[^\n]*(?:\bcompiled by\b|\bviewed ?:|\bstables? page link\b)", re.IGNORECASE | re.MULTILINE)
SCHOLAR = re.compile(r"\s*\x02\d+\x03gs\b")  # a link to a search for the reference


@dataclass
class _Found:
    """What the headings of a page have given so far."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def add(self, label: str, text: str, marked: bool) -> None:
        """Note the text under a heading, by the field that it means."""
        key = _key(label)
        name = FIELDS.get(key)
        if name:
            known = self.fields.setdefault(name, [])
            known += [text] if text and text not in known else []
        elif marked and key not in ELSEWHERE and text:
            self.other[label] = text
            if key not in KNOWN_OTHERS:
                self.unknown.append(label)

    def text(self, name: str) -> str:
        """Return a field as one text, for reading."""
        return "\n".join(tidy(LINK.sub("", text)) for text in self.fields.get(name, ())).strip()

    def items(self, name: str) -> tuple[str, ...]:
        """Return a field as a list: an item for each of its lines."""
        lines = "\n".join(self.fields.get(name, ())).split("\n")
        return tuple(dict.fromkeys(item for line in lines if (item := tidy(LINK.sub("", SCHOLAR.sub("", line))))))


def read_text(page: Tag, lines: str, taxon: str, features: str) -> tuple[TaxonText, list[str]]:
    """Return the text fields of the page of `taxon`, and the headings in it that are not known.

    `page` is the page as a tree and `lines` its text (`mikrotax.markup.read_lines`), both without its galleries;
    `features` its distinguishing features, which are the diagnosis where the page has no other.
    """
    found = _sections(lines)
    metrics, tags = _search_data(page, found)
    citation = found.text("citation")
    author, year = author_and_year(citation, taxon)
    text = TaxonText(
        citation=citation,
        author=author,
        year=year,
        synonyms=found.items("synonyms"),
        type_species=found.text("type_species"),
        diagnosis=found.text("diagnosis") or features,
        taxonomic_discussion=found.text("taxonomic_discussion"),
        morphology=found.text("morphology"),
        ecology_and_biogeography=found.text("ecology_and_biogeography"),
        variation=found.text("variation"),
        similar_species=found.text("similar_species"),
        metrics=metrics,
        tags=tags,
        references=found.items("references"),
        other={label: tidy(LINK.sub("", text)) for label, text in found.other.items()},
    )
    return text, found.unknown


def _sections(lines: str) -> _Found:
    """Cut the text of a page at its headings: those that are known, and what the page marks as one (`\\x04`)."""
    found = _Found()
    headings = []
    begun = False
    for heading in HEADING.finditer(lines):
        label = tidy(LINK.sub("", heading["label"]))
        marked = "\x04" in heading.group()[:3]
        key = _key(label)
        known = key in FIELDS or key in ELSEWHERE or key in KNOWN_OTHERS
        # A line of a text about the taxon may begin with `Note:`; what the site's template writes is emphasised.
        if known or (marked and begun):
            headings.append((heading, label, marked))
            begun = begun or key in ("taxonomy", "citation", "rank", "taxonomic rank")
    ends = [heading.start() for heading, _, _ in headings[1:]] + [len(lines)]
    for (heading, label, marked), end in zip(headings, ends, strict=False):
        foot = FOOT.search(lines, heading.end(), end)
        found.add(label, lines[heading.end() : foot.start() if foot else end].strip(" \n\x04"), marked)
        if foot:
            break
    return found


def _search_data(page: Tag, found: _Found) -> tuple[Metrics, dict[str, tuple[str, ...]]]:
    """Return metrics and tags; what cannot be read of them goes to the other texts."""
    metrics: Metrics = {}
    tags: dict[str, tuple[str, ...]] = {}
    for label, text in read_rows(page):
        if label == "tags":
            tags |= {group: tuple(named) for group, named in read_tags(text).items()}
            continue
        measures, sources, rest = read_metrics(text)
        metrics |= measures
        if sources:
            found.other["Sources of the metrics"] = sources
        if rest:
            found.other[label.capitalize() or "Metrics"] = "; ".join(rest)
    return metrics, tags


def _key(label: str) -> str:
    """Return a heading in the form in which headings are compared."""
    return " ".join(label.replace("&", " and ").split()).casefold()
