"""The split by groups: as even as it can be, the same for the same seed, and no worse than scikit-learn's."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from dataset.splits import MISSING, random_key, split_groups

GROUPS = st.lists(
    st.dictionaries(st.sampled_from("ABCDEF"), st.integers(1, 9), min_size=1, max_size=3), min_size=2, max_size=40
)
SHARES = st.sampled_from([(0.8, 0.2), (0.5, 0.5), (0.7, 0.2, 0.1), (0.9, 0.1)])


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(groups=GROUPS, numbers=SHARES, seed=st.integers(0, 9), fixed=st.sets(st.integers(0, 39), max_size=4))
def test_no_single_group_could_be_put_better(groups, numbers, seed, fixed):
    named = {f"g{place}": Counter(counts) for place, counts in enumerate(groups)}
    shares = dict(zip(("train", "validate", "test"), numbers, strict=False))
    fixed = {f"g{place}": "validate" for place in fixed if place < len(groups)}
    split_of = split_groups(named, shares, seed, fixed)
    assert set(split_of) == set(named)
    assert all(split_of[name] == "validate" for name in fixed)
    assert split_of == split_groups(dict(reversed(named.items())), shares, seed, fixed)
    best = unevenness(named, shares, split_of)
    for name in set(named) - set(fixed):
        for split in shares:
            assert unevenness(named, shares, {**split_of, name: split}) > best - 1e-6


def unevenness(groups, shares, split_of) -> float:
    """Sum the squared distances from the wanted counts, in units of a class, and what missing classes cost."""
    total = sum(groups.values(), Counter())
    have = {split: Counter() for split in shares}
    for name, split in split_of.items():
        have[split].update(groups[name])
    return sum(
        (have[split][label] - share * total[label]) ** 2 / total[label] + MISSING * (not have[split][label])
        for split, share in shares.items()
        for label in total
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_split_is_at_least_as_even_as_that_of_scikit_learn(seed):
    chance = np.random.default_rng(seed)
    groups = {
        f"g{number}": Counter(chance.choice(list("ABCDEFGH"), chance.integers(1, 12), p=np.arange(1, 9) / 36).tolist())
        for number in range(60)
    }
    shares = {"train": 0.8, "validate": 0.2}
    ours = unevenness(groups, shares, split_groups(groups, shares, seed))
    labels = [label for counts in groups.values() for label in counts.elements()]
    names = [name for name, counts in groups.items() for _ in counts.elements()]
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(labels, labels, names)
    theirs = []
    for _, fold in folds:
        validate = {names[place] for place in fold}
        split_of = {name: "validate" if name in validate else "train" for name in groups}
        theirs.append(unevenness(groups, shares, split_of))
    assert ours <= np.mean(theirs)


def test_a_class_that_could_be_in_both_splits_is_in_both():
    groups = {"large": Counter(A=90), "small": Counter(A=1), "other": Counter(B=5), "another": Counter(B=5)}
    split_of = split_groups(groups, {"train": 0.8, "validate": 0.2}, 0)
    assert (split_of["large"], split_of["small"]) == ("train", "validate")
    assert split_of["other"] != split_of["another"]


def test_independent_classes_are_split_as_if_they_were_alone():
    shares = {"train": 0.7, "validate": 0.3}
    a, b = ({f"{label}{number}": Counter({label: number + 1}) for number in range(9)} for label in "AB")
    assert split_groups(a | b, shares, 3) == split_groups(a, shares, 3) | split_groups(b, shares, 3)


def test_another_seed_gives_another_split():
    groups = {f"g{number}": Counter(A=1) for number in range(30)}
    shares = {"train": 0.5, "validate": 0.5}
    assert split_groups(groups, shares, 0) != split_groups(groups, shares, 1)


def test_keys_depend_on_seed_and_names_and_take_any_text():
    assert len({random_key(0, "a", "b"), random_key(1, "a", "b"), random_key(0, "ab"), random_key(0, "\udc80")}) == 4
