"""Fingerprints by which a picture is known again, in 16 bytes: whether a model has learnt from it.

A fingerprint is made of what is seen, so a picture that was renamed, moved, saved in another format, with more bits or
with another compression keeps (nearly) the same one. NOTES.md tells how the threshold was chosen.
"""

from collections.abc import Iterable

import numpy as np
from PIL import Image

BYTES = 16
SIDE, WAVES = 32, 16  # pixels of the small grey image, and how many waves fit along each of its sides
SAME = 4  # bits of 128 by which the fingerprints of one picture differ at most
BLOCK = 1024  # pictures that are compared at a time

# The discrete cosine transform of a column, and the 128 lowest frequencies (the mean brightness is left out).
_COSINES = np.cos(np.pi * (2 * np.arange(SIDE) + 1) * np.arange(WAVES)[:, None] / (2 * SIDE))
_LOWEST = sorted((i + j, i, j) for i in range(WAVES) for j in range(WAVES))[1 : 8 * BYTES + 1]
_PLACES = np.array([i * WAVES + j for _, i, j in _LOWEST])


def fingerprint(image: Image.Image) -> np.ndarray:
    """Return the fingerprint of an image, uint8 (BYTES,): the signs of its lowest frequencies.

    It is a perceptual hash (Zauner 2010, Implementation and benchmarking of perceptual image hash functions).
    """
    grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    waves = (_COSINES @ grey @ _COSINES.T).ravel()[_PLACES]
    return np.packbits(waves > 1e-6)


def stack(fingerprints: Iterable[np.ndarray]) -> np.ndarray:
    """Return fingerprints as one array, uint8 (n, BYTES)."""
    return np.array(list(fingerprints), np.uint8).reshape(-1, BYTES)


def are_known(pictures: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return for each fingerprint of `pictures`, uint8 (n, BYTES), whether one of `known` is that of the same picture.

    Returns bool (n,).
    """
    found = np.zeros(len(pictures), bool)
    if not len(known):
        return found
    # For vectors of ±1 the scalar product is the number of equal bits less that of different ones.
    signs = [np.unpackbits(each, axis=1).astype(np.float32) * 2 - 1 for each in (pictures, known)]
    for start in range(0, len(pictures), BLOCK):
        for other in range(0, len(known), 16 * BLOCK):
            agreement = signs[0][start : start + BLOCK] @ signs[1][other : other + 16 * BLOCK].T
            found[start : start + BLOCK] |= agreement.max(1) >= 8 * BYTES - 2 * SAME
    return found
