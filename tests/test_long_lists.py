"""Lists of taxa that a site cuts into several pages: what it says of their length, and where the rest is."""

import pytest
from bs4 import BeautifulSoup

from mikrotax.paging import read_paging

URL = "http://x/system/index.php?taxon=Aus&module=m"


def paging(html):
    return read_paging(BeautifulSoup(f"<html><body>{html}</body></html>", "lxml", multi_valued_attributes=None), URL)


@pytest.mark.parametrize(
    ("words", "taxa", "pages"),
    [
        ("Higher taxa has 53 sub-taxa these are grouped in 2 pages", 53, 2),
        ("Aus has 120 daughter taxa, these are divided into 3 pages", 120, 3),
        ("page 1 of 4", 0, 4),
        ("Page 1 / 4", 0, 4),
        ("showing 1-50 of 93", 93, 2),
        ("Showing 1 to 50 of 93 taxa", 93, 2),
        ("taxa 1–50 of 93", 93, 2),
        ("93 taxa on 2 pages", 93, 2),
        ("50 of 93 taxa are shown", 93, 2),
    ],
)
def test_words_for_a_list_that_goes_on_elsewhere(words, taxa, pages):
    found = paging(f"<p>{words}</p>")
    assert (found.taxa, found.pages, found.several) == (taxa, pages, True)


@pytest.mark.parametrize(
    "words",
    [
        "Aus has 5 sub-taxa",
        "Young et al. 2018, page 12 of the supplement",
        "about 20 of 30 liths are shown",
        "see p. 1/4",
        "grouped in 2 families",
        "page 1 of 1",
        "<a href='index.php?taxon=Aus&module=m&dpage=0'>Aus</a>",
        "<a href='index.php?taxon=Bus&module=m&page=2'>Next</a>",
    ],
)
def test_words_that_say_nothing_of_it(words):
    assert not paging(f"<p>{words}</p>").several


@pytest.mark.parametrize(
    "link",
    [
        "<a href='index.php?taxon=Aus&module=m&page=2'>2</a>",
        "<a href='index.php?page=2&module=m&taxon=Aus'>Next page</a>",
        "<a href='?taxon=Aus&amp;module=m&amp;start=50'>next &raquo;</a>",
        "<a href='/system/index.php?taxon=Aus&module=m&dpage=1' rel='next'>Bus to Cus</a>",
        "<a href='?page=2'>more</a>",
    ],
)
def test_a_link_to_the_next_page_is_enough(link):
    found = paging(f"<p>{link}</p>")
    (more,) = found.more
    assert found.several and more.startswith(URL + "&") and more[-1].isdigit()
