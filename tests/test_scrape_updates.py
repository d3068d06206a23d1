"""What `--update` says of a taxonomic revision, and what it keeps where the site fails."""

from tests.faults import Faults
from tests.own_pages import gallery, page, row, table, thumbnail
from tests.scraping import GENUS, OwnSite, picture, records, rows, scrape, tree

# Before and after a revision: a species has another name, one is gone, one is new, one is in another genus, and a
# genus in another family; a picture is in another species, one is gone, and one is new.
BEFORE = {
    "ntax_x": (1, ("ntax_x",), ("Xaceae", "Yaceae"), ()),
    "Xaceae": (2, ("ntax_x", "Xaceae"), ("Aus", "Bus"), ()),
    "Yaceae": (3, ("ntax_x", "Yaceae"), (), ()),
    "Aus": (4, ("ntax_x", "Xaceae", "Aus"), ("Aus unus", "Aus duus", "Aus trius"), ()),
    "Bus": (5, ("ntax_x", "Xaceae", "Bus"), ("Bus unus",), ()),
    "Aus unus": (6, ("ntax_x", "Xaceae", "Aus", "Aus unus"), (), ("a.jpg", "b.jpg", "c.jpg")),
    "Aus duus": (7, ("ntax_x", "Xaceae", "Aus", "Aus duus"), (), ("d.jpg",)),
    "Aus trius": (8, ("ntax_x", "Xaceae", "Aus", "Aus trius"), (), ()),
    "Bus unus": (9, ("ntax_x", "Xaceae", "Bus", "Bus unus"), (), ("e.jpg",)),
}
AFTER = {
    "ntax_x": (1, ("ntax_x",), ("Xaceae", "Yaceae"), ()),
    "Xaceae": (2, ("ntax_x", "Xaceae"), ("Aus",), ()),
    "Yaceae": (3, ("ntax_x", "Yaceae"), ("Bus",), ()),
    "Aus": (4, ("ntax_x", "Xaceae", "Aus"), ("Aus novus", "Aus duus", "Aus quartus"), ()),
    "Bus": (5, ("ntax_x", "Yaceae", "Bus"), ("Bus unus",), ()),
    "Aus novus": (6, ("ntax_x", "Xaceae", "Aus", "Aus novus"), (), ("a.jpg",)),
    "Aus duus": (7, ("ntax_x", "Xaceae", "Aus", "Aus duus"), (), ("d.jpg", "b.jpg")),
    "Aus quartus": (10, ("ntax_x", "Xaceae", "Aus", "Aus quartus"), (), ("f.jpg",)),
    "Bus unus": (9, ("ntax_x", "Yaceae", "Bus", "Bus unus"), (), ("e.jpg",)),
}


def pages(taxa):
    """Return the page of each taxon: id, lineage, names of daughters, files of its own pictures."""
    texts = {}
    for name, (number, lineage, daughters, files) in taxa.items():
        body = table("".join(row(daughter, module="ntax_x") for daughter in daughters)) if daughters else ""
        body += gallery(*(thumbnail(file, "/".join(lineage[1:]), "ntax_x") for file in files)) if files else ""
        texts[name] = page(lineage, body).replace("id=17", f"id={number}")
    return texts


def test_an_update_writes_down_what_a_revision_has_changed(tmp_path):
    served = pages(BEFORE)
    with OwnSite(served, {f"/images/ntax_x/thumbs/{letter}.jpg": picture() for letter in "abcdef"}) as site:
        assert scrape(site, tmp_path, "--module", "ntax_x") == 0
        before, count = records(tmp_path), len(site.paths)
        assert scrape(site, tmp_path, "--module", "ntax_x", "--update", "--dry_run") == 0
        assert len(site.paths) == count

        served.clear()
        served.update(pages(AFTER))
        assert scrape(site, tmp_path, "--module", "ntax_x", "--update", "--max_age", "0", "--dry_run") == 0
        assert records(tmp_path) == before and not (tmp_path / "data" / "changes.csv").exists()
        # --max_age 1: the dry run has just asked for the pages, and they are not asked for again.
        count = len(site.paths)
        assert scrape(site, tmp_path, "--module", "ntax_x", "--update", "--max_age", "1", "--taxon", "Aus duus") == 0
        assert scrape(site, tmp_path, "--module", "ntax_x", "--update", "--max_age", "1") == 0
        assert site.paths[count:] == ["/robots.txt", "/images/ntax_x/thumbs/f.jpg"]

    told = rows(tmp_path / "data" / "changes.csv")
    assert len(told) == 7
    assert {(line["change"], line["id"], line["name"], line["before"], line["after"]) for line in told} == {
        ("new taxon", "10", "Aus quartus", "", "ntax_x > Xaceae > Aus > Aus quartus"),
        ("gone taxon", "8", "Aus trius", "ntax_x > Xaceae > Aus > Aus trius", ""),
        ("renamed", "6", "Aus novus", "Aus unus", "Aus novus"),
        ("moved", "5", "Bus", "ntax_x > Xaceae > Bus", "ntax_x > Yaceae > Bus"),
        (
            "relabelled picture",
            "",
            "ntax_x/thumbs/b.jpg",
            "ntax_x > Xaceae > Aus > Aus unus",
            "ntax_x > Xaceae > Aus > Aus duus",
        ),
        ("new picture", "", "ntax_x/thumbs/f.jpg", "", "ntax_x > Xaceae > Aus > Aus quartus"),
        ("gone picture", "", "ntax_x/thumbs/c.jpg", "ntax_x > Xaceae > Aus > Aus unus", ""),
    }
    after = records(tmp_path)
    assert set(before) - set(after) == {"ntax_x/Ausunus.json", "ntax_x/Austrius.json"}
    assert set(after) - set(before) == {"ntax_x/Ausnovus.json", "ntax_x/Ausquartus.json"}
    assert after["ntax_x/Busunus.json"]["lineage"] == ["ntax_x", "Yaceae", "Bus", "Bus unus"]
    assert (tmp_path / "data" / "ntax_x" / "Austrius.json.gone").exists()


def test_an_update_that_fails_keeps_what_was_stored(crawl_copy):
    folder, site = crawl_copy
    before = tree(folder)
    site.change(faults=Faults(only="Coccolithus%20pelagicus&", gone=1))
    try:
        assert scrape(site, folder, "--taxon", GENUS, "--update", "--max_age", "0") == 1
    finally:
        site.change(faults=Faults())
    (line,) = rows(folder / "data" / "failures.csv")
    assert line["name"] == "Coccolithus pelagicus" and "asked for again" in line["reason"]
    after = tree(folder)
    assert after.pop("data/failures.csv") and after == before
