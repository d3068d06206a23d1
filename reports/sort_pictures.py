"""Own pictures laid out by answer, to be looked through in any viewer: hard links, or copies where none can be."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from common.errors import ToolkitError
from common.files import read_csv
from common.names import disambiguate, safe_part
from common.tables import write_table
from reports.image_files import OwnImage
from reports.prediction_table import Row

TABLE = "sorted.csv"
COLUMNS = ("file", "answer", "place")


def sort_pictures(directory: Path, rows: Sequence[Row], images: Mapping[str, OwnImage]) -> str:
    """Lay pictures out in `directory`, as <answer>/<sample>/<picture>; return what to say of it.

    rows: those of predictions.csv; pictures that a person dropped are left out. sorted.csv tells which picture is
    where; by it, what an earlier run laid out is taken away first. Raises ToolkitError where the directory holds
    something else, OSError where the disk refuses.
    """
    _clear(directory)
    places = _places([row for row in rows if row["answer"]])
    lines = [{"file": row["file"], "answer": row["answer"], "place": place} for row, place in places]
    write_table(directory / TABLE, COLUMNS, lines)  # first, so that a killed run can be cleared away
    copied = 0
    for row, place in places:
        target = directory / place
        target.parent.mkdir(parents=True, exist_ok=True)
        source = images[row["file"]].path.resolve()
        try:
            target.hardlink_to(source)
        except (OSError, NotImplementedError):
            shutil.copyfile(source, target)
            copied += 1
    how = f"{copied} of them copies" if copied else "as hard links, which take no space"
    return f"Laid {len(places)} pictures out by answer in {directory}, {how}; {TABLE} tells which is where."


def _places(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Return where each picture is put, below the directory; no two at one place, on any disk."""
    taken: set[str] = set()
    places = []
    for row in rows:
        sample = [] if row["sample"] == "." else [safe_part(row["sample"].replace("/", " - "))]  # however deep it lies
        place = "/".join([safe_part(row["answer"]), *sample, safe_part(PurePosixPath(row["file"]).name)])
        if place.casefold() in taken:
            place = disambiguate(place, row["file"])
        taken.add(place.casefold())
        places.append((row, place))
    return places


def _clear(directory: Path) -> None:
    """Take away what an earlier run laid out."""
    if not directory.exists() or not any(directory.iterdir()):
        return
    table = directory / TABLE
    known = table.is_file()
    try:
        rows = [cells for _, cells in read_csv(table)] if known else []
    except (OSError, ValueError):
        known = False
    if not known:
        raise ToolkitError(f"{directory} holds files that are not of an earlier run; name a new directory", "sort_into")
    for cells in rows:
        place = cells.get("place", "") if isinstance(cells, dict) else ""
        if not place or ".." in PurePosixPath(place).parts or PurePosixPath(place).is_absolute():
            continue
        with suppress(OSError):
            (directory / place).unlink()
        for above in PurePosixPath(place).parents:
            with suppress(OSError):  # something else lies there
                if above != PurePosixPath("."):
                    (directory / above).rmdir()
    table.unlink()
