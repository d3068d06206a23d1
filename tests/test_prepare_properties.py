"""What holds of every data set, whatever taxonomies, duplicates, groups, limits and shares are drawn."""

import csv
import tempfile
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import prepare_image_model as script
from common.dataset_info import read_dataset_info
from dataset.audit import audit
from dataset.settings import GROUPINGS
from tests.drawn import SITE, picture, record

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
        "--group_by": st.sampled_from(sorted(set(GROUPINGS) - {"folder"})),
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


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
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
        result = audit(top / "set")
        assert read_dataset_info(top / "set" / "dataset.json").audit == asdict(result)
        assert not result.leaks
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
