"""The picture files of a folder: listing them, and reading them ahead of the network, whatever they turn out to be."""

import os
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock

import numpy as np
from PIL import Image, UnidentifiedImageError

from models.preprocessing import fit_square, read_picture

READ_AHEAD = 256  # pictures
LARGE = 10_000_000  # pixels; larger pictures are read one at a time, so that memory stays bounded
# Pillow knows no more than the names of these formats, or lets another program draw them.
NOT_READ = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")


@dataclass(frozen=True)
class File:
    """A file of the folder: its name below the folder as the tables write it, and its size and time of change."""

    name: str
    path: Path
    stamp: tuple[str, str]


def list_files(folder: Path, output: Path) -> tuple[dict[str, File], dict[str, str]]:
    """List all files below `folder` whose ending promises a picture, by name, and what could not be looked into.

    Hidden files and those that an earlier run wrote below `output` are left out. Names use / on every system; signs
    that cannot be printed, and backslashes, are written as Python escapes them, so that each name is one line of its
    own. Raises FileNotFoundError where there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    Image.init()
    endings = {
        end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN and kind not in NOT_READ
    }
    files, faults = {}, {}

    def name_of(path: str | Path) -> str:
        name = PurePosixPath(Path(path).relative_to(folder)).as_posix()
        plain = (sign.isprintable() and sign != "\\" for sign in name)
        return "".join(s if p else s.encode("unicode_escape").decode() for s, p in zip(name, plain, strict=True))

    def fault(error: OSError) -> None:
        faults[name_of(error.filename)] = f"it cannot be opened: {error.strerror}"

    ours = output.resolve()
    for place, below, names in os.walk(folder, onerror=fault):
        here = Path(place)
        below[:] = sorted(name for name in below if not name.startswith(".") and (here / name).resolve() != ours)
        for path in (here / name for name in sorted(names) if not name.startswith(".")):
            try:
                if path.suffix.lower() in endings and path.is_file() and path.resolve() != ours / "contact_sheet.png":
                    about = path.stat()
                    files[name_of(path)] = File(name_of(path), path, (str(about.st_size), str(about.st_mtime_ns)))
            except OSError as error:  # a directory that may be listed, and no more; a file that has just gone
                faults[name_of(path)] = f"it cannot be opened: {error.strerror}"
    return files, faults


def read_squares(files: Iterable[File], size: int) -> Iterator[tuple[File, np.ndarray | str]]:
    """Yield each file, in order, with its picture, uint8 (size, size, 3), or a text that says why it cannot be read.

    Several threads read ahead of whoever asks, but by no more than READ_AHEAD pictures.
    """
    large = Lock()
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow thinks of odd files goes into unreadable.csv, or does not matter
        waiting: deque = deque()
        try:
            for file in files:
                waiting.append((file, pool.submit(read_square, file.path, size, large)))
                if len(waiting) > READ_AHEAD:
                    file, future = waiting.popleft()
                    yield file, future.result()
            for file, future in waiting:
                yield file, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def read_square(path: Path, size: int, large: Lock) -> np.ndarray | str:
    """Read a picture into a square, uint8 (size, size, 3), or say why it cannot be read."""
    try:
        if not path.stat().st_size:
            return "it is empty (0 bytes)"
        with Image.open(path) as file:
            pixels = file.width * file.height
        if pixels > Image.MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError
        if pixels < LARGE:
            return fit_square(read_picture(path), size)
        with large:
            return fit_square(read_picture(path), size)
    except Image.DecompressionBombError:
        return f"it has more than {Image.MAX_IMAGE_PIXELS / 1e6:.0f} million pixels, the most that are read"
    except (FileNotFoundError, PermissionError) as error:
        return f"it cannot be opened: {error.strerror}"
    except UnidentifiedImageError:
        return "it is no picture, whatever its name says, or its first bytes are damaged"
    except Exception as error:  # hostile files make Pillow's plug-ins raise anything at all, and none may end the run
        return f"it is damaged or cut short: {error.__cause__ or error or type(error).__name__}"
