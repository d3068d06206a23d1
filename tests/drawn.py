"""Records and pictures of invented taxa for the tests of the data set: drawn by numpy, no two alike."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from dataset.descriptors import Descriptor
from dataset.pictures import ListedPicture, Picture

SITE = "https://example.org/images"


@lru_cache(maxsize=512)
def picture(number: int, size: int = 72) -> Image.Image:
    """Draw soft blobs with a grain, the same ones for the same number."""
    chance = np.random.default_rng(number)
    coarse = Image.fromarray(chance.integers(0, 256, (9, 9), dtype=np.uint8)).resize((size, size + 8), 3)
    grain = chance.normal(0, 12, (size + 8, size))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8))


def record(data: Path, hierarchy: list[str], names: list[str], **more) -> dict:
    """Write the record of one page that lists pictures `names` of its own taxon, and return it."""
    thumbs = [f"{SITE}/{hierarchy[0]}/thumbs/{name}" for name in names]
    content = {"hierarchy": hierarchy, "samples": [{"taxon": hierarchy[-1], "thumbs": thumbs}], **more}
    path = data / hierarchy[0] / f"{'-'.join(hierarchy)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return content


def write(images: Path, module: str, name: str, number: int) -> Path:
    """Write picture `number` where a record that lists `name` looks for it."""
    path = images / module / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(number).save(path, "PNG")
    return path


def small_set(top: Path, families: int = 3, each: int = 6, first: int = 0) -> list[str]:
    """Write records and pictures of some families below top/data and top/images; return options that read them."""
    for family in range(families):
        names = [f"f{family} specimen-{number}.png" for number in range(each)]
        record(top / "data", ["M", "Order", f"Family{family}"], names)
        for number, name in enumerate(names):
            write(top / "images", "M", name, first + family * each + number)
    return ["--data", str(top / "data"), "--images", str(top / "images"), "--train", str(top / "set")]


def listed(file: str, lineage: tuple[str, ...] = ("M", "O", "F"), **facts: str) -> ListedPicture:
    """Make a picture that records list, with the class of its lineage."""
    url = f"{SITE}/{file}"
    return ListedPicture(file, url, (lineage,), frozenset({lineage[-1]}), facts, lineage[-1], lineage)


def described(file: str, lineage: tuple[str, ...] = ("M", "O", "F"), sha256: str = "", **facts: str) -> Picture:
    """Make a picture that was read and is all grey; its bytes are its own unless `sha256` says otherwise."""
    descriptor = Descriptor(
        sha256=sha256 or file,
        colour=0.0,
        hashes=np.zeros((8, 64), bool),
        coarse=np.zeros((32, 32), np.uint8),
        detail=np.zeros((64, 64), np.int8),
        texture=0.0,
    )
    return Picture(**vars(listed(file, lineage, **facts)), descriptor=descriptor)
