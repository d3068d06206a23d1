"""Pages: both wordings and what may come later, each trap that the site sets, and the two real pages."""

from pathlib import Path

import pytest

from common.names import picture_file
from common.occurrence import occurrences_as_json
from demo.pages import page as demo_page
from demo.pictures import modules
from mikrotax.links import page_link, picture_url
from mikrotax.listing import HIDDEN
from mikrotax.markup import PageError, decode
from mikrotax.pages import check_asked, parse_page
from mikrotax.records import Pool, make_record, with_pictures
from tests.own_pages import BASE, CREDIT, HOST, gallery, href, page, row, table, thumbnail

REAL = Path(__file__).parents[2] / "shared" / "mikrotax"


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
    assert found.range["first"].ma == (201.3, 237.0) and found.range["last"].words == "Extant"
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
    assert found.range["first"].words.startswith("within Quaternary") and found.range["first"].ma == (0.0, 2.59)
    assert found.features.startswith("BCs - murolith, irregularly elliptical")


# Pages of our own that hold what the real ones do


def test_a_root_page_of_our_own():
    """What the real root page holds: unclosed cells, group rows, a hidden row, a link without a taxon, few credits."""
    credits = ("", CREDIT.format("1.jpg"), "")
    shots = [f"<td>{thumbnail(f'{n}.jpg', 'Aales/Aaceae', 'm', told)}</td>" for n, told in enumerate(credits)]
    group = "<tr style='background-color: #D1D0CE;')><td colspan=4></td><td colspan=2>Heterococcoliths</td></tr>"
    more = f"<a href='{href('Aaceae', 'm')}'><span class = 'smallcaps_s'>A</span></a>"
    more = f'<td><div class="GDscroll">{more}</div></td>'
    rows = group + row("Aales", "".join(shots), "m", "smallcaps_m", more=more) + row("m non–coccoliths", "", "m")
    rows += row("hidden", f"<td>{thumbnail('h.jpg', 'hidden/deleted', 'm')}</td>", "m", "smallcaps_m")
    text = page(
        ("m",),
        table(rows)
        + "<p><a id='rangedata'></a><b>Geological Range: </b><br><em>Last occurrence (top)</em>: <b>Extant</b> Data "
        "source: Total of ranges<br><em>First occurrence (base)</em>: within <b>Norian</b> Stage (201.30-237.00Ma, "
        f"base in Carnian stage)<br></p><p>Parent: <a href='{href('', 'm')}#rangedata'></a></p>",
        taxonomy="",
    )
    found = parsed(f"arrayname: original\n{text}", f"{HOST}/Nannotax3/index.php?taxon=m&module=m")
    assert found.lineage == ("m",) and found.module == found.taxon == "m" and found.id == 17 and found.rank == ""
    assert [daughter.taxon for daughter in found.daughters] == ["Aales", "m non–coccoliths"]
    assert thumbs(found) == ["0.jpg", "1.jpg", "2.jpg"] and not found.pictures and not found.notices
    assert [picture.richness[0] for picture in found.daughters[0].pictures] == [0, 7, 0]
    assert {picture.lineage for picture in found.daughters[0].pictures} == {("m", "Aales", "Aaceae")}
    assert [reason for _, reason in found.left_out] == ["below hidden"] * 2
    assert found.range["first"].ma == (201.3, 237.0) and found.range["last"].words == "Extant"


def test_a_species_page_of_our_own():
    """What the real species page holds: a group in the lineage, a gallery with all metadata, no daughters' table."""
    lineage = ("m", "Aales", "Aaceae", "Aus", "AU bus gp", "Aus bus")
    shots = [
        thumbnail(f"JRYSEM-{n}.JPG", "/".join(lineage[1:]), "m", CREDIT.format(n), "taxon_images") for n in range(8)
    ]
    data = "<table><tr class='char-matrix-data'><td>Tags</td><td>LITHS: muroliths</td></tr></table>"
    text = page(
        lineage,
        f"{gallery(*shots)}<p><b>Distinguishing features: </b>Murolith, irregular</p>{data}",
        taxonomy="<article><i>Rank: </i>Species</article>",
    )
    found = parsed(text, f"{HOST}/Nannotax3/index.php?taxon=Aus%20bus&module=m")
    check_asked(found, "aus_bus")
    assert make_record(found, "").hierarchy == ("m", "Aales", "Aaceae", "Aus", "AUbusgp", "Ausbus")
    assert (found.id, found.rank, len(found.pictures), found.daughters) == (17, "Species", 8, ())
    first = found.pictures[0]
    assert first.lineage == found.lineage and (first.source, first.caption) == ("Coll. X", "Xus yus")
    assert (first.status, first.notes, first.age) == ("holotype", "rare", "NN21")
    assert (first.location, first.sample) == ("Atlantic; 1N; 2W", "S1")
    assert first.full == f"{HOST}/images/m/Aales/Aaceae/Aus/AU%20bus%20gp/Aus%20bus/JRYSEM-0.JPG"
    assert found.features == "Murolith, irregular" and not found.left_out


# The wordings


@pytest.mark.slow
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


def test_a_table_that_has_rows_only_in_another_table_is_not_one_of_taxa():
    link = f"<a href='{href('Bus')}'><span class='taxon_m'>Bus</span></a>"
    assert parsed(page(body=f"<table>{link}<table><tr><td>x</td></tr></table></table>")).daughters == ()


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


def test_distinguishing_features_may_hold_links():
    linked = f"<p><b>Distinguishing features: </b>Like <a href='{href('Bus')}'>Bus</a>, but wide</p>"
    assert parsed(page(body=linked)).features == "Like Bus, but wide"


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
    assert occurrences_as_json(parsed(page(body=text)).range) == {
        "last": "at top of NN21 Zone (0.00-0.29Ma, top in Holocene stage)",
        "last_ma": [0.0, 0.29],
        "last_source": "A 2018",
        "last_zone": "NN21",
        "last_stage": "Holocene",
        "first": "in Eocene (33.9–56Ma)",
        "first_ma": [33.9, 56.0],
        "first_source": "",
        "first_zone": "",
        "first_stage": "",
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
def test_what_is_no_page_is_reported_by_the_parsers_own_error(text, why):
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
