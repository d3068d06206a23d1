"""The drawn pictures of the demo: repeatable, of the promised sizes, and telling specimens and species apart."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.coccoliths import SPECIES, draw

NAMES = sorted(SPECIES)


def grey(picture, shape=(32, 32)):
    """The picture as grey numbers of one small shape, mean 0, length 1: products of two are their correlation."""
    values = np.asarray(picture.convert("L").resize(shape[::-1], Image.Resampling.BOX), dtype=float)
    values -= values.mean()
    return values / np.linalg.norm(values)


def correlation(one, other):
    return float((grey(one) * grey(other)).sum())


def border(picture):
    """The outermost pixels of a picture, one in sixteen of its width deep."""
    values = np.asarray(picture.convert("L"), dtype=float)
    depth = values.shape[1] // 16
    inner = np.zeros(values.shape, bool)
    inner[depth:-depth, depth:-depth] = True
    return values[~inner]


@pytest.mark.parametrize("species", NAMES)
def test_every_species_is_drawn_in_every_manner(species):
    manners = {("SEM", "photo"): "L", ("LM", "photo"): "RGB", ("SEM", "drawing"): "L"}
    for (technique, scene), mode in manners.items():
        picture = draw(species, 1, technique=technique, scene=scene)
        assert picture.mode == mode
        assert picture.width == 120
        assert 80 <= picture.height <= 160
        assert np.asarray(picture).std() > 4, f"{technique} {scene} is all but blank"


@pytest.mark.parametrize("technique", ["SEM", "LM"])
def test_the_same_arguments_give_the_same_pixels(technique):
    for species in NAMES[::9]:
        first = draw(species, 5, "p", technique)
        draw(NAMES[0], 3)  # what was drawn in between must not matter
        assert draw(species, 5, "p", technique).tobytes() == first.tobytes()


def test_another_process_draws_the_same_picture():
    code = "import zlib; from demo.coccoliths import draw; print(zlib.crc32(draw('Nannoconus globulus', 8).tobytes()))"
    there = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(there.stdout) == zlib.crc32(draw("Nannoconus globulus", 8).tobytes())


def test_specimen_shot_species_technique_and_scene_all_change_the_picture():
    pictures = [
        draw("Gephyrocapsa oceanica", 1),
        draw("Gephyrocapsa oceanica", 2),
        draw("Gephyrocapsa oceanica", 1, "p"),
        draw("Gephyrocapsa oceanica", 1, "b"),
        draw("Gephyrocapsa muellerae", 1),
        draw("Gephyrocapsa oceanica", 1, technique="LM"),
        draw("Gephyrocapsa oceanica", 1, scene="drawing"),
    ]
    assert len({zlib.crc32(picture.tobytes()) for picture in pictures}) == len(pictures)


@pytest.mark.slow
@pytest.mark.parametrize("technique", ["SEM", "LM"])
def test_the_full_size_picture_shows_the_scene_of_its_thumbnail(technique):
    for specimen, species in enumerate(NAMES[::4]):
        thumbnail, full = (draw(species, specimen, technique=technique, size=size) for size in (120, 480))
        assert full.width == 480
        assert abs(full.height - 4 * thumbnail.height) <= 2
        assert correlation(thumbnail, full) > 0.9, species


@pytest.mark.slow
def test_shots_of_one_specimen_are_more_alike_than_specimens():
    shots = [correlation(draw(s, 1), draw(s, 1, "p")) for s in NAMES]
    specimens = [correlation(draw(s, 1), draw(s, 2)) for s in NAMES]
    assert np.mean(shots) > np.mean(specimens) + 0.2


def test_specimens_in_the_electron_microscope_lie_on_a_dark_ground():
    for species in NAMES[::2]:
        assert np.median(border(draw(species, 4))) < 70, species


def test_drawings_are_ink_on_white_paper():
    for species in NAMES[::2]:
        values = np.asarray(draw(species, 0, scene="drawing"))
        assert np.mean(values > 200) > 0.5, species
        assert values.min() < 60, species


def test_discoasters_are_never_lost_in_the_dark_between_crossed_polars():
    for specimen in range(6):
        assert np.mean(np.asarray(draw("Discoaster brouweri", specimen, technique="LM"))) > 90


def test_a_round_coccolith_shows_a_dark_cross_between_crossed_polars():
    # Bright between the arms of the cross, dark along them, whichever way the specimen lies.
    found = 0
    for specimen in range(12):
        picture = draw("Cyclagelosphaera margerelii", specimen, technique="LM").convert("L")
        values = np.asarray(picture.resize((64, 64), Image.Resampling.BOX), dtype=float)
        if np.median(border(picture)) > 60:
            continue  # plane light
        v, u = np.mgrid[-31.5:32, -31.5:32]
        across = values[(np.hypot(u, v) > 8) & (np.hypot(u, v) < 22)]
        angle = np.arctan2(v, u)[(np.hypot(u, v) > 8) & (np.hypot(u, v) < 22)]
        four = np.abs(np.mean((across - across.mean()) * np.exp(4j * angle))) / across.std()
        two = np.abs(np.mean((across - across.mean()) * np.exp(2j * angle))) / across.std()
        assert four > 2 * two
        found += 1
    assert found >= 3


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (("Homo sapiens", 1), "Homo sapiens"),
        (("Emiliania huxleyi", 1, "", "TEM"), "TEM"),
        (("Emiliania huxleyi", 1, "", "SEM", 120, "painting"), "painting"),
    ],
)
def test_what_cannot_be_drawn_is_named(arguments, culprit):
    with pytest.raises(ValueError, match=culprit):
        draw(*arguments)
