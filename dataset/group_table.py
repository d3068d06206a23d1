"""Groups that the user knows: a table of files and groups, such as all pictures of one specimen or of one slide."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common.errors import ToolkitError
from common.files import read_csv
from dataset.names_of_pictures import PictureNames
from dataset.pictures import ListedPicture


def read_groups(path: Path, names: PictureNames) -> dict[str, str]:
    """Return the group of each picture, by its file, from a CSV table with the columns file and group.

    Raises ToolkitError where the table cannot be read, names a file that is none of the pictures (with the nearest), or
    says two different things of one.
    """
    groups: dict[str, str] = {}
    try:
        for line, cells in read_csv(path, by_hand=True):
            if isinstance(cells, str):
                raise ToolkitError(f"{path}, line {line} cannot be read: {cells}", "groups")
            row = {name.strip().casefold(): cell.strip() for name, cell in cells.items()}
            if not {"file", "group"} <= row.keys():
                raise ToolkitError(f"{path} needs the columns file and group; it has {', '.join(cells)}", "groups")
            if not row["file"] or not row["group"]:
                continue
            file = names.resolve(row["file"])
            if file is None:
                raise ToolkitError(f"{path}, line {line}: {names.unknown(row['file'])}", "groups")
            if groups.setdefault(file, row["group"]) != row["group"]:
                raise ToolkitError(f"{path}, line {line}: {row['file']} is in two groups", "groups")
    except (OSError, ValueError) as error:
        raise ToolkitError(f"{path} cannot be read as a table of groups: {error}", "groups") from error
    return groups


def apply_groups(pictures: Sequence[ListedPicture], groups: dict[str, str]) -> list[ListedPicture]:
    """Return the pictures, those of the table with its groups."""
    return [
        replace(picture, specimen=f"group {groups[picture.file]}") if picture.file in groups else picture
        for picture in pictures
    ]
