"""Does the saliency map shine where the class is? Trains on drawn images whose class hangs on one patch.

    python -m benchmarks.saliency --use_model mobilenet_v2 --weights FILE --image_size 128 --epochs 7

The patch lies among five grey discs on an uneven background, which tell nothing. The three classes of a set differ by
the patch's colour, its texture or its outline. All options go to train_classifier.py. Prints for each set how many of
the new images were classified rightly and, of these, the shares in which the map's peak lies within 5 % and 10 % of the
side of the patch's middle, along both axes.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from models.prediction import as_batch
from reports.model import LoadedModel
from reports.saliency import explain

TOP = Path(__file__).resolve().parent.parent
SIDE = 128
RADIUS = 11.5  # of patch and discs in pixels
DISCS = 5
COUNTS = {"train": 60, "validate": 20}  # images of each class
NEW = 24
NEAR = (0.05, 0.1)
CLASSES = {
    "colour": ("red", "green", "blue"),
    "texture": ("chequered", "striped", "dotted"),
    "outline": ("triangle", "cross", "square"),
}
WHITE = (230, 230, 230)
COLOURS = {"red": (200, 80, 70), "green": (80, 170, 80), "blue": (80, 90, 200)}
# In radii, from the middle of the patch.
OUTLINES: dict[str, list[tuple[float, float]]] = {
    "triangle": [(0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
    "cross": [
        *[(-0.35, -1.1), (0.35, -1.1), (0.35, -0.35), (1.1, -0.35), (1.1, 0.35), (0.35, 0.35)],
        *[(0.35, 1.1), (-0.35, 1.1), (-0.35, 0.35), (-1.1, 0.35), (-1.1, -0.35), (-0.35, -0.35)],
    ],
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
}


def draw(name: str, random: np.random.Generator) -> tuple[Image.Image, np.ndarray]:
    """Return an image of a class, and where the middle of its patch lies: (x, y) in pixels."""
    uneven = np.asarray(Image.fromarray(random.integers(70, 150, (8, 8), dtype=np.uint8)).resize((SIDE, SIDE)))
    image = Image.fromarray(uneven + random.integers(0, 30, (SIDE, SIDE), dtype=np.uint8)).convert("RGB")
    patch, *discs = random.uniform(0.12 * SIDE, 0.88 * SIDE, (DISCS + 1, 2))
    for disc, grey in zip(discs, random.integers(60, 190, DISCS).tolist(), strict=True):
        if np.abs(disc - patch).max() > 2.2 * RADIUS:  # nothing lies on the patch
            image.paste((grey, grey, grey), mask=_mask(disc))
    if name in OUTLINES:
        image.paste(WHITE, mask=_mask(patch, OUTLINES[name]))
    elif name in COLOURS:
        image.paste(COLOURS[name], mask=_mask(patch))
    else:
        image.paste(_texture(name), mask=_mask(patch))
    return image, patch


def _mask(place: np.ndarray, corners: Sequence[tuple[float, float]] = ()) -> Image.Image:
    """Return an image that is white on a polygon around a place, without corners on a disc."""
    mask = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(mask)
    if corners:
        pen.polygon([tuple(corner) for corner in place + RADIUS * np.array(corners)], fill=255)
    else:
        pen.ellipse((*(place - RADIUS), *(place + RADIUS)), fill=255)
    return mask


def _texture(name: str) -> Image.Image:
    """Return an image that is full of a texture."""
    rows, columns = np.mgrid[:SIDE, :SIDE] // 3 % 2
    bright = {"chequered": rows ^ columns, "striped": columns, "dotted": rows & columns}[name]
    return Image.fromarray((40 + 170 * bright).astype(np.uint8)).convert("RGB")


def train(names: tuple[str, ...], directory: Path, options: list[str]) -> LoadedModel:
    """Draw train/ and validate/ and train on them; return the model."""
    random = np.random.default_rng(0)
    for split, count in COUNTS.items():
        for name in names:
            folder = directory / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                draw(name, random)[0].save(folder / f"{number}.png")
    model = directory / "model"
    command = [sys.executable, str(TOP / "train_classifier.py"), "--directory", str(directory), *options]
    subprocess.run([*command, "--save_model", str(model)], check=True, stdout=subprocess.DEVNULL)
    return LoadedModel.load(model)


def distances(model: LoadedModel, random: np.random.Generator) -> list[float]:
    """Return how far peak and patch are apart, as a share of the side, in new images that are classified rightly."""
    found = []
    for number in range(NEW):
        label = number % len(model.checkpoint.classes)
        image, patch = draw(model.checkpoint.classes[label], random)
        square = model.checkpoint.preparation().square(image)
        if int(model.predictor(as_batch([square])).logits.argmax()) == label:
            heat = explain(model.predictor, square, label)
            top, left = np.unravel_index(heat.argmax(), heat.shape)
            found.append(float(np.abs((np.array([left, top]) + 0.5) / len(square) - patch / SIDE).max()))
    return found


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, options = parser.parse_known_args()
    print(f"{'set':8} right    " + "   ".join(f"within {near:.0%}" for near in NEAR))
    for kind, names in CLASSES.items():
        with tempfile.TemporaryDirectory() as folder:
            model = train(names, Path(folder), options)
        found = np.array(distances(model, np.random.default_rng(1)))
        shares = "   ".join(f"{np.mean(found <= near):9.0%}" for near in NEAR)
        print(f"{kind:8} {len(found):2} of {NEW} {shares}", flush=True)


if __name__ == "__main__":
    main()
