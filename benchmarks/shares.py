"""Do the intervals of an assemblage hold the true shares? Simulated samples, counted by a model that errs.

    python -m benchmarks.shares

A model gives each class its own name with a probability between 0.5 and 0.95, and else one of the others, a few of them
far oftener than the rest (a Dirichlet distribution of 0.2). It is known from `--validate` pictures of each class. A
sample has `--sample` pictures; its true shares are Dirichlet(1). All of it is drawn anew in each repeat. Prints, over
the taxa that were counted, how often the 95 % intervals hold the true share, and which part of a sample would have to
change its name to make the shares true (half the sum of their errors): as counted, and corrected
(`reports.assemblage`).
"""

import argparse

import numpy as np
from scipy.stats import binomtest

from reports.assemblage import LEVEL, corrected_shares


def draw_rates(classes: int, random: np.random.Generator) -> np.ndarray:
    """Draw how often class i is called j: (classes, classes), rows with the sum 1."""
    right = random.uniform(0.5, 0.95, classes)
    rates = np.zeros((classes, classes))
    for index in range(classes):
        others = np.arange(classes) != index
        rates[index, others] = (1 - right[index]) * random.dirichlet(np.full(classes - 1, 0.2))
        rates[index, index] = right[index]
    return rates


def one_sample(classes: int, validate: int, sample: int, random: np.random.Generator) -> np.ndarray:
    """Count one sample; give coverage as counted and corrected, and misplaced parts as counted and corrected: (4,)."""
    rates, true = draw_rates(classes, random), random.dirichlet(np.ones(classes))
    confusion = np.stack([random.multinomial(validate, row) for row in rates])
    actual = random.choice(classes, sample, p=true)
    given = [random.choice(classes, p=rates[index]) for index in actual]
    counts = np.bincount(given, minlength=classes)
    corrected, low, high = corrected_shares(counts, confusion, seed=int(random.integers(2**31)))
    wilson = [binomtest(int(count), sample).proportion_ci(LEVEL, method="wilson") for count in counts]
    seen = counts > 0
    raw = np.array([each.low <= share <= each.high for each, share in zip(wilson, true, strict=True)])
    held = (low <= true) & (true <= high)
    misplaced = [np.abs(shares - true).sum() / 2 for shares in (counts / sample, corrected)]
    return np.array([raw[seen].mean(), held[seen].mean(), *misplaced])


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=40, metavar="N", help="samples for each number of classes (40)")
    parser.add_argument("--validate", type=int, default=20, metavar="N", help="validation pictures of a class (20)")
    parser.add_argument("--sample", type=int, default=300, metavar="N", help="pictures in a sample (300)")
    options = parser.parse_args()
    print(f"{'':7}  {'intervals that hold the truth':^29}  {'misplaced part of the sample':^29}")
    print(f"{'classes':>7}  {'counted':>14} {'corrected':>14}  {'counted':>14} {'corrected':>14}")
    for classes in (5, 9, 30, 100):
        random = np.random.default_rng(classes)
        rows = [one_sample(classes, options.validate, options.sample, random) for _ in range(options.repeats)]
        cells = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(np.mean(rows, 0), _error(rows), strict=True)]
        print(f"{classes:7d}  {cells[0]:>14} {cells[1]:>14}  {cells[2]:>14} {cells[3]:>14}", flush=True)


def _error(rows: list[np.ndarray]) -> np.ndarray:
    """Give the standard error of each column's mean."""
    return np.std(rows, axis=0, ddof=1) / np.sqrt(len(rows))


if __name__ == "__main__":
    main()
