import math
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

from models.preprocessing import (
    IMAGENET,
    augment,
    draw_changes,
    fit_square,
    list_pictures,
    native_size,
    read_picture,
    read_store,
)
from tests.tiny import SHAPES, draw_shape, write_image_folders


def test_normalising_is_undone():
    pictures = torch.randint(0, 256, (3, 3, 8, 9), dtype=torch.uint8)
    assert torch.allclose(IMAGENET.undo(IMAGENET.apply(pictures)) * 255, pictures.float(), atol=1e-3)


def test_normalising_is_torchvisions():
    from torchvision.transforms.v2 import functional as transforms

    pictures = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    expected = transforms.normalize(pictures.float() / 255, list(IMAGENET.mean), list(IMAGENET.std))
    assert torch.allclose(IMAGENET.apply(pictures), expected, atol=1e-5)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
def test_pictures_of_every_kind_become_rgb(tmp_path, mode):
    grey = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1)))
    picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 100) if mode == "I;16" else grey.convert(mode)
    path = tmp_path / "picture.tif"
    picture.save(path)
    read = read_picture(path)
    pixels = np.asarray(read)[..., 0].astype(int)
    assert (read.mode, read.size) == ("RGB", (64, 48))
    assert pixels[:, -1].min() > 200 and pixels[:, 0].max() < 20  # dark left and bright right, whatever the mode


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_grey_of_any_range_is_stretched_by_the_formula(tmp_path, kind):
    values = np.random.default_rng(0).integers(300, 40_000, (1100, 1500)).astype(kind)  # of more than one piece
    values[:2] = 40_000  # as a whole line, so that it shows where pieces change places
    if kind is np.float32:
        values[-1, -5:] = np.nan
    Image.fromarray(values).save(tmp_path / "grey.tif")
    pixels = np.asarray(read_picture(tmp_path / "grey.tif"))[..., 0]
    exact = np.nan_to_num((values.astype(float) - 300) / 39_700 * 255)
    assert np.abs(pixels - exact).max() <= 1 and pixels[0].min() == 255


MEMORY = """
import sys
from models.preprocessing import fit_square, read_picture
from tests.memory import most_memory
before = most_memory()
fit_square(read_picture(sys.argv[1]), 120)
print(most_memory() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process its largest memory")
def test_a_huge_16_bit_picture_takes_a_few_times_its_size(tmp_path):
    values = np.arange(6000 * 5000, dtype=np.uint16).reshape(5000, 6000)
    Image.fromarray(values).save(tmp_path / "huge.tif")
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, tmp_path / "huge.tif"], capture_output=True, text=True, check=True
    )
    assert values.nbytes < int(run.stdout) < 5 * values.nbytes


def test_transparent_parts_are_black(tmp_path):
    Image.new("RGBA", (4, 4), (255, 255, 255, 0)).save(tmp_path / "clear.png")
    assert np.asarray(read_picture(tmp_path / "clear.png")).max() == 0


def test_a_turn_noted_by_the_camera_is_carried_out(tmp_path):
    picture = Image.new("RGB", (40, 20))
    exif = picture.getexif()
    exif[0x0112] = 6  # "turn by 90 degrees to see it upright"
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").size == (20, 40)


def test_a_share_without_pictures_can_be_augmented():
    nothing = torch.zeros(0, 3, 8, 8, dtype=torch.uint8)
    assert augment(nothing, draw_changes(0, torch.Generator())).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("kind", ["jpg", "png", "tiff", "webp"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_all_turns_are_those_of_pillow(tmp_path, kind, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    draw_shape("bar", 1, size=30).crop((0, 0, 30, 18)).save(tmp_path / f"turned.{kind}", exif=exif)
    with Image.open(tmp_path / f"turned.{kind}") as file:
        expected = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
    assert np.array_equal(read_picture(tmp_path / f"turned.{kind}"), expected)


@pytest.mark.parametrize(
    "odd",
    [
        struct.pack("<HHII", 0x011A, 2, 8, 38) + bytes(4) + b"72 dpi!\0",  # a resolution in words
        struct.pack("<HHII", 0x0103, 4, 1, 100_000) + bytes(4),  # a compression that there is not
        struct.pack("<HHIi", 0x0128, 9, 1, -1) + bytes(4),  # a unit below nothing
    ],
)
def test_odd_notes_of_the_camera_do_not_cost_the_picture(tmp_path, odd):
    notes = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2)
    turn = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    before = odd[:2] < turn[:2]
    notes += odd[:12] + turn + odd[12:] if before else turn + odd
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=notes)
    with Image.open(tmp_path / "turned.jpg") as file, pytest.raises((TypeError, struct.error)):
        ImageOps.exif_transpose(file)
    assert read_picture(tmp_path / "turned.jpg").size == (20, 40)


def test_notes_that_cannot_be_read_do_not_cost_the_picture(tmp_path):
    Image.new("RGB", (40, 20)).save(tmp_path / "plain.jpg", exif=b"Exif\0\0no notes at all")
    assert read_picture(tmp_path / "plain.jpg").size == (40, 20)


@pytest.mark.parametrize(
    "content", [b"", b"no picture", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"x" * 30, b"II*\0" + b"\xff" * 20]
)
def test_what_is_no_picture_is_an_oserror_that_names_the_file(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(OSError, match=r"bad\.png is not a picture"):
        read_picture(tmp_path / "bad.png")


def test_a_picture_cut_off_is_refused(tmp_path):
    path = tmp_path / "cut.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(OSError, match=r"cut\.jpg"):
        read_picture(path)


@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    size=st.integers(8, 48),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
)
def test_a_whole_picture_fits_its_square_padded_with_its_border(width, height, size, colour):
    square = fit_square(Image.new("RGB", (width, height), colour), size)
    assert square.shape == (size, size, 3) and square.dtype == np.uint8
    assert (square == np.array(colour, np.uint8)).all()


def test_proportions_are_kept():
    picture = Image.new("RGB", (80, 40), "black")
    picture.paste("white", (4, 4, 76, 36))
    white = np.argwhere(fit_square(picture, 40)[..., 0] > 128)
    assert tuple(white.max(0) - white.min(0) + 1) == (16, 36)


def test_the_native_size_is_the_median_of_the_longer_sides(tmp_path):
    paths = []
    for number, size in enumerate([(120, 80), (119, 90), (90, 118), (400, 300), (20, 20)]):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", size).save(paths[-1])
    assert native_size(paths) == 120
    assert native_size(paths[3:4]) == 224 and native_size(paths[4:]) == 32


def test_the_store_holds_pictures_and_labels_in_order(tmp_path):
    samples, classes = list_pictures(write_image_folders(tmp_path, train=2, validate=1) / "train")
    store = read_store(samples, 40)
    assert classes == sorted(SHAPES) and len(store) == 6
    assert store.pictures.shape == (6, 3, 40, 40) and store.pictures.dtype == torch.uint8
    assert store.labels.tolist() == [0, 0, 1, 1, 2, 2]
    first = np.asarray(draw_shape(classes[0], 0))
    assert (store.pictures[0].permute(1, 2, 0).numpy() == first).all()


def test_labels_count_as_those_of_train(tmp_path):
    write_image_folders(tmp_path, train=1, validate=1, shapes=("ring",))
    samples, _ = list_pictures(tmp_path / "validate", ["disc", "ring"])
    assert [label for _, label in samples] == [1]
    with pytest.raises(ValueError, match="has the class ring, which is none of the 1 classes"):
        list_pictures(tmp_path / "validate", ["disc"])


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, (2, 3, 12, 12)), st.integers(0, 2**40))
def test_augmented_pictures_stay_in_range_and_follow_the_seed(pixels, seed):
    pictures = torch.from_numpy(pixels)
    one = augment(pictures, draw_changes(2, torch.Generator().manual_seed(seed)))
    other = augment(pictures, draw_changes(2, torch.Generator().manual_seed(seed)))
    assert torch.equal(one, other) and one.shape == pictures.shape
    assert one.min() >= 0 and one.max() <= 255 and torch.isfinite(one).all()


def test_what_comes_in_from_outside_has_the_colour_of_the_border():
    pictures = torch.full((64, 3, 32, 32), 120, dtype=torch.uint8)
    pictures[:, :, 8:24, 8:24] = 250
    augmented = augment(pictures, draw_changes(64, torch.Generator().manual_seed(0)))
    corners = augmented[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners.amax((1, 2)) - corners.amin((1, 2)) < 1).all()  # a turn brings no black corners in


def test_a_slight_turn_leaves_the_top_on_top():
    pictures = torch.zeros(32, 3, 32, 32, dtype=torch.uint8)
    pictures[:, :, 4:10, 8:24] = 250
    slight, free = (
        augment(pictures, draw_changes(len(pictures), torch.Generator().manual_seed(0), turn))
        for turn in (0.26, math.pi)
    )
    assert (slight[:, :, :16].mean((1, 2, 3)) > 2 * slight[:, :, 16:].mean((1, 2, 3))).all()
    assert not (free[:, :, :16].mean((1, 2, 3)) > free[:, :, 16:].mean((1, 2, 3))).all()


def test_pictures_are_turned_mirrored_and_lit_each_in_its_own_way():
    picture = torch.from_numpy(np.array(draw_shape("bar", 0))).permute(2, 0, 1)
    augmented = augment(picture.expand(16, -1, -1, -1), draw_changes(16, torch.Generator().manual_seed(0)))
    assert len({tuple(one.flatten()[::37].tolist()) for one in augmented}) == 16
