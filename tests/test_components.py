"""Connected components: against a search by hand."""

from hypothesis import given
from hypothesis import strategies as st

from dataset.components import connected_components


@given(
    st.integers(1, 12).flatmap(
        lambda size: st.tuples(st.just(size), st.lists(st.tuples(*[st.integers(0, size - 1)] * 2)))
    )
)
def test_components_are_those_that_a_search_finds(drawn):
    size, links = drawn
    expected = set()
    for start in range(size):
        reached, before = {start}, 0
        while len(reached) > before:
            before = len(reached)
            reached |= {end for link in links if set(link) & reached for end in link}
        expected.add(tuple(sorted(reached)))
    found = connected_components(size, links)
    assert all(members == sorted(members) for members in found)
    assert sorted(map(tuple, found)) == sorted(expected)


def test_nothing_has_no_components():
    assert connected_components(0, []) == []
