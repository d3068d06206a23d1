"""The confusion matrix that the report and TensorBoard share, and how right and wrong images are told apart."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from evaluation.figures import LINE_LETTERS, RIGHT, WRONG, draw_confusion, frame_image, verdict, wrap
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


def test_counts_or_shares_are_written_in_the_cells():
    counts, shares = (draw_confusion(TREE, ACTUAL, PREDICTED, cells).axes[0] for cells in ("counts", "shares"))
    assert texts(counts) == {"1", "2", "3", "Round"}
    assert labels(counts.get_yticklabels()) == ["disc", "ring", "bar", "never seen"]
    assert texts(shares) == {"67", "33", "100", "Round"} and "%" in shares.get_xlabel()
    assert labels(shares.get_yticklabels()) == ["disc (3)", "ring (3)", "bar (3)", "never seen (0)"]


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


def test_long_names_are_broken_into_lines_that_fit_their_cell():
    name = "Verylongfamilynamewithoutanyblank" * 4
    assert max(map(len, wrap(f"actual: {name}").splitlines())) <= LINE_LETTERS
