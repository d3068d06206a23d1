"""Descriptors of images, and what is reported of an image that cannot be used."""

import io
import multiprocessing

import imagehash
import numpy as np
import pytest
from PIL import Image

from common.errors import ToolkitError
from common.images import ImageError
from dataset.descriptors import PARALLEL, SYMMETRIES, describe, describe_all
from tests.drawn import picture


@pytest.fixture
def described(tmp_path):
    """A function that describes an image by way of a PNG file."""

    def described(image: Image.Image):
        image.save(tmp_path / "a.png")
        return describe(tmp_path / "a.png")

    return described


def test_there_are_eight_symmetries():
    asymmetric = np.arange(16).reshape(4, 4)
    views = [view(asymmetric) for view in SYMMETRIES]
    assert len({view.tobytes() for view in views}) == 8
    rotated = {np.rot90(each, turns).tobytes() for each in (asymmetric, asymmetric.T) for turns in range(4)}
    assert {view.tobytes() for view in views} == rotated


def test_hashes_are_those_of_imagehash_under_all_symmetries(described):
    descriptor = described(picture(5))
    for view, bits in zip(SYMMETRIES, descriptor.hashes, strict=True):
        assert (imagehash.phash(Image.fromarray(view(descriptor.coarse))).hash.ravel() == bits).all()


def test_shapes_and_types_are_as_documented(described):
    descriptor = described(picture(1))
    found = {name: (getattr(descriptor, name).shape, getattr(descriptor, name).dtype) for name in ("coarse", "detail")}
    assert found == {"coarse": ((32, 32), np.uint8), "detail": ((64, 64), np.int8)}
    assert (descriptor.hashes.shape, descriptor.hashes.dtype) == ((8, 64), bool)
    assert len(descriptor.sha256) == 64


def test_black_padding_makes_no_difference(described):
    padded = Image.new("L", (100, 130))
    padded.paste(picture(2), (14, 25))
    assert np.abs(described(padded).coarse.astype(int) - described(picture(2)).coarse).max() <= 3


def test_colour_is_the_mean_difference_between_channels(described):
    assert described(picture(3)).colour == 0
    grey = picture(3)
    reddish = Image.merge(
        "RGB", [grey.point(lambda level: level // 2 + 51), *[grey.point(lambda level: level // 2)] * 2]
    )
    assert described(reddish).colour == pytest.approx(51 / 255, abs=0.01)


def test_a_rod_holds_less_detail_than_what_fills_the_image(described):
    rod = Image.new("L", (64, 64), 250)
    rod.paste(60, (30, 8, 34, 56))
    assert described(rod).texture < described(picture(4)).texture / 2


@pytest.mark.parametrize(
    ("reason", "content"),
    [
        ("corrupt: it is damaged or cut short", "cut"),
        ("corrupt: it is not an image, whatever its name says", b"<html>Not found</html>"),
        ("corrupt: it is empty", b""),
        ("one colour", Image.new("RGB", (40, 40), "grey")),
        ("too small: 12x40 pixels", Image.new("L", (12, 40))),
    ],
)
def test_bad_images_say_why(tmp_path, reason, content):
    path = tmp_path / "bad.jpg"
    if isinstance(content, Image.Image):
        content.save(path, "PNG")
    else:
        path.write_bytes(_png(picture(1))[:900] if content == "cut" else content)
    with pytest.raises(ImageError, match=f"^{reason}"):
        describe(path)


def test_an_absent_file_says_why(tmp_path):
    with pytest.raises(ImageError, match=r"^cannot be read: No such file"):
        describe(tmp_path / "absent.jpg")


def test_a_png_named_jpg_is_a_good_image(tmp_path):
    picture(1).save(tmp_path / "a.png")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.png").read_bytes())
    assert (describe(tmp_path / "a.jpg").detail == describe(tmp_path / "a.png").detail).all()


@pytest.mark.slow
def test_many_images_keep_their_order_on_several_cores(tmp_path):
    contents = [_png(picture(number)) for number in range(20)] + [_png(Image.new("L", (40, 40)))]
    paths = []
    for number in range(PARALLEL + 4):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(contents[number % len(contents)])
    expected = [_told(each) for each in describe_all(paths[: len(contents)], "one process")]
    found = [_told(each) for each in describe_all(paths, "two processes", workers=2)]
    assert found == [expected[number % len(contents)] for number in range(len(paths))]
    assert expected[-1] == "one colour" and len(set(expected)) == len(expected)


@pytest.mark.slow
def test_a_process_that_is_ended_from_outside_is_reported_in_a_sentence(tmp_path):
    picture(1).save(tmp_path / "a.png")
    descriptors = describe_all([tmp_path / "a.png"] * 5000, "two processes", workers=2)
    next(descriptors)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(ToolkitError, match="a process that read pictures was ended from outside"):
        list(descriptors)


def _told(descriptor) -> str:
    return str(descriptor) if isinstance(descriptor, ImageError) else descriptor.sha256


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
