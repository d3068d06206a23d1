"""Where a model and its figures come from, as report, card and tables tell it, recomputed by hand."""

import hashlib
import json
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
        of_hundred = [
            "{:.1f} % ({:.1f} to {:.1f} %)".format(*(100 * part[key][bound] for bound in ("value", "low", "high")))
            for key in ("accuracy", "balanced_accuracy")
        ]
        macro = "{:.3f} ({:.3f} to {:.3f})".format(*(part["macro_f1"][bound] for bound in ("value", "low", "high")))
        assert f"| {name}/ | {part['pictures']} | {of_hundred[0]} | {of_hundred[1]} | {macro} |" in card
        if name == "validate":
            assert f"pictures of validate/ in {part['groups']} groups, {of_hundred[0]} were recognised" in words
            assert f"a balanced accuracy of {of_hundred[1]} and a macro-F1 of {macro}; always" in words
            assert f"the commonest class would reach {100 * part['majority']['value']:.1f} %." in words
    rows = read(report_set / "manifest.csv")
    sources = Counter(row["source"] for row in rows)
    assert {row["source"]: int(row["pictures"]) for row in read(report / "sources.csv")} == sources
    for said in (card, words):
        counts = Counter(row["path"].partition("/")[0] for row in rows)
        parts = ", ".join(f"{counts[split]} in {split}/" for split in ("train", "validate", "test"))
        assert f"The {len(rows)} pictures ({parts}) come from 1 named source" in said
    assert f"| Young & \\<i\\>Bown\\</i\\> | {len(rows)} |" in card
    assert "<i>" not in card.replace("\\<i\\>", "")  # what a source is called is no markup


@pytest.mark.parametrize("word", ["source", "technique"])
def test_shares_by_source_and_technique_are_those_of_the_predictions(report_set, word):
    report = report_set / "report"
    told = {row["path"]: row[word] or "not known" for row in read(report_set / "manifest.csv")}
    right = {}
    for row in read(report / "predictions.csv"):
        right.setdefault((row["file"].partition("/")[0], told[row["file"]]), []).append(row["correct"] == "1")
    table = read(report / f"per_{word}.csv")
    page = html5lib.parse((report / "report.html").read_text(encoding="utf-8"), namespaceHTMLElements=False)
    (shown,) = [each for each in page.iter("div") if each.get("aria-label") == f"Right by {word}"]
    cells = [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in shown.find(".//tbody")]
    assert [(row["split"], row[word]) for row in table] == [(row[1].rstrip("/"), row[0]) for row in cells]
    assert {(row["split"], row[word]) for row in table} == set(right)
    for row, texts in zip(table, cells, strict=True):
        its = right[row["split"], row[word]]
        interval = binomtest(sum(its), len(its)).proportion_ci(method="wilson")
        expected = [len(its), sum(its), np.mean(its), *interval]
        assert [float(row[key]) for key in ("pictures", "right", "accuracy", "low", "high")] == pytest.approx(
            expected, abs=1e-6
        )
        shares = [f"{100 * float(row[key]):.1f} %" for key in ("accuracy", "low", "high")]
        assert texts[2:] == [str(len(its)), "{} ({} to {})".format(*shares)]
