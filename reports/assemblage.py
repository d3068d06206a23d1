"""What a sample consists of: counts of taxa, their shares, and shares corrected for what the model confuses."""

from typing import Any

import numpy as np
from scipy.optimize import nnls

from evaluation.metrics import wilson

COLUMNS = (
    *("sample", "taxon", "count", "share", "share_low", "share_high"),
    *("corrected", "corrected_low", "corrected_high"),
)
LEVEL = 0.95
ROUNDS = 500
# Beside the images of validate/, each class is given this many that were right, and as many that were spread evenly
# over all classes: a class that was right in 3 of 3 images is not right for ever.
PSEUDO_IMAGES = 0.5


def assemblage_rows(
    sample: str, names: list[str], counts: np.ndarray, confusion: np.ndarray | None
) -> list[dict[str, Any]]:
    """Return a row of COLUMNS for each taxon that was counted in a sample, the commonest first.

    names: of the c classes; counts: images that were predicted as each of them, whole numbers (c,); confusion: counts
    of validation images by (actual, predicted) class, (c, c), or None, which leaves the corrected columns empty. Shares
    lie in [0, 1] and have 95 % intervals: Wilson's for what was counted, see `corrected_shares` for the others.
    """
    corrected = corrected_shares(counts, confusion) if confusion is not None and counts.any() else None
    rows = []
    for taxon in sorted(np.flatnonzero(counts), key=lambda taxon: -counts[taxon]):
        count, total = int(counts[taxon]), int(counts.sum())
        shares = [count / total, *wilson(count, total, LEVEL)]
        if corrected is not None:
            shares += [each[taxon] for each in corrected]
        cells = [sample, names[taxon], count, *(f"{share:.4f}" for share in shares)]
        rows.append(dict(zip(COLUMNS, cells, strict=False)))
    return rows


def corrected_shares(
    counts: np.ndarray, confusion: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correct a sample's shares by a confusion matrix; return them with their 95 % bounds, low and high, (c,) each.

    The model gives class j a share sum_i p_i r_ij of the sample, if p are the true shares and r_ij is how often class i
    is predicted as j. The p >= 0 that come closest to the shares that were counted, by least squares, are the result
    (Solow, Davis & Hu, "Estimating the taxonomic composition of a sample when individuals are classified with error",
    Marine Ecology Progress Series 216, 2001). They are sought among the classes that were counted. r comes from
    validation images and is drawn towards the identity where a class has few. The bounds hold the middle 95 % of a
    seeded Bayesian bootstrap (Rubin, Annals of Statistics 9, 1981) over both the sample's counts and each row of r.
    """
    random = np.random.default_rng(seed)
    classes = len(counts)
    images = confusion + PSEUDO_IMAGES * (np.eye(classes) + 1 / classes)
    shares = _unmix(counts / counts.sum(), images / images.sum(axis=1, keepdims=True), counts > 0)
    resampled = []
    for _ in range(ROUNDS):
        rates = random.standard_gamma(images)
        sample = random.dirichlet(counts + 1 / classes)
        resampled.append(_unmix(sample, rates / rates.sum(axis=1, keepdims=True), counts > 0))
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return shares, np.minimum(low, shares), np.maximum(high, shares)


def _unmix(counted: np.ndarray, rates: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the shares (c,) of the classes in `present` from which `rates` (c, c) make the shares `counted` (c,)."""
    shares = np.zeros(len(counted))
    shares[present] = nnls(rates[present].T, counted)[0]
    return shares / shares.sum()
