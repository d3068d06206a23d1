"""Ages, zones and stages out of the words in which the site gives ranges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.occurrence import Occurrence, occurrences_as_json, occurrences_from_json
from mikrotax.ranges import ages, read_range, zone_and_stage

WORDS = [
    ("within Quaternary Period (0.00-2.59Ma, base in Gelasian stage)", [0.0, 2.59], "", "Gelasian"),
    ("within NP16 zone (40.40-42.87Ma, base in Lutetian stage)", [40.4, 42.87], "NP16", "Lutetian"),
    ("at top of NN18 zone (100% up, 1.93Ma, in Gelasian stage)", [1.93, 1.93], "NN18", "Gelasian"),
    ("in lower part of NN16b subzone (12% up, 2.79Ma, in Piacenzian stage)", [2.79, 2.79], "NN16b", "Piacenzian"),
    ("in mid part of P. lacunosa Zone (50% up, 0.9 Ma, in Calabrian stage)", [0.9, 0.9], "P. lacunosa", "Calabrian"),
    ("near top of M5b (N8b) subzone (15.1–16.38Ma, top in Langhian stage)", [15.1, 16.38], "M5b (N8b)", "Langhian"),
    ("near base of Zone CP19 (29,6 Ma)", [29.6, 29.6], "CP19", ""),
    ('is within Holocene modern (top=0.00Ma, i.e. in "Holocene" stage)', [0.0, 0.0], "", "Holocene"),
    ("within something (top=1.50Ma, base=2.50Ma)", [1.5, 2.5], "", ""),
    ("at top of (100% up, 5.33Ma, in Messinian stage)", [5.33, 5.33], "", "Messinian"),
    ("at top of (100% up, ", None, "", ""),
    ("within No known fossil record modern (0.00-0.00Ma, base in Holocene stage)", [0.0, 0.0], "", "Holocene"),
    ("within Danian Stage (61.61-66.04Ma, base in Danian stage)", [61.61, 66.04], "", "Danian"),
    ("within Danian Stage", None, "", "Danian"),
    ("within Early Miocene Sub-Epoch (23.03 Ma - 15.97 Ma)", [15.97, 23.03], "", ""),
    ("within NN18 (2.4-2.6Ma, in Gelasian stage)", [2.4, 2.6], "NN18", "Gelasian"),
    ("within PT1a (0.6Ma)", [0.6, 0.6], "PT1a", ""),
    ("at top of M5b/M6 zone (15.1Ma)", [15.1, 15.1], "M5b/M6", ""),
    ("in upper part of the Danian Stage (61.61-66.04Ma, base in Danian stage)", [61.61, 66.04], "", "Danian"),
    ("in the Zanclean stage", None, "", "Zanclean"),
    ('is at base of RN6 zone (top=14.8, base=15.0Ma, i.e. in "Langhian" stage)', [14.8, 15.0], "RN6", "Langhian"),
    ("in mid Burdigalian Stage (50% up, 18.2Ma, in Burdigalian stage)", [18.2, 18.2], "", "Burdigalian"),
    ("within NP25-NN1 zones (22.8-24.1 Ma, in Chattian stage)", [22.8, 24.1], "NP25-NN1", "Chattian"),
    ("in Pleistocene (0.5Ma, in Middle Pleistocene stage)", [0.5, 0.5], "", "Middle Pleistocene"),
    ("at top of NN19 zone (0.5Ma, in upper Calabrian stage)", [0.5, 0.5], "NN19", "Calabrian"),
    ("Extant", [0.0, 0.0], "", ""),
    ("extant.", [0.0, 0.0], "", ""),
    ("unknown", None, "", ""),
    ("in 3 samples of 12", None, "", ""),
]


@pytest.mark.parametrize(("words", "ma", "zone", "stage"), WORDS, ids=[words for words, *_ in WORDS])
def test_every_wording(words, ma, zone, stage):
    assert ages(words) == (ma and tuple(ma)) and zone_and_stage(words) == (zone, stage)


def test_both_ends_with_their_sources():
    lines = (
        "Geological Range:\nLast occurrence (top): at top of NN18 zone (1.9Ma). Data source: A 2018\n"
        "First occurrence (base): within NP1 zone (65-66Ma). Data source: Total of ranges of species in this database"
    )
    assert occurrences_as_json(read_range(lines)) == {
        **{"last": "at top of NN18 zone (1.9Ma)", "last_ma": [1.9, 1.9], "last_source": "A 2018"},
        **{"last_zone": "NN18", "last_stage": "", "first": "within NP1 zone (65-66Ma)", "first_ma": [65.0, 66.0]},
        **{"first_source": "Total of ranges of species in this database", "first_zone": "NP1", "first_stage": ""},
    }


def test_the_words_may_begin_in_the_next_line():
    assert read_range("First occurrence (base):\nwithin NP1 zone (65-66Ma)")["first"].ma == (65.0, 66.0)
    assert read_range("Last occurrence (top) in NN5 zone (13Ma)")["last"].ma == (13.0, 13.0)
    assert read_range("range not known") == {}


# As a record holds them

AGES = st.tuples(st.floats(0, 5000), st.floats(0, 5000)).map(sorted).map(tuple)
KNOWN = st.builds(Occurrence, st.text(min_size=1), AGES | st.none(), st.text(), st.text(), st.text())
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.floats() | st.integers())


@given(st.dictionaries(st.sampled_from(["last", "first"]), KNOWN))
def test_occurrences_come_back_as_they_were_written(occurrences):
    assert occurrences_from_json(occurrences_as_json(occurrences)) == occurrences


@given(st.dictionaries(st.sampled_from(["first", "first_ma", "last_ma", "last_zone"]), ANYTHING) | ANYTHING)
def test_of_what_another_hand_wrote_all_ages_are_pairs_of_numbers(value):
    for known in occurrences_from_json(value).values():
        assert known.ma is None or 0 <= known.ma[0] <= known.ma[1] < 1e12


def test_ages_the_wrong_way_round_are_turned():
    assert occurrences_from_json({"first_ma": [56, 33.9]})["first"].ma == (33.9, 56)
