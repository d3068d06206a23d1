"""The report on the data set."""

from dataclasses import replace

from common.dataset_info import ClassInfo
from dataset.pictures import Excluded
from dataset.summary import count_reasons, describe_classes, majority_share, sheet_lines, table, warnings
from tests.drawn import described

CLASSES = {
    "Aus": ClassInfo(("M", "Aus"), train=8, validate=2, sources=1, techniques={"LM": 1, "SEM": 9}),
    "Bus": ClassInfo(("M", "Bus"), also=(("N", "Bus"),), train=5, validate=6, sources=3, techniques={"SEM": 11}),
}


def placed(label, split, number, lineage=("M", "O"), **facts):
    picture = described(f"{label} {number}.png", (*lineage, label), **facts)
    return replace(picture, split=split, path=f"{split}/{label}/{number}.png", group=f"{number // 2}", technique="SEM")


def test_classes_are_described_in_taxonomic_order():
    pictures = [
        placed("B", "train", 0, source="S"),
        placed("B", "train", 1, source="T"),
        placed("B", "validate", 2, lineage=("N", "Order two")),
        placed("A", "validate", 3, lineage=("M", "Z")),
    ]
    classes = describe_classes(pictures)
    assert list(classes) == ["B", "A"]
    assert classes["B"] == ClassInfo(
        lineage=("M", "O", "B"),
        hierarchy=("M", "O", "B"),
        also=(("N", "Order two", "B"),),
        train=2,
        validate=1,
        groups=2,
        sources=2,
        techniques={"SEM": 3},
    )


def test_a_sheet_shows_one_picture_of_each_group_those_of_train_first(tmp_path):
    pictures = [placed("B", "validate", 9), *(placed("B", "train", number) for number in range(4))]
    (line,) = sheet_lines(tmp_path, describe_classes(pictures), pictures)
    assert (line.name, line.parent, line.counts) == ("B", "M > O", {"train": 4, "validate": 1})
    shown = [open_picture.args[0].relative_to(tmp_path).as_posix() for open_picture, _ in line.pictures]
    assert shown == ["train/B/0.png", "train/B/2.png", "validate/B/9.png"]


def test_reasons_are_counted_by_their_kind_the_most_frequent_first():
    excluded = [Excluded("a", "drawing: 'map'", ""), Excluded("b", "corrupt: x", ""), Excluded("c", "corrupt: y", "")]
    assert list(count_reasons(excluded).items()) == [("corrupt", 2), ("drawing", 1)]


def test_the_majority_share_is_that_of_the_largest_class_of_validate():
    assert majority_share(CLASSES) == 6 / 8


def test_the_table_has_a_line_for_each_class_and_no_column_for_an_empty_test():
    head, first, second = table(CLASSES, {"Bus": 4})
    assert head.split() == ["class", "train", "validate", "sources", "left", "out", "technique"]
    assert first.split() == ["Aus", "8", "2", "1", "0", "1", "LM,", "9", "SEM"]
    assert second.split() == ["Bus", "5", "6", "3", "4", "11", "SEM"]


def test_warnings_tell_what_the_reader_of_a_result_should_know():
    pictures = [placed("A", "validate", 0, source="S"), placed("A", "train", 1)]
    found = " ".join(warnings({"Aus": CLASSES["Aus"]}, pictures, 0.2))
    assert "50% of the pictures where 20% were wanted" in found
    assert "only one class" in found
    assert "All known sources are one for Aus" in found
    assert "1 of 2 pictures name no source" in found
    assert "several places" not in found
    assert warnings({"Bus": CLASSES["Bus"]} | {"Cus": replace(CLASSES["Bus"], also=())}, pictures[:1] * 5, 1.0) == [
        "One class from several places in the classification: Bus."
    ]
