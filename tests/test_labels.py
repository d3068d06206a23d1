"""The class of a picture, and what is left out for what is written about it."""

from dataclasses import replace

import numpy as np
import pytest

from dataset.labels import assign_labels, assign_techniques, classes_by_depth, leave_out_by_name, only_technique
from tests.drawn import described, listed


def test_the_label_is_the_entry_at_the_depth_without_blanks():
    picture = listed("M/a.png", ("M", "Order one", "F"))
    (labelled,), excluded = assign_labels([picture], 2, {})
    assert (labelled.label, labelled.lineage, excluded) == ("Orderone", ("M", "Order one"), [])
    assert picture.label == "F", "the picture that was given is not changed"


def test_the_label_is_the_entry_of_a_rank():
    ranks = {"m": "module", "ordo": "order", "fam": "family"}
    pictures = [
        listed("a.png", ("M", "Ordo", "Fam", "G")),
        listed("b.png", ("M", "Fam")),
        listed("c.png", ("M", "Ordo")),
    ]
    labelled, (left,) = assign_labels(pictures, "family", ranks)
    assert [(picture.file, picture.label) for picture in labelled] == [("a.png", "Fam"), ("b.png", "Fam")]
    assert (left.file, left.reason) == ("c.png", "no entry of rank family")


def test_too_short_a_lineage_has_no_entry():
    _, (left,) = assign_labels([listed("a.png", ("M", "O"))], 3, {})
    assert left.reason == "no entry at depth 3"


def test_pages_that_disagree_are_a_conflict_and_pages_above_are_not():
    here, there, above = ("M", "O", "F"), ("M", "O", "Other"), ("M", "O")
    agreed, disputed = (replace(listed("a.png"), lineages=lineages) for lineages in ((here, above), (here, there)))
    (labelled,), (left,) = assign_labels([agreed, disputed], 3, {})
    assert labelled.label == "F"
    assert left.reason == "conflict: listed as F and Other"


def test_classes_are_counted_by_depth():
    pictures = [listed("a", ("M", "O", "F")), listed("b", ("M", "O", "G")), listed("c", ("M", "P"))]
    assert classes_by_depth(pictures) == {1: 1, 2: 2, 3: 2}


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (listed("M/TypeFig Aus bus.png"), "drawing"),
        (listed("M/TypeFig_3.png"), "drawing"),
        (listed("M/Map of the world.png"), "drawing"),
        (listed("M/a.png", caption="line drawings"), "drawing"),
        (listed("M/graphics/a.png"), "drawing"),
        (listed("M/Fig52W photograph.png"), ""),
        (listed("M/Mapinia.png"), ""),
        (listed("M/a.png", ("M", "O", "Genus", "Genus sp.")), "unidentified"),
        (listed("M/a.png", ("M", "O", "Genus spp")), "unidentified"),
        (listed("M/a.png", ("M", "O", "Crispa")), ""),
        (listed("M/a.png", ("M", "hidden", "deleted")), "hidden"),
    ],
)
def test_what_is_left_out_by_name(picture, kind):
    kept, excluded = leave_out_by_name([picture], keep_drawings=False, keep_unidentified=False)
    assert [left.reason.split(":")[0] for left in excluded] == [kind] * bool(kind)
    assert len(kept) == (not kind)
    kept, _ = leave_out_by_name([picture], keep_drawings=True, keep_unidentified=True)
    assert len(kept) == (kind != "hidden")


def test_the_reason_does_not_depend_on_the_order_of_taxa():
    names = [f"Genus{letter} sp." for letter in "abcdefgh"]
    reasons = set()
    for taxa in (names, names[::-1]):
        _, (left,) = leave_out_by_name([replace(listed("a.png"), taxa=frozenset(taxa))], True, False)
        reasons.add(left.reason)
    assert reasons == {"unidentified: Genusa sp."}


@pytest.mark.parametrize(
    ("name", "source", "technique"),
    [
        ("JRYSEM-1-2.png", "", "SEM"),
        ("a.png", "JRYoung SEM colln", "SEM"),
        ("JRYlm-BedX 8.png", "", "LM"),
        ("b 3 XPL.png", "", "LM"),
        ("Semihololithus-1.png", "Almond 1999", "guessed"),
        ("SEM and LM.png", "", "guessed"),
    ],
)
def test_techniques_by_name_and_source(name, source, technique):
    (picture,) = assign_techniques([described(f"M/{name}", source=source)], of_own=False)
    assert technique == (picture.technique if picture.technique_sure > 0.9 else "guessed")


@pytest.mark.parametrize(
    ("colour", "edge", "technique", "sure"), [(0.1, 0, "LM", 0.9), (0, 200, "LM", 0.6), (0, 20, "SEM", 0.6)]
)
def test_techniques_by_colour_and_ground(colour, edge, technique, sure):
    picture = described("M/a.png")
    descriptor = replace(picture.descriptor, colour=colour, coarse=np.full((32, 32), edge, np.uint8))
    (found,) = assign_techniques([replace(picture, descriptor=descriptor)], of_own=False)
    assert (found.technique, found.technique_sure) == (technique, sure)


def test_only_one_technique():
    pictures = assign_techniques([described("M/a SEM.png"), described("M/b LM.png")], of_own=False)
    (kept,), (left,) = only_technique(pictures, "LM")
    assert (kept.file, left.file, left.reason) == ("M/b LM.png", "M/a SEM.png", "technique: SEM (sure: 0.95)")
    assert only_technique(pictures, None) == (pictures, [])
