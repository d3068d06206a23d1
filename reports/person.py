"""A person's word on own pictures: it wins over the model's answer, and predictions.csv tells which it is."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from common.command_line import LONGEST_SHOWN, nearest
from common.corrections import Correction
from common.errors import ToolkitError
from common.files import in_one_line
from common.folders import comparable
from common.names import comparison_key
from common.remarks import counted, listed
from evaluation.calibration import UNKNOWN
from evaluation.taxonomy import Taxonomy
from reports.prediction_table import Row

# What `checked` says: a person named the picture, or took it out of all counts; "" where nobody has looked.
NAMED, DROPPED = "yes", "dropped"
INDETERMINATE = "indet."


class Titles:
    """The rows of a count by what a person may call them: a taxon's name, or its name in open nomenclature."""

    def __init__(self, taxonomy: Taxonomy, names: Sequence[str], classes: Sequence[str]):
        """Take the tree, the names of its classes for people, and those of their directories."""
        self._titles = {comparison_key(UNKNOWN): UNKNOWN, comparison_key(INDETERMINATE): INDETERMINATE}
        for label, lineage in enumerate(taxonomy.lineages):
            for name in (names[label], classes[label]):
                self._titles.setdefault(comparison_key(name), taxonomy.title(lineage))
        for node in reversed(taxonomy.nodes):
            title = taxonomy.title(node)
            for name in (node[-1], title):
                self._titles.setdefault(comparison_key(name), title)
        self.known = sorted(set(self._titles.values()))

    def find(self, label: str) -> str | None:
        """Return the title of the row that a label belongs to, None where the model knows no such taxon."""
        return self._titles.get(comparison_key(label))


def as_counted(rows: Sequence[Row], titles: Titles) -> list[Row]:
    """Return rows of predictions.csv with the answers that count: candidates ("A or B") are indeterminate."""
    return [row if row["checked"] or titles.find(row["answer"]) else row | {"answer": INDETERMINATE} for row in rows]


def apply_corrections(rows: Sequence[Row], corrections: Sequence[Correction], titles: Titles) -> list[str]:
    """Set `answer`, `checked` and `note` of the rows of predictions.csv; return sentences on what was found.

    Rows of which a person says nothing get the model's own answer. A taxon that the model does not know is counted
    under the name that it was given. Raises ToolkitError where a correction is of no picture, or two are of one.
    """
    for row in rows:
        row |= {"answer": row["model_answer"], "answer_probability": row["model_answer_probability"]}
        row |= {"checked": "", "note": ""}
    found = _rows_by_name(rows)
    new: dict[str, str] = {}
    done: dict[str, Correction] = {}
    for correction in corrections:
        row = _row_of(correction, found)
        earlier = done.setdefault(row["file"], correction)
        if earlier.label != correction.label:
            raise ToolkitError(
                f"in the corrections, {earlier.file} and {correction.file} are one picture with two labels, "
                f"{earlier.label} and {correction.label}",
                "corrections",
            )
        title = titles.find(correction.label)
        if title is None and not correction.is_drop:
            new[correction.label] = nearest(correction.label, titles.known)
        row |= {
            "answer": "" if correction.is_drop else title or in_one_line(correction.label),
            "answer_probability": "",
            "checked": DROPPED if correction.is_drop else NAMED,
            "note": in_one_line(correction.note),
        }
    return list(_said(rows, new)) if corrections else []


def _said(rows: Sequence[Row], new: Mapping[str, str]) -> list[str]:
    named = [row for row in rows if row["checked"] == NAMED]
    dropped = sum(row["checked"] == DROPPED for row in rows)
    changed = sum(row["answer"] != row["model_answer"] for row in named)
    said = [
        f"A person has checked {counted(len(named) + dropped, 'picture', 'pictures')}. Answers of the model that stay: "
        f"{len(named) - changed}; put right: {changed}; pictures dropped from all counts: {dropped}."
    ]
    if new:
        names = listed([_asked(name[:LONGEST_SHOWN], near) for name, near in new.items()])
        said.append(f"The model knows no taxon of these names, which are counted as they are written: {names}.")
    return said


def _asked(name: str, near: str) -> str:
    """Return a name with the question whether another was meant, if there is one."""
    return f"{name} ({near.removeprefix('; ')})" if near else name


def _rows_by_name(rows: Sequence[Row]) -> dict[str, Row | None]:
    """Return the rows by their names, and by their last part where that is the only one of its kind."""
    found: dict[str, Row | None] = {}
    for row in rows:
        last = PurePosixPath(comparable(row["file"])).name
        found[last] = None if last in found else row
    return found | {comparable(row["file"]): row for row in rows}


def _row_of(correction: Correction, found: Mapping[str, Row | None]) -> Row:
    for form in (correction.file, correction.file.replace("\\", "/")):
        name = comparable(form).removeprefix("./")
        if row := found.get(name) or found.get(PurePosixPath(name).name):
            return row
    near = nearest(comparable(correction.file), found)
    raise ToolkitError(
        f"the corrections name {correction.file}, and no picture of that name was read{near}", "corrections"
    )
