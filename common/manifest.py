"""manifest.csv, the table of the pictures of a data set: one dataclass, one reader, one writer.

It lies beside train/ and validate/, has a row for each picture, and is the same to the byte for the same data.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.errors import ToolkitError
from common.files import in_one_line, read_csv, write_csv

NAME = "manifest.csv"
COLUMNS = (
    *("path", "split", "class", "lineage", "group", "technique", "technique_sure", "source", "sample", "status"),
    *("URL", "sha256", "file"),
)
LONGEST = 2000  # letters of what is only told, such as a source
ARROW = " > "  # between the names of a lineage, wherever one is written as text


LOG = logging.getLogger(__name__)


class ManifestError(ToolkitError):
    """A file that is no manifest of ours. Its text says which, and why."""


@dataclass(frozen=True)
class ManifestRow:
    """One picture of a data set; what is not known is empty.

    path: below the data set, with forward slashes; split: train, validate or test; label: its class, the directory's
    name; lineage: full names, root first, down to the class; group: what must stay on one side of the split;
    technique: SEM or LM, and technique_sure how sure that is, from 0 to 1; file: its path below images/.
    """

    path: str
    split: str = ""
    label: str = ""
    lineage: tuple[str, ...] = ()
    group: str = ""
    technique: str = ""
    technique_sure: float = 0.0
    source: str = ""
    sample: str = ""
    status: str = ""
    url: str = ""
    sha256: str = ""
    file: str = ""


def manifest_path(path: Path) -> Path:
    """Return where the manifest is that `path`, a data set or the file itself, stands for."""
    return path / NAME if path.is_dir() else path


def read_manifest(path: Path) -> list[ManifestRow]:
    """Return the rows of a manifest; columns that it lacks, all but `path`, count as not known.

    A row that cannot be read is left out with a warning (`logging`). Raises FileNotFoundError where there is no such
    file, ManifestError where it cannot be read as a manifest.
    """
    rows, fault = [], ""
    try:
        for line, cells in read_csv(path):
            if isinstance(cells, str):
                LOG.warning("%s, line %d is left out: %s.", path, line, cells)
                continue
            if "path" not in cells:
                raise ValueError(f"its first line has no column path, but: {', '.join(cells)}")
            try:
                rows += [_row(cells)] if cells["path"] else []
            except ValueError as error:
                fault = str(error)[:100]
                LOG.warning("%s, line %d is left out: %s.", path, line, fault)
        if fault and not rows:
            raise ValueError(fault)
    except ValueError as error:
        raise ManifestError(f"{path} cannot be read ({error}); run prepare_image_model.py again") from error
    return rows


def write_manifest(path: Path, rows: Iterable[ManifestRow]) -> Path:
    """Write the rows, sorted by path, whole or not at all."""
    return write_csv(path, COLUMNS, map(_cells, sorted(rows, key=lambda row: row.path)))


def _row(cells: dict[str, str]) -> ManifestRow:
    texts = {name: cells.get(name) or "" for name in COLUMNS}
    texts |= {name: in_one_line(texts[name][:LONGEST]) for name in ("technique", "source", "sample", "status", "URL")}
    lineage, sure = texts.pop("lineage"), texts.pop("technique_sure")
    return ManifestRow(
        label=texts.pop("class"),
        url=texts.pop("URL"),
        lineage=tuple(lineage.split(ARROW)) if lineage else (),
        technique_sure=float(sure or 0),
        **texts,
    )


def _cells(row: ManifestRow) -> dict[str, str]:
    cells = {name: value for name, value in vars(row).items() if name not in ("label", "url")}
    cells |= {"class": row.label, "URL": row.url, "lineage": ARROW.join(row.lineage)}
    cells |= {"technique_sure": f"{row.technique_sure:.2f}"}
    return {name: in_one_line(value) for name, value in cells.items()}
