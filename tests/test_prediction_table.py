"""predictions.csv of own pictures: torn tables are repaired, and rows stay only while they would come out the same."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.checkpoint import Checkpoint
from reports.fingerprint import fingerprint
from reports.prediction_table import COLUMNS, append_rows, resume_table


@pytest.fixture(scope="module")
def checkpoint():
    weights = {"head.weight": torch.arange(6.0).view(2, 3), "head.bias": torch.ones(2)}
    return Checkpoint("vgg11", 40, ["a", "b"], weights, lineages={"a": ["Root", "a"]})


def test_the_fingerprint_follows_all_that_a_row_depends_on(checkpoint):
    def changed(**parts):
        return fingerprint(replace(checkpoint, **parts))

    others = [
        changed(classes=["b", "a"]),
        changed(tta_views=8),
        changed(mean=(0.1, 0.2, 0.3)),
        changed(lineages={}),
        changed(weights={**checkpoint.weights, "head.bias": torch.zeros(2)}),
        changed(calibration={"temperature": 2.0, "nonconformity": torch.ones(2)}),
        changed(calibration={"temperature": 2.0, "nonconformity": torch.zeros(2)}),
        fingerprint(checkpoint, 0.9),
        fingerprint(checkpoint, 0.9, 12.5),
    ]
    assert len({fingerprint(checkpoint), *others}) == 10
    same = changed(scores={"accuracy": 1.0}, weights=dict(reversed(checkpoint.weights.items())))
    assert fingerprint(checkpoint) == same


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.binary(max_size=30))
def test_a_table_torn_anywhere_is_repaired(tmp_path_factory, cut, garbage):
    path = tmp_path_factory.mktemp("torn") / "predictions.csv"
    names = ['a,"b".png', "c.png", "d é.png"]
    resume_table(path, "m", {})
    rows = [dict.fromkeys(COLUMNS, "x") | {"file": name, "bytes": "1", "modified": "2", "model": "m"} for name in names]
    for row in rows:
        append_rows(path, [row])
    whole = path.read_bytes()
    head = whole.index(b"\n") + 1
    cut = head + cut % (len(whole) - head + 1)
    path.write_bytes(whole[:cut] + garbage.replace(b"\n", b""))
    current, old = resume_table(path, "m", dict.fromkeys(names, ("1", "2")))
    assert old is None and len(current) == whole[head:cut].count(b"\n")
    append_rows(path, [row for row in rows if row["file"] not in current])
    assert path.read_bytes() == whole
