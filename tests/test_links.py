"""Addresses on the site: which links are followed, and what they mean."""

import pytest

from mikrotax.links import (
    LinkError,
    host,
    is_loopback,
    is_page,
    other_names,
    page_link,
    page_url,
    picture_lineage,
    picture_url,
    site_directory,
)
from tests.own_pages import BASE, HOST, href


def test_the_four_forms_of_an_address():
    assert page_link(BASE, href("SY pulchra gp") + "&dpage=0#rangedata").url == page_url(
        f"{HOST}/Nannotax3", "SY pulchra gp", "ntax_cenozoic"
    )
    assert page_link(BASE, "index.php?module=m&taxon=Aus").url == f"{HOST}/Nannotax3/index.php?taxon=Aus&module=m"
    assert page_link(BASE, "/pforams/index.php?id=104112").url == f"{HOST}/pforams/index.php?id=104112"
    old = page_link(BASE, "index.php?dir=Coccolithophores/Aales/C.%20leptoporus%20group")
    assert (old.taxon, old.module) == ("C. leptoporus group", "Coccolithophores")
    pretty = page_link(BASE, "/pforams/cenozoic/Orbulina_universa")
    assert (pretty.taxon, pretty.url) == ("Orbulina universa", f"{HOST}/pforams/cenozoic/Orbulina_universa")


@pytest.mark.parametrize(
    "link",
    [
        "",
        "#rangedata",
        "index.php?taxon=&module=m",
        href(""),
        "https://evil.org/index.php?taxon=Aus",
        "//evil.org/?taxon=A",
        "file:///etc/passwd?taxon=A",
        "javascript:open('?taxon=A')",
        "/%2e%2e/x?taxon=A",
        "http://[bad/?taxon=A",
        "https://www.mikrotax.org:99999/?taxon=A",
        "https://me:pw@www.mikrotax.org/?taxon=A",
        "/Nannotax3/catalog/index.php?taxon=A",
        "/Farinacci/x",
        "/a/b.pdf",
        "index.php?taxon=A&module=ntax_Farinacci",
        "index.php?id=12345678901234",
    ],
)
def test_links_that_are_not_followed(link):
    with pytest.raises(LinkError):
        page_link(BASE, link)


@pytest.mark.parametrize(
    "src",
    [
        "",
        "/images/x.jpg",
        "/images/m/x.pdf",
        "/graphics/x.jpg",
        "data:image/gif;base64,R0lG",
        "//evil.org/images/m/x.jpg",
        "/images/m/../../x.jpg",
        "/images/m/%2e%2e/x.jpg",
        "/images/m/x.php?f=.jpg/",
        "javascript:x.jpg",
    ],
)
def test_addresses_that_are_no_pictures(src):
    with pytest.raises(LinkError):
        picture_url(BASE, src)


def test_addresses_of_pictures():
    assert picture_url(BASE, "/images/m/thumbs/a b?.JPG") == f"{HOST}/images/m/thumbs/a%20b%3F.JPG"
    assert picture_url(BASE, "http://mikrotax.org/images/m/x%20y.jpg?v=2") == f"{HOST}/images/m/x%20y.jpg"
    assert picture_lineage(picture_url(BASE, "/images/m/Aales/Aus/x.jpg")) == ["m", "Aales", "Aus"]
    assert picture_lineage(picture_url(BASE, "/images/m/thumbs/x.jpg")) == []


def test_hosts_directories_and_aliases():
    assert host("http://www.mikrotax.org:80/x") == host("https://mikrotax.org") == "mikrotax.org"
    assert host("http://127.0.0.1:8000") != host("http://127.0.0.1:8001")
    assert [
        site_directory(name) for name in ("ntax_cenozoic", "Mesozoic", "pf_cenozoic", "rads_mesozoic", "diatoms")
    ] == [
        "Nannotax3",
        "Nannotax3",
        "pforams",
        "radiolaria",
        "system",
    ]
    assert other_names("mesozoic") == ["ntax_mesozoic"] and other_names("bf_main") == []
    assert other_names("Coccolithophores") == ["ntax_cenozoic", "ntax_main"]


def test_a_plus_is_a_blank_only_where_the_page_says_so():
    assert page_link(BASE, "index.php?taxon=Aus+bus&module=m", "Aus bus").taxon == "Aus bus"
    assert page_link(BASE, "index.php?taxon=Aus+bus&module=m", "Aus+bus").taxon == "Aus+bus"


@pytest.mark.parametrize(
    ("url", "page"),
    [
        (HOST, False),
        (f"{HOST}/Nannotax3", False),
        (f"{HOST}/Nannotax3/index.php", False),
        (f"{HOST}/Nannotax3/index.php?id=5", True),
        (f"{HOST}/Nannotax3/?dir=Coccolithophores", True),
        (f"{HOST}/pforams/cenozoic/", False),
        (f"{HOST}/pforams/cenozoic/Orbulina_universa", True),
    ],
)
def test_an_address_is_that_of_a_page_or_of_a_directory(url, page):
    assert is_page(url) is page


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost/x", True),
        ("http://[::1]:80/", True),
        ("https://www.mikrotax.org", False),
        ("http://127.evil.org", False),
        ("http://localhost.evil.org", False),
    ],
)
def test_loopback_is_this_machine_alone(url, here):
    assert is_loopback(url) is here
