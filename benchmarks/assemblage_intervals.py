"""How often intervals of a sample's shares hold the truth, and how wide they are: a person has checked a few pictures.

    python -m benchmarks.assemblage_intervals ../shared/pictures/radiolaria ../shared/pictures/plankton \\
        --weights ../shared/weights/mobilenet_v2.pth

Of each set of pictures one half teaches a logistic regression on the features of a frozen MobileNetV2. Of the other,
one half gives the confusion matrix, and from the rest samples are drawn whose shares are chosen by chance (Dirichlet),
so that they are never those of training. Some pictures of each sample are checked. Prints, for each way to an interval,
how often it holds the true share, its mean width, and the same by how common the taxon is:

    checked alone      Wilson's interval of the pictures that were checked
    prediction-powered with the model (evaluation/prediction_powered.py)
    the paper's own    the same mean with the interval of a normal distribution, as in ppi-python
    misled             prediction-powered with predictions that were shuffled, so that they are worth nothing
    corrected          by the confusion matrix, with nothing checked (reports.assemblage.corrected_shares)
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common.image_folder import list_image_folder
from common.squares import Preparation
from evaluation.metrics import wilson
from evaluation.prediction_powered import powered_mean, powered_shares
from models.device import Device
from models.prediction import Predictor, predict_files
from models.preprocessing import IMAGENET
from reports.assemblage import corrected_shares
from training.pretrained import build_pretrained

SIZE = 160  # pixels
COMMON = ((0, 0.01), (0.01, 0.03), (0.03, 0.1), (0.1, 1.0))  # true shares

Bounds = tuple[np.ndarray, np.ndarray]


class Predicted(NamedTuple):
    """Pictures that a model did not learn from: probabilities (n, c) and labels (n,)."""

    probabilities: np.ndarray
    labels: np.ndarray


class Sample(NamedTuple):
    """A sample, of which the first pictures are checked: one-hot labels and probabilities, both (n, c)."""

    labels: np.ndarray
    predicted: np.ndarray
    checked: int
    confidence: float


def predict_set(pictures: Path, weights: Path) -> Predicted:
    """Teach one half of a set of pictures, and predict the other."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "prepare_image_model.py", "--data", str(pictures / "data"), "--train", directory]
        command += ["--images", str(pictures / "images"), "--depth", "2", "--validate_share", "0.5"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        learn = list_image_folder(Path(directory) / "train")
        validate = list_image_folder(Path(directory) / "validate", learn.classes)
        device = Device.choose()
        network = device.place(build_pretrained("mobilenet_v2", len(learn.classes), SIZE, str(weights)))
        features, labels = [], []
        for folder in (learn, validate):
            paths = [path for path, _ in folder.samples]
            found = predict_files(Predictor(network, IMAGENET, device), paths, Preparation(SIZE))
            features.append(found.prediction.features.numpy())
            labels.append(np.array([label for _, label in folder.samples])[found.read])
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500, random_state=0))
    regression.fit(features[0], labels[0])
    probabilities = np.zeros((len(labels[1]), len(learn.classes)))
    probabilities[:, regression.classes_] = regression.predict_proba(features[1])
    return Predicted(probabilities, labels[1])


def checked_alone(sample: Sample) -> Bounds:
    """Return Wilson's intervals."""
    counts = sample.labels[: sample.checked].sum(0)
    low, high = zip(*(wilson(int(count), sample.checked, sample.confidence) for count in counts), strict=True)
    return np.array(low), np.array(high)


def powered(sample: Sample, shuffled: bool = False) -> Bounds:
    """Return prediction-powered intervals."""
    order = np.random.default_rng(0).permutation(len(sample.labels)) if shuffled else np.arange(len(sample.labels))
    labels, predicted = sample.labels[: sample.checked], sample.predicted[order]
    return powered_shares(labels, predicted[: sample.checked], predicted[sample.checked :], sample.confidence)[1:]


def papers_own(sample: Sample) -> Bounds:
    """Return prediction-powered intervals of a normal distribution, as ppi-python gives them."""
    parts = sample.predicted[: sample.checked], sample.predicted[sample.checked :]
    found = powered_mean(sample.labels[: sample.checked], *parts)
    half = ndtri((1 + sample.confidence) / 2) * found.variance**0.5
    return found.mean - half, found.mean + half


def corrected(confusion: np.ndarray, sample: Sample) -> Bounds:
    """Return the intervals of shares that the confusion matrix corrects."""
    counts = np.bincount(sample.predicted.argmax(1), minlength=len(confusion))
    return corrected_shares(counts, confusion, level=sample.confidence)[1:]


def simulate(found: Predicted, options: argparse.Namespace) -> None:
    """Draw samples, and print how good the intervals are."""
    random = np.random.default_rng(options.seed)
    classes = found.probabilities.shape[1]
    half = random.permutation(len(found.labels))
    known, rest = np.array_split(half, 2)
    confusion = confusion_matrix(found.labels[known], found.probabilities[known].argmax(1), labels=range(classes))
    of_class = [rest[found.labels[rest] == label] for label in range(classes)]
    present = np.array([len(each) > 0 for each in of_class])
    ways: dict[str, Callable[[Sample], Bounds]] = {
        "checked alone": checked_alone,
        "prediction-powered": powered,
        "the paper's own": papers_own,
        "misled": partial(powered, shuffled=True),
        "corrected": partial(corrected, confusion),
    }
    truths, bounds = [], []
    for _ in range(options.samples):
        shares = random.dirichlet(np.ones(classes)) * present
        shares /= shares.sum()
        labels = random.choice(classes, options.pictures, p=shares)
        drawn = np.array([random.choice(of_class[label]) for label in labels])
        sample = Sample(np.eye(classes)[labels], found.probabilities[drawn], options.checked, options.confidence)
        truths.append(shares)
        bounds.append([way(sample) for way in ways.values()])
    report(np.array(truths), np.array(bounds), list(ways))


def report(truths: np.ndarray, bounds: np.ndarray, ways: list[str]) -> None:
    """Print coverage and width of each way: truths (samples, c); bounds (samples, ways, 2, c)."""
    for place, way in enumerate(ways):
        low, high = bounds[:, place, 0], bounds[:, place, 1]
        inside, width = (low <= truths) & (truths <= high), high - low
        cells = []
        for least, most in ((0, 1.0), *COMMON):
            chosen = (truths > least) & (truths <= most)
            cells.append(f"{inside[chosen].mean():.1%}, {width[chosen].mean():.3f}")
        print(f"  {way:19}", *(f"{cell:14}" for cell in cells))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+", metavar="DIR", help="directories with data/ and images/")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="ImageNet weights of mobilenet_v2")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--pictures", type=int, default=300, help="of a sample (default: 300)")
    parser.add_argument("--checked", type=int, default=60, help="of them (default: 60)")
    parser.add_argument("--confidence", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for pictures in options.sets:
        found = predict_set(pictures, options.weights)
        right = (found.probabilities.argmax(1) == found.labels).mean()
        print(
            f"{pictures.name}: {found.probabilities.shape[1]} taxa, the model is right in {right:.1%}; "
            f"{options.samples} samples of {options.pictures}, {options.checked} checked. How often intervals of "
            f"{options.confidence:.0%} hold the truth, and their width, by the true share:"
        )
        print(" " * 21, *(f"{f'{least:g} to {most:g}':14}" for least, most in ((0, 1.0), *COMMON)))
        simulate(found, options)


if __name__ == "__main__":
    main()
