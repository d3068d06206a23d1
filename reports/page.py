"""report.html, filled from a template."""

import unicodedata
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from evaluation.metrics import confusion_counts
from evaluation.predictions import LabelledPredictions
from reports.pairs import confused_pairs

TEMPLATE = "report.html.jinja"
LONGEST = 5000  # letters of one text on the page
# Rows that the page shows of tables that may be endless; the files beside it have them all.
ROWS = {"sources_shown": 300, "parts_shown": 30, "taken_shown": 8}


def render(page: dict[str, Any]) -> str:
    """Fill the template; every text in it is escaped."""
    features = [bool(side["features"]) for pair in page["pairs"] for side in pair["sides"]]
    known = {"features_known": any(features), "all_features_known": all(features)}
    return _template().render(page | ROWS | known)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_cut,
    )
    environment.filters |= {
        "percent": _percent,
        "isolated": isolated,
        "number": lambda value, form: _percent(value) if form == "%" else format(value, form),
    }
    return environment.get_template(TEMPLATE)


def confusion_alt(predictions: LabelledPredictions) -> str:
    """Say in words what the confusion matrix shows."""
    labels, counts = confusion_counts(predictions.taxonomy, predictions.actual, predictions.predicted)
    worst = [
        f"{predictions.names[pair.actual]} taken for {predictions.names[pair.predicted]} ({len(pair.images)})"
        for pair in confused_pairs(predictions, 3)
    ]
    most = f"Most often confused: {', '.join(worst)}." if worst else "No picture is confused."
    return (
        f"Confusion matrix of {len(labels)} classes and {len(predictions)} pictures, {counts.trace()} of them on the "
        f"diagonal. {most}"
    )


def safe_link(url: str) -> str:
    """Return an address as a link may hold it; "" for what is not a web address, and might be a program."""
    return quote(url, safe=":/?&=%#+,;@~") if url.startswith(("http://", "https://")) else ""


def _cut(value: Any) -> Any:
    """Return a text that a table or a file has made endless cut to what can be read; pictures stay whole."""
    if not isinstance(value, str) or len(value) <= LONGEST or hasattr(value, "__html__") or value.startswith("data:"):
        return value
    return f"{value[:LONGEST]}…"


def isolated(name: str) -> str:
    """Return a name such that what follows it stays behind it, also where the name is written from right to left."""
    from_right = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name)
    return Markup("<bdi>{}</bdi>").format(_cut(name)) if from_right else name


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"
