"""Our candidates beside TorchCP's sets, on the same logits: how often they hold the truth, and how many classes.

    pip install torchcp
    python -m benchmarks.candidates MODEL DIR/validate

Calibrated on one half of the pictures and measured on the other, groups kept together, both ways and for several seeds,
at a confidence of 0.9. Of TorchCP: LAC, APS and RAPS with one limit for all classes, and with one for each.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from evaluation.calibration import Calibration
from evaluation.cross_fit import PredictedSplit
from evaluation.group_folds import group_folds
from models.prediction import Prediction
from reports.model import LoadedModel
from reports.splits import predict_split

CONFIDENCE = 0.9


def sets_by_method(
    model: LoadedModel, split: PredictedSplit, fitted_on: np.ndarray, asked: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each method's name and its sets of the images at the indices `asked`, bool (m, classes)."""
    from torchcp.classification.predictor import ClassConditionalPredictor, SplitPredictor
    from torchcp.classification.score import APS, LAC, RAPS

    logits, labels = split.prediction.logits, split.labels
    calibration = Calibration.fit(
        model.taxonomy, Prediction(logits[fitted_on], split.prediction.features[fitted_on]), labels[fitted_on]
    )
    yield "ours", calibration.sets(logits[asked], CONFIDENCE)
    scaled = logits / calibration.temperature
    yield "ours, by the tree", calibration.conformal.sets(calibration.probabilities(logits[asked]), CONFIDENCE)
    for score in (LAC(), APS(), RAPS(penalty=0.01, kreg=2)):
        for name, predictor in (("one limit", SplitPredictor), ("by class", ClassConditionalPredictor)):
            method = predictor(score, alpha=1 - CONFIDENCE, device="cpu")
            method.calculate_threshold(scaled[fitted_on], labels[fitted_on], 1 - CONFIDENCE)
            found = method.predict_with_logits(scaled[asked])
            yield f"TorchCP {type(score).__name__}, {name}", np.asarray(found, dtype=bool)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("validate", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    model = LoadedModel.load(options.model)
    split = predict_split(model, options.validate)
    labels = split.labels.numpy()
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in options.seeds:
        torch.manual_seed(seed)  # APS draws numbers
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchCP, of classes with few images
            for fitted_on, asked in group_folds(labels, split.groups, 2, seed):
                for name, sets in sets_by_method(model, split, fitted_on, asked):
                    held = sets[np.arange(len(asked)), labels[asked]].mean()
                    found.setdefault(name, []).append((held, sets.sum(1).mean()))
    print(f"{len(split)} pictures, {len(model.taxonomy.names)} classes, confidence {CONFIDENCE}")
    print(f"{'':28} {'hold the truth':>15} {'classes':>8}")
    for name, figures in found.items():
        held, size = np.mean(figures, axis=0)
        print(f"{name:28} {held:15.3f} {size:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
