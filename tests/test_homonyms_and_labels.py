"""Taxa of one name, names that links shorten, and pictures whose folder and page do not agree."""

import pytest

from tests.scraping import records, rows, scrape
from tests.tree_site import MODULE, TREE, TreeSite

TWINS = {
    MODULE: ["Aaceae", "Baceae"],
    "Aaceae": ["Others@1"],
    "Baceae": ["Others@2"],
    "Others@1": ["Aus sp."],
    "Others@2": [],
    "Aus sp.": [],
}


class Twins(TreeSite):
    """Two taxa of one name, which only their ids tell apart; `ids` in all links."""

    def __init__(self, tree=None):
        super().__init__(tree or TWINS)

    def shown(self, taxon):
        return taxon.partition("@")[0]

    def href(self, taxon):
        return f"{self.directory}?id={self.ids[taxon]}" if taxon != self.module else super().href(taxon)

    def page(self, taxon, query):
        return super().page(taxon, query).replace(f"<h2>{taxon}", f"<h2>{self.shown(taxon)}")


@pytest.mark.slow
def test_two_taxa_of_one_name_keep_two_records(tmp_path):
    with Twins() as site:
        for _ in range(2):
            assert scrape(site, tmp_path, "--module", MODULE) == 0
        assert len(site.paths) == len(set(site.paths))
        assert scrape(site, tmp_path, "--module", MODULE, "--update", "--max_age", "0") == 0
        found = records(tmp_path)
        assert scrape(site, tmp_path, "--module", MODULE, "--offline") == 0 and records(tmp_path) == found
    others = [record for record in found.values() if record["lineage"][-1] == "Others"]
    assert sorted(record["lineage"][1] for record in others) == ["Aaceae", "Baceae"] and len(found) == len(TWINS)
    assert {record["page"]["id"] for record in others} == {site.ids["Others@1"], site.ids["Others@2"]}
    table = rows(tmp_path / "data" / "taxa.csv")
    assert len({row["taxonID"] for row in table}) == len(table) == len(TWINS)
    assert not list(tmp_path.rglob("*.gone"))


class Shortened(Twins):
    """Links have ids, and words that shorten the names of species, in the lists as in the Classification."""

    def __init__(self):
        super().__init__(TREE | {"Aus unus": ["Aus unus minor"], "Aus unus minor": []})

    def shown(self, taxon):
        genus, _, rest = taxon.partition(" ")
        return f"{genus[0]}.  {rest}" if rest else genus

    def page(self, taxon, query):
        return super().page(taxon, query).replace(f"<h2>{self.shown(taxon)}", f"<h2>{taxon}")


def test_names_behind_ids_are_the_full_ones_of_their_own_pages(tmp_path):
    with Shortened() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
    found = {record["lineage"][-1]: record for record in records(tmp_path).values()}
    assert set(found) == {MODULE, "Aaceae", "Aus", "Aus unus", "Aus duus", "Aus unus minor"}
    assert found["Aus unus minor"]["lineage"] == [MODULE, "Aaceae", "Aus", "Aus unus", "Aus unus minor"]
    assert [sample["taxon"] for sample in found["Aus"]["samples"]] == ["Aus unus", "Aus duus"]


class Elsewhere(TreeSite):
    """The first picture of a species lies in another folder."""

    folder = ""

    def full(self, taxon, number):
        full = super().full(taxon, number)
        return f"/images/{self.folder}/{self.file(taxon, number)}" if number == 0 and taxon == "Aus unus" else full


def species(folder):
    return next(record for record in records(folder).values() if record["lineage"][-1] == "Aus unus")


@pytest.mark.slow
def test_where_folder_and_classification_disagree_the_record_says_so(tmp_path):
    with Elsewhere() as site:
        for folder, told in {
            f"{MODULE}/Aaceae/Bus/Bus unus": True,
            f"{MODULE}/Aaceae/Aus/Aus unus/large form": False,
            f"{MODULE}/Aaceae/Aus/AUS UNUS": False,
            f"{MODULE}": False,
            f"{MODULE}/Aaceae/Aus": True,
        }.items():
            site.folder = folder
            place = tmp_path / folder.replace("/", "-")
            assert scrape(site, place, "--module", MODULE) == 0
            (shot, lineage), *_ = [*species(place)["page"].get("other_folders", {}).items(), ("", None)]
            assert lineage == (folder.split("/") if told else None), folder
            assert shot.endswith("Aus_unus_0.png" if told else "")


def test_type_images_out_of_a_catalogue_are_of_the_taxon_of_the_page(tmp_path):
    for number, folder in enumerate(["bf_cat/Bus/Bus primus", "bf_Catalog/Aaceae/Aus unus", "Farinacci/B/Bus unus"]):
        with Elsewhere() as site:
            site.folder = folder
            place = tmp_path / str(number)
            assert scrape(site, place, "--module", MODULE) == 0
        facts = next(each for thumb, each in species(place)["pictures"].items() if thumb.endswith("_0.png"))
        assert (
            facts["lineage"] == [MODULE, "Aaceae", "Aus", "Aus unus"] and "other_folders" not in species(place)["page"]
        )
        assert (place / "images" / facts["file"]).is_file()
        assert all(row["lineage"].startswith(MODULE) for row in rows(place / "images" / "credits.csv"))


def test_one_picture_on_the_pages_of_two_synonyms_is_labelled_once(tmp_path):
    class Types(TreeSite):
        def gallery(self, taxon):
            shot = "<li><a href='/images/bf_cat/Old/o.png' rel='lightbox[t]' title='<br>Status: holotype'>"
            types = f"<h3>Type images:</h3><ul class='gallery'>{shot}<img src='/images/bf_cat/thumbs/o.png'></a></ul>"
            return super().gallery(taxon) + types * (not self.tree[taxon])

    with Types() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
    assert len([row for row in rows(tmp_path / "images" / "credits.csv") if row["status"] == "holotype"]) == 1


def test_a_thumbnail_out_of_a_catalogue_is_a_type_image_without_its_full_size(tmp_path):
    class Types(TreeSite):
        def gallery(self, taxon):
            return super().gallery(taxon) + "<ul class='gallery'><img src='/images/bf_cat/thumbs/o.png'></ul>"

    with Types() as site:
        assert scrape(site, tmp_path, "--module", MODULE, "--taxon", "Aus unus") == 0
    (facts,) = [each for thumb, each in species(tmp_path)["pictures"].items() if thumb.endswith("o.png")]
    assert facts["lineage"][-1] == "Aus unus" and facts["file"] == f"{MODULE}/type figures/o.png"
