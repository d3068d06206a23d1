"""What a page of the site tells of its taxon in words, and how it is read out of a record's JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LARGEST = 1e12  # of a measure
TEXTS = (
    *("citation", "author", "type_species", "diagnosis", "taxonomic_discussion", "morphology"),
    *("ecology_and_biogeography", "variation", "similar_species"),
)


@dataclass(frozen=True)
class TaxonText:
    """What a page tells of its taxon in words, field by field.

    citation: name, author and year in the site's words; author: without the year; year: of the last name in the
    citation; synonyms, references: one for each line; metrics: (least, most) by name and unit, such as `lith_size_um`;
    tags: by their group; other: the text under headings that have no field here, by heading.
    """

    citation: str = ""
    author: str = ""
    year: int | None = None
    synonyms: tuple[str, ...] = ()
    type_species: str = ""
    diagnosis: str = ""
    taxonomic_discussion: str = ""
    morphology: str = ""
    ecology_and_biogeography: str = ""
    variation: str = ""
    similar_species: str = ""
    metrics: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    other: Mapping[str, str] = field(default_factory=dict)


def read_taxon_text(value: dict[str, Any]) -> TaxonText:
    """Return the text fields of a page as a record holds them; what is of a wrong type counts as not known."""
    year, metrics, other = value.get("year"), value.get("metrics"), value.get("other")
    return TaxonText(
        **texts(value, TEXTS),
        year=year if isinstance(year, int) and not isinstance(year, bool) else None,
        synonyms=_strings(value.get("synonyms")),
        metrics={name: found for name, each in items(metrics) if (found := pair(each))},
        tags=lists(value.get("tags")),
        references=_strings(value.get("references")),
        other={name: text for name, text in items(other) if isinstance(text, str)},
    )


def texts(value: dict[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return those of the named values that are text."""
    return {name: value[name] for name in names if isinstance(value.get(name), str)}


def items(value: Any) -> Iterable[tuple[str, Any]]:
    """Return the items of an object, none of what is not one."""
    return value.items() if isinstance(value, dict) else ()


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def lists(value: Any) -> dict[str, tuple[str, ...]]:
    """Return the lists of texts in an object, by name."""
    return {name: _strings(each) for name, each in items(value)}


def pair(value: Any) -> tuple[float, float] | None:
    """Return two numbers of a sensible size, None for anything else."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    numbers = all(isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < LARGEST for n in value)
    return (value[0], value[1]) if numbers else None
