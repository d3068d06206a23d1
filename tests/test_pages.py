"""Pages: both wordings and what may come later, each trap that the site sets, the two real pages, and random damage."""

import contextlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.names import comparison_key, picture_file
from demo.pages import page as demo_page
from demo.pictures import modules
from mikrotax.links import (
    LinkError,
    host,
    other_names,
    page_link,
    page_url,
    picture_lineage,
    picture_url,
    site_directory,
)
from mikrotax.listing import HIDDEN
from mikrotax.markup import PageError, decode
from mikrotax.pages import Page, check_asked, parse_page
from mikrotax.record_files import RecordFiles
from mikrotax.records import Pool, make_record, with_pictures
from tests.own_pages import CREDIT, gallery, href, page, row, table, thumbnail

HOST = "https://www.mikrotax.org"
BASE = f"{HOST}/Nannotax3/index.php?taxon=Aus&module=ntax_cenozoic"
REAL = Path(__file__).parents[2] / "shared" / "mikrotax"
FUZZ = int(os.environ.get("MIKROTAX_FUZZ", "300"))  # mutated pages; see NOTES.md for a run with many


def parsed(text, url=BASE):
    return parse_page(text, url)


def thumbs(found):
    return [picture.thumb.rpartition("/")[2] for daughter in found.daughters for picture in daughter.pictures]


# The two real pages


def real(name):
    path = REAL / name
    if not path.exists():
        pytest.skip(f"the real page {name} is not here (../shared/mikrotax/)")
    return decode(path.read_bytes())


def test_the_real_root_page():
    found = parsed(real("module-root-2018.html"), f"{HOST}/Nannotax3/index.php?taxon=Mesozoic&module=Mesozoic")
    assert found.lineage == ("Mesozoic",) and found.id == 10649
    assert len(found.daughters) == 11 and len(set(thumbs(found))) == 44 and not found.pictures
    assert [name for name, reason in found.left_out if reason == "below hidden"][-1].endswith(
        "taxon=hidden&module=Mesozoic"
    )
    assert len(found.left_out) == 4 and not found.notices
    every = [picture for daughter in found.daughters for picture in daughter.pictures]
    assert sum(picture.richness[0] > 0 for picture in every) == 5
    assert all(picture.lineage[0] == "Mesozoic" and len(picture.lineage) >= 3 for picture in every)
    assert found.daughters[-1].taxon == "Mesozoic non–coccoliths"
    assert found.range["first_ma"] == [201.3, 237.0] and found.range["last"] == "Extant"
    check_asked(found, "mesozoic")


def test_the_real_species_page():
    found = parsed(real("species-2018.html"))
    check_asked(found, "Syracosphaera azureaplaneta")
    assert list(make_record(found, "").hierarchy) == [
        "Coccolithophores",
        "Syracosphaerales",
        "Syracosphaeraceae",
        "Syracosphaera",
        "SYpulchragp",
        "dilatatatype",
        "Syracosphaeraazureaplaneta",
    ]
    assert (found.id, found.rank, len(found.pictures), found.daughters) == (1538, "Species", 8, ())
    first = found.pictures[0]
    assert first.lineage == found.lineage and first.status == "holotype" and first.age == "plankton"
    assert first.source == "JRYoung SEM colln plankton" and first.caption == "Syracosphaera corolla"
    assert first.location == "S. Atlantic; -32.18N; -29.83E; 48m" and first.sample == "AMT18 CTD089 48m"
    assert first.notes.endswith("plate 1 fig. 1 of Young et al. 2018")
    assert first.full.endswith("/dilatata%20type/Syracosphaera%20azureaplaneta/JRYSEM-288-65p.JPG")
    assert all(picture.source and picture.caption and picture.location and picture.age for picture in found.pictures)
    assert found.range["first"].startswith("within Quaternary") and found.range["first_ma"] == [0.0, 2.59]
    assert found.features.startswith("BCs - murolith, irregularly elliptical")


# The wordings


@pytest.mark.parametrize("wording", ["2018", "later"])
def test_every_page_of_the_demo_is_read_whole(wording):
    """All that the demo's tree holds comes back out of its pages, in both wordings alike."""
    for root in modules(wording).values():
        for taxon in root.walk():
            if HIDDEN & {name.casefold() for name in taxon.lineage}:
                continue
            found = parsed(demo_page(taxon, wording), f"{HOST}/Nannotax3/index.php?id={taxon.id}")
            assert list(found.lineage) == taxon.lineage and found.id == taxon.id
            assert [daughter.taxon for daughter in found.daughters] == [
                child.name for child in taxon.children if child.name not in HIDDEN
            ]
            assert found.features == taxon.diagnosis and found.rank == (taxon.rank if taxon.parent else "")
            assert {picture.thumb.rpartition("/")[2] for picture in found.pictures} == {
                picture_url(BASE, f"/images/m/thumbs/{picture.file}").rpartition("/")[2] for picture in taxon.pictures
            }
            assert all(list(picture.lineage) == taxon.lineage for picture in found.pictures)


@pytest.mark.parametrize("label", ["Classification", "Ancestry", "Higher levels", "ANCESTRY"])
def test_the_lineage_has_had_several_labels(label):
    assert parsed(page(label=label)).lineage == ("ntax_cenozoic", "Aales", "Aus")


@pytest.mark.parametrize(
    "text",
    [
        "<p>Ancestry: {0}Aus<br>Other pages this level: Bus</p>",
        "<div><b>Classification:</b> {0}<b>Aus</b> <b>Sister taxa:</b> Bus</div>",
        "<span>Higher levels : {0}<em>Aus</em></span><p>Bus</p>",
        "<p>You are here. <i>Classification: </i>{0}<a href='?taxon=Aus&module=ntax_cenozoic'>A.</a></p>",
    ],
)
def test_the_lineage_does_not_hang_on_one_kind_of_markup(text):
    links = '<a href="/Nannotax3/index.php?taxon=Aales&amp;module=ntax_cenozoic">A.  ales</a> → '
    assert parsed(f"<html><body>{text.format('ntax_cenozoic -> ' + links)}</body>").lineage[1:] == ("Aales", "Aus")


@pytest.mark.parametrize(
    "heading",
    [
        "Daughter taxa: (blue => in age window 0-300Ma)",
        "Sub-taxa & variants <span>(blue => in age-window 0-65Ma)</span>",
        "moriformis group ranges from Paleocene to Pliocene <a data-tooltip='set the Age Window'>?</a>",
    ],
)
def test_only_the_age_window_tells_the_table(heading):
    found = parsed(page(body=table(row("Aus bus") + row("Aus sp."), heading)))
    assert [daughter.taxon for daughter in found.daughters] == ["Aus bus", "Aus sp."]
    assert not any("heading" in notice for notice in found.notices)


def test_a_table_with_an_unknown_heading_is_read_and_reported():
    found = parsed(page(body=table(row("Aus bus"), "What lies below")))
    assert [daughter.taxon for daughter in found.daughters] == ["Aus bus"]
    assert found.notices == ("unknown heading of a table of taxa: 'What lies below'",)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("<p><b>Distinguishing features: </b>Wide rim<br /> thin wall</p>", "Wide rim thin wall"),
        ("<b>Short diagnosis:</b> Wide rim<p></p>", "Wide rim"),
        ("<p><b>Distinguishing features: </b><br>Parent taxon (X): Old<br>This taxon: Own</p>", "Own"),
        ("<p><b>Distinguishing features:</b></p><p>Parent taxon (X): Old</p><p>This taxon: Own</p>", "Own"),
        ("<p><b>Distinguishing features: </b>Parent taxon (X): Old</p>", ""),
        ("<p><b>Distinguishing features: </b></p><p><b>Search data:</b></p>", ""),
    ],
)
def test_distinguishing_features_are_those_of_this_taxon(label, value):
    assert parsed(page(body=label)).features == value


@pytest.mark.parametrize(
    "link", ["Short stable page link: {}", "Short stables page link: {}", "<i>short stable page link</i> {}"]
)
def test_the_stable_id(link):
    assert parsed(page(link=link.format("<a href='index.php?id=104112'>here</a>"))).id == 104112
    assert parsed(page(link="See <a href='index.php?id=5'>here</a>")).id is None


@pytest.mark.parametrize("label", ["Rank: ", "taxonomic rank: ", "Rank:"])
def test_the_rank(label):
    assert parsed(page(taxonomy=f"<p><article><i>{label}</i>Subspecies</article></p>")).rank == "Subspecies"


def test_the_geological_range():
    text = (
        "<p><b>Geological Range: </b><br><em>Last occurrence (top)</em>: at top of <b>NN21</b> Zone (0.00-0.29Ma, top "
        "in Holocene stage). Data source: A 2018<br><em>First occurrence (base)</em>: in <b>Eocene</b> (33.9–56Ma)</p>"
    )
    assert parsed(page(body=text)).range == {
        "last": "at top of NN21 Zone (0.00-0.29Ma, top in Holocene stage)",
        "last_ma": [0.0, 0.29],
        "last_source": "A 2018",
        "first": "in Eocene (33.9–56Ma)",
        "first_ma": [33.9, 56.0],
        "first_source": "",
    }
    assert parsed(page(body="<p>Geological Range: <br>range not known</p>")).range == {}


# What trips a scraper up: the numbers are those of the site's own list


def test_trap_1_the_label_is_the_folder():
    found = parsed(page(body=gallery(thumbnail("x.jpg", "Aales/Bus/Bus verus", title=CREDIT.format("x.jpg")))))
    assert found.pictures[0].lineage == ("ntax_cenozoic", "Aales", "Bus", "Bus verus")
    assert found.pictures[0].caption == "Xus yus"


def test_trap_2_the_richest_record_of_a_picture_wins():
    poor = parsed(page(("ntax_cenozoic",), table(row("Aales", f"<td>{thumbnail('x.jpg')}</td>"))), BASE + "1")
    rich = parsed(page(body=gallery(thumbnail("x.jpg", title=CREDIT.format("x.jpg")))), BASE + "2")
    for order in ([poor, rich], [rich, poor]):
        pool = Pool()
        for found in order:
            pool.add(found, "today")
        picture = with_pictures(make_record(poor, "today"), pool).pictures[poor.daughters[0].pictures[0].thumb]
        assert picture.source == "Coll. X" and picture.page == rich.url and len(pool.listed) == 1


def test_trap_3_files_that_differ_in_module_or_case_stay_apart():
    items = [thumbnail("x.JPG"), thumbnail("X.jpg"), thumbnail("x.JPG", module="ntax_mesozoic")]
    pool = Pool()
    pool.add(parsed(page(body=gallery(*items))), "today")
    files = [listed.file for listed in pool.listed.values()]
    assert files[0] == "ntax_cenozoic/x.JPG" and files[2] == "ntax_mesozoic/x.JPG"
    assert len({file.casefold() for file in files}) == 3


def test_trap_5_what_is_no_picture_of_a_taxon():
    items = [
        "<img src='/Nannotax3/graphics/map.gif'>",
        "<img src='/images/graphics/m/x.gif'>",
        "<img src='/plots/x.png'>",
    ]
    items += [thumbnail("TypeFig Aus.jpg"), thumbnail("Bown_in_Gale2011 Fig52W.jpg")]
    found = parsed(page(body=gallery(*items)))
    assert [picture.full.rpartition("/")[2] for picture in found.pictures] == [
        "TypeFig%20Aus.jpg",
        "Bown_in_Gale2011%20Fig52W.jpg",
    ]
    assert len([reason for _, reason in found.left_out if reason.startswith("not a picture")]) == 3


@pytest.mark.parametrize(
    "name",
    [
        "SY pulchra gp",
        "C. pelagicus group",
        "Crystals & crud",
        "Aus (bus)",
        "Aus [x]",
        "non–coccoliths",
        "Aus d'orbignyi",
        "Aus? bus",
        "A + B",
        "Aus × bus",
        "Aus sp. 1",
        "Größe",
        "100% Aus",
        "Aus & module=x",
        "X HOL",
        "A#1 gp",
    ],
)
def test_trap_7_names_hold_anything(name):
    found = parsed(page(body=table(row(name, f"<td>{thumbnail(name + '.jpg', name)}</td>"))))
    assert [daughter.taxon for daughter in found.daughters] == [name]
    link = page_link(BASE, found.daughters[0].url)
    assert (link.taxon, link.module, link.url) == (name, "ntax_cenozoic", found.daughters[0].url)
    (picture,) = found.daughters[0].pictures
    assert picture.lineage == ("ntax_cenozoic", name)
    assert picture_file(picture.thumb) == f"ntax_cenozoic/{name.replace('?', '_')}.jpg"


def test_trap_8_and_9_no_link_leads_out_of_the_module():
    rows = row("Aus bus") + row("Aus cus", module="ntax_mesozoic") + row("Aus dus", module="Coccolithophores")
    found = parsed(page(body=table(rows)))
    assert [daughter.taxon for daughter in found.daughters] == ["Aus bus", "Aus dus"]
    assert ("link not followed: it leads to the module ntax_mesozoic") in [reason for _, reason in found.left_out]


def test_trap_11_pictures_that_load_lazily():
    lazy = "<img src='/graphics/blank.gif' data-src='/images/pf_cenozoic/thumbs/x.jpg'>"
    lazy = f"<a href=/images/pf_cenozoic/Aus/x.jpg>{lazy}</a>"
    blank = "<img data-src='' src=\"/images/pf_cenozoic/thumbs/y.jpg\">"
    found = parsed(page(body=gallery(lazy, blank)))
    assert [picture.thumb.rpartition("/")[2] for picture in found.pictures] == ["x.jpg", "y.jpg"]
    assert found.pictures[0].lineage == ("pf_cenozoic", "Aus") and not found.left_out


def test_trap_12_text_that_is_escaped_twice_or_badly_encoded():
    title = "<br>Image Source: Br&amp;ouml;nnimann &amp;amp; Stradner &lt;i&gt;1960&lt;/i&gt;"
    title += "<br>Location: ; ; <br>Status: -"
    picture = parsed(page(body=gallery(thumbnail("x.jpg", title=title)))).pictures[0]
    assert (picture.source, picture.location, picture.status) == ("Brönnimann & Stradner 1960", "", "-")
    assert picture.richness[0] == 1
    for encoding in ("utf-8", "cp1252", "utf-8-sig", "utf-16"):
        assert parsed(decode(page(("m", "Größe – ä")).encode(encoding))).taxon == "Größe – ä"


@pytest.mark.parametrize("quote", ["'", '"', ""])
def test_attributes_in_any_quotes(quote):
    text = f"<a href={quote}/images/m/Aus/x.jpg{quote}><img src={quote}/images/m/thumbs/x.jpg{quote}></a>"
    taxon = f"<a href={quote}{href('Bus')}{quote}><span class={quote}taxon_m{quote}>B"
    found = parsed(
        page(body=table(f"<tr><td>{text}<td>{taxon}</span></a></tr>") + gallery(text.replace("x.jpg", "y.jpg")))
    )
    assert [daughter.taxon for daughter in found.daughters] == ["Bus"] and thumbs(found) == ["x.jpg"]
    assert len(found.pictures) == 1


def test_rows_without_pictures_groups_granddaughters_and_the_last_row():
    group = "<tr style='background-color: #D1D0CE;')><td colspan=4></td><td colspan=2>Heterococcoliths</td></tr>"
    more = f"<td><div class='GDscroll'><a href='{href('Aus nepos')}'><span class = 'taxon_s'>A</span></a></div></td>"
    rows = group + row("Aus bus", more=more) + row("Aus cus", f"<td>{thumbnail('x.jpg')}</td>", range_class="olive")
    found = parsed(page(body=table(rows + row("Aus sp.", mark="smallcaps_m", range_class="unsetrange"))))
    assert [(daughter.taxon, len(daughter.pictures)) for daughter in found.daughters] == [
        ("Aus bus", 0),
        ("Aus cus", 1),
        ("Aus sp.", 0),
    ]


def test_hidden_is_never_followed_and_its_pictures_never_kept():
    rows = row("Aales", f"<td>{thumbnail('a.jpg')}</td>") + row("hidden", f"<td>{thumbnail('b.jpg', 'Aales')}</td>")
    found = parsed(
        page(("m",), table(rows.replace("ntax_cenozoic", "m")) + gallery(thumbnail("c.jpg", "hidden/deleted")))
    )
    assert [daughter.taxon for daughter in found.daughters] == ["Aales"]
    assert thumbs(found) == ["a.jpg"] and not found.pictures
    assert [reason for _, reason in found.left_out] == ["below hidden"] * 3
    with pytest.raises(PageError, match="hidden"):
        parsed(page(("m", "hidden", "deleted")))


def test_what_stands_before_and_behind_the_page_is_no_part_of_it():
    trap = (
        f"<a href='{href('Evil')}'>x</a>{gallery(thumbnail('evil.jpg'))}{table(row('Evil'))}Classification: Evil</body>"
    )
    found = parsed(f"arrayname: original {trap}{page()}<div id=\"cmtx_container\" class='x'>{trap}")
    assert (found.taxon, found.daughters, found.pictures) == ("Aus", (), ())
    script = f'<script>var row = "{table(row("Evil"))}"; // Classification: Evil</script>'
    assert parsed(page(body=script)).daughters == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "</body>"),
        ("\x00\xff", "</body>"),
        (page(end=""), "</body>"),
        (page(end="") + "<div id='cmtx_container'><script>x = '</body>'; more()</script>", "</body>"),
        ("<html><body>nothing</body></html>", "Classification"),
        ("</body>", "HTML|Classification"),
        (page(tuple("abcdefghijklmnopqrstuvwxyz")), "26 levels"),
        (" " * 2_000_001, "characters"),
    ],
)
def test_what_is_no_page_is_told_by_the_parsers_own_error(text, why):
    with pytest.raises(PageError, match=why):
        parsed(text)


def test_another_taxon_than_was_asked_for():
    check_asked(parsed(page()), "AUS ")
    with pytest.raises(PageError, match="'Aus', not of 'Bus'"):
        check_asked(parsed(page()), "Bus")


def test_a_page_with_neither_pictures_nor_daughters_is_reported():
    assert parsed(page()).notices == ("neither pictures nor daughters",)
    assert parsed(page(body=table(row("Aus bus")))).notices == ()
    odd = gallery(thumbnail("x.jpg", title="<br>Image Source: X<br>Magnification: 5000"))
    assert parsed(page(body=odd)).notices == ("unknown field of a picture: 'Magnification'",)


# Links


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


# Damage

EVIL = ["<table><tr><td>age window", "<table><tr><td>age window<a href='?taxon=a'>x</a></table>", "<div class=gallery>"]
EVIL += ["<img class=gallery src=/images/m/a.jpg>", "<p>Distinguishing features:", "Classification: a -> ", " href='"]
EVIL += [
    "<tr><td><a href='?taxon=a'><span class=taxon_m>a</span></a>",
    "<script",
    "<a href=x>y",
    "First occurrence: ",
    "'",
]


@pytest.mark.parametrize("piece", EVIL)
def test_no_page_takes_long_however_it_is_made(piece):
    """Half a million characters of one piece: what grows with the square of the length would take minutes."""
    begun = time.process_time()
    with contextlib.suppress(PageError):
        parsed(page(body=piece * (500_000 // len(piece))))
    assert time.process_time() - begun < 5


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
