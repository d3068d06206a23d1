"""Letters of all scripts in figures: which font draws them, and what is said where none can."""

import logging
import warnings

import matplotlib.font_manager
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from common import fonts
from common.text_layout import font_for
from evaluation.captions import CaptionedImage, GridStyle, draw_captioned
from evaluation.figures import draw_confusion
from evaluation.taxonomy import Taxonomy

CHINESE = "颗石藻"


@pytest.fixture(autouse=True)
def forget():
    """Begin with nothing known of fonts, and leave nothing behind."""
    for each in (fonts._covering, fonts._fonts):
        each.cache_clear()
    fonts._said.clear()
    yield
    for each in (fonts._covering, fonts._fonts):
        each.cache_clear()


def make_font(path, letters):
    """Write a font in which each letter is a square."""
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for place in ((50, 700), (750, 700), (750, 0)):
        pen.lineTo(place)
    pen.closePath()
    names = {ord(letter): f"uni{ord(letter):04X}" for letter in letters}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    builder.setupGlyf({name: pen.glyph() for name in (".notdef", *names.values())})
    builder.setupHorizontalMetrics(dict.fromkeys((".notdef", *names.values()), (800, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)


@pytest.mark.parametrize("text", ["Emiliania huxleyi", "Žižkella ŋoëlius ąę", "Κοκκολιθοφόρα", "Кокколитофориды"])
def test_the_usual_font_has_latin_greek_and_cyrillic(text, caplog):
    assert fonts.font_families([text]) == [fonts.OWN] and fonts.font_file(text).endswith("DejaVuSans.ttf")
    assert not caplog.records


def test_what_no_font_has_is_said_once(caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            fonts.font_families([f"Emiliania {CHINESE}\U000f0000"])
            fonts.font_file(CHINESE)
    said = [record.getMessage() for record in caplog.records]
    known = fonts.font_families([CHINESE]) != [fonts.OWN]
    assert len(said) == (0 if known else 1)
    if said:
        assert all(letter in said[0] for letter in CHINESE)


def test_a_font_that_was_installed_since_is_taken(tmp_path, monkeypatch, caplog):
    """matplotlib knows none but its own, from an earlier run; beside the new one lies a file that is no font."""
    make_font(tmp_path / "squares.ttf", CHINESE)
    (tmp_path / "broken.ttf").write_text("no font")
    installed = [str(path) for path in tmp_path.iterdir()]
    monkeypatch.setattr(matplotlib.font_manager, "findSystemFonts", lambda: installed)
    manager = matplotlib.font_manager.FontManager.__new__(matplotlib.font_manager.FontManager)
    manager.__dict__ |= matplotlib.font_manager.fontManager.__dict__
    manager.ttflist = [entry for entry in manager.ttflist if entry.name.startswith("DejaVu")]
    monkeypatch.setattr(matplotlib.font_manager, "fontManager", manager)
    assert fonts.font_families(["Emiliania", CHINESE]) == [fonts.OWN, "Squares"]
    assert fonts.font_file(CHINESE) == str(tmp_path / "squares.ttf")
    assert not caplog.records


def test_figures_show_chinese_where_a_font_has_it(tmp_path):
    """matplotlib warns of every letter that it has no glyph for."""
    if fonts.font_families([CHINESE]) == [fonts.OWN]:
        pytest.skip("no font of this machine has Chinese letters (Debian: fonts-wqy-zenhei)")
    names = [f"Žižkella {CHINESE}", "Κοκκολιθοφόρα", "Кокколитофориды"]
    captioned = CaptionedImage(np.zeros((9, 9, 3)), names[0], names[1], names[2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_confusion(Taxonomy([[name] for name in names]), np.arange(3), np.arange(3)).savefig(tmp_path / "a.png")
        draw_captioned([captioned], GridStyle(1, 2, 2)).savefig(tmp_path / "b.png")
    drawn = {bytes(font_for(CHINESE, 20).getmask(letter)) for letter in (*CHINESE, "\U000f0000")}
    assert len(drawn) == len(CHINESE) + 1  # and Pillow draws no boxes in contact sheets
