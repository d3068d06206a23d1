"""The data set on disk: built beside its place, and swapped in as a whole.

A data set is several names (`train/`, `validate/`, `dataset.json` …) and no file system swaps several names at once. So
everything is built in one hidden directory beside them, and that directory's own name, which changes by one rename,
tells how far the swap has come:

    .dataset.building   the new data set is being made; thrown away by the next run
    .dataset.leaving    the old one is moving into it; undone by the next run: all of it moves back
    .dataset.entering   the old one is out, the new one is moving into place; completed by the next run
    .dataset.done       the new one is in place; the old one is thrown away

`dataset.json` leaves first and enters last, and nothing new enters before everything old has left. So wherever there is
a dataset.json, all that lies beside it belongs to it, and pictures of two data sets never lie side by side.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from common import dataset_info, manifest
from common.dataset_info import SPLITS
from common.errors import ToolkitError
from common.files import in_one_line, write_csv
from common.folders import comparable, files_below, is_litter
from common.names import disambiguate, safe_part
from dataset.pictures import Excluded, Picture

SHEET, EXCLUDED = "dataset.png", "excluded.csv"
NAMES = (dataset_info.NAME, SHEET, manifest.NAME, EXCLUDED, *SPLITS)  # in the order in which they leave
BUILDING, LEAVING, ENTERING, DONE = (f".dataset.{state}" for state in ("building", "leaving", "entering", "done"))

# What torchvision's ImageFolder reads; a file of another name gets a suffix that it knows.
SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}


def check_place(train: Path) -> None:
    """Finish or undo a swap that was cut short, and make sure that only a data set of our own would be replaced.

    Raises ToolkitError, with nothing touched, where something else lies in the way.
    """
    recover(train)
    _refuse_foreign(train)


def check_directory(train: Path) -> None:
    """Raise ToolkitError, with nothing touched, where a file or something that is not ours lies in the way."""
    if train.exists() and not train.is_dir():
        raise ToolkitError(f"{train} is a file, not a directory", "train")
    if not any((train / state).exists() for state in (BUILDING, LEAVING, ENTERING, DONE)):
        _refuse_foreign(train)


def recover(train: Path) -> None:
    """Bring a swap that was cut short to its end, or back to its start, and clear away what runs left behind.

    Raises ToolkitError where something else has come to lie in the way.
    """
    if (train / LEAVING).is_dir():
        # In the opposite order, so that dataset.json is again the last to come.
        _move_all(train / LEAVING / "old", train, reversed(NAMES))
        (train / LEAVING).rename(train / BUILDING)
    if (train / ENTERING).is_dir():
        _enter(train)
    for name in (BUILDING, DONE):
        shutil.rmtree(train / name, ignore_errors=True)


def place_pictures(train: Path, pictures: Sequence[Picture], link: str) -> tuple[Path, list[Picture], int]:
    """Put each picture into `<split>/<class>/` of a new data set that is being built below `train`.

    `link` is hard, copy or symbolic. Returns the directory of the new data set, the pictures with their paths below it,
    and how many had to be copied because the disk supports no links.
    """
    new = train / BUILDING / "new"
    (train / BUILDING / "old").mkdir(parents=True)
    directories = class_directories({picture.label for picture in pictures})
    placed, copied = [], 0
    for picture in pictures:
        path = f"{picture.split}/{directories[picture.label]}/{file_name(picture.file)}"
        (new / path).parent.mkdir(parents=True, exist_ok=True)
        copied += _link(picture.source.resolve(), new / path, link)
        placed.append(replace(picture, path=path))
    return new, placed, copied


def class_directories(labels: Iterable[str]) -> dict[str, str]:
    """Return a directory name for each class; no two are the same on a disk that ignores case."""
    directories: dict[str, str] = {}
    taken: set[str] = set()
    for label in sorted(labels):
        name = safe_part(label)
        if name.casefold() in taken:
            name = disambiguate(name, label)
        taken.add(name.casefold())
        directories[label] = name
    return directories


def manifest_row(picture: Picture) -> manifest.ManifestRow:
    """Return the row of a placed picture in manifest.csv, which depends on nothing but the data."""
    return manifest.ManifestRow(
        path=picture.path,
        split=picture.split,
        label=class_name(picture),
        lineage=picture.lineage,
        group=picture.group,
        technique=picture.technique,
        technique_sure=picture.technique_sure,
        source=picture.facts.get("source", ""),
        sample=picture.facts.get("sample", ""),
        status=picture.facts.get("status", ""),
        url=picture.url,
        sha256=picture.descriptor.sha256,
        file=picture.file,
    )


def class_name(picture: Picture) -> str:
    """Return the name of a placed picture's class, which is that of its directory."""
    return picture.path.split("/")[1]


def write_excluded(path: Path, excluded: Iterable[Excluded]) -> Path:
    """Write excluded.csv: a row for each picture that is listed and not used."""
    rows = [
        {"picture": in_one_line(each.file), "reason": in_one_line(each.reason), "URL": in_one_line(each.url)}
        for each in sorted(excluded, key=lambda each: each.file)
    ]
    return write_csv(path, ("picture", "reason", "URL"), rows)


def swap_in(train: Path) -> None:
    """Put the new data set in the place of the old one; the module's text says how.

    Raises ToolkitError where something else has come to lie in the way since `check_place`.
    """
    _refuse_foreign(train)
    if hasattr(os, "sync"):
        os.sync()  # so that a power cut finds the links and copies on the disk when the names move
    (train / BUILDING).rename(train / LEAVING)
    _move_all(train, train / LEAVING / "old", NAMES)
    (train / LEAVING).rename(train / ENTERING)  # from here on the old one cannot come back, and the new one must enter
    _enter(train)
    shutil.rmtree(train / DONE, ignore_errors=True)


def _enter(train: Path) -> None:
    _move_all(train / ENTERING / "new", train, reversed(NAMES))
    (train / ENTERING).rename(train / DONE)


def _move_all(source: Path, target: Path, names: Iterable[str]) -> None:
    """Move what there is of `names`; those that a run that was cut short has moved already are no longer there.

    Raises ToolkitError where a name is taken, with nothing overwritten.
    """
    for name in names:
        if not os.path.lexists(source / name):
            continue
        if os.path.lexists(target / name):
            raise ToolkitError(f"{target / name} appeared while the data set was being swapped in; move it away")
        (source / name).rename(target / name)


def _refuse_foreign(train: Path) -> None:
    """Raise ToolkitError where a name of a data set is taken by something that is no part of one of ours."""
    present = [name for name in NAMES if os.path.lexists(train / name)]
    if all(_holds_no_file(train / name) for name in present):
        return
    if foreign := _foreign(train, present):
        raise ToolkitError(
            f"{foreign} was not made by {dataset_info.MADE_BY}, which replaces only its own data sets: move it away",
            "train",
        )


def _holds_no_file(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(True for _ in files_below(path))


def _foreign(train: Path, present: Sequence[str]) -> Path | None:
    """Return something below the names of a data set that is no part of one of ours, if there is any."""
    try:
        ours = dataset_info.read_dataset_info(train / dataset_info.NAME).made_by == dataset_info.MADE_BY
        listed = {comparable(row.path) for row in manifest.read_manifest(train / manifest.NAME)}
    except (OSError, ToolkitError):
        ours, listed = False, set()
    if not ours:
        return train / present[-1]
    for split in SPLITS:
        for name, path in files_below(train / split):  # all files: whatever it is, it would be thrown away
            litter = path.name.startswith((".DS_Store", "._")) or is_litter(path.name)
            if comparable(f"{split}/{name}") not in listed and not litter:
                return path
    return None


def file_name(file: str) -> str:
    """Return a picture's own name with digits of its key, so that two never meet and each always keeps its name."""
    path = PurePosixPath(safe_part(PurePosixPath(file).name))
    known = path.suffix.lower() in SUFFIXES
    name = disambiguate(path.name if known else f"{path.name}.png", file)
    return f"_{name}" if is_litter(name) else name


def _link(source: Path, target: Path, link: str) -> bool:
    """Put `source` at `target`. Returns True for a copy that was made because no link could be."""
    try:
        if link == "hard":
            target.hardlink_to(source)
            return False
        if link == "symbolic":
            target.symlink_to(source)
            return False
    except (OSError, NotImplementedError):
        shutil.copyfile(source, target)
        return True
    shutil.copyfile(source, target)
    return False
