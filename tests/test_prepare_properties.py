"""What holds of every data set, whatever taxonomies, duplicates, groups, limits and shares are drawn."""

import csv
import json
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from drawn import SITE, picture, record
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

import prepare_image_model as script
from dataset import audit
from dataset.splits import MISSING, split_groups

ORDERS, FAMILIES = ("Aales", "Bales"), ("Aaceae", "Baceae", "Caceae", "Daceae")

POOL = st.integers(0, 39)  # which drawing a file holds, so that bytes repeat
ENTRY = st.fixed_dictionaries(
    {
        "module": st.sampled_from(["M", "N"]),
        "order": st.sampled_from(ORDERS),
        "family": st.sampled_from([*FAMILIES, ""]),
        "drawing": POOL,
        "turned": st.booleans(),
        "stem": st.sampled_from(["a-{n}", "a-{n}p", "K 1999 pl1-{n}", "b {n}", "TypeFig {n}"]),
        "source": st.sampled_from(["", "One 1999", "Two 2001", "Three"]),
        "sample": st.sampled_from(["", "S1", "S2", "S3"]),
        "status": st.sampled_from(["", "holotype"]),
        "also": st.booleans(),
    }
)
OPTIONS = st.fixed_dictionaries(
    {
        "--depth": st.sampled_from([1, 2, 3]),
        "--class_limit": st.sampled_from([None, 1, 2, 3]),
        "--sample_limit": st.sampled_from([None, 2, 3, 5]),
        "--validate_share": st.sampled_from([0.1, 0.2, 0.35, 0.5]),
        "--test_share": st.sampled_from([0, 0, 0.1, 0.3]),
        "--group_by": st.sampled_from(script.GROUPINGS),
        "--min_samples": st.sampled_from([None, 4]),
        "--rare": st.sampled_from(["drop", "pool"]),
        "--seed": st.integers(0, 5),
    }
)


def lay_out(top: Path, entries: list[dict]) -> set[str]:
    """Write records and pictures for what was drawn, and return the files that the records list."""
    pages, facts, listed = defaultdict(list), defaultdict(dict), set()
    for number, entry in enumerate(entries):
        name = entry["stem"].format(n=number // 2) + ("" if number % 2 else ".again") + ".png"
        file = f"{entry['module']}/{name}"
        if file in listed:
            continue
        listed.add(file)
        image = picture(entry["drawing"], 48)
        target = top / "images" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        (image.transpose(Image.Transpose.ROTATE_90) if entry["turned"] else image).save(target)
        place = tuple(filter(None, (entry["module"], entry["order"], entry["family"])))
        for page in [place, place[:1]] if entry["also"] else [place]:
            pages[page].append(name)
            facts[page][f"{SITE}/{place[0]}/thumbs/{name}"] = {
                key: entry[key] for key in ("source", "sample", "status")
            }
    for page, names in pages.items():
        record(top / "data", list(page), names, pictures=facts[page])
    return listed


@settings(max_examples=60, deadline=None)
@given(entries=st.lists(ENTRY, min_size=8, max_size=60), options=OPTIONS, types=st.booleans())
def test_every_layout_is_sound(entries, options, types):
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory)
        listed = lay_out(top, entries)
        given_ = [str(part) for pair in options.items() if pair[1] is not None for part in pair]
        where = [part for name in ("data", "images") for part in (f"--{name}", str(top / name))]
        status = script.main([*where, *given_, "--train", str(top / "set"), *(["--hold_out_types"] if types else [])])
        if status:
            assert status == 1
            assert not (top / "set").exists()
            return
        used, left = _rows(top / "set" / "manifest.csv"), _rows(top / "set" / "excluded.csv")
        files = [row["file"] for row in used] + [row["picture"] for row in left]
        assert sorted(files) == sorted(listed)  # used + excluded = listed, and nothing twice
        known = json.loads((top / "set" / "dataset.json").read_text(encoding="utf-8"))
        assert known["audit"] == audit.audit(top / "set")
        assert not audit.leaks(known["audit"])
        assert len({row["sha256"] for row in used}) == len(used)
        _check_groups(used, options["--group_by"])
        _check_limits(used, options)
        if types:
            assert not [row for row in used if row["status"] == "holotype" and row["split"] == "train"]
        else:
            _check_shares(used, options)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def _check_groups(used, group_by):
    for key in {"sample": ["group", "sample"], "source": ["group", "source"]}.get(group_by, ["group"]):
        splits = defaultdict(set)
        for row in used:
            splits[row[key]].add(row["split"])
        splits.pop("", None)
        assert all(len(found) == 1 for found in splits.values())


def _check_limits(used, options):
    counts, splits = Counter(row["class"] for row in used), {row["split"] for row in used}
    assert len(counts) <= (options["--class_limit"] or 99)
    assert max(counts.values()) <= (options["--sample_limit"] or 99)
    assert splits == {"train", "validate"} | ({"test"} if options["--test_share"] else set())
    assert len({(row["class"], row["split"]) for row in used}) == len(counts) * len(splits)


def _check_shares(used, options):
    """Where no group holds two classes, each class is within its largest group of the share that was wanted."""
    groups = defaultdict(Counter)
    for row in used:
        groups[row["group"]][row["class"]] += 1
    if any(len(classes) > 1 for classes in groups.values()):
        return
    for label, total in Counter(row["class"] for row in used).items():
        largest = max(classes[label] for classes in groups.values())
        for split in ("validate", "test"):
            found = sum(row["class"] == label and row["split"] == split for row in used)
            assert abs(found - options[f"--{split}_share"] * total) <= largest


GROUPS = st.lists(
    st.dictionaries(st.sampled_from("ABCDEF"), st.integers(1, 9), min_size=1, max_size=3), min_size=2, max_size=40
)
SHARES = st.sampled_from([(0.8, 0.2), (0.5, 0.5), (0.7, 0.2, 0.1), (0.9, 0.1)])


@settings(max_examples=200, deadline=None)
@given(groups=GROUPS, numbers=SHARES, seed=st.integers(0, 9), held=st.sets(st.integers(0, 39), max_size=4))
def test_no_single_group_could_be_put_better(groups, numbers, seed, held):
    named = {f"g{place}": Counter(counts) for place, counts in enumerate(groups)}
    shares = dict(zip(("train", "validate", "test"), numbers, strict=False))
    fixed = {f"g{place}": "validate" for place in held if place < len(groups)}
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
