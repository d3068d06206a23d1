"""The tables that a folder of own pictures comes to, long and wide, as CSV and as a workbook."""

from collections.abc import Sequence
from pathlib import Path

from common.tables import Sheet, write_table, write_workbook
from reports.assemblage import (
    COLUMNS,
    CORRECTED_COLUMNS,
    CORRECTED_RULE,
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
from reports.settings import ASSEMBLAGE

WIDE, WORKBOOK = "assemblage_wide.csv", "assemblage.xlsx"
CORRECTED = "corrected_shares.csv"


def write_own_tables(output: Path, folder: Path, rows: Sequence[Row], classifier: Classifier, seed: int) -> list[Cells]:
    """Write all tables of own pictures but predictions.csv; return the rows of the long one.

    folder: the pictures' folder, or the one picture; rows: those of predictions.csv; seed: of the order in which
    pictures are checked.
    """
    samples = by_sample(rows)
    assemblage = [row for sample, own in samples.items() for row in assemblage_rows(sample, own, seed)]
    sheets = [
        Sheet("counts", *wide_rows(assemblage)),
        Sheet("shares", *wide_rows(assemblage, "share")),
        Sheet("long", COLUMNS, assemblage),
    ]
    write_table(output / ASSEMBLAGE, COLUMNS, assemblage)
    write_table(output / WIDE, *wide_rows(assemblage))
    rules = [RULE]
    (output / CORRECTED).unlink(missing_ok=True)
    if classifier.confusion is not None:
        names, confusion = classifier.names, classifier.confusion
        corrected = [row for sample, own in samples.items() for row in corrected_rows(sample, names, own, confusion)]
        write_table(output / CORRECTED, CORRECTED_COLUMNS, corrected)
        sheets.append(Sheet("corrected", CORRECTED_COLUMNS, corrected))
        rules.append(CORRECTED_RULE)
    write_workbook(output / WORKBOOK, [*sheets, Sheet("rule", ["rule"], [{"rule": rule} for rule in rules])])
    write_answers(output / PARTICLETRIEUR, folder, rows, classifier.names)
    return assemblage
