"""One way to read an image: every kind of file becomes RGB of 8 bits, upright, or is refused in a sentence."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from common import images
from common.formats import readable_endings, readable_formats
from common.images import ImageError, image_size, read_image
from tests.drawn import picture
from tests.memory import on_linux, peak_of
from tests.processes import in_a_process


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
def test_images_of_every_kind_become_rgb(tmp_path, mode):
    grey = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1)))
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 100) if mode == "I;16" else grey.convert(mode)
    path = tmp_path / "image.tif"
    image.save(path)
    for read in (read_image(path), read_image(str(path)), read_image(path.read_bytes())):
        pixels = np.asarray(read)[..., 0].astype(int)
        assert (read.mode, read.size, read.info["format"]) == ("RGB", (64, 48), "TIFF")
        assert pixels[:, -1].min() > 200 and pixels[:, 0].max() < 20  # dark left and bright right, whatever the mode


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_grey_of_any_range_is_stretched_by_the_formula(tmp_path, kind):
    values = np.random.default_rng(0).integers(300, 40_000, (1100, 1500)).astype(kind)  # of more than one piece
    values[:2] = 40_000  # as a whole line, so that it shows where pieces change places
    if kind is np.float32:
        values[-1, -5:] = np.nan
    Image.fromarray(values).save(tmp_path / "grey.tif")
    pixels = np.asarray(read_image(tmp_path / "grey.tif"))[..., 0]
    exact = np.nan_to_num((values.astype(float) - 300) / 39_700 * 255)
    assert np.abs(pixels - exact).max() <= 1 and pixels[0].min() == 255


def peak_of_reading(path):
    return peak_of(lambda: read_image(path))


@on_linux
@pytest.mark.slow
def test_a_huge_16_bit_image_takes_a_few_times_its_size(tmp_path):
    values = np.arange(6000 * 5000, dtype=np.uint16).reshape(5000, 6000)
    Image.fromarray(values).save(tmp_path / "huge.tif")
    taken = in_a_process(peak_of_reading, tmp_path / "huge.tif")  # memory that is free already would hide it
    assert 0.9 * values.nbytes < taken < 5 * values.nbytes


def test_transparent_parts_are_black():
    assert np.asarray(read_image(encoded(Image.new("RGBA", (4, 4), (255, 255, 255, 0))))).max() == 0


def test_a_transparent_colour_of_a_palette_is_black():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 250, 250, 250])
    assert np.asarray(read_image(encoded(image))).min() == 250
    assert np.asarray(read_image(encoded(image, transparency=1))).max() == 0


def test_a_rotation_noted_by_the_camera_is_carried_out():
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to see it upright"
    assert read_image(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif)).size == (20, 40)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_are_those_of_pillow(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(picture(1, 30).crop((0, 0, 30, 18)), kind, exif=exif)
    with Image.open(io.BytesIO(content)) as file:
        expected = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
    assert np.array_equal(read_image(content), expected)


@pytest.mark.parametrize(
    "odd",
    [
        struct.pack("<HHII", 0x011A, 2, 8, 38) + bytes(4) + b"72 dpi!\0",  # a resolution in words
        struct.pack("<HHII", 0x0103, 4, 1, 100_000) + bytes(4),  # a compression that does not exist
        struct.pack("<HHIi", 0x0128, 9, 1, -1) + bytes(4),  # a unit below nothing
    ],
)
def test_odd_notes_of_the_camera_do_not_cost_the_image(odd):
    notes = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2)
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    before = odd[:2] < orientation[:2]
    notes += odd[:12] + orientation + odd[12:] if before else orientation + odd
    content = encoded(Image.new("RGB", (40, 20)), "JPEG", exif=notes)
    with Image.open(io.BytesIO(content)) as file, pytest.raises((TypeError, struct.error)):
        ImageOps.exif_transpose(file)
    assert read_image(content).size == (20, 40)


def test_notes_that_cannot_be_read_do_not_cost_the_image():
    content = encoded(Image.new("RGB", (40, 20)), "JPEG", exif=b"Exif\0\0no notes at all")
    assert read_image(content).size == (40, 20)


def test_an_image_of_another_format_than_its_name_says_is_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(picture(1)))
    assert read_image(tmp_path / "a.jpg").info["format"] == "PNG"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"no picture", "it is not an image, whatever its name says"),
        (b"GIF89a", "it is "),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 30, "it is "),
        (b"II*\0" + b"\xff" * 20, "it is "),
    ],
)
def test_what_is_no_image_says_why(tmp_path, content, reason):
    (tmp_path / "bad.png").write_bytes(content)
    for source in (tmp_path / "bad.png", content):
        with pytest.raises(ImageError, match=f"^{reason}"):
            read_image(source)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_an_image_cut_off_is_refused(kind):
    content = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)), kind)
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_image(content[: len(content) * 2 // 3])


def test_an_absent_file_and_a_directory_say_why(tmp_path):
    for path in (tmp_path / "absent.png", tmp_path):
        with pytest.raises(ImageError, match=r"^it cannot be opened: (No such file|Is a directory)"):
            read_image(path)


def test_more_pixels_than_are_read_are_refused_before_they_are_decoded(monkeypatch):
    content = encoded(Image.new("1", (200, 100)))
    assert read_image(content).size == (200, 100)
    monkeypatch.setattr(images, "MAX_PIXELS", 19_999)
    with pytest.raises(ImageError, match="million pixels"):
        read_image(content)


@pytest.mark.slow
def test_a_decompression_bomb_is_refused():
    with pytest.raises(ImageError, match="more than 89 million pixels"):
        read_image(encoded(Image.new("1", (20_000, 10_000))))


def test_the_size_is_read_without_the_pixels(tmp_path):
    content = encoded(picture(1, 60))
    (tmp_path / "a.png").write_bytes(content[:100])
    assert image_size(tmp_path / "a.png") == (60, 68)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ImageError, match="no size"):
        image_size(tmp_path / "a.png")


def test_formats_that_pillow_only_knows_by_name_are_not_read():
    assert {"JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP"} <= set(readable_formats())
    assert not {"EPS", "WMF", "MPEG", "HDF5"} & set(readable_formats())
    assert len(set(readable_formats())) == len(readable_formats())
    assert {".jpg", ".jpeg", ".png", ".tif", ".webp"} <= readable_endings() and ".eps" not in readable_endings()
