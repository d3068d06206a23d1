"""corrections.csv, what a person says of labels: one dataclass, one reader, one writer.

It is written by hand, from suspects.csv, or by a page of ours; the scripts read it, and never write over it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.errors import ToolkitError
from common.files import read_csv
from common.folders import comparable
from common.manifest import ARROW
from common.tables import write_table

COLUMNS = ("file", "label", "note")
# What review.html adds: the lineage of the label, root first, and of pictures that were no data set their sample.
MORE_COLUMNS = ("lineage", "sample")
DROP = "drop"
UNIDENTIFIED = ("indet.", "unknown")  # nobody can tell; a taxon that the model does not know


class CorrectionsError(ToolkitError):
    """A table that is no corrections.csv. Its text says which, where and why."""


@dataclass(frozen=True)
class Correction:
    """What a person says of one picture.

    file: as the manifest names it (below images/, or below the own folder), its URL, or its path in the data set;
    label: the name of the taxon that it shows, DROP, or one of UNIDENTIFIED; note: anything; lineage: of the label,
    root first, () where it is not said; sample: the sub-folder of an own picture that was in no data set, None where
    the table does not say that it is of such pictures.
    """

    file: str
    label: str
    note: str = ""
    lineage: tuple[str, ...] = ()
    sample: str | None = None

    @property
    def is_drop(self) -> bool:
        """Whether the picture is not to be used."""
        return self.label.casefold() == DROP

    @property
    def is_unidentified(self) -> bool:
        """Whether nobody can tell the taxon, or it is none that the model knows."""
        return self.label.casefold() in UNIDENTIFIED


def read_corrections(path: Path) -> list[Correction]:
    """Return the corrections of a table, each picture once; other columns, as of suspects.csv, are passed over.

    Raises CorrectionsError where there is no such file, a row cannot be read or lacks its label, or two rows say
    different things of one picture.
    """
    found: dict[str, Correction] = {}
    try:
        _check_kind(path)
        for line, cells in read_csv(path, by_hand=True):
            if isinstance(cells, str):
                raise CorrectionsError(f"{path}, line {line} cannot be read: {cells}", "corrections")
            if not any(cell.strip() for cell in cells.values()):
                continue
            correction = _correction(path, line, cells)
            known = found.setdefault(comparable(correction.file), correction)
            if known.label != correction.label:
                raise CorrectionsError(
                    f"{path}, line {line}: {correction.file} is {known.label} in a row above, and {correction.label} "
                    "here; leave one of them",
                    "corrections",
                )
    except (OSError, ValueError) as error:
        raise CorrectionsError(f"{path} cannot be read as corrections: {error}", "corrections") from error
    return list(found.values())


def write_corrections(path: Path, corrections: Iterable[Correction]) -> Path:
    """Write corrections, whole or not at all."""
    rows = [vars(each) | {"lineage": ARROW.join(each.lineage), "sample": each.sample or ""} for each in corrections]
    more = [name for name in MORE_COLUMNS if any(row[name] for row in rows)]
    return write_table(path, [*COLUMNS, *more], rows)


def _check_kind(path: Path) -> None:
    """Raise ValueError for a workbook, with what to do about it."""
    head = path.read_bytes()[:4] if path.is_file() else b""
    if head.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        raise ValueError("it is a workbook; save the sheet as CSV UTF-8")


def _correction(path: Path, line: int, cells: dict[str, str]) -> Correction:
    named = {name.strip().casefold(): value.strip() for name, value in cells.items()}
    file, label = named.get("file") or named.get("url", ""), named.get("label", "")
    if "label" not in named or not ("file" in named or "url" in named):
        raise CorrectionsError(
            f"{path} needs the columns file (or URL) and label; it has {', '.join(cells)}", "corrections"
        )
    if not file or not label:
        missing = "file" if not file else "label"
        raise CorrectionsError(f"{path}, line {line}: its {missing} is empty; give a taxon, or {DROP}", "corrections")
    lineage = tuple(filter(None, map(str.strip, named.get("lineage", "").split(ARROW))))
    return Correction(file, label, named.get("note", ""), lineage, named.get("sample") if "sample" in named else None)
