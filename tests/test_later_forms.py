"""More forms that pages may take one day: cards in place of rows, captions in other places, lists cut up."""

import pytest

from tests.scraping import quick_first, records, rows, scrape
from tests.test_never_silent import images, run, thumbs
from tests.tree_site import MODULE, TreeSite, grown


class NoGranddaughters(TreeSite):
    """Rows that name nothing but their own taxon, so that no other page tells what is missing."""

    def species(self, taxon):
        return next((each for each in self.tree if not self.tree[each] and taxon in self.lineage(each)), taxon)

    def link(self, taxon, mark=""):
        return f"<a href='{self.href(taxon)}'>{self.shown(taxon)}</a>"

    def row(self, taxon):
        return f"<tr><td>{self.shot(self.species(taxon), 0)}</td><td>{self.link(taxon)}</td></tr>"


def each_taxon(begin, item, end):
    """Return a method that lists the daughters of a taxon, each as `item` says."""

    def table(self, taxon, query):
        items = "".join(item(self, each, self.species(each)) for each in self.tree[taxon])
        return f"{begin}{items}{end}" if items else ""

    return table


LISTS = {
    "cards in one row": each_taxon(
        "<table><tr>", lambda site, taxon, of: f"<td>{site.shot(of, 0)}<br>{site.link(taxon)}</td>", "</tr></table>"
    ),
    "definitions": each_taxon(
        "<dl>", lambda site, taxon, of: f"<dt>{site.link(taxon)}</dt><dd>{site.shot(of, 0)}</dd>", "</dl>"
    ),
    "blocks that are not closed": each_taxon(
        "<div>", lambda site, taxon, of: f"<div>{site.shot(of, 0)}<div>{site.link(taxon)}", "</div>"
    ),
    "a picture that leads to the taxon": each_taxon(
        "<table><tr><td>Lower taxa</td></tr>",
        lambda site, taxon, of: f"<tr><td><a href='{site.href(taxon)}'>{site.image(of, 0)}<br>{taxon}</a></td></tr>",
        "</table>",
    ),
    "such a picture in a block": each_taxon(
        "<section>",
        lambda site, taxon, of: f"<div><a href='{site.href(taxon)}'>{site.image(of, 0)}<br>{taxon}</a></div>",
        "</section>",
    ),
}


@pytest.mark.parametrize("name", quick_first(*LISTS, quick=5))
def test_taxa_are_found_in_other_lists(name, tmp_path):
    site = type("Site", (NoGranddaughters,), {"table": LISTS[name]})()
    assert run(site, tmp_path) == 0
    found = records(tmp_path)
    assert len(found) == 5 and len(images(tmp_path)) == 4
    assert [sample["taxon"] for sample in found[f"{MODULE}/Aus.json"]["samples"]] == ["Aus unus", "Aus duus"]
    labels = {facts["lineage"][-1] for record in found.values() for facts in record["pictures"].values()}
    assert labels == {"Aus unus", "Aus duus"}


class OnlyNames(NoGranddaughters):
    """The page of a genus lists its species without pictures, and in no table."""

    def table(self, taxon, query):
        items = "".join(f"<li>{self.link(each)}</li>" for each in self.tree[taxon])
        return f"<ul>{items}</ul>" if taxon == "Aus" else super().table(taxon, query)


class Scripts(NoGranddaughters):
    """The links of the species lead nowhere without a script."""

    def link(self, taxon, mark=""):
        href = super().link(taxon, mark)
        return href if self.tree[taxon] else f"<a href='#' onclick='go(1)'><i>{taxon}</i></a>"


@pytest.mark.parametrize(("kind", "said"), [(OnlyNames, "a list that names taxa"), (Scripts, "names no taxon")])
def test_names_without_pictures_or_links_are_told(kind, said, tmp_path, capsys):
    assert run(kind(), tmp_path) == 1
    assert said in "".join(capsys.readouterr())
    assert "Aus" in [row["taxon"] for row in rows(tmp_path / "data" / "notices.csv") if said in row["notice"]]


def test_menus_and_links_in_the_text_are_no_lists_of_daughters(tmp_path):
    class Menus(NoGranddaughters):
        def text(self, taxon):
            item = f"<li>{self.link('Aus duus')}</li>"
            return f"<ul class='main-menu'>{item}</ul>{super().text(taxon)}<article><b>Variation: </b><ul>{item}</ul>"

    assert run(Menus(), tmp_path) == 0


# Attributes and captions

SHOTS = {
    "flags": "<a href='{full}' title='{title}' download><img src='{thumb}' decoding='async' hidden></a>",
    "sizes": "<a role='button' href='{full}' title='{title}'><img sizes='9vw' src='{thumb}' fetchpriority='low'></a>",
    "button": "<button data-full='{full}' title='{title}'><img src='{thumb}'></button>",
    "data": "<a href='{full}' data-source='Coll. 1' data-notes='of it' data-sample='S1'><img src='{thumb}'></a>",
    "template": "<a href='{full}' data-sub-html='#c'><img src='{thumb}'></a><template id='c'>{title}</template>",
    "described": "<a href='{full}' aria-describedby='d'><img src='{thumb}'></a><div id='d' hidden>{title}</div>",
    "columns": "<a href='{full}'><img src='{thumb}'></a><table><tr><td>Image Source</td><td>Coll. 1</td></tr><tr>"
    "<td>Notes</td><td>of it</td></tr><tr><td>Sample</td><td>S1</td></tr></table>",
    "one line": "<a href='{full}' title='Image Source: Coll. 1 | Notes: of it | Sample: S1'><img src='{thumb}'></a>",
}


@pytest.mark.parametrize("name", quick_first(*SHOTS, quick=8))
def test_captions_in_other_places_keep_all_fields(name, tmp_path):
    class Shots(TreeSite):
        def gallery(self, taxon):
            shown = {"title": "<br>Image Source: Coll. 1<br>Notes: of it<br>Sample: S1"}
            items = [
                SHOTS[name].format(full=self.full(taxon, number), thumb=self.thumb(taxon, number), **shown)
                for number in range(0 if self.tree[taxon] else self.shots)
            ]
            return f"<div class='imagegallery'><ul>{''.join(f'<li>{item}</li>' for item in items)}</ul></div>"

        def title(self, taxon, number):
            return ""

    assert run(Shots(), tmp_path) == 0
    pictures = records(tmp_path)[f"{MODULE}/Ausunus.json"]["pictures"].values()
    assert [(each["source"], each["notes"], each["sample"]) for each in pictures] == [("Coll. 1", "of it", "S1")] * 2
    assert len(records(tmp_path)) == 5 and len(thumbs(tmp_path)) == 4


# Lists that go on elsewhere


class Long(NoGranddaughters):
    """A list of twelve, five on a page, by the parameter `from`; `more` is what leads on."""

    more = ""

    def table(self, taxon, query):
        listed = self.tree[taxon]
        place = "abc".index(query.get("from", "a"))
        listed = listed[place * 5 : place * 5 + 5] if len(listed) > 5 else listed
        letter = "abc"[place + 1 : place + 2]
        more = self.more.format(f"{self.href(taxon)}&from={letter}") if letter and len(self.tree[taxon]) > 5 else ""
        return f"<table>{self.head(taxon)}{''.join(map(self.row, listed))}</table>{more}" if listed else ""


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("<a href='{0}'>Next ›</a>", 15),
        ("<link rel='next' href='{0}'>", 15),
        ("<button onclick='more()'>Load more</button>", 8),
        ("<a href='#'>Show more taxa</a>", 8),
    ],
)
def test_a_long_list_is_followed_or_told(more, found, tmp_path, capsys):
    site = type("Site", (Long,), {"more": more})(grown(12))
    assert run(site, tmp_path) == (found < 15)
    assert len(records(tmp_path)) == found
    assert ("a script loads more of its list" in "".join(capsys.readouterr())) == (found < 15)


def test_pages_that_do_not_tell_their_ids_have_those_of_their_links(tmp_path):
    class NoStableLink(TreeSite):
        def shown(self, taxon):
            return "Others" if taxon.startswith("Others") else taxon

        def href(self, taxon):
            return f"{self.directory}?id={self.ids[taxon]}"

        def page(self, taxon, query):
            page = super().page(taxon, query).replace(f"<h2>{taxon}</h2>", "")
            return page.replace("Short stables page link", "Link")

    tree = {MODULE: ["Aaceae", "Baceae"], "Aaceae": ["Others1"], "Baceae": ["Others2"], "Others1": [], "Others2": []}
    with NoStableLink(tree) as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
    assert len(records(tmp_path)) == 5
