"""What must stay in one split, and what cannot be used because two classes or sources claim it."""

import pytest

from dataset.groups import GROUP_KEYS, assign_groups, drop_conflicts, drop_identical
from dataset.settings import GROUPINGS
from tests.drawn import described


def groups_of(pictures, pairs=(), group_by="specimen"):
    grouped, _ = assign_groups(pictures, pairs, group_by)
    return {picture.file: picture.group for picture in grouped}


def test_every_grouping_of_the_command_line_is_known():
    assert set(GROUPINGS) == set(GROUP_KEYS)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("JRYSEM-288-65.JPG", "JRYSEM-288-65p.JPG", True),
        ("Young_etal_2003_117(ex113)-81.JPG", "Young_etal_2003_117(ex113)-81b.JPG", True),
        ("JRYlm-BedX 8-5um095.JPG", "JRYlm-BedX 8-5um095mos.JPG", True),
        ("K_S 1983 20-4.jpg", "K_S 1983 20-7.jpg", True),
        ("Bown 1987 pl11-01.JPG", "Bown 1987 pl11-05.JPG", True),
        ("JRYSEM-288-65.JPG", "JRYSEM-288-66.JPG", False),
        ("Burnett1998-6-09-26.jpg", "Burnett1998-6-15-6.jpg", False),
        ("albaillella_2.jpg", "albaillella_3.jpg", False),
    ],
)
def test_shots_of_one_specimen_are_known_by_their_names(one, other, same):
    species = ("M", "O", "F", "G", "species")
    group = groups_of([described(f"M/{name}", species) for name in (one, other)])
    assert (group[f"M/{one}"] == group[f"M/{other}"]) == same
    assert len(set(groups_of([described(one, species), described(other, (*species[:-1], "another"))]).values())) == 2
    assert len(set(groups_of([described(one), described(other)], group_by="none").values())) == 2


def test_holotypes_of_one_taxon_are_one_specimen():
    pictures = [described(f"{name}.png", status="Holotype") for name in "ab"] + [described("c.png", status="paratype")]
    assert groups_of(pictures) == {"a.png": "a.png", "b.png": "a.png", "c.png": "c.png"}


def test_a_group_is_named_after_its_first_file_and_links_reach_through_others():
    pictures = [described(f"{name}.png") for name in "dcba"]
    assert groups_of(pictures, [(0, 1), (1, 2)], "none") == {
        "d.png": "b.png",
        "c.png": "b.png",
        "b.png": "b.png",
        "a.png": "a.png",
    }


def test_samples_and_sources_are_grouped_on_request():
    pictures = [described("a.png", sample="S 1", source="One"), described("b.png", sample="s1", source="Two")]
    assert len(set(groups_of(pictures, group_by="specimen").values())) == 2
    assert len(set(groups_of(pictures, group_by="sample").values())) == 1
    assert len(set(groups_of(pictures, group_by="source").values())) == 2


def test_a_file_name_that_begins_with_a_publication_tells_the_source():
    pictures = [described("Bown 1987 a.png"), described("Bown_1987-7.png"), described("Bown 1988 b.png")]
    assert list(groups_of(pictures, group_by="source").values()) == ["Bown 1987 a.png"] * 2 + ["Bown 1988 b.png"]


def test_a_reprint_joins_no_sources_and_is_left_out():
    names = {"a1": "A", "a2": "A", "b1": "B", "b2": "B"}
    pictures = [described(f"{name} x.png", source=source) for name, source in names.items()]
    grouped, (left,) = assign_groups(pictures, [(0, 1), (1, 2)], "source")
    assert (left.file, left.reason) == ("b1 x.png", "two sources: the same specimen or picture as a1 x.png")
    assert {picture.file: picture.group for picture in grouped} == {
        "a1 x.png": "a1 x.png",
        "a2 x.png": "a1 x.png",
        "b2 x.png": "b1 x.png",  # the group is that of the source, which its first file names, used or not
    }


def test_identical_files_are_used_once_the_one_with_most_facts():
    pictures = [
        described("a.png", sha256="1"),
        described("b.png", sha256="1", source="S"),
        described("c.png", sha256="2"),
    ]
    kept, (left,) = drop_identical(pictures)
    assert [picture.file for picture in kept] == ["b.png", "c.png"]
    assert (left.file, left.reason) == ("a.png", "same bytes: as b.png")


def test_identical_files_of_two_classes_are_not_used():
    pictures = [described("a.png", sha256="1"), described("b.png", ("M", "O", "G"), sha256="1")]
    kept, excluded = drop_identical(pictures)
    assert kept == [] and {left.reason for left in excluded} == {"conflict: the same file stands under F and G"}


def test_near_duplicates_of_two_classes_are_not_used_and_other_pairs_get_their_new_places():
    pictures = [described("a.png"), described("b.png", ("M", "O", "G")), described("c.png"), described("d.png")]
    kept, excluded, pairs = drop_conflicts(pictures, [(0, 1), (0, 2), (2, 3)])
    assert [picture.file for picture in kept] == ["c.png", "d.png"]
    assert [left.file for left in excluded] == ["a.png", "b.png"]
    assert excluded[0].reason == "conflict: F here, but looks like b.png, which is G"
    assert pairs == [(0, 1)]
