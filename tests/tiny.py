"""Tiny drawn data sets for the tests: shapes that a network tells apart within seconds."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("disc", "ring", "bar")


def draw_shape(shape: str, seed: int, size: int = 40) -> Image.Image:
    """Draw a bright shape on noise, somewhere near the middle, turned by chance."""
    random = np.random.default_rng([SHAPES.index(shape), seed])
    picture = Image.fromarray(random.integers(0, 60, (size, size, 3), dtype=np.uint8))
    pen, middle, radius = ImageDraw.Draw(picture), size / 2 + random.uniform(-2, 2), size * random.uniform(0.3, 0.4)
    box = (middle - radius, middle - radius, middle + radius, middle + radius)
    if shape == "disc":
        pen.ellipse(box, fill=(220, 210, 200))
    elif shape == "ring":
        pen.ellipse(box, outline=(220, 210, 200), width=3)
    else:
        pen.line(box, fill=(220, 210, 200), width=4)
    return picture


def write_image_folders(directory: Path, train: int = 6, validate: int = 3, shapes: tuple[str, ...] = SHAPES) -> Path:
    """Write train/<shape>/ and validate/<shape>/ with so many pictures for each shape, and a dataset.json."""
    for split, count, first in (("train", train, 0), ("validate", validate, 1000)):
        for shape in shapes:
            folder = directory / split / shape
            folder.mkdir(parents=True)
            for number in range(count):
                draw_shape(shape, first + number).save(folder / f"{shape}{number}.png")
    classes = {shape: {"lineage": ["Shapes", f"The {shape} family"]} for shape in shapes}
    (directory / "dataset.json").write_text(json.dumps({"classes": classes}), encoding="utf-8")
    return directory
