"""Which classes are used, and how many pictures of each."""

from collections import Counter
from dataclasses import replace

import pytest

from dataset.selection import SelectionOptions, select
from tests.drawn import described

TWO = {"train": 0.8, "validate": 0.2}


def pictures_of(**numbers: int):
    """Make so many pictures of each class, each a group of its own."""
    return [
        replace(described(f"{label} {number}.png", ("M", "O", label)), group=f"{label} {number}")
        for label, count in numbers.items()
        for number in range(count)
    ]


def reasons(excluded) -> Counter:
    return Counter(left.reason.split(":")[0] for left in excluded)


def test_pictures_are_split_by_the_shares_and_none_is_lost():
    used, excluded, _ = select(pictures_of(A=10, B=20), SelectionOptions(TWO))
    counts = Counter((picture.label, picture.split) for picture in used)
    assert counts == {("A", "train"): 8, ("A", "validate"): 2, ("B", "train"): 16, ("B", "validate"): 4}
    assert excluded == []


def test_rare_classes_are_dropped_and_say_why():
    used, excluded, _ = select(pictures_of(A=10, B=3, C=1), SelectionOptions(TWO, min_samples=4))
    assert {picture.label for picture in used} == {"A"}
    assert {left.reason for left in excluded} == {
        "too few pictures: B has 3, and 4 are needed",
        "too few pictures: C has 1, and 4 are needed",
    }


def test_a_class_of_one_group_cannot_be_split():
    alone = [replace(picture, group="one") for picture in pictures_of(B=5)]
    used, excluded, _ = select(pictures_of(A=10) + alone, SelectionOptions(TWO))
    assert {picture.label for picture in used} == {"A"}
    assert {left.reason for left in excluded} == {"too few groups: the pictures of B are 1 of 2 needed"}


def test_rare_classes_are_pooled_below_their_parent():
    given = pictures_of(A=10, B=1, C=1)
    used, excluded, _ = select(given, SelectionOptions(TWO, rare="pool"))
    pooled = [picture for picture in used if picture.label == "other O"]
    assert {picture.lineage for picture in pooled} == {("M", "O", "other O")}
    assert (len(pooled), excluded) == (2, [])
    assert {picture.label for picture in given} == {"A", "B", "C"}, "the pictures that were given are not changed"


def test_the_largest_classes_are_used_and_of_equals_the_first_by_name():
    used, excluded, _ = select(pictures_of(D=5, C=9, B=5, A=3), SelectionOptions(TWO, class_limit=2))
    assert {picture.label for picture in used} == {"B", "C"}
    assert reasons(excluded) == {"class limit": 8}


def test_samples_come_from_as_many_groups_as_possible():
    pictures = pictures_of(A=12)
    pictures = [
        replace(picture, group=picture.group if place > 8 else "large") for place, picture in enumerate(pictures)
    ]
    used, excluded, _ = select(pictures, SelectionOptions(TWO, sample_limit=4))
    assert len({picture.group for picture in used}) == 4
    assert reasons(excluded) == {"sample limit": 8}


def test_a_class_that_no_split_can_serve_makes_room_for_the_next_one():
    tied = [replace(picture, group=f"g{number % 2}") for number, picture in enumerate(pictures_of(B=8, C=8))]
    tied = [
        replace(picture, group="g0") if picture.label == "C" and picture.group == "g1" else picture for picture in tied
    ]
    used, excluded, _ = select(tied + pictures_of(D=4, E=4), SelectionOptions(TWO, class_limit=2))
    splits = {(picture.label, picture.split) for picture in used}
    assert len({label for label, _ in splits}) == 2 and len(splits) == 4
    assert len(used) + len(excluded) == 24


@pytest.mark.parametrize("shares", [TWO, {"train": 0.6, "validate": 0.2, "test": 0.2}])
def test_type_specimens_are_held_out(shares):
    pictures = [
        replace(picture, facts={"status": "Holotype" if number < 3 else ""})
        for number, picture in enumerate(pictures_of(A=20))
    ]
    used, *_ = select(pictures, SelectionOptions(shares, hold_out_types=True))
    assert {picture.split for picture in used if picture.facts["status"]} == {list(shares)[-1]}
