import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.taxonomy import Taxonomy

COCCOLITHS = Taxonomy(
    [
        ("Coccolithophores", "Noelaerhabdaceae", "Emiliania", "Emiliania huxleyi"),
        ("Coccolithophores", "Syracosphaeraceae", "Syracosphaera", "Syracosphaera pulchra"),
        ("Coccolithophores", "Noelaerhabdaceae", "Gephyrocapsa", "Gephyrocapsa oceanica"),
        ("Coccolithophores", "Syracosphaeraceae", "Syracosphaera", "Syracosphaera corolla"),
        ("Holococcoliths",),
    ]
)


@st.composite
def taxonomies(draw):
    """A tree of up to eight classes at depths 1-4, some of which may lie below others."""
    lineage = st.lists(st.sampled_from("ABC"), min_size=1, max_size=4).map(tuple)
    return Taxonomy(draw(st.lists(lineage, min_size=1, max_size=8, unique=True)))


def shares(taxonomy, rows, seed):
    """Probabilities that are multiples of 1/1024, so that floating point sums them without any rounding."""
    drawn = np.random.default_rng(seed).multinomial(1024, np.ones(len(taxonomy.names)) / len(taxonomy.names), rows)
    return drawn / 1024


seeds = st.integers(0, 2**32 - 1)


@pytest.mark.slow
@given(taxonomies(), seeds)
def test_sums_are_exact(taxonomy, seed):
    p = shares(taxonomy, 3, seed)
    of_node = dict(zip(taxonomy.nodes, taxonomy.node_probabilities(p).T, strict=True))
    assert set(taxonomy.lineages) <= set(of_node)
    for node, total in of_node.items():
        children = [of_node[child] for child in of_node if child[:-1] == node]
        own = [p[:, index] for index, lineage in enumerate(taxonomy.lineages) if lineage == node]
        assert np.array_equal(total, sum(children + own))
    for depth in range(1, taxonomy.depths + 1):
        nodes, sums = taxonomy.at_depth(p, depth)
        assert np.array_equal(sums.sum(1), np.ones(3))
        for node, column in zip(nodes, sums.T, strict=True):
            whole = len(node) == depth
            assert np.array_equal(column, of_node[node] if whole else p[:, taxonomy.lineages.index(node)])
    nodes, sums = taxonomy.at_depth(p, taxonomy.depths)
    assert {node: tuple(column) for node, column in zip(nodes, sums.T, strict=True)} == {
        lineage: tuple(column) for lineage, column in zip(taxonomy.lineages, p.T, strict=True)
    }


@pytest.mark.slow
@given(taxonomies(), st.data())
def test_the_common_ancestor_is_the_deepest_node_that_holds_all(taxonomy, data):
    indices = st.integers(0, len(taxonomy.names) - 1)
    classes = data.draw(st.lists(indices, min_size=1))
    lineages = [taxonomy.lineages[index] for index in classes]
    holders = [node for node in [(), *taxonomy.nodes] if all(line[: len(node)] == node for line in lineages)]
    ancestor = taxonomy.common_ancestor(classes)
    assert ancestor == max(holders, key=len)
    wider = taxonomy.common_ancestor([*classes, data.draw(indices)])
    assert ancestor[: len(wider)] == wider  # more classes never make the answer more precise


@given(taxonomies(), st.data())
def test_distance_is_the_steps_up_to_the_common_ancestor(taxonomy, data):
    indices = st.integers(0, len(taxonomy.names) - 1)
    a, b = data.draw(indices), data.draw(indices)
    assert taxonomy.distance(a, a) == 0
    assert taxonomy.distance(a, b) == len(taxonomy.lineages[a]) - len(taxonomy.common_ancestor([a, b]))


@given(taxonomies())
def test_the_order_keeps_together_what_a_node_holds(taxonomy):
    assert sorted(taxonomy.order) == list(range(len(taxonomy.names)))
    for node in taxonomy.nodes:
        places = [place for place, i in enumerate(taxonomy.order) if taxonomy.lineages[i][: len(node)] == node]
        assert places == list(range(places[0], places[0] + len(places)))


@pytest.mark.parametrize(
    ("classes", "title"),
    [
        ([0], "Emiliania huxleyi"),
        ([1, 3], "Syracosphaera sp."),
        ([0, 2], "Noelaerhabdaceae indet."),
        ([0, 1, 2, 3], "Coccolithophores indet."),
        ([0, 4], "indet."),
        ([], "indet."),
    ],
)
def test_titles_in_open_nomenclature(classes, title):
    assert COCCOLITHS.title(COCCOLITHS.common_ancestor(classes)) == title


def test_a_genus_is_known_from_names_without_blanks_and_from_its_pooled_rest():
    genus = ("Radiolaria", "Albaillella")
    taxonomy = Taxonomy([(*genus, "Albaillellaaspera"), (*genus, "other Albaillella"), ("Radiolaria", "Radiolariidae")])
    assert taxonomy.title(genus) == "Albaillella sp."
    assert taxonomy.title(("Radiolaria",)) == "Radiolaria indet."


@pytest.mark.parametrize(("classes", "node"), [([0, 4], ()), ([0, 2], ("R", "A")), ([3], ("R", "B")), ([], ())])
def test_what_holds_all_classes_together_is_no_answer(classes, node):
    lineages = [("R", "A", "a"), ("R", "A", "b"), ("R", "A", "c"), ("R", "B"), ("R", "C")]
    assert Taxonomy(lineages).lowest_taxon(classes) == node


def test_a_class_that_lies_above_all_others_is_an_answer():
    assert Taxonomy([("R",), ("R", "A"), ("R", "B")]).lowest_taxon([1, 2]) == ("R",)
    assert Taxonomy([("R", "a")]).lowest_taxon([0]) == ("R", "a")


def test_names_that_would_spoil_a_table_or_a_figure_are_shown_in_one_line_and_cut():
    long = "x" * 200_000
    taxonomy = Taxonomy([("R", "two\nlines"), ("R", long), ("R", long + "y")])
    assert taxonomy.names[0] == "two\\nlines"
    assert len(set(taxonomy.names)) == 3 and max(map(len, taxonomy.names)) <= 200


def test_distances_by_hand():
    assert [COCCOLITHS.distance(0, other) for other in range(5)] == [0, 3, 2, 3, 4]
    assert [COCCOLITHS.distance(1, other) for other in range(5)] == [3, 0, 3, 1, 4]


def test_roots_come_first_and_the_order_is_taxonomic():
    assert COCCOLITHS.nodes[:2] == [("Coccolithophores",), ("Holococcoliths",)]
    assert [COCCOLITHS.names[index] for index in COCCOLITHS.order] == [
        "Emiliania huxleyi",
        "Gephyrocapsa oceanica",
        "Syracosphaera corolla",
        "Syracosphaera pulchra",
        "Holococcoliths",
    ]
    assert COCCOLITHS.depths == 4


def test_a_class_without_a_lineage_is_a_root():
    taxonomy = Taxonomy.of(["disc", "ring", "bar"], {"disc": ["Shapes", "The disc"], "ring": []})
    assert taxonomy.lineages == [("Shapes", "The disc"), ("ring",), ("bar",)]
    assert taxonomy.title(taxonomy.common_ancestor([0, 1])) == "indet."


def test_what_is_no_tree_is_refused():
    with pytest.raises(ValueError, match="lineage"):
        Taxonomy([("A",), ()])
    with pytest.raises(KeyError):
        COCCOLITHS.title(("Coccolithophores", "Emiliania"))
