"""Names of taxa and pictures: what users rely on, and what a hostile page could write."""

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.names import (
    MAX_FILE,
    MAX_PART,
    RESERVED,
    comparison_key,
    disambiguate,
    is_type,
    picture_file,
    picture_path,
    safe_part,
    same_name,
    strip_blanks,
)

HOST = "https://www.mikrotax.org/images/"
ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=300)


def check_part(part: str) -> None:
    """Fail unless `part` is a name that Linux, macOS and Windows all take as one file in one directory."""
    assert part and part == part.strip(" ") and not part.endswith(".") and not part.startswith(".")
    assert not set(part) & set('<>:"/\\|?*') and not any(unicodedata.category(c)[0] == "C" for c in part)
    assert part.split(".")[0].strip().casefold() not in RESERVED
    assert len(part.encode()) <= MAX_PART and unicodedata.is_normalized("NFC", part)


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("ntax_cenozoic/thumbs/X.JPG", "ntax_cenozoic/X.JPG"),
        ("ntax_cenozoic/Order/Genus%20one/X.JPG?time=1#top", "ntax_cenozoic/Order/Genus one/X.JPG"),
        (
            "m/thumbs/Bown%20%26%20Young%20%28ex%29%20%5B1%5D%20%2B%20d%27%20%C3%97.jpg",
            "m/Bown & Young (ex) [1] + d' ×.jpg",
        ),
        ("m/thumbs/e%CC%81.jpg", "m/é.jpg"),
        ("m/thumbs/what%3F.jpg", "m/what_.jpg"),
        ("m/thumbs/thumbs", "m/thumbs"),
        ("aux/thumbs/CON.jpg", "_aux/_CON.jpg"),
        ("m/thumbs/a%5C..%5Cb.jpg", "m/a_.._b.jpg"),
        ("m/thumbs/.htaccess", "m/_htaccess"),
        ("m/thumbs/ends.%20.", "m/ends"),
    ],
)
def test_a_picture_has_its_file_below_images(url, file):
    assert picture_file(HOST + url) == file


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://www.mikrotax.org/graphics/x.gif",
        HOST,
        HOST + "m/../../etc/passwd",
        HOST + "m/%2e%2e/x.jpg",
        "http://[::1/images/x.jpg",
    ],
)
def test_what_is_no_picture_has_no_file(url):
    with pytest.raises(ValueError):
        picture_file(url)


@given(ANY_TEXT)
def test_every_name_becomes_one_safe_part(name):
    check_part(safe_part(name))
    assert safe_part(safe_part(name)) == safe_part(name)


@given(st.lists(ANY_TEXT, min_size=1, max_size=40))
def test_every_address_stays_below_images(parts):
    try:
        file = picture_file(HOST + "/".join(quote(part) for part in parts))
    except ValueError:
        return
    assert len(file.encode()) <= MAX_FILE
    for part in PurePosixPath(file).parts:
        check_part(part)
    check_part(PurePosixPath(disambiguate(file, "another")).name)
    assert disambiguate(file, "another") != file


def test_long_names_that_begin_alike_stay_two():
    assert safe_part("x" * 300 + "a.jpg") != safe_part("x" * 300 + "b.jpg")
    assert picture_file(HOST + "m/" + "a/" * 200 + "x.jpg") != picture_file(HOST + "m/" + "b/" * 200 + "x.jpg")
    assert picture_file(HOST + "m/thumbs/" + "x" * 300 + ".jpg").endswith(".jpg")


def test_the_key_of_a_picture_keeps_thumbs_and_the_case():
    assert picture_path(HOST + "m/thumbs/a%20b.JPG?x=1#top") == "m/thumbs/a b.JPG"


@pytest.mark.parametrize(
    ("file", "other"),
    [
        ("m/a.jpg", r"m/a-[0-9a-f]{8}\.jpg"),
        ("m/.b", r"m/\.b-[0-9a-f]{8}"),
        ("a.b.toolong", r"a\.b\.toolong-[0-9a-f]{8}"),
    ],
)
def test_a_file_that_is_taken_gets_another_name_with_its_ending(file, other):
    assert re.fullmatch(other, disambiguate(file, "key"))
    assert disambiguate(file, "key") == disambiguate(file, "key") != disambiguate(file, "another key")


def test_blanks_are_stripped_for_a_hierarchy():
    assert strip_blanks("SY pulchra\u00a0 gp\n") == "SYpulchragp" and strip_blanks("e\u0301") == "é"


def test_names_are_compared_without_case_blanks_and_underscores():
    assert same_name("Coccolithus_Pelagicus", "Coccolithus pelagicus ")
    assert not same_name("Syracosphaera", "Syracosphaera sp.")
    assert comparison_key("SY_pulchra gp") == "sypulchragp" and comparison_key("GRÖSSE") == comparison_key("größe")


@pytest.mark.parametrize("status", ["holotype", "Paratype", "lectotype (designated here)", "type"])
def test_a_status_tells_a_type_specimen(status):
    assert is_type(status)


@pytest.mark.parametrize("status", ["", "-", "typical", "prototypes of a drawing"])
def test_other_words_tell_none(status):
    assert not is_type(status)
