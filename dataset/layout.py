"""The finished data set on disk: built beside its place, and swapped in whole.

A layout is several names (`train/`, `validate/`, `dataset.json` …) and no file system swaps several names at once. So
everything is built in one hidden directory beside them, and that directory's own name, which changes by one rename,
tells how far the swap has come:

    .dataset.building   the new layout is being made; thrown away by the next run
    .dataset.leaving    the old layout is moving into it; undone by the next run, all of it moves back
    .dataset.entering   the old layout is out, the new one moves into place; completed by the next run
    .dataset.done       the new layout stands; the old one is thrown away

`dataset.json` leaves first and enters last, and nothing new enters before everything old has left. So where
dataset.json stands, all that stands beside it belongs to it, and pictures of two layouts never stand side by side.
"""

import csv
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from common.files import write_csv
from common.names import disambiguate, safe_part
from dataset import DataSetError
from dataset.records import Excluded, Picture

SPLITS = ("train", "validate", "test")
NAMES = ("dataset.json", "dataset.png", "manifest.csv", "excluded.csv", *SPLITS)  # in the order in which they leave
MADE_BY = "prepare_image_model.py"
BUILDING, LEAVING, ENTERING, DONE = (f".dataset.{state}" for state in ("building", "leaving", "entering", "done"))

MANIFEST = (
    *("path", "split", "class", "lineage", "group", "technique", "technique_sure", "source", "sample", "status"),
    *("URL", "sha256", "file"),
)
# What torchvision's ImageFolder reads; a file of another name gets a suffix that it knows.
SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}  # what file managers leave behind


def check_place(train: Path) -> None:
    """Finish or undo a swap that was cut short, and see that only a layout of our own would be replaced.

    Raises DataSetError, with nothing touched, where something else stands in the way.
    """
    if train.exists() and not train.is_dir():
        raise DataSetError(f"{train} is a file: give a directory as --train.")
    recover(train)
    _refuse_foreign(train)


def _refuse_foreign(train: Path) -> None:
    standing = [name for name in NAMES if os.path.lexists(train / name)]
    if not standing or all(_holds_no_file(train / name) for name in standing):
        return
    foreign = _foreign(train, standing)
    if foreign:
        raise DataSetError(
            f"{foreign} was not made by this script, which replaces only its own layouts: "
            f"move it away, or give another directory as --train."
        )


def recover(train: Path) -> None:
    """Bring a swap that was cut short to its end, or back to its start, and clear away what runs left behind."""
    if (train / LEAVING).is_dir():
        _move_all(train / LEAVING / "old", train, reversed(NAMES))
        (train / LEAVING).rename(train / BUILDING)
    if (train / ENTERING).is_dir():
        _enter(train)
    for name in (BUILDING, DONE):
        shutil.rmtree(train / name, ignore_errors=True)


def place_pictures(train: Path, images: Path, pictures: Sequence[Picture], link: str) -> tuple[Path, int]:
    """Put each picture into `<split>/<class>/` of a new layout that is being built below `train`.

    Sets the path of each picture. `link` is hard, copy or symbolic. Returns the directory of the new layout and how
    many pictures had to be copied because the disk takes no links.
    """
    new = train / BUILDING / "new"
    (train / BUILDING / "old").mkdir(parents=True)
    directories = class_directories({picture.label for picture in pictures})
    copied = 0
    for picture in pictures:
        picture.path = f"{picture.split}/{directories[picture.label]}/{_file_name(picture)}"
        target = new / picture.path
        target.parent.mkdir(parents=True, exist_ok=True)
        copied += _link((images / picture.file).resolve(), target, link)
    return new, copied


def class_directories(labels: Iterable[str]) -> dict[str, str]:
    """Return a directory name for each class; no two are the same on a disk that knows no case."""
    directories: dict[str, str] = {}
    taken: set[str] = set()
    for label in sorted(labels):
        name = safe_part(label)
        if name.casefold() in taken:
            name = disambiguate(name, label)
        taken.add(name.casefold())
        directories[label] = name
    return directories


def write_manifest(new: Path, pictures: Iterable[Picture]) -> Path:
    """Write manifest.csv: a row for each picture used, sorted by path, which hangs on nothing but the data."""
    rows = [
        {
            "path": picture.path,
            "split": picture.split,
            "class": picture.path.split("/")[1],
            "lineage": " > ".join(picture.lineage),
            "group": picture.group,
            "technique": picture.technique,
            "technique_sure": f"{picture.technique_sure:.2f}",
            "source": picture.facts.get("source", ""),
            "sample": picture.facts.get("sample", ""),
            "status": picture.facts.get("status", ""),
            "URL": picture.url,
            "sha256": picture.look.sha256,
            "file": picture.file,
        }
        for picture in sorted(pictures, key=lambda picture: picture.path)
    ]
    return write_csv(new / "manifest.csv", MANIFEST, rows)


def write_excluded(new: Path, excluded: Iterable[Excluded]) -> Path:
    """Write excluded.csv: a row for each picture that is listed and not used."""
    rows = [
        {"picture": left.file, "reason": left.reason, "URL": left.url}
        for left in sorted(excluded, key=lambda e: e.file)
    ]
    return write_csv(new / "excluded.csv", ("picture", "reason", "URL"), rows)


def swap_in(train: Path) -> None:
    """Put the new layout in the place of the old one; the module's text says how.

    Raises DataSetError where something else has come to stand in the way since `check_place`.
    """
    _refuse_foreign(train)
    if hasattr(os, "sync"):
        os.sync()  # so that a power cut finds the links and copies on the disk when the names move
    (train / BUILDING).rename(train / LEAVING)
    _move_all(train, train / LEAVING / "old", NAMES)
    (train / LEAVING).rename(train / ENTERING)
    _enter(train)
    shutil.rmtree(train / DONE, ignore_errors=True)


def _enter(train: Path) -> None:
    _move_all(train / ENTERING / "new", train, reversed(NAMES))
    (train / ENTERING).rename(train / DONE)


def _move_all(source: Path, target: Path, names: Iterable[str]) -> None:
    """Move what there is of `names`. Raises DataSetError where a name is taken, with nothing overwritten."""
    for name in names:
        if not os.path.lexists(source / name):
            continue
        if os.path.lexists(target / name):
            raise DataSetError(f"{target / name} came between while the data set was swapped in: move it away.")
        (source / name).rename(target / name)


def _holds_no_file(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(names for _, _, names in os.walk(path))


def _foreign(train: Path, standing: Sequence[str]) -> Path | None:
    """Return something below the names of a layout that is no part of a layout of ours, if there is any."""
    try:
        ours = json.loads((train / "dataset.json").read_text(encoding="utf-8")).get("made_by") == MADE_BY
        with (train / "manifest.csv").open(encoding="utf-8", newline="") as table:
            listed = {row["path"] for row in csv.DictReader(table)}
    except (OSError, ValueError, KeyError, AttributeError):
        ours, listed = False, set()
    if not ours:
        return train / standing[-1]
    for split in SPLITS:
        for directory, _, names in os.walk(train / split):
            for name in names:
                path = Path(directory, name)
                if path.relative_to(train).as_posix() not in listed and name not in LITTER:
                    return path
    return None


def _file_name(picture: Picture) -> str:
    """Return the picture's own name with digits of its key, so that two never meet and each always keeps its name."""
    path = PurePosixPath(safe_part(PurePosixPath(picture.file).name))
    known = path.suffix.lower() in SUFFIXES
    return disambiguate(path.name if known else f"{path.name}.png", picture.file)


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
