"""The tables that a folder of own pictures comes to, long and wide, as CSV and as a workbook."""

from collections.abc import Sequence
from pathlib import Path

from common.tables import Sheet, write_table, write_workbook
from reports.assemblage import (
    COLUMNS,
    CORRECTED_COLUMNS,
    RULE,
    Cells,
    assemblage_rows,
    by_sample,
    corrected_rows,
    wide_rows,
)
from reports.classifier import Classifier
from reports.particletrieur import NAME as PARTICLETRIEUR
from reports.particletrieur import write_answers
from reports.prediction_table import Row

LONG, WIDE, WORKBOOK = "assemblage.csv", "assemblage_wide.csv", "assemblage.xlsx"
CORRECTED = "corrected_shares.csv"


def write_own_tables(output: Path, folder: Path, rows: Sequence[Row], classifier: Classifier, seed: int) -> list[Cells]:
    """Write all tables of own pictures but predictions.csv; return the rows of the long one.

    folder: the pictures' folder, or the one picture; rows: those of predictions.csv; seed: of the order in which
    pictures are checked.
    """
    samples = by_sample(rows)
    corrected: list[Cells] = []
    if classifier.confusion is not None:
        for sample, its_rows in samples.items():
            corrected += corrected_rows(sample, classifier.names, its_rows, classifier.confusion)
    assemblage: list[Cells] = []
    for sample, its_rows in samples.items():
        known = {
            row["class"]: (row["corrected"], row["corrected_low"], row["corrected_high"])
            for row in corrected
            if row["sample"] == sample
        }
        assemblage += assemblage_rows(sample, its_rows, known, seed)
    write_table(output / LONG, COLUMNS, assemblage)
    write_table(output / WIDE, *wide_rows(assemblage))
    (output / CORRECTED).unlink(missing_ok=True)
    if corrected:
        write_table(output / CORRECTED, CORRECTED_COLUMNS, corrected)
    sheets = [
        Sheet("counts", *wide_rows(assemblage)),
        Sheet("shares", *wide_rows(assemblage, "share")),
        Sheet("long", COLUMNS, assemblage),
        Sheet("rule", ["rule"], [{"rule": RULE}]),
    ]
    write_workbook(output / WORKBOOK, sheets)
    write_answers(output / PARTICLETRIEUR, folder, rows, classifier.names)
    return assemblage
