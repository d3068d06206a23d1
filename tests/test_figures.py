"""The confusion matrix that the report and TensorBoard share, and how right and wrong images are told apart."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from common.text_layout import text_width, wrap_text
from evaluation.captions import CaptionedImage, GridStyle, draw_captioned
from evaluation.figures import RIGHT, WRONG, draw_confusion, frame_image, verdict
from evaluation.taxonomy import Taxonomy

TREE = Taxonomy([("Round", "disc"), ("Round", "ring"), ("bar",), ("never seen",), ("neither",)])
# Of three discs, three rings and three bars: two discs and all bars are right, no ring is; one is of a class unseen.
ACTUAL, PREDICTED = np.repeat([0, 1, 2], 3), np.array([0, 0, 3, 0, 2, 2, 2, 2, 2])
SHARES = [[2 / 3, 0, 0, 1 / 3], [1 / 3, 0, 2 / 3, 0], [0, 0, 1, 0], [0, 0, 0, 0]]  # disc, ring, bar, never seen


def texts(axes):
    return {text.get_text() for text in axes.texts}


def labels(ticks):
    return [label.get_text() for label in ticks]


def test_shades_are_shares_of_the_actual_class_in_taxonomic_order():
    for cells in ("counts", "shares"):
        axes = draw_confusion(TREE, ACTUAL, PREDICTED, cells).axes[0]
        order = [TREE.names[label] for label in TREE.order if TREE.names[label] != "neither"]
        assert labels(axes.get_xticklabels()) == order == ["disc", "ring", "bar", "never seen"]
        np.testing.assert_allclose(axes.images[0].get_array(), SHARES)
        assert "9 pictures" in axes.get_ylabel()


@pytest.mark.slow
def test_counts_or_shares_are_written_in_the_cells():
    counts, shares = (draw_confusion(TREE, ACTUAL, PREDICTED, cells).axes[0] for cells in ("counts", "shares"))
    assert texts(counts) == {"1", "2", "3", "Round"}
    assert labels(counts.get_yticklabels()) == ["disc", "ring", "bar", "never seen"]
    assert texts(shares) == {"67", "33", "100", "Round"} and "%" in shares.get_xlabel()
    assert labels(shares.get_yticklabels()) == ["disc (3)", "ring (3)", "bar (3)", "never seen (0)"]


@pytest.mark.slow
@pytest.mark.parametrize("cells", ["counts", "shares"])
@pytest.mark.parametrize("count", [1, 30, 60])
def test_all_names_are_inside_the_figure_and_do_not_overlap(count, cells):
    lineages = [("Root", f"Family {n // 6} of a long name", f"Syracosphaera $species_{n:03}") for n in range(count)]
    classes = np.arange(count)
    figure = draw_confusion(Taxonomy(lineages), classes, np.roll(classes, 1), cells)
    figure.draw_without_rendering()
    axes, width, height = figure.axes[0], *figure.bbox.size
    names = [label.get_window_extent() for label in axes.get_yticklabels()[:count]]  # those on the left
    assert len(names) == count and min(name.height for name in names) >= 7  # pixels
    assert all(upper.y0 >= lower.y1 - 0.5 for upper, lower in pairwise(names))
    written = [*names, *(text.get_window_extent() for text in [*axes.get_xticklabels(), *axes.texts, axes.xaxis.label])]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in written)


def test_right_and_wrong_differ_without_colour():
    assert (RIGHT["linewidth"], RIGHT["linestyle"]) != (WRONG["linewidth"], WRONG["linestyle"])
    assert verdict("Emiliania", 0.934, True) == "✓ Emiliania (93%)"
    assert verdict("Emiliania", 0.934, False) == "✗ wrong: Emiliania (93%)"
    cell = Figure().add_subplot(frame_on=False)
    assert frame_image(cell, False) == WRONG["color"]
    assert cell.get_frame_on() and all(side.get_linewidth() == WRONG["linewidth"] for side in cell.spines.values())


@pytest.mark.parametrize("name", ["Verylongfamilynamewithoutanyblank" * 4, "WWW MMM " * 30, "i" * 200, "two\nlines"])
def test_long_names_are_broken_into_lines_that_fit_their_width(name):
    lines = wrap_text(name, 300, 12, most=3)
    assert 0 < len(lines) <= 3 and all(text_width(line, 12) <= 300 for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a", "Syracosphaera pulchra var. of a long name " * 5, "W" * 200, "Ж" * 90])
def test_no_caption_lies_over_another_or_over_an_image(name):
    image = np.zeros((20, 30, 3), np.uint8)
    cells = [CaptionedImage(image, verdict(name, 0.5, False), f"actual: {name}", f"{name}.png") for _ in range(7)]
    figure = draw_captioned(cells, GridStyle(columns=3, width=2.4, height=2.4))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts if text.get_text()]
    boxes += [axes.get_window_extent() for axes in figure.axes]
    assert len(boxes) == 7 * 4
    for one, other in combinations(boxes, 2):
        assert one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 + 1 or other.y1 <= one.y0 + 1
    width, height = figure.bbox.size
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)


@pytest.mark.slow
@pytest.mark.parametrize("count", [400, 1500])
def test_the_matrix_of_any_number_of_classes_can_be_opened(count):
    taxonomy = Taxonomy([("Root", f"Genus {n // 9}", f"Species number {n}") for n in range(count)])
    figure = draw_confusion(taxonomy, np.arange(count), np.roll(np.arange(count), 1))
    assert max(figure.get_size_inches()) * 110 < 9_000


def test_the_most_confused_classes_are_drawn_first():
    actual, predicted = np.repeat(np.arange(50), 4), np.repeat(np.arange(50), 4)
    predicted[4 * 7 : 4 * 7 + 3] = 31  # three of class 7 are taken for 31, one of class 40 for 2
    predicted[4 * 40] = 2
    taxonomy = Taxonomy([(f"class {n:02}",) for n in range(50)])
    axes = draw_confusion(taxonomy, actual, predicted, most=4).axes[0]
    assert labels(axes.get_yticklabels()) == ["class 02", "class 07", "class 31", "class 40"]
    assert axes.images[0].get_array()[1, 2] == pytest.approx(0.75) and "16 pictures" in axes.get_ylabel()
