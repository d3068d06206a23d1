"""When a taxon lived, as a page words it: ages in Ma, zone and stage out of one sentence."""

import re

from common.occurrence import Occurrence

FIRST = re.compile(r"First occurrence(?: \(base\)\s*:?|\s*:)\s*(.*?)(?=\bLast occurrence|\n|\Z)", re.IGNORECASE)
LAST = re.compile(r"Last occurrence(?: \(top\)\s*:?|\s*:)\s*(.*?)(?=\bFirst occurrence|\n|\Z)", re.IGNORECASE)
SOURCE = re.compile(r"\bData sources?(?: notes?)?\s*:", re.IGNORECASE)
LIVING = re.compile(r"(?:is |still )?(?:extant|recent|living|modern)\b", re.IGNORECASE)

NUMBER = r"(\d{1,4}(?:[.,]\d{1,6})?)"
# "33.9-56Ma", "33.9 Ma – 56 Ma"; and each single age: "1.9Ma", "top=0.00Ma".
SPAN_MA = re.compile(rf"{NUMBER} ?(?:[Mm]a)? ?(?:-+>?|[–—→]|to) ?{NUMBER} ?[Mm]a\b")
SINGLE_MA = re.compile(rf"(?<![\d.,]){NUMBER}(?: ?[Mm]a\b|(?<=[\d.,])(?=,? base ?=))")
STAGE = re.compile(r"""\bin ["“”'‘’]?([^"“”'‘’(),;=]{2,40}?)["“”'‘’]? stage\b""", re.IGNORECASE)

# What comes before the name of an interval: "at top of", "in lower part of", "is within", "near the base of".
POSITION = re.compile(
    r"(?:(?:is|lies|at|in|within|near|close to|from|just (?:above|below)|above|below|very|the|top|base|(?:upp|low)er"
    r"(?:most)?|middle|mid|basal|part|half|third|quarter|of|\.|-)(?=\s|$)\s*)+",
    re.IGNORECASE,
)
KIND = re.compile(
    r"\s*\b((?:sub|super|bio|epi)*-?(?:zone|stage|epoch|period|era|eon|series|system|age|chron)s?)$", re.IGNORECASE
)
CODE = re.compile(r"[A-Z]{1,4}\d{1,2}[a-z]?\d?(?:/[A-Z]{0,4}\d{1,2}[a-z]?)?")  # of a zone: NN18, CC26, PT1a
# "Upper Pleistocene" is the name of a stage, "upper Burdigalian" a part of one.
PART = re.compile(r"(?:early|middle|mid|late|lower|upper|top|base|part|of|the|\s)+(?=\s\S)")
KIND_FIRST = re.compile(r"(?:sub|bio)*zone\s+(?=\S)", re.IGNORECASE)


def read_range(lines: str) -> dict[str, Occurrence]:
    """Return `last` and `first` occurrence, those that the text `lines` of a page tells."""
    found = {}
    for key, label in (("last", LAST), ("first", FIRST)):
        line = label.search(lines)
        words, *source = SOURCE.split(_plain(line.group(1))) if line else ("",)
        words = words.strip().rstrip(".").rstrip()
        if words:
            told = source[0].strip() if source else ""
            found[key] = Occurrence(words, ages(words), told, *zone_and_stage(words))
    return found


def ages(words: str) -> tuple[float, float] | None:
    """Return the youngest and the oldest age in Ma that the words allow, None where they name no age.

    >>> ages("at top of NN12 zone (100% up, 1.9Ma, in Gelasian stage)")
    (1.9, 1.9)
    """
    span = SPAN_MA.search(words)
    named = span.groups() if span else SINGLE_MA.findall(words)
    values = sorted(float(value.replace(",", ".")) for value in named)
    if values:
        return values[0], values[-1]
    return (0.0, 0.0) if LIVING.match(words) else None


def zone_and_stage(words: str) -> tuple[str, str]:
    """Return the names of the biozone and of the stage that the words name, "" where they name none.

    >>> zone_and_stage("in lower part of NN18 subzone (26% up, 2.4Ma, in Gelasian stage)")
    ('NN18', 'Gelasian')
    """
    interval = re.split(r"\s*\((?=[^()]*(?:Ma\b|%|\bstage\b))", words, maxsplit=1)[0]
    interval = POSITION.sub("", interval, count=1) if POSITION.match(interval) else interval
    kind = KIND.search(interval)
    name = interval[: kind.start()] if kind else KIND_FIRST.sub("", interval)
    zonal = "zone" in kind.group(1).casefold() if kind else name != interval or bool(CODE.fullmatch(name))
    if stages := STAGE.findall(words):
        stage = stages[-1].strip()
        return (name if zonal else ""), PART.sub("", stage, count=1).strip() if PART.match(stage) else stage
    return (name if zonal else ""), (name if kind and kind.group(1).casefold() in ("stage", "stages") else "")


def _plain(text: str) -> str:
    """Return a piece of the page's text without the marks of its links and headings."""
    return " ".join(re.sub(r"\x02\d+\x03|\x04", "", text).split())
