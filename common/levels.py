"""Grey levels of any range to 8 bits, by the range that the specimen itself uses.

Microscope cameras write 12 or 14 bits into 16, with a black level of their own, and programs burn a saturated scale bar
into them: the range of the type says nothing, and the smallest and largest value little.
"""

import numpy as np

PIECE = 1 << 20  # values that are scaled at a time: as floating numbers they take eight bytes each, several times over
ROUNDS = 8  # kinds of isolated values at either end that are looked for
NEAR = 0.005  # of the whole range: values so close to the extreme belong to it
AROUND = 2  # pixels around isolated values, which smoothed letters and compression have changed
# Values at an end are isolated if between them and the others nothing lies for so many times the range of the others,
# and they are no more than such a share of the image: a few hot or dead pixels; what is burned in at the largest value
# of a camera or type, as scale bars are; marks for "no data"; and what no light can have given.
FEW, FULL, NO_DATA, ABSURD = (0.25, 0.0005), (0.25, 0.10), (0.25, 0.50), (1000.0, 0.50)
FEW_PIXELS = 4  # pixels that count as few in small images
LARGEST = frozenset(2**bits - 1 for bits in (8, 10, 12, 14, 15, 16, 32)) | frozenset(
    2**16 - 2 ** (16 - bits)
    for bits in (8, 10, 12, 14)  # of cameras that fill 16 bits from the top
)
MARKS = frozenset({-9999, -(2**15), -(2**31)})
LEVELS = 16  # different values that must be left; with fewer it is a drawing, of which each level means something
HUGE = 1e300  # floating numbers beyond leave no room to subtract


def to_8_bits(values: np.ndarray, inverted: bool = False) -> np.ndarray:
    """Return numbers of any range, (h, w) or (h, w, channels), as uint8 of the same shape, all channels alike.

    The range is that of `level_range`; what is outside becomes 0 or 255, NaN becomes 0. inverted: the smallest value is
    white. Truth values become 0 and 255.
    """
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.dtype.kind == "f" and values.dtype.itemsize > 4:
        values = np.clip(values, -HUGE, HUGE)
    low, high = level_range(values, inverted)
    scaled = np.empty(values.shape, np.uint8)
    flat, result = values.reshape(-1), scaled.reshape(-1)
    for start in range(0, flat.size, PIECE):
        with np.errstate(invalid="ignore", over="ignore"):
            piece = (flat[start : start + PIECE].astype(np.float64) - low) / max(high - low, 1e-12) * 255
        result[start : start + PIECE] = np.clip(np.nan_to_num(piece, posinf=255, neginf=0), 0, 255)
    return 255 - scaled if inverted else scaled


def level_range(values: np.ndarray, inverted: bool = False) -> tuple[float, float]:
    """Return the smallest and the largest finite value, isolated ones at either end left out.

    So neither a saturated scale bar nor a hot pixel nor a padding decides how bright the specimen is. inverted: 0 is
    what a white scale bar has. Values without a finite one have the range (0, 0).
    """
    usable = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    if not usable.any():
        return 0.0, 0.0
    low, high = _extremes(values, usable)
    for _ in range(ROUNDS):
        before = (low, high)
        for top in (True, False):
            rules = [FEW, ABSURD]
            if (high in LARGEST and not inverted) if top else (low == 0 and inverted):
                rules.append(FULL)
            if not top and low in MARKS:
                rules.append(NO_DATA)
            body = _without_extreme(values, usable, (low, high), top, rules)
            if body is not None:
                usable = body
                low, high = _extremes(values, usable)
        if before == (low, high):
            break
    return low, high


def _extremes(values: np.ndarray, usable: np.ndarray) -> tuple[float, float]:
    if usable.all():
        return float(values.min()), float(values.max())
    # Without a copy of what is usable: images may be huge.
    limits = np.finfo(values.dtype) if values.dtype.kind == "f" else np.iinfo(values.dtype)
    low = values.min(where=usable, initial=limits.max)
    return float(low), float(values.max(where=usable, initial=limits.min))


def _without_extreme(
    values: np.ndarray,
    usable: np.ndarray,
    bounds: tuple[float, float],
    top: bool,
    rules: list[tuple[float, float]],
) -> np.ndarray | None:
    """Return what is usable without the values at one end, or None where no rule says that they are isolated."""
    low, high = bounds
    near = NEAR * (high - low)
    extreme = usable & ((values >= high - near) if top else (values <= low + near))
    count = np.count_nonzero(extreme)
    share = 0 if count <= FEW_PIXELS else count / extreme.size
    rules = [rule for rule in rules if share <= rule[1]]
    if not rules:
        return None
    body: np.ndarray = usable & ~_widened(extreme)
    if not body.any():
        return None
    lowest, highest = _extremes(values, body)
    gap, size = (high - highest if top else lowest - low), highest - lowest
    if not 0 < min(times for times, _ in rules) * size <= gap:
        return None
    step = max(1, body.size // PIECE)
    if len(np.unique(values.reshape(-1)[::step][body.reshape(-1)[::step]])) < LEVELS:
        return None
    return body


def _widened(mask: np.ndarray) -> np.ndarray:
    """Return a mask (h, w) or (h, w, channels) that also holds all that is within AROUND pixels, in all channels."""
    plane: np.ndarray = np.asarray(mask.any(-1) if mask.ndim == 3 else mask)
    for axis in (0, 1):
        wide = plane.copy()
        for step in range(1, AROUND + 1):
            ahead, back = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], back[axis] = slice(step, None), slice(None, -step)
            wide[tuple(ahead)] |= plane[tuple(back)]
            wide[tuple(back)] |= plane[tuple(ahead)]
        plane = wide
    return np.broadcast_to(plane[..., None], mask.shape) if mask.ndim == 3 else plane
