"""What microscopes and plates make of a relief: scanning electron, crossed polars, plane light, and pen and ink.

The renderers take a `Relief`, `scale` (pixels for a half length) and the seeded generator of the shot, and return a
picture as a float array with values from 0 (black) to 1 (white): (height, width) in grey, (height, width, 3) in colour.
"""

import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from demo.families import inside, solid

# Interference colours of the first order, by retardation from 0 to 1: black, grey, white, straw, orange.
FIRST_ORDER = np.array(
    [[0.02, 0.02, 0.03], [0.33, 0.36, 0.40], [0.74, 0.76, 0.76], [0.97, 0.95, 0.84], [0.98, 0.82, 0.46]], np.float32
)
# Tints of the field in plane light: beige, grey-green, bluish grey, plain grey.
FIELDS = np.array([[0.80, 0.75, 0.64], [0.66, 0.72, 0.62], [0.68, 0.72, 0.76], [0.70, 0.70, 0.70]], np.float32)


# ---- small tools -------------------------------------------------------------------------------------------------


def _resized(array, shape, how):
    return np.asarray(Image.fromarray(array.astype(np.float32)).resize(shape[::-1], how))


def clouds(rng, shape, cells):
    """Return smooth noise with about `cells` blobs from side to side; mean 0, standard deviation about 0.6."""
    # As many numbers for every shape: the picture at another size must meet the same generator afterwards.
    lattice = Image.fromarray(rng.standard_normal((round(1.5 * cells), cells), dtype=np.float32))
    part = (0, 0, cells, min(1.5 * cells, cells * shape[0] / shape[1]))
    return np.asarray(lattice.resize(shape[::-1], Image.Resampling.BICUBIC, part))


def blurred(array, radius):
    """Return `array` with everything smaller than `radius` pixels smoothed away."""
    height, width = array.shape
    small = max(2, round(height / max(radius, 1))), max(2, round(width / max(radius, 1)))
    return _resized(_resized(array, small, Image.Resampling.BILINEAR), array.shape, Image.Resampling.BICUBIC)


def slopes(z, scale):
    """Return slopes of the relief to the right and downwards (1 is 45 degrees)."""
    down, right = np.gradient(z, 1 / scale)
    return right, down


# ---- the scanning electron microscope ----------------------------------------------------------------------------


def filter_membrane(rng, shape):
    """Return the stage: black, dark grey, or a filter with round pores."""
    kind = rng.random()
    ground = np.full(shape, rng.uniform(0.01, 0.08), np.float32)
    if kind < 0.5:
        return ground
    ground += rng.uniform(0.04, 0.12) + 0.015 * clouds(rng, shape, 24)
    if kind < 0.75:
        height, width = shape
        pores = Image.new("L", (width, height))
        pen = ImageDraw.Draw(pores)
        for x, y in rng.uniform(0, 1.3 * width, (rng.integers(6, 22), 2)):
            pen.ellipse([x - 0.028 * width, y - 0.028 * width, x + 0.028 * width, y + 0.028 * width], fill=255)
        ground *= 1 - np.asarray(pores, np.float32) * np.float32(0.85 / 255)
    return ground


def electrons(relief, scale, rng):
    """Return an image by secondary electrons: steep slopes and edges shine, hollows are dark, light from one side."""
    z = relief.z
    right, down = slopes(z, scale)
    steep = np.sqrt(1 + right * right + down * down)
    light = rng.uniform(0.2 * math.pi, 0.8 * math.pi)
    lit = (right * math.cos(light) + down * math.sin(light)) / steep
    broad = blurred(z, 0.14 * scale)
    hollow = z - broad
    right, down = slopes(broad, scale)
    broadly = right * math.cos(light) + down * math.sin(light)
    grain = clouds(rng, z.shape, 60)
    signal = 0.38 + 0.24 * lit + 0.26 * np.tanh(1.5 * broadly) + 0.34 * (1 - 1 / steep) + 1.3 * hollow + 0.02 * grain
    mask = solid(z)
    shade = np.clip(blurred(mask, 0.16 * scale), 0, 1)
    ground = filter_membrane(rng, z.shape) * (1 - 0.7 * shade)
    contrast = rng.uniform(0.85, 1.2)
    signal = 0.42 + (signal - 0.42) * contrast + rng.uniform(-0.04, 0.06)
    return mask * np.clip(signal, 0.03, 1) + (1 - mask) * ground


# ---- the light microscope ----------------------------------------------------------------------------------------


def crossed_polars(relief, scale, rng, rotation):
    """Return an image between crossed polars of a specimen that lies `rotation` radians from its standard position.

    Light passes where the optic axis stands oblique to the polars: hence the dark cross of a round coccolith.
    """
    delay = relief.delay * rng.uniform(0.85, 1.1)
    axis = relief.axis + rotation + rng.normal(0, 0.03)
    between = np.sin(2 * axis) ** 2
    if (between * delay).sum() < 0.3 * delay.sum():  # nearly extinct: rotate the stage until the specimen shines
        between = 1 - between
    passed = np.clip(between * delay + 0.02 * delay, 0, 1)
    passed = blurred(passed, 0.03 * scale)
    glow = 0.05 * blurred(passed, 0.3 * scale)
    picture = _coloured(np.clip(passed + glow + 0.012 * clouds(rng, passed.shape, 18), 0, 1))
    if rng.random() < 0.25:  # an old black-and-white plate
        picture[:] = picture.mean(axis=2, keepdims=True)
    return picture


def _coloured(passed):
    order = passed * (len(FIRST_ORDER) - 1)
    below = np.minimum(order.astype(np.intp), len(FIRST_ORDER) - 2)
    part = (order - below)[..., None]
    return FIRST_ORDER[below] * (1 - part) + FIRST_ORDER[below + 1] * part


def plane_light(relief, scale, rng):
    """Return an image in plane light: a dark outline with a bright fringe, low contrast, on a tinted field."""
    z = blurred(relief.z, 0.03 * scale)
    right, down = slopes(z, scale)
    outline = np.minimum(np.hypot(right, down), 2.5) / 2.5
    fringe = blurred(z, 0.16 * scale) - z
    body = np.clip(z * 4, 0, 1)
    light = 1 - 0.7 * outline - 1.1 * np.clip(fringe, -0.2, 0.2) + 0.06 * body
    light += 0.02 * clouds(rng, z.shape, 5) + 0.015 * clouds(rng, z.shape, 40)
    light = 1 + (light - 1) * rng.uniform(0.85, 1.15)
    field = FIELDS[rng.integers(len(FIELDS))]
    return np.clip(light, 0, 1.3)[..., None] * field


# ---- pen and ink -------------------------------------------------------------------------------------------------


def pen_and_ink(relief, scale, rng):
    """Return a line drawing as in a type description: outlines in ink, hollows and flanks stippled, white paper."""
    z = relief.z
    right, down = slopes(z, scale)
    mask = solid(z)
    line = inside(np.hypot(right, down) - 2.8, 1.2)
    line = np.maximum(line, inside(np.hypot(*slopes(mask, scale)) - 9, 6))  # the outline, where the edge is gentle
    shade = np.clip(0.30 + 0.45 * (right - down) - 2.2 * (z - blurred(z, 0.2 * scale)), 0, 0.8) * mask
    dots = _stipple(rng, z.shape, 0.05 * scale, 1.3 * shade)
    return 0.97 - 0.92 * np.maximum(line, dots)


def _stipple(rng, shape, pitch, density):
    """Return dots of ink, one in each square of `pitch` pixels or none, the more the greater `density` (0 to 1)."""
    along, down, chance = rng.uniform(0, 1, (3, 128, 128)).astype(np.float32)
    row, column = np.indices(shape, np.float32) / np.float32(pitch)
    cell = row.astype(np.intp) % 128, column.astype(np.intp) % 128
    off = np.hypot(row % 1 - 0.3 - 0.4 * down[cell], column % 1 - 0.3 - 0.4 * along[cell])
    return inside(0.28 - off, 0.2) * (chance[cell] < density)


# ---- the plate ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _font(height):
    return ImageFont.load_default(height)


def _micrometres(pen, x, y, number, height, ink):
    """Write "<number> µm", its foot in the middle at (x, y). Pillow's own font has no µ, so a u gets a tail."""
    font = _font(height)
    left, foot = x - font.getlength(f"{number} um") / 2, y - 0.2 * height
    pen.text((left, foot), f"{number} um", font=font, anchor="ls", fill=ink)
    stem = left + font.getlength(f"{number} ") + 0.11 * height
    pen.line([stem, foot - 0.2 * height, stem, foot + 0.2 * height], fill=ink, width=max(1, round(0.09 * height)))


def _number(pen, rng, x, y, anchor, unit, ink, paper):
    label = str(rng.integers(1, 40)) if rng.random() < 0.7 else "abcdefgh"[rng.integers(8)]
    font = _font(round(rng.uniform(11, 15) * unit))
    if rng.random() < 0.2:
        pen.rectangle(pen.textbbox((x, y), label, font=font, anchor=anchor), fill=paper)
    pen.text((x, y), label, font=font, anchor=anchor, fill=ink)


def _label(picture, rng, *, light_ink, size):
    """Add the marks of a plate, in place: sometimes a blank edge, a number, a scale bar with or without its length."""
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    unit = size / 120  # as many pixels as one in a thumbnail
    levels = (235, 10, 0) if light_ink else (15, 245, 255)
    ink, paper, edge = ((level,) * 3 if picture.mode == "RGB" else level for level in levels)
    has_edge, has_number, has_bar, has_length = rng.random(4) < (0.15, 0.4, 0.35, 0.5)
    left, top = rng.random(2) < 0.5  # the corner of the number; the bar takes the opposite one
    band = rng.uniform(0.03, 0.09) * width
    far = rng.random() < 0.5
    if has_edge:
        pen.rectangle([width - band if far else 0, 0, width if far else band, height], fill=edge)
    if has_number:
        x, y = 4 * unit if left else width - 4 * unit, 3 * unit if top else height - 3 * unit
        _number(pen, rng, x, y, ("l" if left else "r") + ("t" if top else "b"), unit, ink, paper)
    if has_bar:
        length = rng.uniform(18, 34) * unit
        x = width - 5 * unit - length if left else 5 * unit
        y = height - 6 * unit if top else 14 * unit
        pen.rectangle([x, y, x + length, y + 1.6 * unit], fill=ink)
        if has_length:
            _micrometres(pen, x + length / 2, y - unit, rng.choice([1, 2, 5]), round(9 * unit), ink)


def printed(picture, shape, rng, *, blur, noise, size):
    """Return the finished plate, an image of `shape` (height, width): refocused, labelled, with the camera's noise.

    `blur` is in pixels of a thumbnail; `noise` is its standard deviation, 1 being white.
    """
    pixels = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    pixels = pixels.resize(shape[::-1], Image.Resampling.BOX)
    if blur > 0.25:
        pixels = pixels.filter(ImageFilter.GaussianBlur(blur * (size / 120) ** 0.6))
    _label(pixels, rng, light_ink=picture.mean() < 0.5, size=size)
    values = np.asarray(pixels, np.float32)
    grain = rng.standard_normal(shape, dtype=np.float32) * (255 * noise)
    return Image.fromarray((values + (grain if values.ndim == 2 else grain[..., None])).clip(0, 255).astype(np.uint8))
