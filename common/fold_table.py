"""MODEL.folds.csv, what cross-validation predicted of each image: one dataclass, one reader, one writer."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.errors import ToolkitError
from common.files import in_one_line, read_csv, write_csv

ENDING = ".folds.csv"  # what its name adds to that of the model
LIKELIEST = 5  # classes of which it tells the probability
DIGITS = 8  # of a probability or an OOD score
ANSWERS = [(f"answer_{place}", f"probability_{place}") for place in range(1, LIKELIEST + 1)]
COLUMNS = ("file", "label", "fold", *(name for pair in ANSWERS for name in pair), "ood_score")


@dataclass(frozen=True)
class FoldRow:
    """An image, and what the network of a fold that had not seen it said of it.

    file: its path in the data set; label: its class; fold: which one, from 1; answers: the likeliest classes, the
    likeliest first, with their probabilities in [0, 1]; ood_score: how unlike all that it had seen, 0 or more (see
    `evaluation.ood`). Texts are in one line.
    """

    file: str
    label: str
    fold: int
    answers: tuple[tuple[str, float], ...]
    ood_score: float


def fold_table(model: Path) -> Path:
    """Return where the table of a model is."""
    return model.with_name(model.name + ENDING)


def write_fold_table(path: Path, rows: Iterable[FoldRow]) -> Path:
    """Write the rows, whole or not at all."""
    return write_csv(path, COLUMNS, map(_cells, rows))


def read_fold_table(path: Path) -> list[FoldRow]:
    """Return the rows. Raises OSError where the file cannot be read, ToolkitError where it is no such table."""
    rows = []
    try:
        for line, cells in read_csv(path):
            if isinstance(cells, str):
                raise ValueError(f"line {line}: {cells}")
            answers = [(cells[answer], float(cells[share])) for answer, share in ANSWERS if cells[answer]]
            if not all(0 <= probability <= 1 for _, probability in answers):
                raise ValueError(f"line {line}: a probability lies between 0 and 1")
            ood_score = float(cells["ood_score"])
            if not 0 <= ood_score < math.inf:
                raise ValueError(f"line {line}: an OOD score is 0 or more")
            rows.append(FoldRow(cells["file"], cells["label"], int(cells["fold"]), tuple(answers), ood_score))
    except (KeyError, ValueError) as error:
        reason = f"it has no column {error}" if isinstance(error, KeyError) else error
        raise ToolkitError(f"{path} is no table of cross-validation ({reason}); train again with --folds") from error
    return rows


def _cells(row: FoldRow) -> dict[str, str | int | float]:
    cells: dict[str, str | int | float] = {
        "file": in_one_line(row.file),
        "label": in_one_line(row.label),
        "fold": row.fold,
    }
    for (answer, share), (name, probability) in zip(ANSWERS, row.answers, strict=False):
        cells |= {answer: in_one_line(name), share: round(probability, DIGITS)}
    return {**cells, "ood_score": round(row.ood_score, DIGITS)}
