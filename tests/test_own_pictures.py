"""A folder of the user's own pictures, whatever lies in it, and the tables that come of it."""

import csv
import io
import logging
import os
import signal
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest

import visualise_results
from common.errors import ToolkitError
from common.images import read_image
from common.occurrence import occurrences_from_json
from common.records import PageFacts, Record, write_record
from common.squares import Preparation
from evaluation.calibration import Calibration
from evaluation.ood import OODDetector
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint, save_checkpoint
from models.device import Device
from models.networks import build_network, head_name
from models.prediction import as_batch
from reports.model import LoadedModel
from reports.own_pictures import name_own_pictures
from reports.own_summary import sheet_lines
from reports.prediction_table import read_rows
from reports.ranges import read_ranges
from reports.settings import VisualiseSettings
from tests.processes import Script
from tests.tiny import SHAPES, draw_shape

TOP = Path(__file__).resolve().parent.parent
CLASSES = sorted(SHAPES)
LINEAGES = {"bar": ["Shapes", "Bars", "bar"], "disc": ["Shapes", "Round", "disc"], "ring": ["Shapes", "Round", "ring"]}
TAXONOMY = Taxonomy.of(CLASSES, LINEAGES)
CPU = Device.choose("cpu", "fp32")


@pytest.fixture(scope="module")
def model():
    """A model of three shapes that predicts by chance."""
    torch.manual_seed(0)
    network = build_network("mnasnet0_5", 3, 40)
    weights = network.state_dict()
    weights[f"{head_name(network)}.weight"] *= 50  # so that the answers differ
    return LoadedModel.of(Checkpoint("mnasnet0_5", 40, CLASSES, weights, lineages=LINEAGES), CPU)


@pytest.fixture
def folder(tmp_path):
    """Two samples, of 9 and 6 pictures."""
    for sample, count in (("core 1/0-10 cm", 3), ("core 2", 2)):
        (tmp_path / "mine" / sample).mkdir(parents=True)
        for shape in SHAPES:
            for number in range(count):
                draw_shape(shape, number).save(tmp_path / "mine" / sample / f"{shape}{number}.png")
    return tmp_path / "mine"


def name(model, folder, output, **settings):
    """Name a folder's pictures; return what is reported."""
    return name_own_pictures(folder, VisualiseSettings(report=output, data=Path("none"), **settings), model)


def changed(model, **parts):
    """Return the model with other parts of its file."""
    return LoadedModel(replace(model.checkpoint, **parts), model.predictor)


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def squares_of(paths):
    return as_batch([Preparation(40).square(read_image(path)) for path in paths])


def test_each_picture_has_the_models_answer(model, folder, tmp_path):
    named = name(model, folder, tmp_path / "out")
    rows = table(tmp_path / "out" / "predictions.csv")
    assert [row["file"] for row in rows] == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.png")
    )
    network = model.checkpoint.network()
    for row in rows:
        with torch.no_grad():
            logits = network(model.checkpoint.normalisation.apply(squares_of([folder / row["file"]])))[0].double()
        expected = dict(zip(CLASSES, logits.softmax(0).tolist(), strict=True))
        said = {row[place]: float(row[f"{place}_probability"]) for place in ("first", "second", "third")}
        assert said == pytest.approx(expected, abs=1e-3)
        assert list(said) == sorted(expected, key=expected.get, reverse=True)
        assert row["answer"] == row["first"] and row["fourth"] == row["out_of_range"] == ""
    assert named.unreadable == 0 and not (tmp_path / "out" / "unreadable.csv").exists()
    said = " ".join(named.sentences)
    assert "Classified 15 pictures" in said and "holds no calibration" in said and "not corrected" in said


def test_answers_are_the_lowest_supported_taxa(model, folder, tmp_path):
    random = torch.Generator().manual_seed(0)
    validation = model.predictor(torch.randint(0, 255, (60, 3, 40, 40), generator=random))
    detector = OODDetector.fit(validation.features[None, ::2] + 1, validation.features)
    fitted = Calibration.fit(TAXONOMY, validation, np.arange(60) % 3, detector)
    calibrated = changed(model, calibration=fitted.state() | {"confusion": torch.eye(3).long() * 20})
    name(calibrated, folder, tmp_path / "out", confidence=0.8)
    rows = table(tmp_path / "out" / "predictions.csv")
    prediction = model.predictor(squares_of(folder / row["file"] for row in rows))
    taxa = fitted.lowest_supported_taxa(prediction, 0.8)
    assert [row["answer"] for row in rows] == [taxon.title for taxon in taxa]
    assert [float(row["answer_probability"]) for row in rows] == pytest.approx(
        [taxon.probability for taxon in taxa], abs=1e-3
    )
    counted = table(tmp_path / "out" / "assemblage.csv")
    assert sum(int(row["count"]) for row in counted) == 15
    unknown = sum(int(row["count"]) for row in counted if row["taxon"] == "unknown")
    assert unknown == sum(row["out_of_distribution"] == "yes" for row in rows)


def claim_size(content, side):
    """Return the bytes of a PNG that claims to be a square of that many pixels, with its check sum right."""
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + content[24:29]
    return content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]


def hostile(kind, number):
    """Return the bytes of a file that calls itself a picture."""
    buffer = io.BytesIO()
    draw_shape("ring", number).save(buffer, "PNG")
    content, random = buffer.getvalue(), np.random.default_rng(number)
    if kind == "bomb":
        return claim_size(content, 65_000)
    if kind == "large":  # less than Pillow refuses
        return claim_size(content, 10_000)
    if kind == "cut":
        return content[: len(content) // 2]
    if kind == "changed":
        places = random.integers(8, len(content), 20)
        return bytes(value ^ 0xFF if place in places else value for place, value in enumerate(content))
    return {"empty": b"", "text": b"no picture\n" * 9, "noise": random.bytes(500)}[kind]


@pytest.mark.slow
def test_200_hostile_files_end_nothing(model, folder, tmp_path):
    good = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    kinds = ["cut", "empty", "text", "bomb", "large", "noise", "changed", "cut"]
    for number in range(200):
        ending = (".jpg", ".png", ".tif", ".gif", ".webp")[number % 5]
        path = folder / "core 2" / f"{kinds[number % 8]} {number}{ending}"
        path.write_bytes(hostile(kinds[number % 8], number))
    os.mkfifo(folder / "pipe.png")  # would hold up whoever opens it
    (folder / "loop").symlink_to(folder)
    (folder / "notes.txt").write_text("not asked for")
    named = name(model, folder, tmp_path / "out")
    unreadable = {row["file"]: row["reason"] for row in table(tmp_path / "out" / "unreadable.csv")}
    classified = [row["file"] for row in table(tmp_path / "out" / "predictions.csv")]
    assert named.unreadable == len(unreadable) and f"{len(unreadable)} files could not be read" in named.sentences[-1]
    assert len(unreadable) + len(classified) == 215 and good <= set(classified)
    assert sum(not file.startswith("core 2/changed") for file in unreadable) == 175
    reasons = {"cut": "cut short", "empty": "0 bytes", "text": "whatever its name says", "noise": "whatever its name"}
    reasons |= {"bomb": "more than 89 million pixels", "large": "more than 89 million pixels"}
    for file, reason in unreadable.items():
        kind = file.removeprefix("core 2/").rpartition(" ")[0]
        assert reasons.get(kind, "") in reason, (file, reason)


@pytest.mark.slow
def test_a_run_at_work_keeps_others_out_and_a_killed_one_is_resumed(tmp_path, capsys):
    folder, whole, killed = tmp_path / "mine", tmp_path / "whole", tmp_path / "killed"
    folder.mkdir()
    count = 3 * CPU.images_at_once
    for number in range(count):
        Image.new("RGB", (8, 8), (number % 256, number // 256, 99)).save(folder / f"{number:05}.bmp")
    weights = build_network("squeezenet1_1", 3, 32).state_dict()
    save_checkpoint(tmp_path / "model", Checkpoint("squeezenet1_1", 32, CLASSES, weights))
    options = ["--images", folder, "--model", tmp_path / "model", "--device", "cpu", "--report"]
    predictions = killed / "predictions.csv"
    with Script(TOP / "visualise_results.py", *options, killed, directory=tmp_path) as script:
        script.wait_for(predictions)
        while predictions.read_bytes().count(b"\n") < CPU.images_at_once:
            assert script.poll() is None
            time.sleep(0.002)
        script.send_signal(signal.SIGSTOP)  # it is still at work
        before = predictions.read_bytes()
        assert visualise_results.main([*map(str, options), str(killed)]) == 1
        complaint = capsys.readouterr().err
        assert f"another run is writing into {killed}; let it finish" in complaint
        assert predictions.read_bytes() == before
    found = list(read_rows(predictions))
    assert CPU.images_at_once <= len(found) < count, "it was killed on its way"
    with predictions.open("ab") as file:
        file.write(b"00999.bmp,ring,0.5")  # as a machine that loses its power may leave it
    assert visualise_results.main([*map(str, options), str(killed)]) == 0
    assert f"{len(found)} of them in an earlier run" in capsys.readouterr().out
    assert visualise_results.main([*map(str, options), str(whole)]) == 0
    once, twice = table(whole / "predictions.csv"), table(predictions)
    assert [row["file"] for row in once] == [row["file"] for row in twice]
    assert {row["model"] for row in once + twice} == {found[0]["model"]}
    for place in ("answer_probability", "first_probability", "third_probability"):
        assert [float(r[place]) for r in once] == pytest.approx([float(r[place]) for r in twice], abs=2e-3)


def test_only_what_is_new_is_classified_again(model, folder, tmp_path):
    name(model, folder, tmp_path / "out")
    before = table(tmp_path / "out" / "predictions.csv")
    other, gone, new = folder / "core 2/ring0.png", folder / "core 2/ring1.png", folder / "new.png"
    draw_shape("bar", 77, size=50).save(other)
    gone.unlink()
    draw_shape("bar", 78).save(new)
    named = name(model, folder, tmp_path / "out")
    assert "Classified 15 pictures, 13 of them in an earlier run" in named.sentences[0]
    after = {row["file"]: row for row in table(tmp_path / "out" / "predictions.csv")}
    assert "core 2/ring1.png" not in after and "new.png" in after and len(after) == 15
    same = [row for row in before if row["file"] in after and row["file"] != "core 2/ring0.png"]
    assert same == [after[row["file"]] for row in same]
    assert after["core 2/ring0.png"]["bytes"] == str(other.stat().st_size)
    samples = {row["sample"] for row in table(tmp_path / "out" / "assemblage.csv")}
    assert samples == {".", "core 1/0-10 cm", "core 2"}


def test_another_model_begins_anew_and_leaves_the_old_table(model, folder, tmp_path, caplog):
    caplog.set_level(logging.INFO, "reports")
    name(model, folder, tmp_path)
    old = (tmp_path / "predictions.csv").read_bytes()
    other = changed(model, weights={name: value * 1.1 for name, value in model.checkpoint.weights.items()})
    named = name(other, folder, tmp_path)
    assert (tmp_path / "predictions.old1.csv").read_bytes() == old and "it is now" in caplog.messages[0]
    assert "predictions.old1.csv" in caplog.messages[0] and "0 of them in an earlier run" in named.sentences[0]
    assert len(table(tmp_path / "predictions.csv")) == 15
    name(model, folder, tmp_path)
    assert (tmp_path / "predictions.old1.csv").read_bytes() == old and (tmp_path / "predictions.old2.csv").exists()


def test_another_folder_begins_anew_and_leaves_the_old_table(model, folder, tmp_path, caplog):
    caplog.set_level(logging.INFO, "reports")
    name(model, folder, tmp_path / "out")
    old = (tmp_path / "out" / "predictions.csv").read_bytes()
    name(model, folder / "core 2", tmp_path / "out")
    assert (tmp_path / "out" / "predictions.old1.csv").read_bytes() == old
    assert "predictions.old1.csv" in caplog.text


def test_unseen_taxa_are_a_row_with_a_share(model, folder, tmp_path):
    known = model.predictor(squares_of(sorted((folder / "core 2").iterdir()) * 3))
    detector = OODDetector.fit(known.features[None], known.features)
    fitted = Calibration.fit(TAXONOMY, known, np.arange(18) % 3, detector)
    calibrated = changed(model, calibration=fitted.state() | {"confusion": torch.eye(3).long() * 20})
    for path in (folder / "core 1").rglob("*.png"):  # noise, which is like no shape
        Image.effect_noise((40, 40), 90).save(path)
    name(calibrated, folder, tmp_path / "out")
    for name_of_table, column in (("assemblage.csv", "share"), ("corrected_shares.csv", "corrected")):
        rows = table(tmp_path / "out" / name_of_table)
        (unseen,) = [row for row in rows if row["sample"] == "core 1/0-10 cm"]
        assert (unseen["taxon"], unseen[column]) == ("unknown", "1.0")
        assert sum(float(row[column]) for row in rows if row["sample"] == "core 2") == pytest.approx(1, abs=1e-3)


def test_a_model_without_a_detector_of_unseen_taxa_says_so(model, folder, tmp_path):
    known = model.predictor(torch.zeros(18, 3, 40, 40))
    fitted = Calibration.fit(TAXONOMY, known, np.arange(18) % 3)
    named = name(changed(model, calibration=fitted.state()), folder, tmp_path / "out")
    assert "so nothing is unknown; train it again" in " ".join(named.sentences)
    assert {row["out_of_distribution"] for row in table(tmp_path / "out" / "predictions.csv")} == {"no"}


def test_a_table_of_the_users_own_is_not_touched(model, folder, tmp_path):
    (tmp_path / "predictions.csv").write_text("my own\n")
    name(model, folder, tmp_path)
    assert (tmp_path / "predictions.old1.csv").read_text() == "my own\n"


def test_results_are_not_taken_for_pictures(model, folder):
    for output in (folder, folder / "results"):
        for _ in range(2):
            assert name(model, folder, output).unreadable == 0
        assert len(table(output / "predictions.csv")) == 15 + (output != folder)  # the sheet of the first output
        assert (output / "contact_sheet.png").exists()


def test_faults_of_the_user_end_with_a_sentence_and_write_nothing(model, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        name(model, tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ToolkitError, match="there are no pictures in"):
        name(model, tmp_path / "empty", tmp_path / "out")
    draw_shape("disc", 0).save(tmp_path / "empty" / "disc.png")
    with pytest.raises(ToolkitError, match="confusion matrix does not fit"):
        name(changed(model, calibration={"confusion": torch.eye(2)}), tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_assemblage_by_hand(model, folder, tmp_path):
    confusion = torch.tensor([[8, 2, 0], [1, 9, 0], [0, 0, 10]])
    name(changed(model, calibration={"confusion": confusion}), folder, tmp_path / "out")
    predictions = table(tmp_path / "out" / "predictions.csv")
    rows = table(tmp_path / "out" / "assemblage.csv")
    for sample in ("core 1/0-10 cm", "core 2"):
        named = [row["first"] for row in predictions if row["file"].rpartition("/")[0] == sample]
        of_sample = [row for row in rows if row["sample"] == sample]
        assert {row["taxon"]: int(row["count"]) for row in of_sample} == {
            name: named.count(name) for name in set(named)
        }
        corrected = [row for row in table(tmp_path / "out" / "corrected_shares.csv") if row["sample"] == sample]
        assert {row["taxon"]: int(row["likeliest"]) for row in corrected} == {n: named.count(n) for n in set(named)}
        assert sum(float(row["corrected"]) for row in corrected) == pytest.approx(1, abs=1e-3)
        for row in of_sample:
            share = binomtest(int(row["count"]), len(named)).proportion_ci(method="wilson")
            assert float(row["share"]) == pytest.approx(int(row["count"]) / len(named), abs=1e-4)
            assert [float(row["share_low"]), float(row["share_high"])] == pytest.approx(
                [share.low, share.high], abs=1e-4
            )


def write_range(data, taxon, **known):
    """Write a record that says when a taxon lived."""
    lineage = ("Root", taxon)
    write_record(data / f"{taxon}.json", Record(lineage, (), lineage, PageFacts(range=occurrences_from_json(known))))


def test_ages_mark_what_did_not_live_then(model, folder, tmp_path):
    (folder / "core 1/0-10 cm").rename(tmp_path / "unused")

    def rows_with(data, age=12.5):
        settings = VisualiseSettings(report=tmp_path / "out", data=data, age=age)
        sentences = name_own_pictures(folder, settings, model).sentences
        return table(tmp_path / "out" / "predictions.csv"), " ".join(sentences)

    rows, said = rows_with(tmp_path / "none")
    assert "hold no geological ranges" in said
    first = min(row["answer"] for row in rows)
    write_range(tmp_path / "data", first, first_ma=[11.0, 12.4], last_ma=[0.0, 0.0])
    rows, said = rows_with(tmp_path / "data")
    assert {row["out_of_range"] for row in rows if row["answer"] == first} == {"yes"}
    assert {row["out_of_range"] for row in rows if row["answer"] != first} <= {""}
    outside = sum(row["answer"] == first for row in rows)
    assert f"{outside} answers are out of their taxon's geological range at 12.5 Ma" in said
    for taxon in CLASSES:
        write_range(tmp_path / "within", taxon, first_ma=[18.0, 20.0], last_ma=[12.5, 13.0])
    rows, _ = rows_with(tmp_path / "within")
    assert {row["out_of_range"] for row in rows} == {"no"}


def test_ranges_of_the_records(tmp_path):
    write_range(tmp_path / "cenozoic", "Aus", first_ma=[7.25, 11.63], last_ma=[0.0, 0.0])
    write_range(tmp_path / "mesozoic", "Aus", first_ma=[66.0, 72.2], last_ma=[50.0, 56.0])
    write_range(tmp_path / "cenozoic", "Bus bus", first_ma=[3.6, 5.33], last_ma=[3.6, 5.33])
    write_range(tmp_path / "cenozoic", "Cus", first_ma=[3.6, 5.33], last_ma=None)
    write_range(tmp_path / "cenozoic", "Dus")
    write_range(tmp_path / "cenozoic", "Eus", first_ma=["x"], last_ma=[1])
    write_range(tmp_path / "cenozoic", "Fus", first_ma=[1, 10**400], last_ma=[0, 0])
    write_range(tmp_path / "cenozoic", "Gus", first_ma=[3.6, 5.33])
    write_range(tmp_path / "cenozoic", "Hus", first_ma=[1, 2], last_ma=[3, 4])
    (tmp_path / "cenozoic/broken.json").write_text("{")
    (tmp_path / "cenozoic/nested.json").write_text("[" * 100_000)
    (tmp_path / "cenozoic/by_hand.json").write_text('{"hierarchy": ["Ius"], "samples": []}')
    assert read_ranges(tmp_path) == {"Aus": (0.0, 72.2), "Bus bus": (3.6, 5.33)}
    assert read_ranges(tmp_path / "nowhere") == {}


def test_the_contact_sheet_shows_no_picture_twice(tmp_path):
    paths = {}
    for number in range(20):
        paths[f"ring{number}"] = tmp_path / f"ring{number}.png"
        draw_shape("ring", number).save(paths[f"ring{number}"])
    paths["copy"] = tmp_path / "copy.png"
    paths["copy"].write_bytes(paths["ring1"].read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no picture")
    paths |= {"gone": tmp_path / "gone.png", "broken": tmp_path / "broken.png"}
    answers = {
        "unknown": [(1.0, "ring19")],
        "Round indet.": [(0.5, "copy"), (0.4, "ring18"), (0.3, "gone"), (0.2, "broken")],
        "bar": [(0.9 - n / 100, f"ring{n}") for n in range(1, 9)],
    }
    lines = sheet_lines(TAXONOMY, answers, paths, checked={"ring19"})
    assert [line.name for line in lines] == ["bar\n8 pictures", "Round indet.\n4 pictures", "unknown\n1 picture"]
    assert [line.parent for line in lines] == ["Bars", "Shapes", ""]
    opened = [[(open_image(), caption) for open_image, caption in line.pictures] for line in lines]
    shown = [[caption for image, caption in pictures if image is not None] for pictures in opened]
    assert shown == [[f"{89 - n}%" for n in range(8)], ["40%"], ["checked"]]


def test_a_long_row_shows_pictures_from_the_surest_to_the_least_sure(tmp_path):
    answers = {"bar": [(n / 100, f"{n}") for n in range(1, 100)]}
    (line,) = sheet_lines(TAXONOMY, answers, {str(n): tmp_path for n in range(100)})
    assert [caption for _, caption in line.pictures] == ["99%", "85%", "71%", "57%", "43%", "29%", "15%", "1%"]
