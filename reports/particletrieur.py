"""answers_particletrieur.csv, the table of answers that ParticleTrieur and MISO import."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from common.files import write_bytes
from common.tables import table_text
from evaluation.calibration import UNKNOWN
from reports.person import INDETERMINATE, NAMED
from reports.prediction_table import Row

NAME = "answers_particletrieur.csv"
COLUMNS = ("filename", "short_filename", "sample", "class_index", "class", "score")
UNSURE = "unsure"


def write_answers(path: Path, folder: Path, rows: Sequence[Row], names: Sequence[str]) -> Path:
    """Write the answers, one a picture; without a byte-order mark, which its reader would take for letters.

    folder: where the pictures lie, or the one picture; names: of the classes, in the order of the model's outputs. An
    answer that is no class of the model is `unsure`, with the index -1; a picture that a person dropped is left out.
    """
    index = {name: label for label, name in enumerate(names)}
    top = folder.parent if folder.is_file() else folder
    lines: list[tuple[object, ...]] = [COLUMNS]
    for row in rows:
        if not row["answer"]:
            continue
        by_person = row["checked"] == NAMED
        known = row["answer"] in index or (by_person and row["answer"] not in (INDETERMINATE, UNKNOWN))
        filename = (top / row["file"]).as_posix()
        sample = top.resolve().name if row["sample"] == "." else row["sample"]
        answer = index.get(row["answer"], -1), row["answer"] if known else UNSURE
        score = "1.0000" if by_person else row["first_probability"]
        lines.append((filename, PurePosixPath(filename).name, sample, *answer, score))
    return write_bytes(path, table_text(lines).encode("utf-8", "backslashreplace"))
