"""A contact sheet: its size, what lies where, and that long names, odd pictures and empty sheets do not break it."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from common import contact_sheet
from common.contact_sheet import COLOURS, SHOWN, SIDE, SheetLine, draw_contact_sheet
from tests.drawn import picture

RED = Image.new("RGB", (50, 50), "#ff0000")


@pytest.fixture
def drawn(tmp_path):
    """A function that draws a sheet and returns its pixels, (height, width, 3) uint8."""

    def drawn(lines, title=""):
        with Image.open(draw_contact_sheet(tmp_path / "sheet.png", lines, title)) as sheet:
            assert (sheet.format, sheet.mode) == ("PNG", "RGB")
            return np.asarray(sheet)

    return drawn


def of_colour(pixels, colour):
    """Return the number of pixels of a colour."""
    return int((pixels == [int(colour[place : place + 2], 16) for place in (1, 3, 5)]).all(-1).sum())


def reds(number):
    return [(lambda: RED, "")] * number


@pytest.mark.parametrize("number", [0, 1, 5, SHOWN])
def test_every_picture_is_shown_in_its_place(drawn, number):
    assert of_colour(drawn([SheetLine("Aus", pictures=reds(number))]), "#ff0000") == number * SIDE**2


def test_no_more_pictures_than_fit_are_opened(drawn):
    opened = []
    drawn([SheetLine("Aus", pictures=[(lambda: opened.append(1) or RED, "")] * (SHOWN + 3))])
    assert len(opened) == SHOWN


def test_proportions_are_kept_and_any_mode_is_shown(drawn):
    wide = Image.new("LA", (144, 36), (0, 255))
    assert of_colour(drawn([SheetLine("", pictures=[(lambda: wide, "")])]), "#000000") == SIDE * SIDE // 4


def test_a_picture_that_cannot_be_read_any_more_leaves_no_gap(drawn):
    gone = SheetLine("Aus", pictures=[(lambda: None, ""), (lambda: RED, "")])
    there = SheetLine("Aus", pictures=[(lambda: RED, ""), (lambda: None, "")])
    assert (drawn([gone]) == drawn([there])).all()


def test_bars_are_as_long_as_their_counts(drawn):
    pixels = drawn([SheetLine("Aus", counts={"train": 60, "validate": 20}), SheetLine("Bus", counts={"train": 40})])
    legend, first, second = (pixels[:50], pixels[50:130], pixels[130:])
    assert [of_colour(legend, colour) > 100 for colour in COLOURS] == [True, True, False]
    assert of_colour(first, COLOURS[0]) == 3 * of_colour(first, COLOURS[1])
    assert of_colour(second, COLOURS[0]) * 3 == of_colour(first, COLOURS[0]) * 2
    assert of_colour(second, COLOURS[1]) == 0


def test_a_single_picture_among_thousands_is_seen(drawn):
    pixels = drawn([SheetLine("Aus", counts={"train": 90_000, "validate": 1}), SheetLine("Bus", counts={"test": 0})])
    assert of_colour(pixels[50:], COLOURS[1]) > 0


def test_taxa_below_one_parent_have_one_heading(drawn):
    none, one, two, three = (
        drawn([SheetLine(name, parent) for name, parent in zip("abc", parents, strict=True)]).shape[0]
        for parents in (["", "", ""], ["M", "M", "M"], ["M", "M", "N"], ["M", "N", "O"])
    )
    assert none < one
    assert one - none == two - one == three - two


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A" * 500,
        "Ørstediella żółwińska-Čapkovà subsp. ångströmii Müller & Çelik",
        "many words " * 60,
        "one\ntwo\nthree\nfour\nfive",
    ],
)
def test_names_of_any_length_stay_in_their_column(drawn, name):
    counts = {"train": 3}
    pixels, widest = (drawn([SheetLine(each, counts=counts, pictures=reds(2))]) for each in (name, "x" * 99))
    assert pixels.shape[1] <= widest.shape[1]
    ink = (pixels[50:] < 128).all(-1)  # dark in all channels: letters, and neither bars nor red pictures
    rows = np.flatnonzero(ink.any(1))
    assert not len(rows) or rows[-1] - rows[0] < SIDE + 8
    assert of_colour(pixels, "#ff0000") == 2 * SIDE**2


def test_a_long_parent_and_a_long_title_are_cut(drawn):
    pixels = drawn([SheetLine("Aus", "a very long name > " * 30, pictures=reds(1))], "a title " * 60)
    assert (pixels[:, -18:] == 255).all(-1).mean() > 0.9
    assert of_colour(pixels, "#ff0000") == SIDE**2


def test_letters_of_authors_names_are_there(drawn):
    boxes = drawn([SheetLine("\U0010fffd" * 3)])  # what the font lacks is a box
    for letters in ("éüß", "Łąż", "čřž", "Дмн", "αβγ"):
        assert boxes.shape == drawn([SheetLine(letters)]).shape
        assert (boxes != drawn([SheetLine(letters)])).any()


def test_captions_are_below_their_pictures(drawn):
    plain = drawn([SheetLine("Aus", pictures=[(lambda: RED, "")])])
    captioned = drawn([SheetLine("Aus", pictures=[(lambda: RED, "93 %")])])
    assert captioned.shape[0] > plain.shape[0]
    assert of_colour(captioned, "#ff0000") == SIDE**2


def test_only_the_first_taxa_of_very_many_are_drawn(drawn, monkeypatch):
    monkeypatch.setattr(contact_sheet, "LINES", 5)
    many = [SheetLine(f"taxon {number}") for number in range(20)]
    assert drawn(many).shape == drawn(many[:6]).shape
    assert drawn(many).shape[0] > drawn(many[:5]).shape[0]  # the head says how many there are


def test_an_empty_sheet_is_a_picture(drawn):
    assert drawn([], "nothing").size
    assert drawn([]).size


def test_the_same_lines_give_the_same_pixels(drawn):
    lines = [SheetLine("Aus", "M", {"train": 2}, [(partial(picture, 1), "a")])]
    assert (drawn(lines) == drawn(lines)).all()
