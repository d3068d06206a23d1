"""corrections.csv, what a person says of labels: one dataclass, one reader, one writer.

It is written by hand, from suspects.csv, or by a page of ours; the scripts read it, and never write over it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.errors import ToolkitError
from common.files import in_one_line, read_csv, write_csv
from common.folders import comparable

COLUMNS = ("file", "label", "note")
DROP = "drop"


class CorrectionsError(ToolkitError):
    """A table that is no corrections.csv. Its text says which, where and why."""


@dataclass(frozen=True)
class Correction:
    """What a person says of one picture.

    file: as the manifest names it (below images/, or below the own folder), its URL, or its path in the data set;
    label: the name of the taxon that it shows, or DROP; note: anything.
    """

    file: str
    label: str
    note: str = ""

    @property
    def is_drop(self) -> bool:
        """Whether the picture is not to be used."""
        return self.label.casefold() == DROP


def read_corrections(path: Path) -> list[Correction]:
    """Read corrections, each picture once; further columns, such as those of suspects.csv, are passed over.

    Raises CorrectionsError where there is no such file, a row cannot be read or lacks its label, or two rows say
    different things of one picture.
    """
    found: dict[str, Correction] = {}
    try:
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
    rows = ({name: in_one_line(value) for name, value in vars(each).items()} for each in corrections)
    return write_csv(path, COLUMNS, rows)


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
    return Correction(file, label, named.get("note", ""))
