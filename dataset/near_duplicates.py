"""Which images show the same: copies that were cropped, rotated, mirrored, scaled or changed in tone.

Three tests, each on what the one before lets through. ImageHash's perceptual hash, compared under the eight rotations
and mirrorings, is fast and lets too much through where objects are plain. The correlation of small grey images sorts
out most of that. The third compares fine detail (a band of spatial frequencies with the local contrast made even, slid
over each other by a few pixels): a copy keeps its detail, while two specimens of one species only share an outline. The
thresholds were chosen on real pictures; NOTES.md tells how.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy import fft

from dataset.descriptors import FINE, SYMMETRIES, Descriptor

HASH_BITS = 12  # of 64: images whose hashes differ in more bits are not compared further
COARSE = 0.65  # least correlation of the 32x32 images
DETAIL = 0.6  # least correlation of the fine detail of two copies ...
# ... and least of it times the root of the share of the image that holds detail: like a test of a correlation, which
# grows with the root of the number of values. A rod on a plain ground holds so little detail that chance aligns it.
EVIDENCE = 0.23
COPY = (0.99, 0.95)  # for images with next to no detail: least coarse and least fine correlation
SHIFT = 6  # pixels of 64 by which the detail may be displaced


Symmetry = Callable[[np.ndarray], np.ndarray]


def near_duplicate_pairs(descriptors: Sequence[Descriptor]) -> list[tuple[int, int]]:
    """Return the pairs (i, j), i < j, of images that show the same under any rotation by 90 degrees or mirroring.

    Whether two images are a pair depends on nothing but these two.
    """
    if len(descriptors) < 2:
        return []
    # Rotating one of a pair is not quite the same as rotating the other; their bytes tell which is rotated.
    order = np.array(sorted(range(len(descriptors)), key=lambda index: descriptors[index].sha256))
    ordered = [descriptors[index] for index in order]
    texture = np.array([descriptor.texture for descriptor in ordered])
    found: set[tuple[int, int]] = set()
    for symmetry, i, j in _close_hashes(ordered):
        rough = _correlation(_images(ordered, "coarse", i), symmetry(_images(ordered, "coarse", j)))
        weight = np.sqrt(np.minimum(texture[i], texture[j]))
        possible = (rough >= COARSE) & (weight >= EVIDENCE) | (rough >= COPY[0])
        if not possible.any():
            continue
        i, j, rough, weight = (values[possible] for values in (i, j, rough, weight))
        fine = _shifted_correlation(_images(ordered, "detail", i), symmetry(_images(ordered, "detail", j)))
        same = (fine >= DETAIL) & (fine * weight >= EVIDENCE) | (rough >= COPY[0]) & (fine >= COPY[1])
        ends = np.sort(np.stack([order[i[same]], order[j[same]]]), axis=0)
        found.update(zip(*ends.tolist(), strict=True))
    return sorted(found)


def _images(descriptors: Sequence[Descriptor], name: str, indices: np.ndarray) -> np.ndarray:
    """Return the `coarse` or `detail` images at some indices as one array; that of all would take much memory."""
    return np.stack([getattr(descriptors[index], name) for index in indices.tolist()])


def _close_hashes(descriptors: Sequence[Descriptor]) -> Iterator[tuple[Symmetry, np.ndarray, np.ndarray]]:
    """Yield (symmetry, i, j): images i < j whose hashes are close when j is so changed, about a thousand at a time."""
    hashes = np.stack([descriptor.hashes for descriptor in descriptors])
    # For vectors of ±1 the scalar product is the number of equal bits less that of different ones.
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    for start in range(0, len(signs), 512):
        for number, symmetry in enumerate(SYMMETRIES):
            agreement = signs[start : start + 512, 0] @ signs[start:, number].T
            i, j = np.nonzero(agreement >= signs.shape[-1] - 2 * HASH_BITS)
            i, j = i[i < j] + start, j[i < j] + start
            for part in range(0, len(i), 1024):
                yield symmetry, i[part : part + 1024], j[part : part + 1024]


def _unit(values: np.ndarray) -> np.ndarray:
    """Return (n, height, width) images as float32 of mean 0 and length 1."""
    values = values.astype(np.float32)
    values -= values.mean((-2, -1), keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=(-2, -1), keepdims=True), 1e-6)


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("nij,nij->n", _unit(one), _unit(other))


def _shifted_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the greatest correlation of each two images when one slides over the other by up to SHIFT pixels.

    All shifts at once, by the correlation theorem: the product of two spectra is the spectrum of the correlations.
    """
    product = np.conj(fft.rfft2(_unit(one))) * fft.rfft2(_unit(other))
    correlation = fft.irfft2(product, s=(FINE, FINE))
    near = np.arange(-SHIFT, SHIFT + 1)
    return correlation[:, near[:, None], near].max((1, 2))
