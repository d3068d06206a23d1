"""report.html, filled from a template."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.metrics import confusion_counts
from evaluation.predictions import LabelledPredictions
from reports.pairs import confused_pairs
from reports.tables import Row

TEMPLATE = "report.html.jinja"
SUSPECTS_SHOWN = 30


def render(page: dict[str, Any]) -> str:
    """Fill the template; every text in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "percent": _percent,
        "number": lambda value, form: _percent(value) if form == "%" else format(value, form),
    }
    return environment.get_template(TEMPLATE).render(page)


def shown_suspects(rows: list[Row]) -> dict[str, Any]:
    """Return what the page says of labels that look wrong: the first SUSPECTS_SHOWN, and their number."""
    shown = [row | {"link": safe_link(row["URL"])} for row in rows[:SUSPECTS_SHOWN]]
    return {"suspects": shown, "suspects_in_all": len(rows)}


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


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"
