"""Markup: encodings, what is no part of a page, raw apostrophes, and the text of a page line by line."""

import pytest

from mikrotax.markup import PageError, decode, escape_quotes, page_proper, parse_html, read_lines, tidy


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_pages_are_read_in_the_encodings_that_the_site_has_had(encoding):
    assert decode("Größe – é “ä” µm".encode(encoding)) == "Größe – é “ä” µm"


@pytest.mark.parametrize("letter", ["é", "ä", "è", "ö", "ß", "µ", "×", "–", "’", "Š"])
def test_single_letters_of_windows_in_a_page_of_utf_8(letter):
    """Old entries in a page of today; UnicodeDammit.detwingle alone loses é and ä."""
    page = f"Größe {letter}x ".encode() + f"d{letter}e".encode("cp1252") + " 3–5µm, Ürgön".encode()
    assert decode(page) == f"Größe {letter}x d{letter}e 3–5µm, Ürgön"


def test_bytes_that_are_no_letter_in_any_encoding_are_no_obstacle():
    assert decode(b"") == "" and decode(b"a\x81b") == "a\x81b"
    assert decode(b"\xff\xfea\x00b") == "a\ufffd"  # UTF-16, cut off


def test_the_page_proper_begins_with_the_doctype_and_ends_before_the_comments():
    text = 'debug\x01<!DOCTYPE html><p>a</p><script>"</p>"</script>b<div class=x id="cmtx_container">c'
    assert page_proper(text) == "<!DOCTYPE html><p>a</p>b"
    assert page_proper("a<script>b") == "a>b" and page_proper("\x00a\nb") == " a\nb"


def test_apostrophes_in_single_quotes_are_escaped():
    assert escape_quotes("<a href='d'orb'><b title='O'X, d'Y'>it's") == (
        "<a href='d&#39;orb'><b title='O&#39;X, d&#39;Y'>it's"
    )


def test_lines_and_links_of_a_page():
    body = "a <b>b</b><br>c\n d<p>e <a href='x'>f</a><!-- g --> h</p><table><tr><td>i<td>j</table>"
    text, hrefs = read_lines(parse_html(f"<body>{body}</body>"))
    assert text.strip() == "a b\nc d\n\ne \x020\x03f h\n\ni\nj" and hrefs == ["x"]


def test_no_entity_passes_for_the_mark_of_a_link():
    text, hrefs = read_lines(parse_html("<body>&#2;0&#3;x<a href='y'>&#10;z</a></body>"))
    assert text.count("\x02") == len(hrefs) == 1 and "\n" not in text.strip()


def test_what_is_not_html_is_reported():
    with pytest.raises(PageError, match="empty"):
        parse_html("")
    with pytest.raises(PageError, match="nested more than 250 deep"):
        parse_html("<div>" * 300)
    assert parse_html("<div>" * 200).name == "html"


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("  a \n b\u00a0c ", "a b c"),
        ("Br&ouml;nnimann &amp; <i>Stradner</i>", "Brönnimann & Stradner"),
        ("2 < 3 > 1", "2 < 3 > 1"),
        ("a\u202eb\x07c", "a b c"),
    ],
)
def test_text_is_tidied_for_reading(text, tidied):
    assert tidy(text) == tidied
