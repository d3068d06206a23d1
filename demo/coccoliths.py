"""Draws the pictures of the demo's small Mikrotax: every species as a scanning electron microscope, a light
microscope or a draughtsman would show it.

Nothing is stored: a picture is drawn when it is asked for, and is the same every time. Nothing is traced or copied
either: the shapes are geometry (`demo/families.py`), the manner is optics (`demo/microscope.py`), and the species is
the numbers and proportions below.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL.Image import Image

from demo import families as f
from demo import microscope


@dataclass(frozen=True)
class Species:
    """How to draw a species: its family's drawer, its parts, and how it lies under the microscope."""

    drawer: Callable[..., f.Relief]
    parts: dict  # proportions and numbers, as the drawer names them
    box: tuple[float, float] = (1.0, 1.0)  # half width and half height of the specimen, in half lengths
    upright: bool = False  # shown standing, as spines and barrels are on plates
    states: dict = field(default_factory=dict)  # conditions that only a share of the specimens is in
    polars: float = 0.8  # share of its light-micrographs taken between crossed polars; 0 if it is dark there


def _placolith(**parts):
    """Return a placolith; some lie with the proximal side up."""
    return Species(f.placolith, parts, box=(1.0, parts["ellipticity"]), states={"proximal": 0.15})


def _nannoconid(**parts):
    """Return a nannoconid; many are broken along the canal."""
    return _standing(f.nannoconid, states={"broken": 0.45}, **parts)


def _horseshoe(dark=False, **parts):
    """Return a ceratolith in any direction; Amaurolithus stays dark between crossed polars."""
    height = (max(parts["arms"]) + parts["radius"] + parts.get("spine", parts["width"])) / 2
    return Species(
        f.ceratolith, parts, box=(1.2 * (parts["radius"] + parts["width"]), 1.08 * height), polars=0.0 if dark else 0.8
    )


def _flat(drawer, **parts):
    """Return a plate seen face on, in any direction; its box follows from its ellipticity."""
    return Species(drawer, parts, box=(1.0, parts.get("ellipticity", 1.0)))


def _standing(drawer, profile, states=None, **parts):
    """Return a body of revolution seen from the side, its box as large as its `profile` and its base."""
    base = parts.get("base", 0)  # it reaches below the profile
    width = max(base, *(half for _, half in profile))
    height = max(1.08 if base else 0, *(abs(y) for y, _ in profile))
    return Species(drawer, {"profile": profile, **parts}, box=(width, height), upright=True, states=states or {})


def _star(**parts):
    """Return a discoaster: any direction, plane light only."""
    return Species(f.discoaster, parts, polars=0.0)


SPECIES = {
    # Noelaerhabdaceae: straight sutures, an open or bridged centre
    "Emiliania huxleyi": _placolith(
        ellipticity=0.84, centre=0.42, elements=30, tube=0.12, slits=0.05, grill=22, delay=0.5
    ),
    "Gephyrocapsa oceanica": _placolith(ellipticity=0.87, centre=0.46, elements=44, tube=0.12, bridge=70.0),
    "Gephyrocapsa muellerae": _placolith(ellipticity=0.78, centre=0.36, elements=38, tube=0.12, bridge=30.0),
    "Gephyrocapsa caribbeanica": _placolith(
        ellipticity=0.90, centre=0.24, elements=46, tube=0.14, bridge=50.0, bridge_width=0.09
    ),
    "Reticulofenestra umbilicus": _placolith(ellipticity=0.86, centre=0.52, elements=80, tube=0.06),
    "Reticulofenestra pseudoumbilicus": _placolith(
        ellipticity=0.80, centre=0.34, elements=60, tube=0.16, floor=0.07, grill=16
    ),
    # Coccolithaceae: two cycles, kinked sutures
    "Coccolithus pelagicus": _placolith(
        ellipticity=0.82,
        centre=0.2,
        elements=36,
        curve=1.0,
        kink=0.16,
        step=0.62,
        bridge=90.0,
        bridge_width=0.06,
        bright=(0.0, 0.55),
        swing=0.6,
    ),
    "Coccolithus formosus": _placolith(
        ellipticity=0.95, centre=0.14, elements=44, curve=1.0, kink=0.16, step=0.5, bright=(0.0, 0.5), swing=0.6
    ),
    # Calcidiscaceae: circular, strongly curved sutures
    "Calcidiscus leptoporus": _placolith(
        ellipticity=1.0, centre=0.07, elements=22, tube=0.03, curve=1.5, bright=(0.0, 0.42), swing=0.9
    ),
    "Calcidiscus macintyrei": _placolith(
        ellipticity=1.0, centre=0.15, elements=40, tube=0.06, curve=1.3, bright=(0.0, 0.5), swing=0.9
    ),
    "Umbilicosphaera sibogae": _placolith(
        ellipticity=1.0,
        centre=0.46,
        elements=32,
        tube=0.03,
        curve=2.4,
        kink=0.1,
        step=0.72,
        bright=(0.4, 0.75),
        swing=0.9,
    ),
    # Helicosphaeraceae
    "Helicosphaera carteri": _flat(
        f.helicolith, ellipticity=0.68, wing=0.24, blanket=0.64, pore=0.06, apart=0.1, bridge=80.0
    ),
    "Helicosphaera kamptneri": _flat(
        f.helicolith, ellipticity=0.64, wing=0.34, blanket=0.58, pore=0.09, apart=0.14, bridge=90.0
    ),
    "Helicosphaera sellii": _flat(
        f.helicolith, ellipticity=0.74, wing=0.18, blanket=0.66, pore=0.15, apart=0.22, bridge=60.0
    ),
    # Pontosphaeraceae
    "Pontosphaera multipora": _flat(
        f.cribrilith, ellipticity=0.80, rim=0.12, cycles=((0.27, 8), (0.52, 15), (0.75, 24)), pore=0.062
    ),
    "Pontosphaera japonica": _flat(
        f.cribrilith,
        ellipticity=0.72,
        rim=0.09,
        cycles=((0.36, 12), (0.5, 19), (0.64, 26), (0.78, 34)),
        pore=0.032,
        slit=0.035,
    ),
    "Scyphosphaera apsteinii": _standing(
        f.lopadolith, profile=((-0.95, 0.42), (-0.8, 0.6), (-0.3, 0.78), (0.2, 0.8), (0.6, 0.7), (0.82, 0.58))
    ),
    # Syracosphaeraceae
    "Syracosphaera pulchra": _flat(f.caneolith, ellipticity=0.68, laths=36, wall=0.2, hub=0.22, mound=0.06),
    "Syracosphaera histrica": _flat(f.caneolith, ellipticity=0.60, laths=28, wall=0.13, hub=0.34, mound=0.26),
    "Syracosphaera molischii": _flat(
        f.caneolith, ellipticity=0.72, laths=20, wall=0.16, hub=0.5, mound=0.12, lath_width=0.4
    ),
    "Syracosphaera nodosa": _flat(
        f.caneolith, ellipticity=0.78, laths=24, wall=0.17, hub=0.16, mound=0.03, nodes=24, lath_width=0.42
    ),
    # Rhabdosphaeraceae
    "Rhabdosphaera clavigera": _standing(
        f.rhabdolith,
        base=0.46,
        facets=13,
        profile=((-0.9, 0.1), (-0.6, 0.11), (0.0, 0.19), (0.5, 0.25), (0.75, 0.22), (0.9, 0.12), (1.0, 0.0)),
    ),
    "Rhabdosphaera xiphos": _standing(
        f.rhabdolith,
        base=0.33,
        facets=0,
        profile=((-0.9, 0.09), (-0.6, 0.075), (0.3, 0.06), (0.8, 0.035), (1.0, 0.0)),
    ),
    "Discosphaera tubifera": _standing(
        f.rhabdolith,
        base=0.3,
        facets=0,
        flare=0.22,
        profile=((-0.9, 0.08), (-0.5, 0.065), (0.1, 0.08), (0.45, 0.15), (0.7, 0.3), (0.88, 0.52)),
    ),
    # Discoasteraceae: the number and the shape of the rays
    "Discoaster triradiatus": _star(rays=3, width=0.12, taper=0.5, disc=0.2, knob=0.06),
    "Discoaster tamalis": _star(rays=4, width=0.1, taper=0.35, disc=0.18, knob=0.1, notch=0.04),
    "Discoaster pentaradiatus": _star(rays=5, width=0.085, taper=0.35, disc=0.16, fork=0.24, knob=0.0, ridges=0.05),
    "Discoaster brouweri": _star(rays=6, width=0.1, taper=0.6, disc=0.22, bend=0.05, knob=0.1),
    "Discoaster deflandrei": _star(rays=6, width=0.2, taper=-0.15, disc=0.5, fork=0.2, knob=0.16, ridges=0.04),
    "Discoaster lodoensis": _star(rays=7, width=0.17, taper=0.97, disc=0.34, bend=0.3, knob=0.12, ridges=0.12),
    "Discoaster kuepperi": _star(rays=8, width=0.24, taper=0.5, disc=0.66, knob=0.24, ridges=0.05, tip=0.16),
    # Sphenolithaceae
    "Sphenolithus moriformis": _standing(
        f.sphenolith,
        origin=-0.35,
        elements=17,
        spine_from=2.0,
        profile=((-0.8, 0.45), (-0.72, 0.62), (-0.4, 0.74), (0.1, 0.72), (0.45, 0.56), (0.7, 0.34), (0.82, 0.0)),
    ),
    "Sphenolithus heteromorphus": _standing(
        f.sphenolith,
        origin=-0.55,
        elements=14,
        spine_from=-0.35,
        profile=((-1.0, 0.32), (-0.92, 0.47), (-0.7, 0.5), (-0.5, 0.38), (-0.35, 0.3), (0.4, 0.14), (1.0, 0.0)),
    ),
    "Sphenolithus abies": _standing(
        f.sphenolith,
        origin=-0.5,
        elements=15,
        spine_from=0.1,
        profile=((-0.92, 0.42), (-0.84, 0.58), (-0.5, 0.6), (-0.2, 0.5), (0.1, 0.36), (0.5, 0.18), (0.92, 0.0)),
    ),
    # Braarudosphaeraceae
    "Braarudosphaera bigelowii": _flat(f.pentalith, dent=0.0, offset=0.18),
    "Braarudosphaera perampla": _flat(f.pentalith, dent=0.04, offset=0.42, laminae=5, thickness=0.34),
    "Micrantholithus vesper": _flat(f.pentalith, dent=0.46, offset=0.0, to_corners=True),
    "Micrantholithus pinguis": _flat(f.pentalith, dent=0.16, offset=0.0, thickness=0.34, to_corners=True),
    # Ceratolithaceae
    "Ceratolithus cristatus": _horseshoe(radius=0.5, width=0.19, arms=(0.95, 1.2), teeth=11, keel=0.16),
    "Ceratolithus armatus": _horseshoe(radius=0.46, width=0.12, arms=(0.65, 1.05), spine=0.35, spread=0.2, keel=0.12),
    "Amaurolithus primus": _horseshoe(dark=True, radius=0.5, width=0.31, arms=(0.55, 0.75), keel=0.06),
    "Amaurolithus delicatus": _horseshoe(
        dark=True, radius=0.56, width=0.11, arms=(0.95, 1.15), spread=-0.15, keel=0.05
    ),
    # Holococcoliths
    "Calyptrosphaera oblonga": _standing(
        f.holococcolith,
        pitch=0.13,
        base=0.64,
        profile=((-0.95, 0.5), (-0.5, 0.55), (0.1, 0.55), (0.5, 0.48), (0.8, 0.3), (0.95, 0.0)),
    ),
    "Calyptrosphaera sphaeroidea": _standing(
        f.holococcolith,
        pitch=0.12,
        base=0.92,
        profile=((-0.75, 0.78), (-0.4, 0.84), (0.0, 0.78), (0.35, 0.6), (0.55, 0.36), (0.68, 0.0)),
    ),
    "Helladosphaera cornifera": _standing(
        f.holococcolith,
        pitch=0.11,
        base=0.68,
        window=(-0.4, 0.22, 0.42),
        profile=((-0.95, 0.55), (-0.4, 0.56), (0.0, 0.46), (0.3, 0.24), (0.7, 0.1), (1.0, 0.0)),
    ),
    "Zygrhablithus bijugatus": _standing(
        f.holococcolith,
        pitch=0.1,
        base=0.48,
        waists=(-0.48,),
        cleft=0.16,
        profile=((-1.0, 0.42), (-0.62, 0.4), (-0.48, 0.24), (-0.3, 0.33), (0.3, 0.36), (0.7, 0.28), (1.0, 0.06)),
    ),
    # Nannoconaceae
    "Nannoconus steinmannii": _nannoconid(
        canal=0.05, rows=15, profile=((-1.0, 0.32), (-0.8, 0.42), (-0.4, 0.44), (0.4, 0.32), (0.98, 0.2))
    ),
    "Nannoconus kamptneri": _nannoconid(
        canal=0.2, rows=11, profile=((-0.9, 0.4), (-0.7, 0.54), (-0.1, 0.6), (0.5, 0.54), (0.85, 0.42))
    ),
    "Nannoconus globulus": _nannoconid(
        canal=0.12, rows=11, profile=((-0.84, 0.2), (-0.6, 0.6), (-0.2, 0.8), (0.2, 0.8), (0.6, 0.6), (0.84, 0.2))
    ),
    # Watznaueriaceae: coarse, steeply imbricate outer cycle
    "Watznaueria barnesiae": _placolith(
        ellipticity=0.84,
        centre=0.1,
        elements=30,
        tube=0.05,
        curve=-1.6,
        kink=-0.25,
        step=0.58,
        floor=0.3,
        swing=1.0,
        delay=0.95,
    ),
    "Watznaueria britannica": _placolith(
        ellipticity=0.78,
        centre=0.3,
        elements=30,
        tube=0.1,
        curve=-1.6,
        kink=-0.25,
        step=0.62,
        bridge=90.0,
        bridge_width=0.1,
        swing=1.0,
        delay=0.95,
    ),
    "Cyclagelosphaera margerelii": _placolith(
        ellipticity=1.0,
        centre=0.12,
        elements=26,
        tube=0.14,
        curve=-0.7,
        kink=-0.1,
        step=0.48,
        floor=0.4,
        swing=0.4,
        delay=0.95,
    ),
    # Stephanolithiaceae
    "Stephanolithion bigotii": _flat(f.spoked_ring, ellipticity=0.72, rim=0.15, outer=0.74, spokes=7, spines=6),
    "Rotelapillus laffittei": _flat(f.spoked_ring, ellipticity=1.0, rim=0.13, outer=0.74, spokes=8, spines=8, hub=0.1),
    # Eiffellithaceae: the direction of the cross
    "Eiffellithus eximius": _flat(f.loxolith, ellipticity=0.74, rim=0.2, plate=0.48, cross=(6, 96), arm=0.1),
    "Eiffellithus turriseiffelii": _flat(f.loxolith, ellipticity=0.70, rim=0.14, plate=0.56, cross=(34, -34), arm=0.09),
}


def draw(
    species: str, specimen: int, shot: str = "", technique: str = "SEM", size: int = 120, scene: str = "photo"
) -> Image:
    """Draw a picture of a specimen.

    species: full name, a key of `SPECIES`. specimen: a number; it decides the proportions within the species, the
    preservation and the position. shot: "", "p", "b", …: another picture of the same specimen, slightly rotated,
    shifted and refocused. technique: "SEM" or "LM". size: the width in pixels, 120 for a thumbnail; a larger one is the
    same picture, sharper. scene: "photo", or "drawing" for a line drawing.

    Return a PIL picture `size` wide and two thirds to four thirds as high: mode "L" for SEM and drawings, "RGB" for LM.
    The same arguments give the same pixels. Raises ValueError for a species, technique or scene that it does not know.
    """
    if species not in SPECIES:
        raise ValueError(f"no species {species!r} in the demo; it draws {', '.join(sorted(SPECIES))}")
    if technique not in ("SEM", "LM") or scene not in ("photo", "drawing"):
        raise ValueError(f"technique {technique!r}, scene {scene!r}: must be 'SEM' or 'LM', and 'photo' or 'drawing'")
    kind = SPECIES[species]
    body = _generator(species, int(specimen))
    taking = _generator(species, int(specimen), shot, technique, scene)
    rotation, tilt, aspect = _position(kind, body)
    rotation += taking.normal(0, 0.06) if shot else 0.0
    (height, width), scale, x, y = _stage(kind, rotation, tilt, aspect, taking, size)
    relief = kind.drawer(x, y, **_varied(kind, body))
    _weather(relief, x, y, body)
    blur, noise = taking.uniform(0.3, 0.9), 0.015
    if scene == "drawing":
        values, blur, noise = microscope.pen_and_ink(relief, scale, taking), 0.0, 0.01
    elif technique == "SEM":
        values, noise = microscope.electrons(relief, scale, taking), taking.uniform(0.01, 0.045)
        blur -= 0.2
    elif taking.random() < kind.polars:
        values = microscope.crossed_polars(relief, scale, taking, rotation)
    else:
        values = microscope.plane_light(relief, scale, taking)
    return microscope.printed(values, (height, width), taking, blur=blur, noise=noise, size=size)


def _generator(*key):
    """Return a random generator that depends on nothing but `key`."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def _position(kind, rng):
    """Return rotation (radians), tilt (the share of the height that is left) and aspect of the frame of a specimen."""
    rotation = rng.normal(0, 0.22) if kind.upright else rng.uniform(-math.pi, math.pi)
    tilt = rng.uniform(0.78, 0.95) if rng.random() < 0.25 and not kind.upright else 1.0
    return rotation, tilt, rng.uniform(0.92, 1.1)


def _stage(kind, rotation, tilt, aspect, rng, size):
    """Return the frame around a specimen: shape in pixels, scale, and the plane in the specimen's own directions.

    The plane is finer than the picture (twice in a thumbnail), so that edges come out smooth.
    """
    across, along = kind.box
    power = 1 if kind.upright else 2  # corners for a body seen from the side, an ellipse for a plate
    cos, sin = abs(math.cos(rotation)), abs(math.sin(rotation))
    reach_x = ((across * cos) ** power + (along * sin) ** power) ** (1 / power)
    reach_y = ((across * sin) ** power + (along * cos) ** power) ** (1 / power) * tilt
    zoom = rng.uniform(0.80, 0.93)
    shift = rng.uniform(-0.05, 0.05, 2).tolist()
    height, width = round(size * min(max(aspect * reach_y / reach_x, 0.67), 1.33)), size
    fine = max(1.25, 240 / size)
    rows, columns = round(height * fine), round(width * fine)
    scale = zoom * min(columns / reach_x, rows / reach_y) / 2
    u = (np.arange(columns, dtype=np.float32) + (0.5 - columns / 2)) / scale - shift[0]
    v = ((rows / 2 - 0.5) - np.arange(rows, dtype=np.float32)[:, None]) / (scale * tilt) - shift[1]
    cos, sin = math.cos(rotation), math.sin(rotation)
    return (height, width), scale, u * cos + v * sin, v * cos - u * sin


def _varied(kind, rng):
    """Return a specimen's parts: measures within ten per cent of the species', large numbers roughly, small exactly."""
    varied = {name: rng.random() < share for name, share in kind.states.items()}
    for name, value in kind.parts.items():
        change = min(max(rng.normal(1, 0.045), 0.9), 1.1)
        if name == "profile":
            value = tuple((y, half * change) for y, half in value)
        elif isinstance(value, float):
            value = value * change if name != "ellipticity" else min(1.0, value * (1 + (change - 1) / 2))
        elif isinstance(value, int) and not isinstance(value, bool) and value >= 12:
            value = round(value * change)
        varied[name] = value
    return varied


def _weather(relief, x, y, rng):
    """Weather a relief, in place: overgrown and rough, or chipped at the edge."""
    rough = rng.uniform(0.003, 0.016)
    relief.z += rough * microscope.clouds(rng, relief.z.shape, 44) * f.solid(relief.z)
    if rng.random() < 0.25:
        angle, depth = rng.uniform(0, 2 * math.pi), rng.uniform(0.08, 0.2)
        chip = np.hypot(x - math.cos(angle), y - math.sin(angle)) - depth
        whole = f.inside(chip + 0.03 * microscope.clouds(rng, x.shape, 14))
        relief.z *= whole
        relief.delay *= whole
