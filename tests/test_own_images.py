"""The images of a user's folder: which are listed, by which names, and what is read of each kind."""

import os

import numpy as np
import pytest
from PIL import Image

from common import processes, squares
from common.images import ImageError
from common.squares import Preparation, read_squares
from reports.image_files import list_own_images
from tests.tiny import draw_shape


@pytest.mark.slow
def test_images_of_all_kinds(tmp_path):
    plain = draw_shape("bar", 3).convert("L")
    grey = np.asarray(plain, np.uint16) * 16 + 300  # 12 of 16 bits
    Image.fromarray(grey).save(tmp_path / "sixteen.tif")
    Image.fromarray(np.asarray(plain, np.float32) / 7 - 3).save(tmp_path / "floating.tiff")
    upright = draw_shape("bar", 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it turned by a quarter, clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.PNG", exif=exif)
    upright.save(tmp_path / "upright.png")
    clear = upright.copy()
    clear.putalpha(Image.new("L", upright.size, 0))
    clear.save(tmp_path / "clear.png")
    Image.new("L", (1, 1), 9).save(tmp_path / "tiny.gif")
    Image.new("L", (1, 5000), 9).save(tmp_path / "thin.png")
    Image.new("1", (8000, 8000), 1).save(tmp_path / "huge.png")
    listed = list_own_images(tmp_path, tmp_path / "out")
    read = read_squares([image.path for image in listed.images.values()], Preparation(40))
    found = {name: square.pixels for name, square in zip(listed.images, read, strict=True)}
    stretched = np.asarray(plain, float) - np.asarray(plain).min()
    stretched = np.floor(stretched / stretched.max() * 255)
    for name in ("sixteen.tif", "floating.tiff"):
        assert np.abs(found[name].astype(int) - stretched[..., None]).max() <= 1
    assert (found["turned.PNG"] == found["upright.png"]).all() and found["upright.png"].std() > 20
    assert (
        (found["clear.png"] == found["upright.png"]).all()
        and (found["tiny.gif"] == 9).all()
        and (found["thin.png"] == 9).all()
    )
    assert (found["huge.png"] == 255).all()
    assert set(found) == {path.name for path in tmp_path.iterdir()} and not listed.faults


def test_names_that_no_table_can_hold_are_escaped(tmp_path):
    names = [b"line\nbreak.png", b"not utf-8 \xff.png", b"back\\slash.png", "Kamptner é.png".encode()]
    for number, name in enumerate(names):
        draw_shape("disc", number).save(os.path.join(os.fsencode(tmp_path), name))  # noqa: PTH118 - bytes, not texts
    images = list_own_images(tmp_path, tmp_path / "out").images
    expected = {r"line\nbreak.png", r"not utf-8 \udcff.png", r"back\\slash.png", "Kamptner é.png"}
    assert set(images) == expected and all("\n" not in name and name.encode() for name in images)
    assert all(image.path.is_file() and image.name == name for name, image in images.items())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may look into every directory")
def test_what_may_be_listed_and_no_more_is_a_fault_of_its_own(tmp_path):
    (tmp_path / "shut").mkdir()
    for place in ("open.png", "shut/in.png"):
        draw_shape("disc", 0).save(tmp_path / place)
    (tmp_path / "shut").chmod(0o444)
    try:
        listed = list_own_images(tmp_path, tmp_path / "out")
    finally:
        (tmp_path / "shut").chmod(0o755)
    assert set(listed.images) == {"open.png"} and "cannot be opened" in listed.faults["shut/in.png"]


def test_an_image_that_goes_while_the_folder_is_read_is_a_fault(tmp_path):
    draw_shape("disc", 0).save(tmp_path / "a.png")
    images = list_own_images(tmp_path, tmp_path / "out").images
    images["a.png"].path.unlink()
    (gone,) = read_squares([images["a.png"].path], Preparation(40))
    assert isinstance(gone, ImageError) and "cannot be opened" in str(gone)


@pytest.mark.parametrize("parallel", [pytest.param(1, marks=pytest.mark.slow), pytest.param(10_000, id="threads")])
def test_reading_ahead_is_bounded(tmp_path, monkeypatch, parallel):
    monkeypatch.setattr(squares, "PARALLEL", parallel)
    draw_shape("disc", 0).save(tmp_path / "one.png")

    class Asked(list):
        number = 0

        def __getitem__(self, part):
            self.number += part.stop - part.start
            return super().__getitem__(part)

    paths = Asked([tmp_path / "one.png"] * 2000)
    stream = read_squares(paths, Preparation(40))
    for _ in range(5):
        next(stream)
    assert paths.number == processes.READ_AHEAD
    stream.close()
