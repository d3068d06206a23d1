"""Pictures with an up are told from those without."""

import math
from pathlib import Path

import pytest
import torch
from torch import Generator

from models.preprocessing import Store
from training.orientation import FREELY, SLIGHTLY, largest_turn, stands_upright


def arrows(count: int, turned: bool) -> Store:
    """Draw arrows with one, two or three bars across (the classes), all of them upright, or each turned as it likes."""
    generator = Generator().manual_seed(1)
    angles = (torch.rand(count, generator=generator) * 2 * math.pi) * turned
    labels = torch.randint(0, 3, (count,), generator=generator)
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    cos, sin = angles.cos()[:, None, None], angles.sin()[:, None, None]
    down, right = cos * rows - sin * columns, sin * rows + cos * columns
    shaft = (right.abs() < 0.1) & (down.abs() < 0.8)
    bars = [(down - place).abs() < 0.08 for place in (-0.6, -0.3, 0.0)]
    across = sum(bar * (labels >= number)[:, None, None] for number, bar in enumerate(bars)).bool()
    grey = 200.0 * (shaft | (across & (right.abs() < 0.6))) + 20 * torch.rand(count, 32, 32, generator=generator)
    pictures = grey.to(torch.uint8)[:, None].expand(-1, 3, -1, -1)
    return Store(pictures, labels, [Path(str(place)) for place in range(count)])


def test_pictures_that_stand_upright_are_turned_slightly():
    assert stands_upright(arrows(300, turned=False))
    assert largest_turn("auto", arrows(300, turned=False)) == SLIGHTLY


def test_pictures_without_an_up_are_turned_freely():
    assert largest_turn("auto", arrows(300, turned=True)) == FREELY


@pytest.mark.parametrize("count", [1, 6, 49])
def test_too_few_pictures_say_nothing(count):
    assert largest_turn("auto", arrows(count, turned=False)) == FREELY


def test_the_user_has_the_last_word():
    assert largest_turn("free", arrows(300, turned=False)) == FREELY
    assert largest_turn("slight", arrows(300, turned=True)) == SLIGHTLY
