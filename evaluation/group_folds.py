"""Folds of images for cross-validation, in which groups stay together."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold


def group_folds(
    labels: np.ndarray, groups: Sequence[str], count: int, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return `count` folds of n images with labels (n,) and groups, n texts: indices to learn from, and held out.

    Each class is spread evenly, where some class has as many images as there are folds. There must be as many groups.
    """
    stratified = np.bincount(labels).max() >= count
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed) if stratified else GroupKFold(count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer images than folds
        return list(splitter.split(labels, labels, groups))
