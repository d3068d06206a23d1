"""What a sample consists of: counts of taxa, their shares, and shares corrected for what the model confuses.

RULE and CORRECTED_RULE say what they mean. They have a table each, since no line could hold both: a picture that is
answered with a family counts as the family's by the first, and as one of its classes' by the second.
"""

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
    "indeterminate pictures (those with several candidates, too) and unknown ones are rows of their own, and shares "
    "are of all pictures but those that a person dropped."
)
COLUMNS = (
    *("sample", "taxon", "count", "checked", "share", "share_low", "share_high"),
    *("verified", "verified_low", "verified_high", "verified_on"),
)
CORRECTED_RULE = (
    "Corrected shares: what a person said, and what is unknown, counts as it is; all other pictures are parted among "
    "the classes by the likeliest class of each, corrected by how often the model confused classes in validate/."
)
CORRECTED_COLUMNS = ("sample", "taxon", "counted", "likeliest", "corrected", "corrected_low", "corrected_high")
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


def assemblage_rows(sample: str, rows: Sequence[Row], seed: int) -> list[Cells]:
    """Return a row of COLUMNS for each taxon of a sample, the commonest first, indeterminate and unknown last.

    rows: of the sample, in predictions.csv; seed: of the order of chance in which pictures are checked. Shares lie in
    [0, 1] and have 95 % intervals: Wilson's for what was counted, `verify.verified_shares` for the others.
    """
    counted = [row for row in rows if row["checked"] != DROPPED]
    counts = Counter(row["answer"] for row in counted)
    checked = Counter(row["answer"] for row in counted if row["checked"])
    taxa = _in_order(counts)
    verified = verified_shares(rows, taxa, seed)
    cells = []
    for taxon in taxa:
        row: Cells = {"sample": sample, "taxon": taxon, "count": counts[taxon], "checked": checked[taxon]}
        row |= _shares("share", (counts[taxon] / len(counted), *wilson(counts[taxon], len(counted), LEVEL)))
        if verified:
            row |= _shares("verified", verified.shares[taxon]) | {"verified_on": verified.checked}
        cells.append(row)
    return cells


def corrected_rows(sample: str, names: Sequence[str], rows: Sequence[Row], confusion: np.ndarray) -> list[Cells]:
    """Return a row of CORRECTED_COLUMNS for each taxon of a sample, by CORRECTED_RULE; the shares make 1 together.

    names: of the c classes; rows: of the sample, in predictions.csv; confusion: of validation images, (c, c). `counted`
    are the pictures that count as they are, `likeliest` those that are parted among the classes.
    """
    present = [row for row in rows if row["checked"] != DROPPED]
    if not present:
        return []
    certain = Counter(row["answer"] for row in present if row["checked"] or row["answer"] == UNKNOWN)
    likeliest = Counter(row["first"] for row in present if not row["checked"] and row["answer"] != UNKNOWN)
    taxa = [*names, *(title for title in certain if title not in names)]
    found = corrected_shares(
        np.array([likeliest[name] for name in names]), confusion, np.array([certain[title] for title in taxa])
    )
    shares = dict(zip(taxa, zip(*(each.tolist() for each in found), strict=True), strict=True))
    return [
        {"sample": sample, "taxon": taxon, "counted": certain[taxon], "likeliest": likeliest[taxon]}
        | _shares("corrected", shares[taxon])
        for taxon in _in_order(certain + likeliest)
    ]


def _in_order(counts: Mapping[str, int]) -> list[str]:
    """Return taxa in the order of their counts, indeterminate and unknown last."""
    last = {INDETERMINATE: 1, UNKNOWN: 2}
    return sorted(counts, key=lambda taxon: (last.get(taxon, 0), -counts[taxon], taxon))


def wide_rows(assemblage: Sequence[Cells], value: str = "count") -> tuple[list[str], list[Cells]]:
    """Return the columns and rows of a table of sample by taxon; of counts, with totals of both.

    Taxa are in the order of their totals, indeterminate and unknown last. A taxon that a sample lacks is 0. No taxon or
    sample is called as the totals are.
    """
    totals: Counter[str] = Counter()
    for row in assemblage:
        totals[row["taxon"]] += row["count"]
    taxa = _in_order(totals)
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
    counts: np.ndarray,
    confusion: np.ndarray,
    certain: np.ndarray | None = None,
    seed: int = 0,
    level: float = LEVEL,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correct a sample's shares by a confusion matrix; return them with their 95 % bounds, low and high, (t,) each.

    counts: predictions of each of c classes, (c,); certain: pictures whose taxon is known beside these, (t,), of which
    the first c are the classes (t = c and none, if not given).

    The model gives class j a share sum_i p_i r_ij of the sample, if p are the true shares and r_ij is how often class i
    is predicted as j. The p >= 0 that come closest to the shares that were counted, by least squares, are the result
    (Solow, Davis & Hu, "Estimating the taxonomic composition of a sample when individuals are classified with error",
    Marine Ecology Progress Series 216, 2001). They are sought among the classes in counts and certain. r comes from
    validation images and is drawn towards the identity where a class has few. The bounds hold the middle 95 % of a
    seeded Bayesian bootstrap (Rubin, Annals of Statistics 9, 1981) over both the sample's counts and each row of r.
    """
    random = np.random.default_rng(seed)
    classes = len(counts)
    known = np.zeros(classes) if certain is None else np.asarray(certain, dtype=float)
    present = np.flatnonzero(counts + known[:classes])
    images = (confusion + PSEUDO_IMAGES * (np.eye(classes) + 1 / classes))[present]
    shares = _mixed(counts, known, images, present)
    resampled = []
    for _ in range(ROUNDS):
        drawn = random.standard_gamma(counts + 1 / classes) if counts.any() else counts
        resampled.append(_mixed(drawn, random.standard_gamma(known), random.standard_gamma(images), present))
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return shares, np.minimum(low, shares), np.maximum(high, shares)


def _mixed(counted: np.ndarray, known: np.ndarray, images: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the shares (t,) of what is `known` (t,) and of those classes that explain what was `counted` (c,).

    present: the classes that may, their indices (p,); images: theirs in validation, by predicted class, (p, c).
    """
    whole = known.copy()
    if counted.any():
        rates = images / images.sum(axis=1, keepdims=True)
        found = nnls(rates.T, counted / counted.sum())[0]
        whole[present] += counted.sum() * found / found.sum()
    return whole / whole.sum()
