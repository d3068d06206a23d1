"""The `Search data` of a page: tags, and metrics as numbers with their units."""

import re
from collections.abc import Iterator

from bs4 import Tag

from mikrotax.markup import LINE_ENDS, attribute, tidy

GROUP = re.compile(r"(?:^|(?<=[\s,;]))((?=[A-Z0-9/-]{2})[A-Z][A-Z0-9]*(?:[-/][A-Z0-9]+)*)\s*:")
MICRON = "\u00b5m|\u03bcm|um|microns?|micrometers?|micrometres?"
UNITS = {"mm": "mm", "nm": "nm", "cm": "cm", "%": "percent", "°": "degrees", "deg": "degrees", "degrees": "degrees"}
NUMBER = r"(?:[<>~≤≥±]|ca?\.?)?\s*(\d{1,9}(?:[.,]\d{1,9})?)"
UNIT = rf"\s*({MICRON}|mm|nm|cm|%|°|deg(?:rees)?)?"
MEASURE = re.compile(rf"{NUMBER}{UNIT}(?:\s*(?:-+>|→|[-–—]|to)\s*{NUMBER}{UNIT})?\.?", re.IGNORECASE)
THOUSANDS = re.compile(r"(?<=[1-9]),(?=\d{3}(?!\d))")
SOURCES = re.compile(r"(?:sources?|data source(?: notes?)?)\s*:", re.IGNORECASE)

Metrics = dict[str, tuple[float, float]]


def read_rows(page: Tag) -> Iterator[tuple[str, str]]:
    """Yield label and text of each row of the search data; a `<br>` in it is a line break."""
    for row in page.find_all("tr"):
        if attribute(row, "class") != "char-matrix-data":
            continue
        label, *cells = row.find_all(["td", "th"])
        text = "\n".join(_lines(cell) for cell in cells)
        yield tidy(label.get_text()).rstrip(":").strip().casefold(), text


def read_tags(text: str) -> dict[str, list[str]]:
    """Return the tags by their group.

    >>> read_tags("LITHS: murolith, oblong, CA: grill, ")
    {'LITHS': ['murolith', 'oblong'], 'CA': ['grill']}

    Tags before the first group are under "".
    """
    parts = GROUP.split(" ".join(text.split()))
    groups: dict[str, list[str]] = {}
    for name, listed in zip(["", *parts[1::2]], parts[::2], strict=True):
        tags = [tag for tag in (tidy(tag).strip(" .") for tag in re.split(r"[,;]", listed)) if tag]
        if tags:
            groups.setdefault(name, []).extend(tags)
    return groups


def read_metrics(text: str) -> tuple[Metrics, str, list[str]]:
    """Return the measures by name and unit, where they are from, and what is none.

    >>> read_metrics("Lith size: 1.5->3.5µm; Liths per sphere: 30->60")[0]
    {'lith_size_um': (1.5, 3.5), 'liths_per_sphere': (30.0, 60.0)}

    `0->0` says on the site that nothing is known, and is left out.
    """
    measures, *source = SOURCES.split(text, maxsplit=1)
    found: Metrics = {}
    rest = []
    for item in re.split(r"[;\n]|,\s+(?=[A-Z][^,;:]{2,40}:)", measures):
        label, colon, value = tidy(item).partition(":")
        plain = THOUSANDS.sub("", value.replace("Â", "").strip())
        measure = MEASURE.fullmatch(plain) if colon else None
        if not measure:
            rest += [tidy(item)] if tidy(item) else []
            continue
        least, first_unit, most, last_unit = measure.groups()
        low, high = sorted((_number(least), _number(most or least)))
        if high > 0:
            found[_name(label, last_unit or first_unit or "")] = (low, high)
    return found, tidy(source[0]).rstrip("; ") if source else "", rest


def _name(label: str, unit: str) -> str:
    """Return the name of a measure as a column of a table can bear it, with its unit."""
    name = re.sub(r"\W+", "_", label.casefold()).strip("_") or "measure"
    short = "um" if re.fullmatch(MICRON, unit, re.IGNORECASE) else UNITS.get(unit.casefold(), "")
    return f"{name}_{short}" if short else name


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _lines(cell: Tag) -> str:
    pieces = [
        (LINE_ENDS.get(node.name, "") if isinstance(node, Tag) else " ".join(str(node).split()) + " ")
        for node in cell.descendants
    ]
    return "".join(pieces)
