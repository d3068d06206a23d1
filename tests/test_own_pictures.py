"""A folder of the user's own pictures, whatever lies in it, and the tables that come of it."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binomtest

import visualise_results
from evaluation.calibration import Calibration
from evaluation.ood import Familiarity
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from models.device import choose_hardware
from models.networks import build_network, head_name
from models.prediction import BATCH_SIZE
from models.preprocessing import fit_square, read_picture
from reports.assemblage import assemblage, corrected_shares
from reports.own_pictures import classify_folder, fingerprint
from reports.picture_files import READ_AHEAD, list_files, read_squares
from reports.prediction_table import COLUMNS, append_rows, read_rows, resume_table
from reports.ranges import read_ranges
from reports.taxa_sheet import GAP, NAMES, SIDE, draw_taxa_sheet
from tests.tiny import SHAPES, draw_shape

CLASSES = sorted(SHAPES)
LINEAGES = {"bar": ["Shapes", "Bars", "bar"], "disc": ["Shapes", "Round", "disc"], "ring": ["Shapes", "Round", "ring"]}
CPU = choose_hardware("cpu", "fp32")


@pytest.fixture(scope="module")
def model():
    """A model of three shapes that answers by chance."""
    torch.manual_seed(0)
    network = build_network("vgg11_adaptive", 3, 40)
    weights = network.state_dict()
    weights[f"{head_name(network)}.weight"] *= 50  # so that the answers differ
    return Checkpoint("vgg11_adaptive", 40, CLASSES, weights, lineages=LINEAGES)


@pytest.fixture
def folder(tmp_path):
    """Two samples, of 9 and 6 pictures."""
    for sample, count in (("core 1/0-10 cm", 3), ("core 2", 2)):
        (tmp_path / "mine" / sample).mkdir(parents=True)
        for shape in SHAPES:
            for number in range(count):
                draw_shape(shape, number).save(tmp_path / "mine" / sample / f"{shape}{number}.png")
    return tmp_path / "mine"


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_picture_has_the_models_answer(model, folder, tmp_path, capsys):
    assert classify_folder(folder, tmp_path / "out", model, CPU) == 0
    rows = table(tmp_path / "out" / "predictions.csv")
    assert [row["file"] for row in rows] == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.png")
    )
    network = model.network()
    for row in rows:
        pixels = fit_square(read_picture(folder / row["file"]), 40)
        with torch.no_grad():
            logits = network(model.normalisation.apply(torch.from_numpy(pixels).permute(2, 0, 1)[None]))[0].double()
        expected = dict(zip(CLASSES, logits.softmax(0).tolist(), strict=True))
        said = {row[place]: float(row[f"{place}_probability"]) for place in ("first", "second", "third")}
        assert said == pytest.approx(expected, abs=1e-3)
        assert list(said) == sorted(expected, key=expected.get, reverse=True)
        assert row["answer"] == row["first"] and row["fourth"] == row["out_of_range"] == ""
    assert not (tmp_path / "out" / "unreadable.csv").exists()
    out = capsys.readouterr().out
    assert "Classified 15 pictures" in out and "holds no calibration" in out and "not corrected" in out


def test_answers_are_those_of_the_calibration(model, folder, tmp_path):
    taxonomy = Taxonomy.of(CLASSES, LINEAGES)
    random = torch.Generator().manual_seed(0)
    validate = model.predictor(CPU)(torch.randint(0, 255, (60, 3, 40, 40), generator=random))
    learnt = Calibration.fit(
        taxonomy, validate, np.arange(60) % 3, Familiarity.fit(validate.features[None, ::2] + 1, validate.features)
    )
    calibrated = Checkpoint(**{**vars(model), "calibration": learnt.state() | {"confusion": torch.eye(3).long() * 20}})
    assert classify_folder(folder, tmp_path / "out", calibrated, CPU, 0.8) == 0
    rows = table(tmp_path / "out" / "predictions.csv")
    pixels = np.stack([fit_square(read_picture(folder / row["file"]), 40) for row in rows])
    prediction = model.predictor(CPU)(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    answers = learnt.answers(prediction, 0.8)
    assert [row["answer"] for row in rows] == [answer.title for answer in answers]
    assert [float(row["answer_probability"]) for row in rows] == pytest.approx(
        [a.probability for a in answers], abs=1e-3
    )
    counted = table(tmp_path / "out" / "assemblage.csv")
    assert sum(int(row["count"]) for row in counted) == 15
    unknown = sum(int(row["count"]) for row in counted if row["taxon"] == "unknown")
    assert unknown == sum(row["familiar"] == "no" for row in rows)


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


def test_200_hostile_files_end_nothing(model, folder, tmp_path, capsys):
    good = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    kinds = ["cut", "empty", "text", "bomb", "large", "noise", "changed", "cut"]
    for number in range(200):
        ending = (".jpg", ".png", ".tif", ".gif", ".webp")[number % 5]
        path = folder / "core 2" / f"{kinds[number % 8]} {number}{ending}"
        path.write_bytes(hostile(kinds[number % 8], number))
    os.mkfifo(folder / "pipe.png")  # would hold up whoever opens it
    (folder / "loop").symlink_to(folder)
    (folder / "notes.txt").write_text("not asked for")
    assert classify_folder(folder, tmp_path / "out", model, CPU) == 1
    unreadable = {row["file"]: row["reason"] for row in table(tmp_path / "out" / "unreadable.csv")}
    classified = [row["file"] for row in table(tmp_path / "out" / "predictions.csv")]
    assert len(unreadable) + len(classified) == 215 and good <= set(classified)
    assert sum(not file.startswith("core 2/changed") for file in unreadable) == 175
    reasons = {"cut": "cut short", "empty": "0 bytes", "text": "is no picture", "noise": "is no picture"}
    reasons |= {"bomb": "more than 89 million pixels", "large": "more than 89 million pixels"}
    for file, reason in unreadable.items():
        kind = file.removeprefix("core 2/").rpartition(" ")[0]
        assert reasons.get(kind, "") in reason, (file, reason)
    assert not capsys.readouterr().err.count("Traceback")


RUN = """
import sys
from pathlib import Path
from models.checkpoint import load_checkpoint
from models.device import choose_hardware
from reports.own_pictures import classify_folder
folder, output, model = map(Path, sys.argv[1:])
sys.exit(classify_folder(folder, output, load_checkpoint(model), choose_hardware("cpu", "fp32")))
"""


def test_a_run_at_work_keeps_others_out_and_a_killed_one_is_taken_up_again(model, tmp_path, capsys):
    folder, whole, killed = tmp_path / "mine", tmp_path / "whole", tmp_path / "killed"
    folder.mkdir()
    for number in range(6 * BATCH_SIZE):
        Image.new("RGB", (8, 8), (number % 256, number // 256, 99)).save(folder / f"{number:05}.bmp")
    save_checkpoint(tmp_path / "model", model)
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, folder, killed, tmp_path / "model"],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    predictions = killed / "predictions.csv"
    deadline = time.monotonic() + 60
    while not predictions.exists() or predictions.read_bytes().count(b"\n") < BATCH_SIZE:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGSTOP)  # it is still at work
    before = predictions.read_bytes()
    options = ["--images", folder, "--report", killed, "--model", tmp_path / "model", "--data", tmp_path / "none"]
    assert visualise_results.main([str(option) for option in options]) == 1
    complaint = capsys.readouterr().err
    assert f"another run is writing into {killed}; let it finish" in complaint and predictions.read_bytes() == before
    child.send_signal(signal.SIGKILL)
    child.wait()
    found = list(read_rows(predictions))
    assert BATCH_SIZE <= len(found) < 6 * BATCH_SIZE, "it was killed on its way"
    with predictions.open("ab") as file:
        file.write(b"00999.bmp,ring,0.5")  # as a machine that loses its power may leave it
    assert classify_folder(folder, killed, load_checkpoint(tmp_path / "model"), CPU) == 0
    assert f"{len(found)} of them in an earlier run" in capsys.readouterr().out
    assert classify_folder(folder, whole, model, CPU) == 0
    once, twice = table(whole / "predictions.csv"), table(predictions)
    assert [row["file"] for row in once] == [row["file"] for row in twice]
    assert {row["model"] for row in once + twice} == {found[0]["model"]}
    for place in ("answer_probability", "first_probability", "third_probability"):
        assert [float(r[place]) for r in once] == pytest.approx([float(r[place]) for r in twice], abs=2e-3)


def test_only_what_is_new_is_classified_again(model, folder, tmp_path, capsys):
    run = [folder, tmp_path / "out", model, CPU]
    assert classify_folder(*run) == 0
    before = table(tmp_path / "out" / "predictions.csv")
    changed, gone, new = folder / "core 2/ring0.png", folder / "core 2/ring1.png", folder / "new.png"
    draw_shape("bar", 77, size=50).save(changed)
    gone.unlink()
    draw_shape("bar", 78).save(new)
    capsys.readouterr()
    assert classify_folder(*run) == 0
    assert "Classified 15 pictures, 13 of them in an earlier run" in capsys.readouterr().out
    after = {row["file"]: row for row in table(tmp_path / "out" / "predictions.csv")}
    assert "core 2/ring1.png" not in after and "new.png" in after and len(after) == 15
    same = [row for row in before if row["file"] in after and row["file"] != "core 2/ring0.png"]
    assert same == [after[row["file"]] for row in same]
    assert after["core 2/ring0.png"]["bytes"] == str(changed.stat().st_size)
    samples = {row["sample"] for row in table(tmp_path / "out" / "assemblage.csv")}
    assert samples == {".", "core 1/0-10 cm", "core 2"}


def test_another_model_begins_anew_and_keeps_the_old_table(model, folder, tmp_path, capsys):
    classify_folder(folder, tmp_path, model, CPU)
    old = (tmp_path / "predictions.csv").read_bytes()
    other = Checkpoint(**{**vars(model), "weights": {name: value * 1.1 for name, value in model.weights.items()}})
    capsys.readouterr()
    classify_folder(folder, tmp_path, other, CPU)
    out = capsys.readouterr().out
    assert (tmp_path / "predictions.old1.csv").read_bytes() == old and "predictions.old1.csv" in out
    assert "0 of them in an earlier run" in out and len(table(tmp_path / "predictions.csv")) == 15
    classify_folder(folder, tmp_path, model, CPU)
    assert (tmp_path / "predictions.old1.csv").read_bytes() == old and (tmp_path / "predictions.old2.csv").exists()


def test_another_folder_begins_anew_and_keeps_the_old_table(model, folder, tmp_path, capsys):
    classify_folder(folder, tmp_path / "out", model, CPU)
    old = (tmp_path / "out" / "predictions.csv").read_bytes()
    capsys.readouterr()
    classify_folder(folder / "core 2", tmp_path / "out", model, CPU)
    assert (tmp_path / "out" / "predictions.old1.csv").read_bytes() == old
    assert "predictions.old1.csv" in capsys.readouterr().out


def test_a_sample_of_strangers_has_a_count_and_no_shares(model, folder, tmp_path):
    pixels = np.stack([fit_square(read_picture(path), 40) for path in sorted((folder / "core 2").iterdir())] * 3)
    known = model.predictor(CPU)(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    familiarity = Familiarity.fit(known.features[None], known.features)
    learnt = Calibration.fit(Taxonomy.of(CLASSES, LINEAGES), known, np.arange(18) % 3, familiarity)
    calibrated = Checkpoint(**{**vars(model), "calibration": learnt.state() | {"confusion": torch.eye(3).long() * 20}})
    for path in (folder / "core 1").rglob("*.png"):  # noise, which is like no shape
        Image.effect_noise((40, 40), 90).save(path)
    assert classify_folder(folder, tmp_path / "out", calibrated, CPU) == 0
    rows = table(tmp_path / "out" / "assemblage.csv")
    (strange,) = [row for row in rows if row["sample"] == "core 1/0-10 cm"]
    assert (strange["taxon"], strange["count"], strange["share"], strange["corrected"]) == ("unknown", "9", "", "")
    assert any(row["corrected"] for row in rows if row["sample"] == "core 2")


def test_a_model_that_does_not_tell_strangers_says_so(model, folder, tmp_path, capsys):
    known = model.predictor(CPU)(torch.zeros(18, 3, 40, 40))
    learnt = Calibration.fit(Taxonomy.of(CLASSES, LINEAGES), known, np.arange(18) % 3)
    calibrated = Checkpoint(**{**vars(model), "calibration": learnt.state()})
    assert classify_folder(folder, tmp_path / "out", calibrated, CPU) == 0
    assert "so nothing is unknown; train it again" in capsys.readouterr().out
    assert {row["familiar"] for row in table(tmp_path / "out" / "predictions.csv")} == {"yes"}


def test_a_table_of_the_users_own_is_not_touched(model, folder, tmp_path):
    (tmp_path / "predictions.csv").write_text("my own\n")
    classify_folder(folder, tmp_path, model, CPU)
    assert (tmp_path / "predictions.old1.csv").read_text() == "my own\n"


def test_the_fingerprint_follows_all_that_a_row_depends_on(model):
    def changed(**parts):
        return fingerprint(Checkpoint(**{**vars(model), **parts}))

    others = [
        changed(classes=CLASSES[::-1]),
        changed(turns=8),
        changed(mean=(0.1, 0.2, 0.3)),
        changed(lineages={}),
        changed(calibration={"temperature": 2.0, "scores": torch.ones(2)}),
        changed(calibration={"temperature": 2.0, "scores": torch.zeros(2)}),
        fingerprint(model, 0.9),
        fingerprint(model, 0.9, 12.5),
    ]
    assert len({fingerprint(model), *others}) == 9
    assert fingerprint(model) == changed(scores={"accuracy": 1.0}, weights=dict(reversed(model.weights.items())))


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
    kept, aside = resume_table(path, "m", dict.fromkeys(names, ("1", "2")))
    assert aside is None and len(kept) == whole[head:cut].count(b"\n")
    append_rows(path, [row for row in rows if row["file"] not in kept])
    assert path.read_bytes() == whole


def squares(folder, size=40):
    files, _ = list_files(folder, folder / "out")
    return {file.name: pixels for file, pixels in read_squares(files.values(), size)}


def test_pictures_of_all_kinds(tmp_path):
    plain = draw_shape("bar", 3).convert("L")
    grey = np.asarray(plain, np.uint16) * 16 + 300  # 12 of 16 bits
    Image.fromarray(grey).save(tmp_path / "sixteen.tif")
    Image.fromarray(np.asarray(plain, np.float32) / 7 - 3).save(tmp_path / "floating.tiff")
    upright = draw_shape("bar", 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it turned by a quarter, clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.PNG", exif=exif)
    upright.save(tmp_path / "upright.png")
    clear = upright.copy()
    clear.putalpha(Image.new("L", upright.size, 0))
    clear.save(tmp_path / "clear.png")
    Image.new("L", (1, 1), 9).save(tmp_path / "tiny.gif")
    Image.new("L", (1, 5000), 9).save(tmp_path / "thin.png")
    Image.new("1", (8000, 8000), 1).save(tmp_path / "huge.png")
    found = squares(tmp_path)
    stretched = np.asarray(plain, float) - np.asarray(plain).min()
    stretched = np.floor(stretched / stretched.max() * 255)
    for name in ("sixteen.tif", "floating.tiff"):
        assert np.abs(found[name].astype(int) - stretched[..., None]).max() <= 1
    assert (found["turned.PNG"] == found["upright.png"]).all() and found["upright.png"].std() > 20
    assert (found["clear.png"] == 0).all() and (found["tiny.gif"] == 9).all() and (found["thin.png"] == 9).all()
    assert (found["huge.png"] == 255).all()
    assert set(found) == {path.name for path in tmp_path.iterdir()}


def test_names_that_no_table_can_hold_are_escaped(tmp_path):
    names = [b"line\nbreak.png", b"not utf-8 \xff.png", b"back\\slash.png", "Kamptner é.png".encode()]
    for number, name in enumerate(names):
        draw_shape("disc", number).save(os.path.join(os.fsencode(tmp_path), name))  # noqa: PTH118 - bytes, not texts
    files, _ = list_files(tmp_path, tmp_path / "out")
    expected = {r"line\nbreak.png", r"not utf-8 \udcff.png", r"back\\slash.png", "Kamptner é.png"}
    assert set(files) == expected and all("\n" not in name and name.encode() for name in files)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may look into every directory")
def test_what_may_be_listed_and_no_more_is_a_fault_of_its_own(tmp_path):
    (tmp_path / "shut").mkdir()
    for place in ("open.png", "shut/in.png"):
        draw_shape("disc", 0).save(tmp_path / place)
    (tmp_path / "shut").chmod(0o444)
    try:
        files, faults = list_files(tmp_path, tmp_path / "out")
    finally:
        (tmp_path / "shut").chmod(0o755)
    assert set(files) == {"open.png"} and "cannot be opened" in faults["shut/in.png"]


def test_results_are_not_taken_for_pictures(model, folder):
    for output in (folder, folder / "results"):
        for _ in range(2):
            assert classify_folder(folder, output, model, CPU) == 0
        assert len(table(output / "predictions.csv")) == 15 + (output != folder)  # the sheet of the first output
        assert (output / "contact_sheet.png").exists()


def test_reading_ahead_is_bounded(tmp_path, monkeypatch):
    draw_shape("disc", 0).save(tmp_path / "one.png")
    (file,) = list_files(tmp_path, tmp_path / "out")[0].values()
    asked = []

    def endless():
        while True:
            asked.append(1)
            yield file

    stream = read_squares(endless(), 40)
    for _ in range(5):
        next(stream)
    assert len(asked) == READ_AHEAD + 5
    stream.close()


def test_faults_of_the_user_end_with_a_sentence_and_write_nothing(model, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        classify_folder(tmp_path / "nowhere", tmp_path / "out", model, CPU)
    with pytest.raises(FileNotFoundError, match="there are no pictures in"):
        classify_folder(tmp_path / "empty", tmp_path / "out", model, CPU)
    draw_shape("disc", 0).save(tmp_path / "empty" / "disc.png")
    odd = Checkpoint(**{**vars(model), "calibration": {"confusion": torch.eye(2)}})
    with pytest.raises(ValueError, match="confusion matrix does not fit"):
        classify_folder(tmp_path / "empty", tmp_path / "out", odd, CPU)
    assert not (tmp_path / "out").exists()


def test_the_assemblage_by_hand(model, folder, tmp_path):
    confused = Checkpoint(
        **{**vars(model), "calibration": {"confusion": torch.tensor([[8, 2, 0], [1, 9, 0], [0, 0, 10]])}}
    )
    assert classify_folder(folder, tmp_path / "out", confused, CPU) == 0
    predictions = table(tmp_path / "out" / "predictions.csv")
    rows = table(tmp_path / "out" / "assemblage.csv")
    for sample in ("core 1/0-10 cm", "core 2"):
        named = [row["first"] for row in predictions if row["file"].rpartition("/")[0] == sample]
        of_sample = [row for row in rows if row["sample"] == sample]
        assert {row["taxon"]: int(row["count"]) for row in of_sample} == {
            name: named.count(name) for name in set(named)
        }
        assert sum(float(row["corrected"]) for row in of_sample) == pytest.approx(1, abs=1e-3)
        for row in of_sample:
            share = binomtest(int(row["count"]), len(named)).proportion_ci(method="wilson")
            assert float(row["share"]) == pytest.approx(int(row["count"]) / len(named), abs=1e-4)
            assert [float(row["share_low"]), float(row["share_high"])] == pytest.approx(
                [share.low, share.high], abs=1e-4
            )
            assert float(row["corrected_low"]) <= float(row["corrected"]) <= float(row["corrected_high"])


def test_two_classes_are_unmixed_as_on_paper():
    # 80 % of A are called A, 90 % of B are called B: 66 of 100 were called A, and the share of A is
    # (0.66 - 0.1) / (0.8 - 0.1) = 0.8.
    confusion = np.array([[80_000, 20_000], [10_000, 90_000]])
    shares, low, high = corrected_shares(np.array([66, 34]), confusion)
    assert shares == pytest.approx([0.8, 0.2], abs=1e-3)
    # With so many validation pictures only the sample's own chance is left: sqrt(0.66 * 0.34 / 100) / 0.7 = 0.068.
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * 0.068, rel=0.1)
    _, wide_low, wide_high = corrected_shares(np.array([66, 34]), confusion // 4000)
    assert wide_high[0] - wide_low[0] > 1.3 * (high[0] - low[0])


def test_few_validation_pictures_are_not_taken_for_certainty():
    shares, low, high = corrected_shares(np.array([300, 300]), np.diag([3, 3]))
    assert shares == pytest.approx([0.5, 0.5])
    assert high[0] - low[0] > 1.5 * 2 * 1.96 * (0.25 / 600) ** 0.5
    nothing_known, _, _ = corrected_shares(np.array([30, 10]), np.zeros((2, 2)))
    assert nothing_known.argmax() == 0 and nothing_known.sum() == pytest.approx(1)


def test_corrected_intervals_hold_the_truth():
    """In 95 % of samples, within what chance allows; the shares as counted are off by more than their interval."""
    random = np.random.default_rng(5)
    inside, counted = [], []
    for _ in range(40):
        rates = 0.75 * np.eye(6) + 0.25 * random.dirichlet(np.full(6, 0.2), 6)
        confusion = np.stack([random.multinomial(40, row) for row in rates])
        truth = random.dirichlet(np.full(6, 2.0))
        counts = random.multinomial(300, truth @ rates)
        _, low, high = corrected_shares(counts, confusion)
        inside += list((low <= truth) & (truth <= high))
        rows = {row["taxon"]: row for row in assemblage("", list("abcdef"), counts, None)}
        counted += [
            float(rows[name]["share_low"]) <= share <= float(rows[name]["share_high"])
            for name, share in zip("abcdef", truth, strict=True)
            if name in rows
        ]
    assert binomtest(sum(inside), len(inside), 0.95).pvalue > 0.001, np.mean(inside)
    assert np.mean(counted) < 0.85


def test_ages_mark_what_did_not_live_then(model, folder, tmp_path, capsys):
    named = {row["answer"] for row in run_table(folder, tmp_path / "plain", model)}
    first = sorted(named)[0]
    rows = run_table(folder, tmp_path / "out", model, age=12.5, ranges={first: (0.0, 12.4)})
    assert {row["out_of_range"] for row in rows if row["answer"] == first} == {"yes"}
    assert {row["out_of_range"] for row in rows if row["answer"] != first} <= {""}
    rows = run_table(folder, tmp_path / "within", model, age=12.5, ranges=dict.fromkeys(CLASSES, (12.5, 20.0)))
    assert {row["out_of_range"] for row in rows} == {"no"}
    capsys.readouterr()
    run_table(folder, tmp_path / "none", model, age=12.5)
    assert "hold no geological ranges" in capsys.readouterr().out


def run_table(folder, output, model, **options):
    classify_folder(folder, output, model, CPU, **options)
    return table(output / "predictions.csv")


def test_ranges_of_the_records(tmp_path):
    def record(place, name, known):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"hierarchy": [name], "lineage": ["Root", name], "page": {"range": known}}))

    record("cenozoic/a.json", "Aus", {"first_ma": [7.25, 11.63], "last_ma": [0.0, 0.0]})
    record("mesozoic/a.json", "Aus", {"first_ma": [66.0, 72.2], "last_ma": [50.0, 56.0]})
    record("cenozoic/b.json", "Bus bus", {"first_ma": [3.6, 5.33], "last_ma": [3.6, 5.33]})
    record("cenozoic/c.json", "Cus", {"first_ma": [3.6, 5.33], "last_ma": None})
    record("cenozoic/d.json", "Dus", {})
    record("cenozoic/e.json", "Eus", {"first_ma": ["x"], "last_ma": [1]})
    (tmp_path / "cenozoic/f.json").write_text("{")
    (tmp_path / "cenozoic/h.json").write_text("[" * 100_000)
    record("cenozoic/i.json", "Ius", {"first_ma": [1, 10**400], "last_ma": [0, 0]})
    record("cenozoic/j.json", ["Jus"], {"first_ma": [3.6, 5.33]})
    (tmp_path / "cenozoic/g.json").write_text('{"hierarchy": ["Gus"], "samples": []}')
    assert read_ranges(tmp_path) == {"Aus": (0.0, 72.2), "Bus bus": (3.6, 5.33)}
    assert read_ranges(tmp_path / "nowhere") == {}


def test_the_sheet_shows_no_picture_twice(tmp_path):
    pictures = {f"{shape}{n}": np.asarray(draw_shape(shape, n, 96)) for shape in SHAPES for n in range(20)}
    pictures["copy"] = pictures["ring3"]
    read_from = []

    def read(name, size):
        assert size == 96
        read_from.append(name)
        return pictures.get(name)

    taxa = [
        ("ring sp.", [(0.9 - n / 100, f"ring{n}") for n in range(8)]),
        ("$x", [(0.5, "copy"), (0.4, "disc1"), (0.3, "gone")]),
    ]
    draw_taxa_sheet(tmp_path / "sheet.png", taxa, read)
    assert len(read_from) == len(set(read_from)) == 11
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    shown = []
    for top in (2 * GAP, 2 * GAP + SIDE + GAP):
        for left in range(NAMES, sheet.shape[1], SIDE + GAP):
            cell = sheet[top : top + SIDE, left : left + SIDE]
            shown += [name for name, pixels in pictures.items() if np.abs(cell - pixels).max() <= 2]
    assert shown.count("ring3") == shown.count("copy") == 1  # one and the same place
    assert sorted(shown) == sorted(["copy", "disc1", *(f"ring{n}" for n in range(8))])
