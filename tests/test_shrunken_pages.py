"""Updates that meet a page which lists much less than before: nothing is lost, and nothing is believed at once."""

import shutil

import pytest

from mikrotax.shrinking import Size, shrinkage
from tests.scraping import quick_first, records, rows, scrape
from tests.tree_site import MODULE, TreeSite, grown

MANY = grown(12)


class Hiccup(TreeSite):
    """`keep` says how many of its daughters a page still lists, where that is fewer than all; `galleries` whether
    pictures of its own are shown.
    """

    def __init__(self, tree=MANY):
        self.keep, self.galleries = {}, True
        super().__init__(tree)

    def table(self, taxon, query):
        full = self.tree
        self.tree = full | {taxon: full[taxon][: self.keep.get(taxon, 99)]}
        try:
            return super().table(taxon, query)
        finally:
            self.tree = full

    def gallery(self, taxon):
        return super().gallery(taxon) if self.galleries else ""


def update(site, folder, *options):
    return scrape(site, folder, "--module", MODULE, "--update", "--max_age", "0", *options)


def gone(folder):
    return sorted(path.name for path in (folder / "data").rglob("*.gone"))


@pytest.mark.slow
@pytest.mark.parametrize("keep", quick_first({"Aus": 0}, {MODULE: 0}, {"Aaceae": 0}, {"Aus": 3}, {"Aus": 8}))
def test_a_shrunken_page_puts_nothing_aside_and_the_plain_command_finds_all(keep, tmp_path, capsys):
    with Hiccup() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
        before = records(tmp_path)
        site.keep = keep
        assert update(site, tmp_path) == 1
        name, number = next(iter(keep.items()))
        (line,) = rows(tmp_path / "data" / "failures.csv")
        assert line["name"] == name and f"{number} taxa where {len(MANY[name])} were listed" in line["reason"]
        assert "--accept_shrunk" in capsys.readouterr().err
        assert not gone(tmp_path) and set(records(tmp_path)) == set(before)
        assert not (tmp_path / "data" / "changes.csv").exists()
        site.keep = {}
        asked = len(site.paths)
        assert scrape(site, tmp_path, "--module", MODULE) == 0 and len(site.paths) == asked
        assert set(records(tmp_path)) == set(before)
        assert update(site, tmp_path) == 0 and not gone(tmp_path)


@pytest.mark.parametrize("accept", quick_first("--accept_shrunk", ""))
def test_a_second_run_or_a_word_makes_it_true(accept, tmp_path):
    with Hiccup() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
        site.keep = {"Aus": 4}
        if not accept:
            assert update(site, tmp_path, "--dry_run") == 1  # which is no run that counts
            assert update(site, tmp_path) == 1 and not gone(tmp_path)
        assert update(site, tmp_path, *accept.split()) == 0
    assert len(gone(tmp_path)) == 8 and len(records(tmp_path)) == len(MANY) - 8
    assert sum(line["change"] == "gone taxon" for line in rows(tmp_path / "data" / "changes.csv")) == 8


@pytest.mark.slow
def test_a_page_that_shrinks_in_another_way_the_second_time_is_not_believed(tmp_path):
    with Hiccup() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
        for number in (0, 3, 5):
            site.keep = {"Aus": number}
            assert update(site, tmp_path) == 1 and not gone(tmp_path)


@pytest.mark.slow
def test_what_was_put_aside_is_taken_later_without_a_question_to_the_site(tmp_path):
    with Hiccup() as site:
        assert scrape(site, tmp_path, "--module", MODULE) == 0
        site.keep = {"Aus": 4}
        assert update(site, tmp_path) == 1
        asked = len(site.paths)
        assert scrape(site, tmp_path, "--module", MODULE, "--accept_shrunk") == 0 and len(site.paths) == asked
    assert len(records(tmp_path)["bf_own/Aus.json"]["samples"]) == 4


@pytest.mark.slow
def test_without_stored_pages_the_records_tell_what_was_there(tmp_path):
    for name in (MODULE, "Aus"):
        folder = tmp_path / name
        with Hiccup() as site:
            assert scrape(site, folder, "--module", MODULE) == 0
            shutil.rmtree(folder / "data" / ".pages")
            site.keep = {name: 0}
            assert update(site, folder) == 1
            assert not gone(folder) and len(records(folder)) == len(MANY)
            assert len(records(folder)["bf_own/Aus.json"]["samples"]) == 12


@pytest.mark.slow
def test_galleries_that_are_gone_are_noticed_too(tmp_path):
    with Hiccup() as site:
        site.shots = 4
        assert scrape(site, tmp_path, "--module", MODULE) == 0
        before = records(tmp_path)
        site.galleries = False
        assert update(site, tmp_path) == 1
        assert records(tmp_path).keys() == before.keys()
        assert records(tmp_path)["bf_own/Ausn00.json"]["samples"] == before["bf_own/Ausn00.json"]["samples"]


def test_the_plain_command_heals_what_an_older_version_broke(tmp_path):
    """It has stored a page without its table, and put records aside."""
    with Hiccup() as site:
        site.keep = {"Aus": 0}
        assert scrape(site, tmp_path, "--module", MODULE) == 1
        assert len(records(tmp_path)) == 3
        (tmp_path / "data" / MODULE / "Ausn00.json.gone").write_text("{}")
        site.keep = {}
        assert scrape(site, tmp_path, "--module", MODULE) == 0
    assert len(records(tmp_path)) == len(MANY) and not gone(tmp_path)


@pytest.mark.parametrize(
    ("before", "now", "less"),
    [
        *[((1, 0), (0, 0), True), ((2, 0), (1, 0), False), ((3, 0), (1, 0), True), ((4, 0), (2, 0), False)],
        *[((8, 0), (5, 0), True), ((20, 0), (17, 0), False), ((20, 0), (15, 0), True), ((20, 0), (30, 0), False)],
        *[((0, 3), (0, 0), True), ((0, 2), (0, 0), False), ((0, 3), (0, 1), False), ((0, 12), (0, 5), True)],
    ],
)
def test_what_counts_as_much_less(before, now, less):
    assert bool(shrinkage(Size(*before), Size(*now))) is less
