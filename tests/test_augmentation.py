"""What augmentation does to images, and what it leaves as it is."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Generator

from tests.tiny import draw_shape
from training.augmentation import Augmentation, augment


def augmented(images, seed=0, max_rotation=math.pi):
    return augment(images, Augmentation(max_rotation).draw(len(images), Generator().manual_seed(seed)))


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, (2, 3, 12, 12)), st.integers(0, 2**40))
def test_augmented_images_stay_in_range_and_follow_the_seed(pixels, seed):
    images = torch.from_numpy(pixels)
    one, other = augmented(images, seed), augmented(images, seed)
    assert torch.equal(one, other) and one.shape == images.shape
    assert one.min() >= 0 and one.max() <= 255 and torch.isfinite(one).all()


def test_a_slice_without_images_can_be_augmented():
    assert augmented(torch.zeros(0, 3, 8, 8, dtype=torch.uint8)).shape == (0, 3, 8, 8)


def test_what_comes_in_from_outside_has_the_colour_of_the_border():
    images = torch.full((64, 3, 32, 32), 120, dtype=torch.uint8)
    images[:, :, 8:24, 8:24] = 250
    corners = augmented(images)[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners.amax((1, 2)) - corners.amin((1, 2)) < 1).all()  # a rotation brings no black corners in


def test_a_slight_rotation_leaves_the_top_on_top():
    images = torch.zeros(32, 3, 32, 32, dtype=torch.uint8)
    images[:, :, 4:10, 8:24] = 250
    slight, free = augmented(images, max_rotation=0.26), augmented(images)
    assert (slight[:, :, :16].mean((1, 2, 3)) > 2 * slight[:, :, 16:].mean((1, 2, 3))).all()
    assert not (free[:, :, :16].mean((1, 2, 3)) > free[:, :, 16:].mean((1, 2, 3))).all()


def test_each_image_is_changed_in_its_own_way():
    image = torch.from_numpy(np.array(draw_shape("bar", 0))).permute(2, 0, 1)
    changed = augmented(image.expand(16, -1, -1, -1))
    assert len({tuple(one.flatten()[::37].tolist()) for one in changed}) == 16
