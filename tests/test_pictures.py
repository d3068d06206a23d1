"""What is taken for a picture, and what is refused and why."""

import pytest

from mikrotax.pictures import PictureError, check_picture
from tests.scraping import picture


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"not a picture", "not a picture"),
        (picture((1, 1)), "too small"),
        (picture((40, 40), "JPEG")[:-20], "cut off"),
        (picture()[:-30], "cut off"),
        (picture((6_000, 6_000)), "too large"),
        (b"GIF89a\xff\xff\xff\xff\x00\x00\x00", "too large|cut off|not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    ],
)
def test_what_is_no_picture_is_refused(content, why):
    with pytest.raises(PictureError, match=why):
        check_picture(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"])
def test_pictures_of_every_kind_are_taken(kind):
    check_picture(picture(kind=kind))
