"""Oriented images are told from others."""

import math
from pathlib import Path

import pytest
import torch
from torch import Generator

from training.images import InMemoryImages
from training.orientation import FREE, SLIGHT, are_oriented, max_rotation


def arrows(count: int, rotated: bool) -> InMemoryImages:
    """Draw arrows with one, two or three bars across (the classes), all of them upright, or each rotated at random."""
    generator = Generator().manual_seed(1)
    angles = (torch.rand(count, generator=generator) * 2 * math.pi) * rotated
    labels = torch.randint(0, 3, (count,), generator=generator)
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    cos, sin = angles.cos()[:, None, None], angles.sin()[:, None, None]
    down, right = cos * rows - sin * columns, sin * rows + cos * columns
    shaft = (right.abs() < 0.1) & (down.abs() < 0.8)
    bars = [(down - place).abs() < 0.08 for place in (-0.6, -0.3, 0.0)]
    across = sum(bar * (labels >= number)[:, None, None] for number, bar in enumerate(bars)).bool()
    grey = 200.0 * (shaft | (across & (right.abs() < 0.6))) + 20 * torch.rand(count, 32, 32, generator=generator)
    pictures = grey.to(torch.uint8)[:, None].expand(-1, 3, -1, -1)
    return InMemoryImages(pictures, labels, [Path(str(place)) for place in range(count)])


def test_oriented_images_are_rotated_slightly():
    assert are_oriented(arrows(300, rotated=False))
    assert max_rotation("auto", arrows(300, rotated=False)) == SLIGHT


def test_images_that_are_not_oriented_are_rotated_freely():
    assert max_rotation("auto", arrows(300, rotated=True)) == FREE


@pytest.mark.parametrize("count", [1, 6, 49])
def test_too_few_images_say_nothing(count):
    assert max_rotation("auto", arrows(count, rotated=False)) == FREE


def test_the_user_has_the_last_word():
    assert max_rotation("free", arrows(300, rotated=False)) == FREE
    assert max_rotation("slight", arrows(300, rotated=True)) == SLIGHT
