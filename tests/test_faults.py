"""The faulty site that the scraper is tested against goes wrong when it is told to, and only then: by real HTTP."""

import io
import time
from dataclasses import fields, replace
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import pytest
import requests
from lxml import html
from PIL import Image

from tests.faults import HOSTILE_NAMES, LASTING, PASSING, Faults

DISCOASTER = "/Nannotax3/index.php?taxon=Discoaster&module=ntax_cenozoic"
CARTERI = "/Nannotax3/index.php?taxon=Helicosphaera carteri&module=ntax_cenozoic"
THUMBNAIL = "/images/ntax_cenozoic/thumbs/JRYSEM-FP012.JPG"


def daughters(url):
    """The names in the table of daughter taxa at `url`, as a parser of broken HTML finds them."""
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200
    page = html.fromstring(answer.content.decode().split('<div id="cmtx_container"')[0])
    return page.xpath("//table[@border=1]//span[contains(@class, '_m')]/text()")


def outcome(url, target):
    """What a plain client gets: a status, or the name of the error."""
    try:
        return requests.get(url + target, timeout=10, allow_redirects=False).status_code
    except requests.RequestException as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("fault", "bad"),
    [
        ("busy", 429),
        ("unavailable", 503),
        ("error", 500),
        ("cut_off", "ChunkedEncodingError"),
        ("hang_up", "ConnectionError"),
    ],
)
def test_passing_faults_pass(make_site, fault, bad):
    site = make_site(faults=Faults(**{fault: 1.0}, times=2))
    assert [outcome(site.url, DISCOASTER) for _ in range(3)] == [bad, bad, 200]
    assert [request.fault for request in site.requests] == [fault, fault, ""]
    assert outcome(site.url, "/robots.txt") == 200


@pytest.mark.parametrize(
    ("fault", "bad"), [("error_always", 500), ("cut_off_always", "ChunkedEncodingError"), ("gone", 404)]
)
def test_lasting_faults_last(make_site, fault, bad):
    site = make_site(faults=Faults(**{fault: 1.0}))
    assert [outcome(site.url, DISCOASTER) for _ in range(3)] == [bad] * 3


def test_a_share_strikes_the_addresses_that_it_says_it_will(make_site):
    faults = Faults(error_always=0.3, seed=4)
    site = make_site(faults=faults)
    targets = [f"/Nannotax3/index.php?id={number}" for number in range(1000, 1060)]
    struck = [outcome(site.url, target) == 500 for target in targets]
    assert struck == [faults.strikes("error_always", target) for target in targets]
    assert 0.15 < sum(struck) / len(struck) < 0.45
    assert struck != [replace(faults, seed=5).strikes("error_always", target) for target in targets]


def test_retry_after_in_both_forms(make_site):
    site = make_site(faults=Faults(busy=1.0, retry_after=7))
    assert requests.get(site.url + DISCOASTER, timeout=10).headers["Retry-After"] == "7"
    site.change(faults=Faults(unavailable=1.0, retry_after=7, retry_date=True))
    answer = requests.get(site.url + DISCOASTER, timeout=10)
    wait = parsedate_to_datetime(answer.headers["Retry-After"]).timestamp() - time.time()
    assert answer.status_code == 503
    assert 6 < wait <= 8.5


def test_redirects_within_away_and_in_circles(make_site):
    site = make_site(faults=Faults(redirect_within=1.0))
    within = requests.get(site.url + DISCOASTER, timeout=10)
    assert [step.status_code for step in within.history] == [302]
    assert b"</body>" in within.content
    site.change(faults=Faults(redirect_away=1.0))
    away = requests.get(site.url + DISCOASTER, timeout=10, allow_redirects=False)
    assert away.headers["Location"] == site.away + DISCOASTER
    site.change(faults=Faults(redirect_circle=1.0, only="taxon=Discoaster"))
    with pytest.raises(requests.TooManyRedirects):
        requests.get(site.url + DISCOASTER, timeout=10)
    assert outcome(site.url, CARTERI) == 200


@pytest.mark.slow
def test_pictures_that_are_not_pictures(make_site):
    site = make_site(faults=Faults(html_pictures=1.0))
    page = requests.get(site.url + THUMBNAIL, timeout=10)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.content.startswith(b"<html>")
    assert outcome(site.url, DISCOASTER) == 200
    site.change(faults=Faults(tiny=1.0))
    assert Image.open(io.BytesIO(requests.get(site.url + THUMBNAIL, timeout=10).content)).size == (1, 1)
    site.change(faults=Faults(bombs=1.0))
    bomb = requests.get(site.url + THUMBNAIL, timeout=10).content
    assert len(bomb) < 2**20
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(bomb))


def test_wrong_types_and_encodings(make_site):
    site = make_site(faults=Faults(wrong_type=1.0))
    assert requests.get(site.url + DISCOASTER, timeout=10).headers["Content-Type"] == "application/octet-stream"
    picture = requests.get(site.url + THUMBNAIL, timeout=10)
    assert picture.headers["Content-Type"] == "text/html"
    assert picture.content.startswith(b"\xff\xd8")
    site.change(faults=Faults(wrong_encoding=1.0))
    page = requests.get(site.url + CARTERI, timeout=10)
    assert "UTF-8" in page.headers["Content-Type"]
    with pytest.raises(UnicodeDecodeError):
        page.content.decode()


def test_slow_and_huge(make_site):
    site = make_site(faults=Faults(slow=0.2, huge=3))
    start = time.perf_counter()
    page = requests.get(site.url + DISCOASTER, timeout=10)
    assert time.perf_counter() - start > 0.2
    assert len(page.content) > 3 * 2**20


def test_a_cyclic_taxonomy(make_site):
    site = make_site(faults=Faults(cyclic=True))
    assert daughters(f"{site.url}/Nannotax3/cenozoic/Coccolithus") == [
        "C. pelagicus group", "Coccolithaceae", "Coccolithales", "ntax_cenozoic", "Coccolithus",
    ]  # fmt: skip


def test_an_endless_taxonomy(make_site):
    site = make_site(faults=Faults(endless=True))
    assert daughters(site.url + DISCOASTER)[-1] == "Endless 1"
    for level in (1, 2, 3, 500):
        assert daughters(f"{site.url}/Nannotax3/cenozoic/Endless_{level}") == [f"Endless {level + 1}"]
    assert "Endless" not in requests.get(f"{site.url}/Nannotax3/mesozoic/Endless_1", timeout=10).text.split("<h2>")[0]


def test_hostile_names_and_links(make_site):
    site = make_site(faults=Faults(hostile=True))
    text = requests.get(f"{site.url}/Nannotax3/cenozoic", timeout=10).content.decode()
    for name in HOSTILE_NAMES:
        assert f"taxon={name}&module=ntax_cenozoic'" in text
        page = requests.get(f"{site.url}/Nannotax3/index.php?module=ntax_cenozoic&taxon={quote(name)}", timeout=10)
        assert f" -> {name}\n" in page.content.decode()
        assert f"<img src='/images/ntax_cenozoic/thumbs/{name}.jpg'" in page.content.decode()
        if name.strip("./"):
            assert outcome(site.url, f"/images/ntax_cenozoic/thumbs/{quote(name, safe='')}.jpg") == 200
    for link in (site.away, "//elsewhere.invalid/", "file:///", "javascript:", "data:"):
        assert f"href='{link}" in text
    assert (
        text[text.index("<table border=1>") : text.index("</table>")].count("<span class = 'smallcaps_m'>hidden<") == 1
    )


def test_every_fault_that_is_a_share_is_passing_or_lasting():
    shares = {one.name for one in fields(Faults) if isinstance(one.default, float)} - {"slow", "crawl_delay"}
    assert shares == {*PASSING, *LASTING}
