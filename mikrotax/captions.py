"""What a page says of a picture: `<br>File name: …<br>Image Source: …`, wherever it is."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mikrotax.links import ENDING
from mikrotax.markup import tidy

# What the site calls the fields of a picture, and what a record does; "" is not kept, for the address tells it.
FIELDS = {
    "file name": "",
    "filename": "",
    "image source": "source",
    "source": "source",
    "caption in source": "caption",
    "caption": "caption",
    "status": "status",
    "notes": "notes",
    "note": "notes",
    "location": "location",
    "sample": "sample",
    "geological age": "age",
    "age": "age",
}
# No other text has these.
WORDS = re.compile(r"\b(?:Image[ _]Source|Caption[ _]in[ _]source|Geological[ _]Age)", re.IGNORECASE)
SURE = re.compile(r"\b(?:Image Source|File ?name|Caption in source|Geological Age)\s*:", re.IGNORECASE)
# A field begins behind a line break, with a few words and a colon; words of a new one begin with a capital letter.
LINE_BREAK = re.compile(
    r"<br\s*/?>|</?(?:p|li|div|dd|dt|tr)\b[^<>]{0,200}>|\n(?=\s*[A-Z][A-Za-z ]{1,24}:)"
    r"|[;|\u2022\u00b7]\s*(?=(?-i:Image Source|Caption in source|File name|Status|Notes|Location|Sample):)"
    r"|[;|\u2022\u00b7]\s*(?=Geological Age:)",
    re.IGNORECASE,
)
LABEL = re.compile(
    r"\s*(?:<[^<>]{1,60}>\s*)*([^\W\d_][^:<>\n]{0,39}?)\s*(?:</[a-z]+>\s*)?:(?!//)\s*(?:</[a-z]+>)?(.*)",
    re.IGNORECASE | re.DOTALL,
)
NO_WORDS = re.compile(rf"{ENDING}\s*$|{SURE.pattern}", re.IGNORECASE)  # an address of a picture, or a whole caption
NEW_LABEL = re.compile(r"[A-Z][A-Za-z/&-]{2,}(?: [A-Za-z/&-]+){0,3}")


@dataclass(frozen=True)
class Caption:
    """What is said of a picture: `fields` by our names for them, `other` by the site's labels, which are not known."""

    fields: Mapping[str, str] = field(default_factory=dict)
    other: Mapping[str, str] = field(default_factory=dict)
    unread: str = ""  # a text that looks like a caption and holds no field that is known


def read_caption(texts: Iterable[str]) -> Caption:
    """Return what all of the texts say together, the first that says something of a field before the others.

    Text on a line of its own, without a label, goes on with the field before it.
    """
    fields: dict[str, str] = {}
    other: dict[str, str] = {}
    unread = ""
    for text in texts:
        if ":" not in text:
            continue
        known, new = _fields(text)
        if not known:
            unread = unread or (tidy(text)[:80] if LINE_BREAK.search(text) else "")
            continue
        fields = {name: fields.get(name) or known.get(name, "") for name in {**fields, **known}}
        other = new | other
    return Caption({name: text for name, text in fields.items() if name}, other, "" if fields else unread)


def said_in_attributes(attributes: Mapping[str, object]) -> Iterator[str]:
    """Yield the values of the attributes of a tag; one that is named by a field, such as `data-notes`, says so."""
    for name, value in attributes.items():
        text = str(value)
        label = re.sub(r"[-_]", " ", name.casefold().removeprefix("data-"))
        named = name.casefold().startswith("data-") and label in FIELDS and not NO_WORDS.search(text)
        yield f"{label}: {text}" if named else text


def _fields(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fields of one text that are known, and those that are not by their labels."""
    known: dict[str, list[str]] = {}
    new: dict[str, list[str]] = {}
    last: list[str] = []
    for line in LINE_BREAK.split(text):
        found = LABEL.match(line)
        label = tidy(found.group(1)) if found else ""
        if found and label.casefold() in FIELDS:
            last = known.setdefault(FIELDS[label.casefold()], [])
        elif found and NEW_LABEL.fullmatch(label):
            last = new.setdefault(label, [])
        else:
            last.append(tidy(line))
            continue
        if found:
            last.append(tidy(found.group(2)))
    said = {name: " ".join(filter(None, lines)).rstrip("; ") for name, lines in known.items()}
    return said, {label: text for label, lines in new.items() if (text := " ".join(filter(None, lines)))}
