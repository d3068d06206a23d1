"""What a sample consists of: counts of taxa, their shares, and shares corrected for what the model confuses."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import nnls

from evaluation.calibration import UNKNOWN
from evaluation.metrics import wilson
from reports.person import DROPPED, INDETERMINATE
from reports.prediction_table import Row
from reports.verify import verified_shares

RULE = (
    "Each picture counts once, as its answer: what a person said of it, else the lowest taxon that the model supports; "
    "indeterminate and unknown pictures are rows of their own, and shares are of all pictures but those that a person "
    "dropped."
)
COLUMNS = (
    *("sample", "taxon", "count", "checked", "share", "share_low", "share_high"),
    *("corrected", "corrected_low", "corrected_high"),
    *("verified", "verified_low", "verified_high", "verified_on"),
)
CORRECTED_COLUMNS = ("sample", "class", "likeliest", "corrected", "corrected_low", "corrected_high")
LEVEL = 0.95
ROUNDS = 500
DIGITS = 4
# Beside the images of validate/, each class is given this many that were right, and as many that were spread evenly
# over all classes: a class that was right in 3 of 3 images is not right for ever.
PSEUDO_IMAGES = 0.5

Cells = dict[str, Any]


def by_sample(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of predictions.csv by sample, both in the order of names."""
    samples: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["sample"], row["file"])):
        samples.setdefault(row["sample"], []).append(row)
    return samples


def assemblage_rows(
    sample: str, rows: Sequence[Row], corrected: Mapping[str, Sequence[float]], seed: int
) -> list[Cells]:
    """Return a row of COLUMNS for each taxon of a sample, the commonest first, indeterminate and unknown last.

    rows: of the sample, in predictions.csv; corrected: the corrected share of classes and its bounds, by their names,
    where they are known; seed: of the order of chance in which pictures are checked. Shares lie in [0, 1] and have 95 %
    intervals: Wilson's for what was counted, see `corrected_shares` and `verify.verified_shares` for the others.
    """
    counted = [row for row in rows if row["checked"] != DROPPED]
    counts = Counter(row["answer"] for row in counted)
    checked = Counter(row["answer"] for row in counted if row["checked"])
    last = {INDETERMINATE: 1, UNKNOWN: 2}
    taxa = sorted(counts, key=lambda taxon: (last.get(taxon, 0), -counts[taxon], taxon))
    verified = verified_shares(rows, taxa, seed)
    cells = []
    for taxon in taxa:
        row: Cells = {"sample": sample, "taxon": taxon, "count": counts[taxon], "checked": checked[taxon]}
        row |= _shares("share", (counts[taxon] / len(counted), *wilson(counts[taxon], len(counted), LEVEL)))
        row |= _shares("corrected", corrected.get(taxon, ()))
        if verified:
            row |= _shares("verified", verified.shares[taxon]) | {"verified_on": verified.checked}
        cells.append(row)
    return cells


def corrected_rows(sample: str, names: Sequence[str], rows: Sequence[Row], confusion: np.ndarray) -> list[Cells]:
    """Return a row of CORRECTED_COLUMNS for each of the c classes that was likeliest in a picture of a sample.

    They part the pictures that are not unlike all training pictures among the classes, and no person has a word in
    them; so these shares and that of "unknown", as the model says it, make 1 together.
    """
    known = [row["first"] for row in rows if row["out_of_distribution"] != "yes"]
    place = {name: label for label, name in enumerate(names)}
    counts = np.bincount([place[name] for name in known], minlength=len(names))
    if not counts.any():
        return []
    shares = [each * len(known) / len(rows) for each in corrected_shares(counts, confusion)]
    return [
        {"sample": sample, "class": names[label], "likeliest": int(counts[label])}
        | _shares("corrected", [each[label] for each in shares])
        for label in sorted(np.flatnonzero(counts).tolist(), key=lambda label: -counts[label])
    ]


def wide_rows(assemblage: Sequence[Cells], value: str = "count") -> tuple[list[str], list[Cells]]:
    """Return the columns and rows of a table of sample by taxon; of counts, with totals of both.

    Taxa are in the order of their totals, indeterminate and unknown last. A taxon that a sample lacks is 0. No taxon or
    sample is called as the totals are.
    """
    totals: Counter[str] = Counter()
    for row in assemblage:
        totals[row["taxon"]] += row["count"]
    last = {INDETERMINATE: 1, UNKNOWN: 2}
    taxa = sorted(totals, key=lambda taxon: (last.get(taxon, 0), -totals[taxon], taxon))
    columns = {taxon: f"{taxon} (taxon)" if taxon in ("sample", "total") else taxon for taxon in taxa}
    table: dict[str, Cells] = {}
    for row in assemblage:
        sample = "total (sample)" if row["sample"] == "total" else row["sample"]
        empty = {"sample": sample} | dict.fromkeys(columns.values(), 0)
        table.setdefault(row["sample"], empty)[columns[row["taxon"]]] = row[value]
    rows, names = list(table.values()), ["sample", *columns.values()]
    if value == "count":
        rows.append({"sample": "total"} | {columns[taxon]: totals[taxon] for taxon in taxa})
        rows = [row | {"total": sum(row[column] for column in columns.values())} for row in rows]
        names.append("total")
    return names, rows


def _shares(name: str, numbers: Iterable[float]) -> Cells:
    cells = zip((name, f"{name}_low", f"{name}_high"), numbers, strict=False)
    return {cell: round(float(number), DIGITS) for cell, number in cells}


def corrected_shares(
    counts: np.ndarray, confusion: np.ndarray, seed: int = 0, level: float = LEVEL
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
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return shares, np.minimum(low, shares), np.maximum(high, shares)


def _unmix(counted: np.ndarray, rates: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the shares (c,) of the classes in `present` from which `rates` (c, c) make the shares `counted` (c,)."""
    shares = np.zeros(len(counted))
    shares[present] = nnls(rates[present].T, counted)[0]
    return shares / shares.sum()
