"""The shapes of calcareous nannofossils, family by family, as reliefs that a microscope can look at.

Each drawer takes the plane `x, y` in half lengths of the specimen (float arrays of one shape, y upwards) and the
proportions of the specimen, and gives a `Relief`.
"""

import math
from dataclasses import dataclass

import numpy as np

TAU = math.tau


@dataclass
class Relief:
    """A specimen lying on the stage: three arrays of the shape of the plane it was drawn on."""

    z: np.ndarray  # height above the stage in half lengths; 0 where there is nothing
    axis: np.ndarray  # direction of the optic axis in radians, from the x axis
    delay: np.ndarray  # retardation between crossed polars, 0 (isotropic) to 1 (first-order orange)


# ---- geometry that the families share ----------------------------------------------------------------------------


def polar(x, y, ellipticity=1.0):
    """Return radius (1 on the outline) and angle of an ellipse, its minor axis `ellipticity` times the major one."""
    y = y / ellipticity
    return np.hypot(x, y), np.arctan2(y, x)


def inside(distance, soft=0.035):
    """Return 0 to 1 as `distance` (positive inside) crosses zero, over a width of `soft`."""
    t = distance / soft
    t += 0.5
    np.clip(t, 0, 1, out=t)
    return t * t * (3 - 2 * t)


def ring(r, inner, outer, soft=0.035):
    """Return 1 between the radii `inner` and `outer`, else 0, with soft edges."""
    return inside(r - inner, soft) * inside(outer - r, soft)


def ridge(distance, width):
    """Return a rounded crest: 1 at distance 0, one half at `width`."""
    q = (distance / width) ** 2
    return 1 / (1 + q * q)


def fold(t, count):
    """Return the angle from the nearest of `count` evenly spread directions, the first of them at 0."""
    element = t * (count / TAU)
    return (element - np.rint(element)) * (TAU / count)


def sutures(r, t, count, width=0.02):
    """Return radial sutures: 1 on the lines between `count` elements, 0 on the elements."""
    return ridge(fold(t, count) * np.maximum(r, 0.06), width)


def imbrication(t, count):
    """Return overlaps of elements: a saw tooth from 0 to 1 across each of `count` elements."""
    element = t * (count / TAU)
    return element - np.floor(element)


def pores(x, y, spots, radius):
    """Return 1 in round pores of `radius` at the points `spots`, else 0."""
    hole = np.zeros_like(x)
    for px, py in spots:
        np.maximum(hole, inside(radius - np.hypot(x - px, y - py), 0.05), out=hole)
    return hole


def solid(z):
    """Return 1 where there is something, 0 on the bare stage."""
    return inside(z - 0.04, 0.05)


def bar(x, y, angle, width):
    """Return 1 on a bar through the centre at `angle` (radians), else 0."""
    return inside(width - np.abs(y * math.cos(angle) - x * math.sin(angle)), 0.04)


def lathe(x, y, profile):
    """Return a body of revolution about the y axis, lying on its side.

    `profile` lists (y, half width) from bottom to top. Gives its height (0 outside), its half width at each point, and
    the angle around its axis (-pi/2 to pi/2).
    """
    ys, widths = zip(*profile, strict=True)
    # A rounded outline in place of straight lines between the points of the profile.
    levels = np.linspace(ys[0], ys[-1], 97)
    smooth = np.convolve(np.pad(np.interp(levels, ys, widths), 6, "edge"), np.hanning(15)[1:-1] / 7, "valid")
    half = np.interp(y, levels, smooth, left=0, right=0).astype(x.dtype)
    across = np.clip(x / np.maximum(half, 1e-3), -1, 1)
    return half * np.sqrt(1 - across * across), half, np.arcsin(across)


# ---- placoliths --------------------------------------------------------------------------------------------------


def placolith(
    x, y, *, ellipticity, centre, elements, tube=0.08, curve=0.0, kink=0.0, step=0.0, slits=0.0, floor=0.0,
    bridge=None, bridge_width=0.07, grill=0, proximal=False, swing=0.3, bright=(0.0, 1.0), delay=0.8,
):  # fmt: skip
    """Draw two shields joined by a tube (Noelaerhabdaceae, Coccolithaceae, Calcidiscaceae, Watznaueriaceae).

    `centre` is the radius of the central area, filled up to the height `floor`, or crossed by a `bridge` at an angle in
    degrees, or by a `grill` of so many bars. Sutures bend by `curve` and `kink` radians; `step` is the radius at which
    the distal shield falls to an outer cycle; `slits` the half width of gaps between elements.
    """
    r, t = polar(x, y, ellipticity)
    shield = ring(r, centre, 1)
    lean = t + curve * (r - centre) ** 2 + kink * inside(step - r, 0.08)
    lines = sutures(r, lean, elements, 0.016)
    if proximal:  # a smaller, concave shield lies on top of the distal one
        lean = t - 0.5 * curve * (r - centre) ** 2
        upper = ring(r, centre, 0.84) * (0.2 + 0.2 * r * r - 0.05 * sutures(r, lean, elements, 0.016))
        z = np.maximum(shield * (0.14 - 0.05 * lines), upper)
    else:
        z = shield * (0.36 - 0.2 * r + 0.05 * imbrication(lean, elements) - 0.09 * lines)
        z += shield * inside(step - r, 0.05) * 0.1
        z += tube * ring(r, centre, centre + 0.12, 0.08)
        if slits:
            gap = inside(slits - np.abs(fold(lean, elements)) * r, 0.02)
            z *= 1 - gap * ring(r, centre + 0.12, 0.86, 0.05)
    core = inside(centre + 0.02 - r)
    if floor:
        z = np.maximum(z, core * (floor - 0.02 * sutures(r, t, max(elements // 2, 3), 0.03)))
    if grill:
        z = np.maximum(z, core * 0.1 * inside(0.35 - np.abs((y * grill / 2) % 1 - 0.5), 0.2))
    if bridge is not None:
        z = np.maximum(z, core * bar(x, y, math.radians(bridge), bridge_width) * 0.34)
    inner, outer = bright
    return Relief(z, t + swing * (1 - r), delay * solid(z) * ring(r, inner, outer, 0.12))


def helicolith(x, y, *, ellipticity, wing, blanket, pore, apart, bridge, ribs=70):
    """Draw Helicosphaera: an elliptical plate whose flange winds around it and ends in a wing.

    `wing` is how far the flange widens along its way, `pore` the radius of two openings `apart` from the centre, on
    either side of a bar at `bridge` degrees.
    """
    r, t = polar(x, y, ellipticity)
    way = (t + math.pi) / TAU  # 0 where the flange begins, 1 at the end of the wing
    edge = 1 - wing * (1 - way**1.5)
    body = inside(blanket - r, 0.05)
    flange = inside(edge - r)
    z = flange * (0.2 + 0.1 * way - 0.03 * sutures(r, t - 0.5 * r, ribs, 0.012)) + 0.1 * ridge(edge - r, 0.05) * flange
    z += body * (0.16 - 0.25 * r * r - 0.02 * sutures(r, t + 1.5 * r, ribs // 2, 0.015))
    z += 0.07 * ridge(r - blanket, 0.035)
    z *= inside(edge - r)
    angle = math.radians(bridge + 90)
    spots = [(s * apart * math.cos(angle), s * apart * math.sin(angle)) for s in (-1, 1)]
    z *= 1 - pores(x, y, spots, pore)
    return Relief(z, t + 0.9 * (1 - r), solid(z) * (0.35 + 0.6 * body))


# ---- muroliths ---------------------------------------------------------------------------------------------------


def cribrilith(x, y, *, ellipticity, rim, cycles, pore, slit=0.0):
    """Draw Pontosphaera: a plate with a raised rim, perforated in concentric `cycles` of (radius, number of pores)."""
    r, t = polar(x, y, ellipticity)
    z = inside(1 - r) * (0.2 - 0.012 * sutures(r, t, 90, 0.01))
    z += 0.2 * ring(r, 1 - rim, 1, 0.05)
    for radius, count in cycles:
        around = fold(t + 7 * radius, count) * r
        z *= 1 - inside(pore - np.hypot(around, r - radius), 0.035)
    if slit:
        z *= 1 - inside(slit - np.hypot(x / 5, y), 0.02)
    return Relief(z, t + 0.25, 0.35 * solid(z) + 0.6 * ring(r, 0.85 - rim, 1))


def lopadolith(x, y, *, profile, ribs=26, striae=9):
    """Draw Scyphosphaera: a barrel with a wide mouth, ribbed along and striated around."""
    z, half, around = lathe(x, y, profile)
    body = solid(z)
    z = z * 0.8 + body * (0.12 - 0.05 * ridge(fold(around, ribs) * half, 0.02))
    z -= body * 0.03 * ridge((y * striae / 2) % 1 - 0.5, 0.15)
    top, width = profile[-1]
    mouth = np.hypot(x, (y - top + 0.02) / 0.28) / width
    z = np.where(mouth < 1, 0.02 + 0.3 * mouth**6, z) + 0.2 * ridge(mouth - 1, 0.07)
    foot = np.abs(y - profile[0][0] - 0.06)
    z += body * 0.1 * ridge(foot, 0.05)
    return Relief(z, math.pi / 2 + 0.35 * x, 0.9 * solid(z) * (0.35 + 0.65 * np.abs(x) / np.maximum(half, 0.1)))


def caneolith(x, y, *, ellipticity, laths, wall=0.16, hub=0.3, mound=0.1, nodes=0, lath_width=0.55):
    """Draw Syracosphaera: a wall around radial laths that meet in a central plate or mound.

    `nodes` is a number of knobs on the wall, `lath_width` the share of the central area that the laths cover.
    """
    r, t = polar(x, y, ellipticity)
    outline = 0.94 + 0.06 * ridge(fold(t, nodes) * r, 0.05) if nodes else 1
    inner = 1 - wall
    z = 0.16 * inside(outline - r) * inside(r - inner)
    z += 0.26 * ring(r, inner, inner + 0.07, 0.06) + 0.16 * ridge(r - outline + 0.04, 0.04)
    z -= 0.04 * ring(r, inner, 1) * sutures(r, t, 2 * laths, 0.012)
    if nodes:
        z += 0.22 * ridge(np.hypot(fold(t, nodes) * r, r - 0.95), 0.05)
    across = np.abs(fold(t, laths)) * (laths / math.pi)  # 0 in the middle of a lath, 1 between two
    lath = inside(lath_width - across * inside(r - hub, 0.1), 0.25) * inside(inner + 0.03 - r)
    z = np.maximum(z, lath * (0.15 - 0.06 * across))
    z += mound * inside(1 - np.hypot(x / (hub + 0.15), y / 0.13), 0.6)
    z *= inside(outline + 0.02 - r)
    return Relief(z, t + 0.15, solid(z) * (0.25 + 0.65 * ring(r, inner - 0.05, 1)))


def loxolith(x, y, *, ellipticity, rim, plate, cross, arm, boss=0.14, elements=44):
    """Draw Eiffellithus: a rim of overlapping elements, an inner plate, and a cross.

    `plate` is the radius of the opening in the plate; the bars of the `cross` stand at its two angles (degrees from the
    long axis) and meet in a `boss`.
    """
    r, t = polar(x, y, ellipticity)
    lean = t + 2.2 * (r - 1)
    z = ring(r, 1 - rim, 1) * (0.22 + 0.07 * imbrication(lean, elements) - 0.05 * sutures(r, lean, elements, 0.014))
    z += 0.1 * ridge(r - 1 + rim * 0.45, rim * 0.4) * inside(1 - r)
    shelf = ring(r, plate, 1 - rim + 0.02)
    z += shelf * (0.15 - 0.03 * sutures(r, t, elements // 2, 0.02))
    within = inside(1 - rim + 0.02 - r)
    arms = np.zeros_like(x)
    for angle in map(math.radians, cross):
        along = bar(x, y, angle, arm) * within
        arms = np.maximum(arms, along)
        furrow = ridge(y * math.cos(angle) - x * math.sin(angle), 0.02)
        z = np.maximum(z, along * (0.3 - 0.1 * r - 0.05 * furrow))
    z = np.maximum(z, 0.42 * inside(boss - np.hypot(x, y), 0.12))
    bright = 0.5 * ring(r, 1 - rim * 0.7, 1) + 0.95 * np.maximum(shelf, arms)
    return Relief(z, t + 0.5 * (1 - r) + 0.35 * arms, np.minimum(bright, 1) * solid(z))


def spoked_ring(x, y, *, ellipticity, rim, outer, spokes, spines, spoke_width=0.05, hub=0.13):
    """Draw Stephanolithiaceae: a ring with `spokes` to a hub and `spines` that stand out from it."""
    r, t = polar(x, y, ellipticity)
    rotation = math.pi / spines if spokes != spines else 0
    z = ring(r, outer - rim, outer) * (0.28 - 0.06 * sutures(r, t, 4 * spines, 0.015)) + 0.1 * ridge(r - outer, 0.03)
    spoke = inside(spoke_width - np.abs(fold(t, spokes)) * r) * inside(outer - r)
    spine = inside((1.02 - r) * 0.45 - np.abs(fold(t + rotation, spines)) * r) * ring(r, outer - 0.05, 1)
    z = np.maximum(z, 0.22 * spoke)
    z = np.maximum(z, 0.2 * spine)
    z = np.maximum(z, 0.36 * inside(hub - r, 0.1))
    return Relief(z, t + 0.1, solid(z) * (0.5 + 0.4 * ring(r, outer - rim, outer)))


# ---- spines, cones and barrels, seen from the side ---------------------------------------------------------------


def rhabdolith(x, y, *, profile, base, facets=0, flare=0.0):
    """Draw Rhabdosphaeraceae: a spine (its `profile` as in `lathe`) on a base plate of half width `base`.

    `facets` is the number of helical rows on the spine, `flare` the depth of a trumpet's mouth.
    """
    foot = profile[0][1]
    r, t = polar(x, y + 0.86, 0.36)
    r = r / base
    plate = inside(1 - r, 0.1) * (0.1 - 0.03 * sutures(r, t, 30, 0.05)) + 0.07 * ridge(r - 0.85, 0.12) * inside(1 - r)
    z, _, around = lathe(x, y, profile)
    shaft = solid(z)
    z = z + 0.15 * shaft
    if facets:
        z -= shaft * 0.035 * ridge((y * facets / 2 + around * 0.6) % 1 - 0.5, 0.16)
        z -= shaft * 0.025 * ridge((y * facets / 3 - around * 0.9) % 1 - 0.5, 0.16)
    if flare:
        top, width = profile[-1]
        mouth = np.hypot(x, (y - top) / flare) / width
        z = np.where(mouth < 1, 0.05 + 0.25 * mouth**4, z) + 0.12 * ridge(mouth - 1, 0.06)
    z = np.maximum(z, plate)
    collar = inside(foot * 1.8 - np.hypot(x, (y + 0.84) / 0.5), 0.05) * 0.2
    z = np.maximum(z, collar)
    bright = solid(z) * np.where(y > -0.78, 0.45 + np.minimum(z, 0.5), 0.35)
    return Relief(z, np.where(y > -0.78, math.pi / 2, t), bright)


def sphenolith(x, y, *, profile, origin, elements, spine_from):
    """Draw Sphenolithus: a basal column, elements radiating from the height `origin`, a spine above `spine_from`."""
    z, half, around = lathe(x, y, profile)
    r, t = polar(x, y - origin)
    body = solid(z)
    spine = inside(y - spine_from, 0.08)
    column = inside(origin - 0.12 - y, 0.05) * (1 - spine)
    radial = (1 - spine) * (1 - column)
    z = z * 0.8 + 0.15 * body
    z += body * radial * (0.08 * imbrication(t + 0.3, elements) - 0.1 * sutures(r, t + 0.3, elements, 0.025))
    z -= body * column * (0.02 + 0.08 * ridge(fold(around, elements) * half, 0.025))
    z -= body * spine * 0.05 * ridge(np.abs(around) - 0.5, 0.12)
    return Relief(np.maximum(z, 0), np.where(y > spine_from, math.pi / 2, t), body * (0.95 - 0.15 * spine))


def nannoconid(x, y, *, profile, canal, rows, broken=False):
    """Draw Nannoconus: wedges stacked in a spiral around an axial canal of half width `canal`.

    A `broken` specimen shows the canal along its length, as thin sections do.
    """
    z, _, around = lathe(x, y, profile)
    body = solid(z)
    row = y * rows / 2 + (-0.9 * np.abs(x) * rows / 4 if broken else 0.35 * around)
    wedge = around * 3.2 + 0.5 * np.floor(row)
    joints = np.maximum(ridge(row % 1, 0.11), ridge(row % 1 - 1, 0.11))
    z = z * 0.75 + body * (0.15 - 0.09 * joints - (0.07 * ridge(wedge % 1 - 0.5, 0.08) if not broken else 0))
    trough = inside(canal - np.abs(x), 0.05) * body
    if broken:
        z = np.where(trough > 0, z * (1 - trough) + 0.03 * trough, z)
    top, width = profile[-1]
    mouth = np.hypot(x / max(canal, 0.08), (y - top + 0.02) / (0.35 * width + 0.02))
    z *= 1 - 0.9 * inside(1 - mouth, 0.3)
    return Relief(
        z, np.where(x > 0, 0.25, math.pi - 0.25) + 0.8 * y, body * (1 - 0.9 * trough) * (0.75 + 0.25 * joints)
    )


# ---- nannoliths --------------------------------------------------------------------------------------------------


def discoaster(
    x, y, *, rays, width, taper=0.5, disc=0.25, fork=0.0, notch=0.0, bend=0.0, knob=0.1, ridges=0.08, tip=0.1
):
    """Draw Discoaster: `rays` of half width `width` at the disc that narrow by `taper` towards the tip.

    The rays are joined in a `disc`; they `fork` at the tip (length of the branches), carry a `notch`, or `bend`
    (radians along the ray); `knob` is the radius of the central boss.
    """
    r, t = polar(x, y)
    off = fold(t - bend * r * r, rays)
    along, across = r * np.cos(off), np.abs(r * np.sin(off))
    half = width * (1 - taper * np.clip((along - disc) / (1 - disc), 0, 1))
    end = 1 - fork * 0.8 - notch * (1 - across / np.maximum(half, 0.02)).clip(0, 1)
    ray = inside(half - across, 0.03) * inside(end - along, tip) * inside(math.pi / 2 - np.abs(off), 0.1)
    if fork:
        branch = np.abs(across - (along - 1 + fork) * 0.9)
        ray = np.maximum(ray, inside(half * 0.65 - branch, 0.03) * ring(along, 1 - fork - 0.2 * width, 1, 0.04))
    body = np.maximum(ray, inside(disc - r, 0.06))
    z = body * (0.2 + ridges * (1 - across / np.maximum(half, 0.03)).clip(0, 1) - 0.05 * r)
    z -= body * 0.06 * ridge(r * (np.abs(off) - math.pi / rays), 0.02)
    z += 0.14 * inside(knob - r * (1 + 0.15 * np.cos(rays * t)), 0.12)
    return Relief(np.maximum(z, 0), np.zeros_like(x), np.zeros_like(x))


def pentalith(x, y, *, dent, offset, thickness=0.25, laminae=3, to_corners=False):
    """Draw Braarudosphaeraceae: five segments, with sutures to the sides or `to_corners`.

    `dent` is how far the sides bend inwards, `offset` how far the sutures miss the middle of a side, in radians.
    """
    r, t = polar(x, y)
    off = fold(t, 5)  # from the middle of the nearest side
    side = r * np.cos(off)
    edge = math.cos(math.pi / 5) - dent * (1 - np.abs(off) / (math.pi / 5))
    body = inside(edge - side, 0.04)
    line = t + offset * inside(r - 0.1, 0.5) + (math.pi / 5 if to_corners else 0)
    from_suture = fold(line, 5)
    segment = np.floor(line * (5 / TAU))
    middle = (segment + 0.5) * (TAU / 5)
    depth = np.clip((edge - side) / edge, 0, 1)
    steps = np.floor(depth * 2 * laminae) / (2 * laminae)  # the edges of the laminae, down to the middle
    z = body * (thickness + 0.08 * np.minimum(steps, 0.4) + 0.06 * np.cos(segment * 2.4))
    z -= body * 0.14 * ridge(from_suture * r, 0.022)
    return Relief(np.maximum(z, 0), middle + 0.3, 0.85 * body * (1 - 0.6 * ridge(from_suture * r, 0.03)))


def ceratolith(x, y, *, radius, width, arms, spread=0.0, spine=0.0, teeth=0, keel=0.1):
    """Draw Ceratolithaceae: a horseshoe with two `arms` (their lengths below the arch), the `keel` along it.

    `arms` are the lengths of the two, `spine` that of the apical spine, `spread` bends the arms outwards, `teeth` stand
    on the inner side of one.
    """
    top = (max(arms) - radius - max(spine, width)) / 2  # where the arch begins; so the whole lies about the middle
    below = np.minimum(y - top, 0)
    bent = np.abs(x) - spread * below * below
    from_line = np.where(y > top, np.hypot(x, y - top), bent) - radius
    left = 1 + below / np.where(x < 0, arms[0], arms[1])  # 1 on the arch, 0 at the tip, negative beyond
    half = width * (0.25 + 0.75 * np.sqrt(np.clip(left, 0, 1)))
    if teeth:
        half = half * (1 + 1.3 * np.abs((y * teeth / 2) % 1 - 0.5) * (below < 0) * (from_line < 0) * (x > 0))
    body = inside(half - np.abs(from_line), 0.03) * inside(left - 0.03, 0.04)
    if spine:
        up = y - top - radius
        apex = inside((spine - up) * 0.35 - np.abs(x + 0.2 * up), 0.03) * inside(up, 0.05)
        body = np.maximum(body, apex)
    across = from_line / half
    z = body * (0.16 + keel * ridge(across - 0.2, 0.4) + 0.1 * (1 - across * across).clip(0, 1))
    return Relief(z, np.full_like(x, 0.9), body * (0.55 + 0.9 * (z - 0.16)))


# ---- holococcoliths ----------------------------------------------------------------------------------------------


def crystals(x, y, pitch):
    """Return close-packed crystallites `pitch` apart: 1 on each, 0 between them."""
    k = TAU / (pitch * 0.866)
    waves = np.cos(k * x) + np.cos(k * (x / 2 + y * 0.866)) + np.cos(k * (x / 2 - y * 0.866))
    return inside((waves + 1.5) / 4.5 - 0.35, 0.5)


def holococcolith(x, y, *, profile, pitch, base=0.0, window=None, waists=(), cleft=0.0):
    """Draw a body of small equal crystals: a dome, a helmet with a horn, or a bipartite rod.

    `profile` is that of `lathe`; `base` the half width of the ring that it stands on; `window` an opening as (height,
    half width, half height); `waists` heights at which the body is drawn in, `cleft` the depth of a furrow along it.
    """
    grain = crystals(x + 0.02 * np.sin(7 * y), y + 0.02 * np.sin(6 * x), pitch)
    z, _, _ = lathe(x * (1 + 0.05 * (1 - grain)), y, profile)
    body = solid(z)
    z = z * 0.7 + body * (0.12 + 0.12 * grain)
    z -= cleft * body * ridge(x, 0.06)
    for height in waists:
        z -= 0.14 * body * ridge(y - height, 0.045)
    if base:
        r = np.hypot(x, (y - profile[0][0] - 0.05) / 0.3) / base
        z = np.maximum(z, inside(1 - r, 0.1) * (0.2 + 0.1 * grain))
    if window:
        height, across, up = window
        z *= 1 - 0.95 * inside(1 - np.hypot(x / across, (y - height) / up), 0.25)
    bright = solid(z) * (0.55 + 0.4 * grain)
    return Relief(np.maximum(z, 0), 0.8 * np.tanh(3 * x) + 0.4 * y, bright)
