"""contact_sheet.png: some pictures of each answered taxon, from the surest answer to the least sure."""

import hashlib
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from common.files import write_whole

SIDE, GAP, NAMES = 96, 26, 330  # pixels: of a picture, between pictures, left for the name
SHOWN = 8  # pictures of a taxon
LINES = 200  # taxa; more would make a picture that no viewer opens
DPI = 100

Found = tuple[float, str]  # probability of an answer in [0, 1], and the picture's file


def draw_taxa_sheet(
    path: Path, taxa: Sequence[tuple[str, Sequence[Found]]], read: Callable[[str, int], np.ndarray | None]
) -> None:
    """Draw a line for each taxon, given with all its pictures, and write the sheet to `path`, whole or not at all.

    `read` gives a file as a square, uint8 (size, size, 3), or None where it cannot be read any more. No picture is
    shown twice, nor a copy of it under another name. Raises OSError where the disk refuses.
    """
    shown, seen = taxa[:LINES], set()
    width, height = NAMES + SHOWN * (SIDE + GAP), len(shown) * (SIDE + GAP) + 2 * GAP
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), frame_on=False, xticks=[], yticks=[])
    canvas = np.full((height, width, 3), 255, np.uint8)
    more = f" The first {LINES} of {len(taxa)} taxa." if len(taxa) > LINES else ""
    page.text(GAP / 2, GAP, f"From the surest answer (left) to the least sure.{more}", va="center", fontsize=9)
    for line, (taxon, found) in enumerate(shown):
        top = 2 * GAP + line * (SIDE + GAP)
        label = f"{textwrap.shorten(taxon, 80)}\n{len(found)} picture{'s' * (len(found) != 1)}"
        page.text(GAP / 2, top + SIDE / 2, _wrapped(label), va="center", fontsize=11, parse_math=False)
        for column, (probability, square) in enumerate(_different(found, read, seen)):
            left = NAMES + column * (SIDE + GAP)
            canvas[top : top + SIDE, left : left + SIDE] = square
            page.text(left + SIDE / 2, top + SIDE + 9, f"{probability:.0%}", ha="center", va="center", fontsize=8)
    page.imshow(canvas, extent=(0, width, height, 0), aspect="auto", interpolation="nearest")
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=DPI))


def _different(
    found: Sequence[Found], read: Callable[[str, int], np.ndarray | None], seen: set[bytes]
) -> list[tuple[float, np.ndarray]]:
    """Choose up to SHOWN pictures, evenly from the surest to the least sure, that were not `seen` before."""
    ranked = sorted(found, key=lambda each: (-each[0], each[1]))
    places = np.unique(np.linspace(0, len(ranked) - 1, SHOWN).round().astype(int))
    chosen = []
    for probability, file in (ranked[place] for place in places):
        square = read(file, SIDE)
        look = b"" if square is None else hashlib.sha256(square.tobytes()).digest()
        if square is not None and look not in seen:
            seen.add(look)
            chosen.append((probability, square))
    return chosen


def _wrapped(label: str) -> str:
    return "\n".join(textwrap.fill(line, 34) for line in label.splitlines())
