"""The report: every figure recomputed from predictions.csv by other means, and the page read by other parsers."""

import csv
import io
import json
import math
import shutil
from base64 import b64decode
from collections import Counter, defaultdict
from hashlib import sha256

import html5lib
import numpy as np
import pytest
import torch
from lxml import etree
from PIL import Image
from scipy.stats import binomtest
from sklearn import metrics

import visualise_results
from models.checkpoint import Checkpoint, save_checkpoint
from models.hardware import choose_hardware
from models.images import fit_square
from models.networks import build_network, head_name
from tests.tiny import SHAPES, draw_shape, write_image_folders

HOSTILE = "Ring <b>&\"'</b> {{ 7 * 7 }} $x_1$"
LINEAGES = {"disc": ["Shapes", "Round", "Disc"], "ring": ["Shapes", "Round", HOSTILE], "bar": ["Shapes", "Bar"]}
CLASSES = sorted(SHAPES)
SIZE = 40


def learnt_checkpoint():
    """Give a random network whose last layer has learnt the shapes, not quite, by least squares."""
    torch.manual_seed(0)
    checkpoint = Checkpoint("vgg11_adaptive", SIZE, CLASSES, {}, lineages=LINEAGES)
    checkpoint.weights = build_network("vgg11_adaptive", len(CLASSES), SIZE).state_dict()
    pixels = np.stack([fit_square(draw_shape(shape, n), SIZE) for shape in CLASSES for n in range(3)])
    predictor = checkpoint.predictor(choose_hardware("cpu", "fp32"))
    features = predictor(torch.from_numpy(pixels).permute(0, 3, 1, 2)).features.double()
    wanted = 2 * torch.eye(len(CLASSES)).double().repeat_interleave(3, 0)
    middle = features.mean(0)
    solved = torch.linalg.pinv(features - middle, rtol=0.02) @ (wanted - wanted.mean(0))
    head = head_name(predictor.network)
    checkpoint.weights[f"{head}.weight"] = solved.T.float()
    checkpoint.weights[f"{head}.bias"] = -(middle @ solved).float()
    return checkpoint


def write_manifest(directory):
    """Say that pictures 0 and 1 of a class are one specimen, and so on, and where they come from."""
    rows = []
    for path in sorted(directory.glob("*/*/*.png")):
        number = int(path.stem.removeprefix(path.parent.name))
        row = {"path": path.relative_to(directory).as_posix(), "group": f"{path.parent.name}{number // 2}"}
        url = "javascript:alert(1)" if number % 3 == 0 else f"http://127.0.0.1/a b/{path.name}?x=1&y=<2>"
        rows.append(row | {"source": "Young & <i>Bown</i>", "URL": url})
    with (directory / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run(*arguments):
    return visualise_results.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A data set of three shapes with train/, validate/, test/ and manifest, a model, and its report."""
    directory = write_image_folders(tmp_path_factory.mktemp("set"), train=6, validate=16)
    for shape in SHAPES:
        (directory / "test" / shape).mkdir(parents=True)
        for number in range(5):
            drawn = "bar" if number == 4 else shape  # labels that are wrong
            draw_shape(drawn, 5000 + number).save(directory / "test" / shape / f"{shape}{number}.png")
    for number in range(4):  # labels that are wrong
        draw_shape("bar", 2000 + number).save(directory / "validate" / "disc" / f"disc{90 + number}.png")
    wrong = directory / "validate" / "disc"
    shutil.copy(wrong / "disc90.png", wrong / "disc80.png")  # one picture in two files
    write_manifest(directory)
    (directory / "data" / "shapes").mkdir(parents=True)
    for lineage in LINEAGES.values():
        record = {"lineage": lineage, "page": {"features": f"Told by <u>{lineage[-1]}</u>"}}
        (directory / "data" / "shapes" / f"{lineage[1]}{len(lineage)}{lineage[-1][:3]}.json").write_text(
            json.dumps(record)
        )
    (directory / "data" / "broken.json").write_text("{")
    save_checkpoint(directory / "model", learnt_checkpoint())
    options = ["--model", directory / "model", "--validate", directory / "validate", "--data", directory / "data"]
    assert run(*options, "--output", directory / "test.png", "--report", directory / "report", "--device", "cpu") == 0
    return directory


@pytest.fixture(scope="module")
def report(directory):
    return directory / "report"


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", params=["validate", "test"])
def split(request, report):
    """The rows of predictions.csv of one split, and what summary.json says of it."""
    rows = [row for row in read(report / "predictions.csv") if row["file"].startswith(f"{request.param}/")]
    return request.param, rows, json.loads((report / "summary.json").read_text())["splits"][request.param]


def labels(rows):
    return [row["actual"] for row in rows], [row["answer_1"] for row in rows]


def is_share(figure, part, whole):
    """Check a share and its Wilson interval against scipy's."""
    limits = binomtest(int(part), int(whole)).proportion_ci(method="wilson")
    return [figure[key] for key in ("value", "low", "high")] == pytest.approx([part / whole, *limits], abs=1e-5)


def resampled(rows, score, rounds=1000):
    """Draw groups anew, straight from the definition, and give the room in which its 95 % limits must lie.

    Percentiles 1 to 5, and 95 to 99: of few groups, scores come in steps, and a limit may lie on either side.
    """
    groups = defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    groups, random = list(groups.values()), np.random.default_rng(7)
    drawn = [[row for i in random.integers(0, len(groups), len(groups)) for row in groups[i]] for _ in range(rounds)]
    return np.nanpercentile([score(each) for each in drawn], [1, 5, 95, 99])


def lie_within(low, high, limits):
    slack = 0.005
    return limits[0] - slack <= low <= limits[1] + slack and limits[2] - slack <= high <= limits[3] + slack


def calibration_error(confidence, right):
    bins = defaultdict(list)
    for value, hit in zip(confidence, right, strict=True):
        bins[min(14, max(0, math.ceil(value * 15) - 1))].append((value, hit))
    return sum(abs(sum(hit - value for value, hit in each)) for each in bins.values()) / len(right)


def test_the_model_is_neither_faultless_nor_blind(split):
    right = sum(row["correct"] == "1" for row in split[1])
    assert 0.35 * len(split[1]) < right < len(split[1])  # else the tests below could not fail


def test_rows_are_consistent(split, directory):
    name, rows, summary = split
    assert len(rows) == summary["pictures"] == len(list((directory / name).glob("*/*.png")))
    for row in rows:
        given = [float(row[f"probability_{place}"]) for place in (1, 2, 3)]
        assert given == sorted(given, reverse=True) and sum(given) == pytest.approx(1, abs=1e-5)
        assert row["correct"] == str(int(row["actual"] == row["answer_1"]))
        named = {row[f"answer_{place}"]: float(row[f"probability_{place}"]) for place in (1, 2, 3)}
        assert float(row["loss"]) == pytest.approx(-math.log(max(named[row["actual"]], 1e-12)), rel=1e-2, abs=1e-5)
        assert row["source"] == "Young & <i>Bown</i>" and (directory / row["file"]).is_file()


def test_the_summary(split):
    _, rows, summary = split
    actual, answered = labels(rows)
    right = sum(a == b for a, b in zip(actual, answered, strict=True))
    assert summary["right"] == right and summary["groups"] == len({row["group"] for row in rows})
    assert is_share(summary["accuracy"], right, len(rows))
    assert summary["majority"] == pytest.approx(max(Counter(actual).values()) / len(rows), abs=1e-6)
    assert summary["balanced_accuracy"]["value"] == pytest.approx(
        metrics.balanced_accuracy_score(actual, answered), abs=1e-6
    )
    present = sorted(set(actual))
    macro = metrics.f1_score(actual, answered, labels=present, average="macro")
    assert summary["macro_f1"]["value"] == pytest.approx(macro, abs=1e-6)
    assert summary["mean_loss"] == pytest.approx(np.mean([float(row["loss"]) for row in rows]), abs=1e-5)
    hits = [int(row["correct"]) for row in rows]
    for when, column in (("before", "uncalibrated"), ("after", "probability_1")):
        error = calibration_error([float(row[column]) for row in rows], hits)
        assert summary["calibration_error"][when] == pytest.approx(error, abs=1e-4)


def f1_of(label, rows):
    """F1 from its definition; no number for a class that neither occurs nor is answered."""
    actual, answered = labels(rows)
    total = actual.count(label) + answered.count(label)
    return 2 * sum(a == b == label for a, b in zip(actual, answered, strict=True)) / total if total else math.nan


def recall_of(label, rows):
    of_class = [row["correct"] == "1" for row in rows if row["actual"] == label]
    return sum(of_class) / len(of_class)


def test_intervals_from_resampled_groups(split):
    _, rows, summary = split
    for name, score in (("macro_f1", f1_of), ("balanced_accuracy", recall_of)):
        limits = resampled(rows, lambda drawn, score=score: np.mean([score(c, drawn) for c in set(labels(drawn)[0])]))
        assert lie_within(summary[name]["low"], summary[name]["high"], limits)


def test_coverage_and_kinds_of_answers(split):
    _, rows, summary = split
    sets = [row["set"].split(" | ") for row in rows]
    covered = sum(row["actual"] in members for row, members in zip(rows, sets, strict=True))
    assert is_share(summary["coverage"], covered, len(rows))
    assert summary["mean_set_size"] == pytest.approx(np.mean([len(members) for members in sets]), abs=1e-6)
    named = [row for row in rows if row["defensible"] != "unknown"]
    classes = [row for row in named if row["defensible"] in {names[-1] for names in LINEAGES.values()}]
    answers = summary["answers"]
    assert (answers["class"], answers["unknown"]) == (len(classes), len(rows) - len(named))
    assert answers["higher_rank"] == len(named) - len(classes)
    true = sum(f"{row['actual_lineage']} > ".startswith(f"{row['defensible_lineage']} > ") for row in named)
    assert is_share(answers["true_where_named"], true, len(named))


def test_mistakes_in_steps_of_the_tree(split):
    _, rows, summary = split
    steps = []
    for row in rows:
        actual, answered = row["actual_lineage"].split(" > "), row["answer_at_depth_3"].split(" > ")
        if row["correct"] == "0":
            answered = next(names for names in LINEAGES.values() if names[-1] == row["answer_1"])
            common = sum(1 for depth in range(len(actual)) if actual[: depth + 1] == answered[: depth + 1])
            steps.append(len(actual) - common)
    assert summary["mean_mistake_distance"] == pytest.approx(np.mean(steps), abs=1e-6)


def test_per_class(split, report):
    name, rows, _ = split
    actual, answered = labels(rows)
    table = {row["class"]: row for row in read(report / "per_class.csv") if row["split"] == name}
    scores = metrics.classification_report(actual, answered, output_dict=True, zero_division=0)
    assert set(table) == set(actual) | set(answered)
    for label, row in table.items():
        assert int(row["support"]) == actual.count(label) and int(row["answered"]) == answered.count(label)
        right = sum(a == b == label for a, b in zip(actual, answered, strict=True))
        assert int(row["right"]) == right
        for share, whole in (("recall", actual.count(label)), ("precision", answered.count(label))):
            figure = {"value": row[share], "low": row[f"{share}_low"], "high": row[f"{share}_high"]}
            if whole:
                assert is_share({key: float(value) for key, value in figure.items()}, right, whole)
                assert float(row[share]) == pytest.approx(scores[label][share], abs=1e-6)
            else:
                assert not any(figure.values())
        assert float(row["f1"]) == pytest.approx(scores[label]["f1-score"], abs=1e-6)

        limits = resampled(rows, lambda drawn, label=label: f1_of(label, drawn))
        assert lie_within(float(row["f1_low"]), float(row["f1_high"]), limits)


def test_per_rank(split, report):
    name, rows, _ = split
    table = [row for row in read(report / "per_rank.csv") if row["split"] == name]
    assert [int(row["depth"]) for row in table] == [1, 2, 3]
    for row in table:
        depth = int(row["depth"])
        actual = [" > ".join(each["actual_lineage"].split(" > ")[:depth]) for each in rows]
        answered = [each[f"answer_at_depth_{depth}"] for each in rows]
        figure = {"value": float(row["accuracy"]), "low": float(row["low"]), "high": float(row["high"])}
        right = sum(a == b for a, b in zip(actual, answered, strict=True))
        assert int(row["count"]) == len(rows) and is_share(figure, right, len(rows))


def test_confusion_csv(report):
    rows = [row for row in read(report / "predictions.csv") if row["file"].startswith("validate/")]
    table = read(report / "confusion.csv")
    order = [row["actual"] for row in table]
    assert order == ["Bar", "Disc", HOSTILE]  # taxonomic: Bar < Round > (Disc, Ring)
    actual, answered = labels(rows)
    matrix = metrics.confusion_matrix(actual, answered, labels=order)
    assert [[int(row[name]) for name in order] for row in table] == matrix.tolist()


def test_suspects_hold_the_labels_that_are_wrong(report):
    suspects = read(report / "suspects.csv")
    files = [row["file"] for row in suspects if row["file"].startswith("validate/")]
    assert sum(f"disc{number}.png" in " ".join(files) for number in range(90, 94)) >= 3
    quality = [float(row["quality"]) for row in suspects if row["file"].startswith("validate/")]
    assert quality == sorted(quality) and all(row["label"] != row["suggested"] for row in suspects)


@pytest.fixture(scope="module")
def page(report):
    """The page as an HTML5 parser reads it, one that stops at the first fault."""
    text = (report / "report.html").read_text(encoding="utf-8")
    return html5lib.HTMLParser(strict=True, tree=html5lib.getTreeBuilder("lxml"), namespaceHTMLElements=False).parse(
        text
    )


def test_every_picture_has_a_text_and_stands_once(page):
    pictures = page.findall(".//img")
    assert len(pictures) > 12
    assert all(len(each.get("alt")) > 15 for each in pictures)
    assert len({each.get("alt") for each in pictures}) == len(pictures)
    contents = []
    for each in pictures:
        kind, data = each.get("src").split(";base64,")
        assert kind in ("data:image/png", "data:image/jpeg")
        with Image.open(io.BytesIO(b64decode(data))) as picture:
            picture.load()
        contents.append(sha256(b64decode(data)).hexdigest())
    assert len(set(contents)) == len(contents)
    # disc80.png and disc90.png are the same picture, and a picture looked into is none of the mistakes.
    shown = [" ".join(each.itertext()) for each in page.findall(".//figcaption/small")]
    assert len(set(shown)) == len(shown) and len({"disc80.png", "disc90.png"}.intersection(shown)) <= 1


def test_the_page_stands_alone_and_says_what_the_files_say(page, report):
    text = (report / "report.html").read_text(encoding="utf-8")
    assert not page.findall(".//script") and not page.findall(".//link")
    assert all(each.get("href").startswith("http://127.0.0.1/a%20b/") for each in page.findall(".//a"))
    assert page.findall(".//a") and "javascript:" not in text
    words = " ".join(page.xpath("string(//body)").split())
    first = json.loads((report / "summary.json").read_text())["splits"]["validate"]
    assert f"{first['right']} of {first['pictures']}" in words and f"{100 * first['accuracy']['value']:.1f} %" in words
    assert HOSTILE in words and "Told by <u>Disc</u>" in words and "Young & <i>Bown</i>" in words
    assert not page.findall(".//body//b/b") and not page.findall(".//u") and not page.findall(".//i")
    ids = page.xpath("//@id")
    assert len(set(ids)) == len(ids) and set(page.xpath("//@aria-labelledby")) == set(ids)
    assert page.find(".//meta[@name='viewport']") is not None and page.getroot().get("lang") == "en"


def test_lxml_reads_the_page_too(report):
    root = etree.parse(report / "report.html", etree.HTMLParser(recover=True))
    sections = [each.text for each in root.findall(".//h2")]
    assert sections[0] == "How good is it?" and "May I trust it?" in sections and "Why did it say that?" in sections


def test_figures_are_pictures(report):
    for name in ("confusion", "calibration", "mistakes", "saliency"):
        with Image.open(report / f"{name}.png") as picture:
            picture.load()
            assert min(picture.size) > 200, name


def test_no_group_calibrates_itself(directory, monkeypatch):
    from reports import examine
    from reports.examine import fit_calibration

    fitted = []
    real = fit_calibration

    def spy(taxonomy, split, train, part=None):
        fitted.append({split.groups[index] for index in part})
        return real(taxonomy, split, train, part)

    monkeypatch.setattr(examine, "fit_calibration", spy)
    options = ["--model", directory / "model", "--validate", directory / "validate", "--report", directory / "again"]
    assert run(*options, "--output", directory / "test.png", "--data", directory / "data", "--device", "cpu") == 0
    assert len(fitted) == 2 and not fitted[0] & fitted[1] and fitted[0] and fitted[1]
    for name in ("predictions.csv", "summary.json", "report.html"):
        assert (directory / "again" / name).read_bytes() == (directory / "report" / name).read_bytes()


def test_a_hundred_classes_without_train_and_manifest(tmp_path):
    classes = [f"species{number:03}" for number in range(100)]
    lineages = {name: ["Root", f"Family {number // 6}", name] for number, name in enumerate(classes)}
    for number, name in enumerate(classes):
        (tmp_path / "validate" / name).mkdir(parents=True)
        for copy in range(2):
            draw_shape(SHAPES[number % 3], 10 * number + copy, 32).save(tmp_path / "validate" / name / f"{copy}.png")
    torch.manual_seed(0)
    weights = build_network("squeezenet1_1", 100, 32).state_dict()
    save_checkpoint(tmp_path / "model", Checkpoint("squeezenet1_1", 32, classes, weights, lineages=lineages))
    options = ["--model", tmp_path / "model", "--validate", tmp_path / "validate", "--output", tmp_path / "o.png"]
    assert run(*options, "--report", tmp_path / "report", "--data", tmp_path / "none", "--device", "cpu") == 0
    with Image.open(tmp_path / "report" / "confusion.png") as picture:
        assert min(picture.size) > 100 * 16  # pixels for each row: a label of ten points fits
    assert len(read(tmp_path / "report" / "confusion.csv")) == 100


def test_one_group_is_too_few(tmp_path, capsys):
    write_image_folders(tmp_path, train=1, validate=1, shapes=("disc",))
    weights = build_network("vgg11_adaptive", 1, 40).state_dict()
    save_checkpoint(tmp_path / "model", Checkpoint("vgg11_adaptive", 40, ["disc"], weights))
    options = ["--model", tmp_path / "model", "--validate", tmp_path / "validate", "--output", tmp_path / "o.png"]
    assert run(*options, "--report", tmp_path / "report") == 1
    assert "pictures of one group only" in capsys.readouterr().err and not (tmp_path / "report").exists()
