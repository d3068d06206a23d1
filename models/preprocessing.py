"""Pictures on their way into the network: reading, the store in memory, augmentation, normalising."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Generator, Tensor
from torch.nn import functional as F
from torchvision.datasets.folder import IMG_EXTENSIONS

from training import memory as storage

PIECE = 1 << 20  # pixels that are stretched at a time

# What brings a picture upright, by how the camera was held (EXIF 2.3, tag Orientation; 1 is upright).
CAMERA_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Normalisation:
    """Shifts and scales each channel by its mean and standard deviation, in [0, 1]: (picture / 255 - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, pictures: Tensor) -> Tensor:
        """Turn pictures (n, 3, h, w) with values in [0, 255], of any type, into what the network takes (float32)."""
        scale = 255 * self._channels(self.std, pictures)
        return (pictures.float() - 255 * self._channels(self.mean, pictures)) / scale

    def undo(self, pictures: Tensor) -> Tensor:
        """Turn what the network takes back into pictures with values in [0, 1], for looking at."""
        return (pictures * self._channels(self.std, pictures) + self._channels(self.mean, pictures)).clamp(0, 1)

    @staticmethod
    def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
        return torch.tensor(values, device=like.device).view(1, -1, 1, 1)


# What torchvision's weights were trained with, and as good as any other from scratch.
IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

# From where to where the changes are drawn that `augment` makes to a picture.
CHANGES = torch.tensor(
    [
        (-1.0, 1.0),  # turn, as a share of the largest
        (-1.0, 1.0),  # mirrored where negative
        (math.log(0.9), math.log(1.1)),  # size, as a logarithm
        (-0.08, 0.08),  # shift to the right and downwards, in halves of the picture
        (-0.08, 0.08),
        (0.9, 1.1),  # gamma
        (0.9, 1.1),  # contrast
        (-0.05, 0.05),  # brightness, as a share of full white
    ],
)


def list_pictures(directory: Path, classes: list[str] | None = None) -> tuple[list[tuple[Path, int]], list[str]]:
    """List the pictures of an ImageFolder such as train/ as (path, label index), and the names of its classes.

    The labels count `classes` where they are given (validate/ must count as train/ did), else the directory's own
    sub-directories in alphabetical order. Raises FileNotFoundError or ValueError, with a sentence for the user, where
    the directory, its classes or their pictures are missing, or where it holds a class that `classes` lacks.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f"there is no directory {directory}")
    found = sorted(entry.name for entry in directory.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not found:
        raise FileNotFoundError(f"{directory} holds no classes: one sub-directory with pictures is needed for each")
    classes = found if classes is None else classes
    if unknown := sorted(set(found).difference(classes)):
        raise ValueError(f"{directory} has the class {unknown[0]}, which is none of the {len(classes)} classes known")
    samples = [
        (path, classes.index(name))
        for name in found
        for path in sorted((directory / name).iterdir())
        if path.suffix.lower() in IMG_EXTENSIONS and not path.name.startswith(".")
    ]
    if not samples:
        raise FileNotFoundError(f"the sub-directories of {directory} hold no pictures ({', '.join(IMG_EXTENSIONS)})")
    return samples, classes


def read_picture(path: Path | str) -> Image.Image:
    """Read a picture as RGB, upright, its transparent parts black.

    Takes whatever Pillow opens: 16-bit and floating grey are stretched to 8 bits, palettes and alpha are resolved, a
    turn that the camera wrote down (EXIF) is carried out. Raises OSError where the file is no whole picture.
    """
    try:
        with Image.open(path) as file:
            file.load()
    except Exception as error:
        # Pillow's plug-ins raise what they like on broken files; to the caller all of it means one thing.
        raise OSError(f"{path} is not a picture that can be read ({error})") from error
    picture = _upright(file)
    if picture.mode.startswith(("I", "F")):
        picture = _stretch(picture)
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, picture)
    return picture.convert("RGB")


def _upright(picture: Image.Image) -> Image.Image:
    """Carry out the turn that the camera wrote down.

    Pillow's own ImageOps.exif_transpose writes all other notes of the camera anew, and fails at odd ones.
    """
    try:
        turn = CAMERA_TURNS.get(picture.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # notes that cannot be read say nothing, and the picture is whole
        return picture
    return picture if turn is None else picture.transpose(turn)


def _stretch(picture: Image.Image) -> Image.Image:
    """Bring grey values of any range to 0..255: 16-bit files seldom use the whole of it."""
    values = np.asarray(picture)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    grey = np.empty(values.shape, np.uint8)
    # Piece by piece: as floating numbers, a large picture would take eight bytes for each pixel, several times over.
    for start in range(0, values.size, PIECE):
        piece = values.reshape(-1)[start : start + PIECE].astype(np.float64)
        grey.reshape(-1)[start : start + PIECE] = np.nan_to_num((piece - low) / max(high - low, 1e-12) * 255)
    return Image.fromarray(grey)


def fit_square(picture: Image.Image, size: int) -> np.ndarray:
    """Fit a whole picture into a square of `size` pixels, padded with the colour of its border: uint8 (size, size, 3).

    Nothing is cut off and nothing is squeezed: proportions tell species apart.
    """
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    if (width, height) != picture.size:
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture)
    square = np.empty((size, size, 3), np.uint8)
    square[:] = border_colour(pixels)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def border_colour(pixels: np.ndarray) -> np.ndarray:
    """Return the median colour, uint8 (3,), of the outermost pixels of a picture (height, width, 3)."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return np.median(border, axis=0).astype(np.uint8)


def native_size(paths: list[Path], smallest: int = 32, largest: int = 224, step: int = 8) -> int:
    """Return the side in pixels at which pictures are trained by default: the median of their longer sides.

    Kept within `smallest` and `largest`, and rounded to a multiple of `step`. Up to 200 pictures, evenly spread over
    the list, are asked for their size, which reads no pixel.
    """
    sides = []
    for path in paths[:: max(1, len(paths) // 200)]:
        try:
            with Image.open(path) as file:
                sides.append(max(file.size))
        except Exception:  # of any kind, as in `read_picture`, which reports it
            continue
    median = float(np.median(sides)) if sides else largest
    return step * round(min(largest, max(smallest, median)) / step)


@dataclass
class Store:
    """Pictures of one split at hand: uint8 (n, 3, size, size), channels last, with label indices int64 (n,)."""

    pictures: Tensor
    labels: Tensor
    paths: list[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, part: slice) -> "Store":
        """Return a part of the store, without a copy."""
        return Store(self.pictures[part], self.labels[part], self.paths[part])

    def to(self, device: torch.device) -> "Store":
        """Return the same store with its tensors on `device`."""
        return Store(self.pictures.to(device), self.labels.to(device), self.paths)


def read_store(samples: list[tuple[Path, int]], size: int, tick: Callable[[int], Any] = lambda _: None) -> Store:
    """Read pictures, given as (path, label), into a Store of `size` pixels, several at a time.

    They lie in memory or, where that is small, in a file beside them (`training.memory`). `tick` is called with 1 after
    each picture (tqdm.update). Raises OSError at the first that cannot be read, or where there is no room.
    """
    square = (len(samples), size, size, 3)
    pictures = storage.empty(square, torch.uint8, samples[0][0].parent)
    pixels = pictures.numpy()

    def read(index: int) -> None:
        pixels[index] = fit_square(read_picture(samples[index][0]), size)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(read, range(len(samples))):
            tick(1)
    labels = torch.tensor([label for _, label in samples], dtype=torch.int64)
    return Store(pictures.permute(0, 3, 1, 2), labels, [Path(path) for path, _ in samples])


def draw_changes(count: int, generator: Generator, turn: float = math.pi) -> Tensor:
    """Draw how `augment` changes each of `count` pictures: float32 (count, 8), a row for each picture.

    Pictures are turned by up to `turn` radians. `generator` is a CPU generator, so that a run can be repeated on any
    device.
    """
    low, high = CHANGES.T[..., None]
    changes = torch.rand(len(CHANGES), count, generator=generator).mul_(high - low).add_(low)
    changes[0] *= turn
    return changes.T


def augment(pictures: Tensor, changes: Tensor) -> Tensor:
    """Return each picture of a batch a turn, a size, a place and a lighting of its own, as drawn by `draw_changes`.

    Takes uint8 (n, 3, s, s), gives float32 of that shape in [0, 255]. It is turned and mirrored (a coccolith has no
    up); it is scaled by 0.9 to 1.1 and shifted by up to a twenty-fifth of the picture; brightness changes by up to a
    twentieth, contrast and gamma by up to a tenth. What comes in from outside has the colour of the picture's border.
    """
    if not len(pictures):  # a process's share of a batch may be none
        return pictures.float()
    angle, mirror, scale, right, down, gamma, contrast, brightness = changes.to(pictures.device).T
    mirror, scale = mirror.sign(), scale.exp()
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = torch.stack([cos * mirror, -sin, right, sin * mirror, cos, down], dim=1)
    grid = F.affine_grid(rows.view(-1, 2, 3), list(pictures.shape), align_corners=False)
    values = pictures.float()
    # grid_sample fills with zeros: with the border's colour as zero, it fills with the border's colour.
    border = _border_mean(values)
    values = F.grid_sample(values - border, grid, align_corners=False).add_(border)
    return _relight(values, gamma, contrast, brightness)


def _border_mean(pictures: Tensor) -> Tensor:
    """Return the mean colour of the outermost pixels of pictures (n, 3, h, w) as (n, 3, 1, 1)."""
    edges = [pictures[..., 0, :], pictures[..., -1, :], pictures[..., :, 0], pictures[..., :, -1]]
    return torch.cat(edges, dim=-1).mean(dim=-1)[..., None, None]


def _relight(pictures: Tensor, gamma: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Change gamma, contrast (factors) and brightness (share of full white) of pictures in [0, 255], each (n,)."""
    gamma, contrast, brightness = (factor.view(-1, 1, 1, 1) for factor in (gamma, contrast, brightness))
    values = pictures.div_(255).clamp_(0, 1).pow_(gamma)
    middle = values.mean(dim=(1, 2, 3), keepdim=True)
    return ((values - middle) * contrast + middle + brightness).clamp_(0, 1).mul_(255)
