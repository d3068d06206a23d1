"""What a model is worth: shares of pictures that are right, in all and by class."""

import numpy as np
from sklearn.metrics import f1_score, precision_recall_fscore_support, recall_score


def summary(actual: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Score predictions, both arguments label indices (n,); every score lies in [0, 1].

    accuracy: share of pictures that are right. balanced_accuracy: mean of the classes' shares that
    are right. macro_f1: mean of the classes' F1 (harmonic mean of precision and recall); both means are over the
    classes that occur. majority: what always answering with the commonest class would reach, the accuracy to beat.
    """
    present = np.unique(actual)
    return {
        "accuracy": float(np.mean(actual == predicted)),
        "balanced_accuracy": float(recall_score(actual, predicted, labels=present, average="macro", zero_division=0)),
        "macro_f1": float(f1_score(actual, predicted, labels=present, average="macro", zero_division=0)),
        "majority": float(np.bincount(actual).max() / len(actual)),
    }


def by_class(actual: np.ndarray, predicted: np.ndarray, classes: list[str]) -> list[dict[str, float | str]]:
    """Score each class: its pictures (support), recall (share of them that is right), precision and F1, in [0, 1]."""
    precision, recall, f1, support = precision_recall_fscore_support(
        actual, predicted, labels=range(len(classes)), zero_division=0
    )
    return [
        {"class": name, "support": int(n), "recall": float(r), "precision": float(p), "f1": float(f)}
        for name, n, r, p, f in zip(classes, support, recall, precision, f1, strict=True)
    ]
