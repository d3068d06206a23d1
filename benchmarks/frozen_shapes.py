"""In which size and shape frozen layers should see pictures: a head is solved on the features of each, and judged.

    python -m benchmarks.frozen_shapes --pictures ../shared/pictures/radiolaria --depth 3 --use_model mobilenet_v2 \\
                                       --weights ../shared/weights/mobilenet_v2.pth

prints for each shape, as in padded:160, accuracy and macro-F1 of predictions that five folds of train/ make of each
other (groups kept together), those of validate/, and how long the frozen layers took. All shapes but "crop" show whole
pictures, and all of one number have the area of a square of so many pixels a side:

padded      squares, padded with the border's colour (what the toolkit does)
rectangle   padded to the nearest of seven aspect ratios
stretched   squares, the proportions lost
crop        squares out of the middle
"""

import argparse
import math
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.accuracy import lay_out
from common.images import read_image
from common.squares import Preparation, border_colour
from evaluation.group_folds import group_folds
from evaluation.metrics import summary
from models.device import Device, keep_freed_memory
from models.networks import normalisation
from models.prediction import Predictor, as_batch
from train_classifier import read_settings
from training.dataset import list_dataset, read_dataset
from training.head import Problem, choose_regularisation, solve_head
from training.pretrained import build_pretrained

SHAPES = ("padded:160", "padded:192", "padded:224", "rectangle:160", "rectangle:192", "stretched:160", "crop:160")
ASPECTS = tuple(2 ** (power / 2) for power in range(-3, 4))  # width to height
BUILT_AT = 160  # pixels, for which the network is built
STEP, BATCH, FOLDS = 16, 64, 5


def fitted(image: Image.Image, shape: str, side: int) -> np.ndarray:
    """Return an image in a shape of the area of a square of `side` pixels: uint8 (height, width, 3)."""
    if shape == "padded":
        return Preparation(side).square(image)
    width, height = image.size
    if shape == "crop":
        left, top, small = (width - min(image.size)) // 2, (height - min(image.size)) // 2, min(image.size)
        image = image.crop((left, top, left + small, top + small))
    aspect = 1.0
    if shape == "rectangle":
        aspect = min(ASPECTS, key=lambda each: abs(math.log(each * height / width)))
        sides = (max(width, round(height * aspect)), max(height, round(width / aspect)))
        padded = Image.new("RGB", sides, border_colour(image))
        padded.paste(image, ((padded.width - width) // 2, (padded.height - height) // 2))
        image = padded
    size = [STEP * round(each / STEP) for each in (side * math.sqrt(aspect), side / math.sqrt(aspect))]
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))


def features(predictor: Predictor, images: Sequence[np.ndarray]) -> Tensor:
    """Return what the last layer reads of images, (n, d), in batches of one shape."""
    rows: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, image in enumerate(images):
        rows[image.shape].append(row)
    found: dict[int, Tensor] = {}
    for same in rows.values():
        for start in range(0, len(same), BATCH):
            part = same[start : start + BATCH]
            found |= dict(zip(part, predictor(as_batch([images[row] for row in part])).features, strict=True))
    return torch.stack([found[row] for row in range(len(images))])


def measure(directory: Path, options: argparse.Namespace) -> None:
    """Print a row for each shape."""
    settings = read_settings(["--directory", str(directory), "--use_model", options.use_model])
    data = read_dataset(settings, list_dataset(directory), BUILT_AT)
    device = Device.choose()
    network = device.place(build_pretrained(options.use_model, data.num_classes, BUILT_AT, options.weights))
    predictor = Predictor(network, normalisation(options.use_model), device)
    keep_freed_memory()  # as training does
    learnt, labels = [read_image(path) for path in data.train.paths], data.train.labels
    others = [read_image(path) for path in data.validate.paths]
    print(f"{len(learnt)} and {len(others)} pictures, {data.num_classes} classes")
    print(f"{'shape':14} {'folds of train/':>16} {'validate/':>16} {'seconds':>8}")
    for name in options.shapes:
        shape, _, side = name.partition(":")
        prepared = [[fitted(image, shape, int(side)) for image in images] for images in (learnt, others)]
        start = time.monotonic()
        train, validate = (features(predictor, images) for images in prepared)
        seconds = time.monotonic() - start
        problem = Problem.of(train, labels, data.num_classes)
        chosen = choose_regularisation(problem, data.groups)
        predicted = np.empty(len(labels), np.int64)
        for rows, held_out in group_folds(labels.numpy(), data.groups, FOLDS, options.seed):
            head = solve_head(problem.part(torch.from_numpy(rows)), chosen)
            predicted[held_out] = head(train[held_out]).argmax(1)
        answers = solve_head(problem, chosen)(validate).argmax(1).numpy()
        folds, judged = summary(labels.numpy(), predicted), summary(data.validate.labels.numpy(), answers)
        told = "   ".join(f"{scores['accuracy']:9.3f} {scores['macro_f1']:.3f}" for scores in (folds, judged))
        print(f"{name:14} {told} {seconds:8.1f}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "shapes", nargs="*", default=SHAPES, metavar="SHAPE:PIXELS", help=f"default: {' '.join(SHAPES)}"
    )
    parser.add_argument("--pictures", type=Path, required=True, help="directory with data/ and images/")
    parser.add_argument("--depth", default="3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--use_model", default="mobilenet_v2")
    parser.add_argument("--weights", default="imagenet")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of classes with fewer pictures than folds
    print(f"{options.use_model}, {options.pictures.name}, depth {options.depth}, seed {options.seed}")
    with tempfile.TemporaryDirectory() as folder:
        lay_out(options.pictures, options.depth, options.seed, Path(folder))
        measure(Path(folder), options)


if __name__ == "__main__":
    main()
