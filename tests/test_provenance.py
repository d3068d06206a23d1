"""Where a model and its figures come from, as report, card and tables tell it, recomputed by hand."""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import html5lib
import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from common.dataset_info import ClassInfo, DatasetInfo, write_dataset_info
from common.manifest import ManifestRow
from common.records import PageFacts, Record
from evaluation.cross_fit import PredictedSplit
from models.checkpoint import Checkpoint
from models.prediction import Prediction
from reports.methods import epoch_sentence, methods_paragraph, model_card
from reports.provenance import chose_the_epoch, command, count_sources, trace
from reports.settings import VisualiseSettings
from tests.report_set import read


def split_of(name="validate", labels=(0, 1, 1)):
    paths = [Path(f"{name}/{number}.png") for number in range(len(labels))]
    prediction = Prediction(torch.zeros(len(labels), 2), torch.zeros(len(labels), 1))
    rows = [ManifestRow(path=str(path)) for path in paths]
    return PredictedSplit(name, paths, list(map(str, paths)), torch.tensor(labels), prediction, rows)


def checkpoint_of(**more):
    options = {"weights": "imagenet", "epochs": 16, "batch_size": 32, "learning_rate": 0.003, "seed": 7}
    return Checkpoint("mobilenet_v2", 96, ["a", "b"], {}, options=options, versions={"torch": "2.14.1"}, **more)


@pytest.mark.parametrize(
    ("name", "same", "more", "chose"),
    [
        ("validate", True, {"dataset": "ab"}, True),
        ("test", True, {"dataset": "ab"}, False),
        ("my_pictures", False, {"dataset": "ab"}, False),
        ("validate", False, {"calibration": {"labels": torch.tensor([0, 1, 1])}}, True),
        ("validate", False, {"calibration": {"labels": torch.tensor([0, 0, 1])}}, False),
        ("validate", False, {}, None),
    ],
)
def test_whether_pictures_chose_the_epoch(name, same, more, chose):
    assert chose_the_epoch(checkpoint_of(**more), split_of(name), same) is chose
    assert ("not known" in epoch_sentence(name, chose)) == (chose is None)


def test_commands_can_be_typed_and_name_no_path_of_the_machine():
    options = {"train": "/home/me/my set", "depth": 2, "seed": 0, "keep": True, "drop": False, "data": None}
    assert command("prepare.py", options) == "python prepare.py --train 'my set' --depth 2 --keep"


def test_sources_are_counted_by_split_the_commonest_first():
    rows = [ManifestRow(f"train/a/{n}", "train", source="B") for n in range(3)]
    rows += [
        ManifestRow("validate/a/1", "", source="B"),
        ManifestRow("test/a/1", "test"),
        ManifestRow("x", source="A\n"),
    ]
    assert count_sources(rows) == {"B": {"train": 3, "validate": 1}, "A": {"x": 1}, "no source named": {"test": 1}}


@pytest.fixture
def traced(tmp_path):
    """A data set beside which all is written down, its model, and what is found out of them."""
    rows = [
        ManifestRow(f"{split}/a/{n}.png", split, source="Bown 1998") for split in ("train", "validate") for n in "12"
    ]
    (tmp_path / "manifest.csv").write_text("path\n")
    digest = hashlib.sha256(b"path\n").hexdigest()
    options = {"depth": 2, "group_by": "specimen", "train": str(tmp_path / "my_set")}
    classes = {"a": ClassInfo(("a",))}
    write_dataset_info(tmp_path / "dataset.json", DatasetInfo(classes, hash=digest, seed=3, options=options))
    records = {Path(str(n)): Record(("m",), (), ("m",), PageFacts(fetched=f"2026-1{n}-24T05:33:02Z")) for n in (1, 0)}
    model = checkpoint_of(dataset=digest, trained="2026-11-25")
    return model, trace(VisualiseSettings(validate=tmp_path / "validate"), model, rows, records)


def test_all_that_is_known_is_told(traced, tmp_path):
    model, origin = traced
    assert origin.same_data and not origin.manifest_changed and origin.trained == "2026-11-25"
    assert origin.fetched == ("2026-10-24", "2026-11-24") and origin.images == {"train": 2, "validate": 2}
    assert origin.commands[0] == "python prepare_image_model.py --depth 2 --group_by specimen --train my_set"
    assert "--use_model" not in origin.commands[0] and "--batch_size 32" in origin.commands[1]
    assert "--directory my_set " in origin.commands[1]  # the data set beside is the one that it learnt from
    assert str(tmp_path) not in " ".join(origin.commands)
    figure = {"value": 0.5, "low": 0.25, "high": 0.75, "count": 3}
    first = {"pictures": 3, "groups": 2, "chose_the_epoch": True, "accuracy": figure, "balanced_accuracy": figure}
    summary = {"classes": 2, "splits": {"validate": first | {"macro_f1": figure, "majority": figure}}}
    said = methods_paragraph(model, summary, origin)
    for words in (
        *(
            "the network mobilenet_v2, pretrained on ImageNet",
            "96 x 96 pixels",
            "4 pictures (2 in train/, 2 in validate/)",
        ),
        *("Bown 1998", "pictures of one specimen, and near-copies, stay together", "the seed 7", "torch 2.14.1"),
        *("50.0 % (25.0 to 75.0 %)", "0.500 (0.250 to 0.750)", "also chose the epoch", model.dataset),
    ):
        assert words in said
    card = model_card(model, summary, origin)
    assert "| validate/ | 3 | 50.0 % (25.0 to 75.0 %) |" in card and "| Bown 1998 | 4 |" in card


def test_a_manifest_that_was_changed_is_told(traced, tmp_path):
    (tmp_path / "manifest.csv").write_text("path\nmore\n")
    model, _ = traced
    assert trace(VisualiseSettings(validate=tmp_path / "validate"), model, [], {}).manifest_changed


@pytest.mark.slow
def test_the_card_and_the_page_say_what_the_summary_says(report_set):
    report = report_set / "report"
    summary = json.loads((report / "summary.json").read_text())
    card = (report / "model_card.md").read_text(encoding="utf-8")
    page = html5lib.parse((report / "report.html").read_text(encoding="utf-8"), namespaceHTMLElements=False)
    words = " ".join("".join(page.find("body").itertext()).split())
    for name, part in summary["splits"].items():
        shown = [f"{100 * part['accuracy'][bound]:.1f}" for bound in ("value", "low", "high")]
        assert f"| {name}/ | {part['pictures']} | {shown[0]} % ({shown[1]} to {shown[2]} %)" in card
    figures = re.search(r"macro-F1 of ([\d.]+) \(([\d.]+) to ([\d.]+)\)", words).groups()
    macro = summary["splits"]["validate"]["macro_f1"]
    assert [float(each) for each in figures] == [round(macro[bound], 3) for bound in ("value", "low", "high")]
    sources = Counter(row["source"] for row in read(report_set / "manifest.csv"))
    assert {row["source"]: int(row["pictures"]) for row in read(report / "sources.csv")} == sources
    assert "<i>" not in card.replace("\\<i\\>", "")  # what a source is called is no markup


def test_shares_by_source_are_those_of_the_predictions(report_set):
    report = report_set / "report"
    right = {}
    for row in read(report / "predictions.csv"):
        split = row["file"].partition("/")[0]
        right.setdefault((split, row["source"]), []).append(row["correct"] == "1")
    table = read(report / "per_source.csv")
    assert {(row["split"], row["source"]) for row in table} == set(right)
    for row in table:
        its = right[row["split"], row["source"]]
        interval = binomtest(sum(its), len(its)).proportion_ci(method="wilson")
        expected = [len(its), sum(its), np.mean(its), *interval]
        assert [float(row[key]) for key in ("pictures", "right", "accuracy", "low", "high")] == pytest.approx(
            expected, abs=1e-6
        )
