"""Pages after random damage, and pages made to take long: the parser gives a page or its own error, soon."""

import contextlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.names import comparison_key
from demo.pages import page as demo_page
from demo.pictures import modules
from mikrotax.links import host
from mikrotax.listing import HIDDEN
from mikrotax.markup import PageError, decode
from mikrotax.pages import Page, parse_page
from mikrotax.record_files import RecordFiles
from mikrotax.records import Pool, make_record, with_pictures
from tests.own_pages import BASE, CREDIT, gallery, page, row, table, thumbnail

FUZZ = int(os.environ.get("MIKROTAX_FUZZ", "200"))  # mutated pages; see NOTES.md for a run with many

EVIL = ["<table><tr><td>age window", "<table><tr><td>age window<a href='?taxon=a'>x</a></table>", "<div class=gallery>"]
EVIL += ["<img class=gallery src=/images/m/a.jpg>", "<p>Distinguishing features:", "Classification: a -> ", " href='"]
EVIL += [
    "<tr><td><a href='?taxon=a'><span class=taxon_m>a</span></a>",
    "<script",
    "<a href=x>y",
    "First occurrence: ",
    "'",
]


@pytest.mark.slow
@pytest.mark.parametrize("piece", EVIL)
def test_no_page_takes_long_however_it_is_made(piece):
    """A quarter of a million characters of one piece: what grows with the square of the length would take a minute."""
    begun = time.process_time()
    with contextlib.suppress(PageError):
        parse_page(page(body=piece * (250_000 // len(piece))), BASE)
    assert time.process_time() - begun < 3


SEEDS = [
    demo_page(taxon, wording).replace("</select>", "")
    for wording in ("2018", "later")
    for root in modules(wording).values()
    for taxon in list(root.walk())[::9]
] + [
    page(
        body=table(row("Aus bus", f"<td>{thumbnail('x.jpg', title=CREDIT)}</td>"))
        + gallery(thumbnail("y.jpg", title=CREDIT))
    )
]
SNIPPETS = [
    "<table>",
    "</table>",
    "<tr>",
    "</div>",
    "'",
    '"',
    "<",
    ">",
    "&",
    "\x00",
    "</body>",
    "<script>",
    "</script>",
    "<!--",
]
SNIPPETS += [
    "../",
    "javascript:",
    "//evil.org/",
    "\u202e",
    "&#2;0&#3;",
    "<a href='",
    "age window",
    "Classification: ",
    "-> ",
    "%2e%2e/",
]
SNIPPETS += [
    "<ul class='gallery'>",
    "<div id='cmtx_container'>",
    "This taxon:",
    "\ud800",
    "<svg>",
    "<math>",
    "<plaintext>",
]


@st.composite
def mutated_pages(draw):
    """A good page after one to twelve accidents: bytes flipped, pieces dropped, repeated, moved, snippets put in."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 12))):
        at = draw(st.integers(0, len(text)))
        length = draw(st.sampled_from([1, 3, 30, 300, 3000]))
        piece = text[at : at + length]
        kind = draw(st.sampled_from(["flip", "drop", "drop tag", "repeat", "move", "insert", "cut"]))
        if kind == "flip":
            flipped = bytes(byte ^ draw(st.integers(1, 255)) for byte in piece[:3].encode(errors="replace"))
            text = text[:at] + decode(flipped) + text[at + 3 :]
        elif kind == "drop":
            text = text[:at] + text[at + length :]
        elif kind == "drop tag":
            before, _, after = text[at:].partition("<")
            text = text[:at] + before + after.partition(">")[2]
        elif kind == "repeat":
            text = text[:at] + piece * draw(st.integers(2, 30)) + text[at + length :]
        elif kind == "move":
            to = draw(st.integers(0, len(text)))
            text = text[:to] + piece + text[to:]
        elif kind == "insert":
            text = text[:at] + draw(st.sampled_from(SNIPPETS)) + text[at:]
        else:
            text = text[:at]
    return text


@pytest.mark.slow
@settings(max_examples=FUZZ, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated_pages())
def test_no_damage_leads_the_parser_astray(text):
    """No exception but the parser's own, no hang, and no path outside the directories."""
    begun = time.process_time()
    try:
        found = parse_page(text, BASE)
    except PageError:
        return
    finally:
        assert time.process_time() - begun < 5
    assert isinstance(found, Page) and 0 < len(found.lineage) <= 25
    pool = Pool()
    pool.add(found, "2026-01-01T00:00:00Z")
    record = with_pictures(make_record(found, "2026-01-01T00:00:00Z"), pool)
    for daughter in found.daughters:
        assert host(daughter.url) == host(BASE) and comparison_key(daughter.taxon) not in HIDDEN
    for url, picture in record.pictures.items():
        assert host(url) == host(BASE) and not HIDDEN & {name.casefold() for name in picture.lineage[1:]}
        assert not Path(picture.file).is_absolute() and ".." not in Path(picture.file).parts
    path = RecordFiles(Path("nowhere")).path(record)
    assert len(path.parts) == 3 and not any(part.startswith(".") for part in path.parts)
    assert len({file.casefold() for file in pool.files.given.values()}) == len(pool.files.given)
