"""Images as microscopes write them: read as their 8-bit picture would be, whatever the file."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from common import images
from common.images import ImageError, image_size, is_one_colour, read_image
from common.levels import level_range, to_8_bits
from common.pages import sharpest
from tests.drawn import picture

EIGHT = np.asarray(picture(7, 64))  # soft blobs with a grain, (72, 64)
EIGHT = ((EIGHT - EIGHT.min()) * (255 / np.ptp(EIGHT))).astype(np.uint8)
TWELVE = (EIGHT.astype(np.uint16) * 14 + 300).astype(np.uint16)  # with a black level, as a camera has
SIXTEEN = EIGHT.astype(np.uint16) * 257
COLOUR = np.stack([EIGHT, EIGHT[::-1], EIGHT[:, ::-1]], -1)


def saved(array, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def grey(content: bytes, page=1) -> np.ndarray:
    pixels = np.asarray(read_image(content, page)).astype(int)
    assert np.ptp(pixels, axis=-1).max() <= 1
    return pixels[..., 0]


def differs(content: bytes, page=1) -> int:
    """How far the image that is read lies from its 8-bit picture, in grey levels."""
    return int(np.abs(grey(content, page) - EIGHT).max())


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "packbits", "zstd", "lzma", "jpeg2000", "png", "lerc"])
@pytest.mark.parametrize("values", [TWELVE, SIXTEEN], ids=["12 bits", "16 bits"])
def test_grey_of_more_than_8_bits(values, compression):
    assert differs(saved(values, compression=compression)) <= 1


@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": ">"},
        {"bigtiff": True},
        {"tile": (32, 32)},
        {"tile": (16, 32), "compression": "lzw", "predictor": True},
        {"rowsperstrip": 7},
        {"metadata": {"axes": "YX"}, "ome": True},
        {"imagej": True},
    ],
    ids=str,
)
def test_grey_laid_out_in_any_way(options):
    assert differs(saved(TWELVE, **options)) <= 1


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint32, np.uint64, np.float16, np.float32, np.float64])
def test_numbers_of_any_kind(kind):
    values = (TWELVE.astype(np.float64) - 1500).astype(kind) if kind not in (np.uint32, np.uint64) else TWELVE
    assert differs(saved(values.astype(kind))) <= 1


@pytest.mark.parametrize("compression", [None, "lzw", "jpeg2000", "zstd"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_colour_of_more_than_8_bits_keeps_its_colours(compression, planes):
    values = COLOUR.astype(np.uint16) * 14 + 300
    if planes == "separate":
        values = np.moveaxis(values, -1, 0)
    content = saved(values, photometric="rgb", planarconfig=planes, compression=compression)
    assert np.abs(np.asarray(read_image(content)).astype(int) - COLOUR).max() <= 1


def test_png_jpeg_2000_and_netpbm_of_16_bits():
    from imagecodecs import jpeg2k_encode, png_encode

    values = COLOUR.astype(np.uint16) * 14 + 300
    heights = f"P6\n# written by hand\n{COLOUR.shape[1]} {COLOUR.shape[0]}\n65535\n".encode()
    for content in (png_encode(values), jpeg2k_encode(values, level=0), heights + values.astype(">u2").tobytes()):
        assert np.abs(np.asarray(read_image(bytes(content))).astype(int) - COLOUR).max() <= 1
    assert differs(bytes(png_encode(TWELVE))) <= 1
    assert differs(bytes(png_encode(np.stack([TWELVE, np.full_like(TWELVE, 65535)], -1)))) <= 1


def test_jpeg_of_12_bits():
    from imagecodecs import jpeg8_encode

    smooth = (np.add.outer(np.arange(72), np.arange(64)) * 25).astype(np.uint16)
    pixels = grey(jpeg8_encode(smooth, level=98, bitspersample=12))
    assert np.abs(pixels - smooth / smooth.max() * 255).max() <= 4


@pytest.mark.parametrize("values", [255 - EIGHT, 65535 - SIXTEEN, 5000 - TWELVE], ids=["8", "16", "12"])
def test_min_is_white_is_inverted(values):
    assert differs(saved(values, photometric="miniswhite")) <= 1


def with_scale_bar(values, level):
    marked = values.copy()
    marked[-12:-6, -45:-5] = level
    marked[-18:-14, -30:-20] = level
    return marked


@pytest.mark.parametrize("level", [65535, 16383, 4095 << 4, 16383 << 2, 1023 << 6])
def test_a_scale_bar_does_not_darken_the_specimen(level):
    found = grey(saved(with_scale_bar(TWELVE, level)))
    assert np.abs(found[:50] - EIGHT[:50]).max() <= 2 and found[-8, -20] == 255


def test_a_scale_bar_with_smoothed_letters_does_not_darken_the_specimen():
    bar = Image.fromarray(np.where(with_scale_bar(np.zeros_like(TWELVE), 1) > 0, 255, 0).astype(np.uint8))
    smooth = np.asarray(bar.resize((63, 71), 3).resize((64, 72), 3)) / 255  # edges of all levels
    marked = (TWELVE * (1 - smooth) + 65535 * smooth).round().astype(np.uint16)
    marked[with_scale_bar(np.zeros_like(TWELVE), 1) > 0] = 65535
    found = grey(saved(marked))
    assert np.abs(found[:50] - EIGHT[:50]).max() <= 20


def test_a_bar_that_is_white_where_min_is_white():
    marked = with_scale_bar(5000 - TWELVE, 0)
    found = grey(saved(marked, photometric="miniswhite"))
    assert np.abs(found[:50] - EIGHT[:50]).max() <= 2 and found[-8, -20] == 255


@pytest.mark.parametrize("odd", [[65535], [65535, 40000, 30000], [0, 65535]])
def test_single_hot_and_dead_pixels_do_not_count(odd):
    marked = TWELVE + 5000
    for number, value in enumerate(odd):
        marked[3 + 20 * number, 9] = value
    assert np.abs(grey(saved(marked))[:, 20:] - EIGHT[:, 20:]).max() <= 2


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan, 1e38, -9999.0])
def test_what_is_no_number_or_far_outside_does_not_count(odd):
    marked = EIGHT.astype(np.float32) / 255
    marked[2:6, 2:9] = odd
    found = grey(saved(marked))
    assert np.abs(found[8:] - EIGHT[8:]).max() <= 1
    assert found[3, 3] == (255 if odd > 0 else 0)


def test_only_infinite_values_are_of_one_colour():
    assert is_one_colour(read_image(saved(np.full((20, 20), np.nan, np.float32))))


def test_a_bright_specimen_on_a_dark_ground_is_no_scale_bar():
    values = np.random.default_rng(0).integers(100, 160, (80, 80)).astype(np.uint16)
    values[30:50, 30:35] = 900  # all of one level, and less than a tenth
    assert level_range(values) == (values.min(), 900)


def test_a_drawing_of_few_levels_keeps_them():
    values = np.zeros((60, 60), np.uint16)
    values[10:50, 10:12], values[20:22, 5:30] = 30_000, 65535
    assert sorted(np.unique(to_8_bits(values))) == [0, 116, 255]


def test_an_overexposed_image_is_stretched_as_it_is():
    values = np.clip(TWELVE.astype(int) * 3, 0, 4095).astype(np.uint16)
    expected = (values - float(values.min())) / (4095 - values.min()) * 255
    assert np.abs(to_8_bits(values) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["8 bits", "16 bits"])
def test_an_alpha_that_hides_everything_is_ignored(kind):
    if kind == "8 bits":
        rgba = np.dstack([COLOUR, np.zeros_like(EIGHT)])
    else:
        rgba = np.dstack([COLOUR.astype(np.uint16) * 257, np.zeros_like(SIXTEEN)])
    content = saved(rgba, photometric="rgb", extrasamples=["unassalpha"])
    assert np.abs(np.asarray(read_image(content)).astype(int) - COLOUR).max() <= 1


def test_an_alpha_that_hides_a_part_makes_it_black():
    alpha = np.full_like(SIXTEEN, 65535)
    alpha[:20] = 0
    content = saved(np.dstack([COLOUR.astype(np.uint16) * 257, alpha]), photometric="rgb", extrasamples=["unassalpha"])
    found = np.asarray(read_image(content)).astype(int)
    assert found[:20].max() == 0 and np.abs(found[20:] - COLOUR[20:]).max() <= 2


def test_channels_without_colours_show_the_first():
    two = np.dstack([TWELVE, TWELVE[::-1]])
    assert differs(saved(two, photometric="minisblack", planarconfig="contig")) <= 1
    five = np.dstack([EIGHT, *[EIGHT[::-1]] * 4])
    assert differs(saved(five, photometric="minisblack", planarconfig="contig")) == 0


def test_lab_and_inks_become_rgb():
    rgb = Image.fromarray(COLOUR).resize((16, 16))
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(rgb, *profiles, outputMode="LAB")
    signed = np.asarray(lab)
    shifted = signed ^ np.array([0, 0x80, 0x80], np.uint8)
    wide = signed.astype(np.uint16) << 8
    for values, name in (
        (signed, "cielab"),
        (wide, "cielab"),
        (shifted, "icclab"),
        (shifted.astype("u2") << 8, "icclab"),
    ):
        content = saved(values, photometric=name)
        assert np.abs(np.asarray(read_image(content)).astype(int) - np.asarray(rgb)).mean() <= 2
    inks = np.dstack([255 - COLOUR, np.zeros_like(EIGHT)])
    for values in (inks, inks.astype(np.uint16) * 257):
        content = saved(values, photometric="separated")
        assert np.abs(np.asarray(read_image(content)).astype(int) - COLOUR).max() <= 1


def test_a_palette_and_truth_values():
    colours = np.tile((np.arange(256) * 257).astype(np.uint16), (3, 1))
    assert differs(saved(EIGHT, photometric="palette", colormap=colours)) == 0
    truth = grey(saved(EIGHT > 127, photometric="minisblack"))
    assert set(np.unique(truth)) == {0, 255} and ((truth > 0) == (EIGHT > 127)).all()


def test_what_shows_no_picture_says_why():
    for values, said in ((EIGHT.astype(np.complex64), "shows no picture"), (np.zeros((4, 30, 30, 30), np.uint16), "")):
        if said:
            with pytest.raises(ImageError, match=said):
                read_image(saved(values))
    with pytest.raises(ImageError, match="channels"):
        read_image(saved(np.zeros((30, 30, 40), np.uint16), photometric="minisblack", planarconfig="contig"))


@pytest.mark.parametrize("bits", [8, 16])
def test_an_image_of_8_bits_has_the_pixels_that_pillow_reads(bits):
    content = saved(COLOUR if bits == 8 else EIGHT, compression="lzw", photometric="rgb" if bits == 8 else "minisblack")
    with Image.open(io.BytesIO(content)) as file:
        assert (np.asarray(read_image(content)) == np.asarray(file.convert("RGB"))).all()


def test_a_bomb_of_16_bits_is_refused_before_it_is_decoded(monkeypatch):
    content = saved(np.zeros((300, 200), np.uint16), compression="deflate")
    monkeypatch.setattr(images, "MAX_PIXELS", 59_999)
    with pytest.raises(ImageError, match="million pixels"):
        read_image(content)


def test_an_image_of_16_bits_cut_off_is_refused():
    content = saved(SIXTEEN, compression="lzw")
    head = struct.unpack("<I", content[4:8])[0]
    with pytest.raises(ImageError):
        read_image(content[: head + 20])
    with pytest.raises(ImageError):
        read_image(saved(SIXTEEN)[:-4000])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript, which is never opened"),
        (b"\xef\xbb\xbf\r\n%!PS-Adobe-3.0\n", "PostScript, which is never opened"),
        (b"\x04%!\n", "PostScript, which is never opened"),
        (b"\n\n%!PS\n", "PostScript, which is never opened"),
        (b"\xc5\xd0\xd3\xc6" + bytes(60), "PostScript, which is never opened"),
        (b"\xd7\xcd\xc6\x9a" + bytes(60), "Windows metafile, which is never opened"),
        (b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60), "Windows metafile, which is never opened"),
        (b"\0\0\0\x18ftypheic" + bytes(60), "HEIC"),
        (b"ZISRAWFILE" + bytes(60), "ZEN"),
        (b"\xda\xce\xbe\x0a" + bytes(60), "NIS-Elements"),
    ],
)
def test_what_is_never_opened_is_known_by_its_bytes(tmp_path, content, said):
    (tmp_path / "a.jpg").write_bytes(content)
    for source in (content, tmp_path / "a.jpg"):
        with pytest.raises(ImageError, match=said):
            read_image(source)


def stack(*levels):
    """Pages of one specimen, out of focus by so many pixels."""
    sharp = Image.fromarray(EIGHT)
    return np.stack([np.asarray(sharp.resize((64 // level, 72 // level), 1).resize((64, 72), 2)) for level in levels])


@pytest.mark.parametrize(
    "options", [{}, {"imagej": True}, {"metadata": {"axes": "ZYX"}, "ome": True}, {"truncate": True}, {"bigtiff": True}]
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_pages_of_a_stack_by_number_or_the_sharpest(options, kind):
    pages = stack(8, 1, 4)
    content = saved(pages.astype(kind) * (1 if kind is np.uint8 else 9), photometric="minisblack", **options)
    assert read_image(content).info["pages"] == 3
    for number, page in enumerate(pages, 1):
        low, high = (0, 255) if kind is np.uint8 else (int(page.min()), int(page.max()))
        assert np.abs(grey(content, number) - (page - float(low)) / (high - low) * 255).max() <= 1
    assert (grey(content, "sharpest") == grey(content, 2)).all()
    with pytest.raises(ImageError, match="it has 3 pages, and page 4 is wanted"):
        read_image(content, 4)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_frames_are_pages(kind):
    frames = [Image.fromarray(page) for page in stack(8, 4, 1)]
    file = io.BytesIO()
    frames[0].save(
        file, kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    content = file.getvalue()
    assert read_image(content).info["pages"] == 3
    assert np.abs(grey(content, "sharpest") - np.asarray(frames[2]).astype(int)).max() <= 2


def test_smaller_copies_are_no_pages_and_a_single_page_is_read_whatever_is_asked():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(SIXTEEN)
        writer.write(SIXTEEN[::2, ::2], subfiletype=1)
    assert read_image(file.getvalue()).info["pages"] == 1
    assert differs(file.getvalue(), 5) <= 1 and differs(saved(TWELVE), "sharpest") <= 1


def test_the_sharpest_is_not_the_noisiest():
    noise = np.random.default_rng(1).normal(0, 6, EIGHT.shape)
    assert sharpest([stack(8)[0] + noise, EIGHT.astype(float)]) == 1


def test_sizes_of_files_that_only_tifffile_opens(tmp_path):
    (tmp_path / "a.tif").write_bytes(saved(EIGHT.astype(np.float64)))
    assert image_size(tmp_path / "a.tif") == (64, 72)


def test_a_tiff_is_turned_upright():
    content = saved(TWELVE, extratags=[(274, 3, 1, 6, True)])
    assert read_image(content).size == (72, 64)
    assert np.abs(np.rot90(grey(content)) - EIGHT).max() <= 1
