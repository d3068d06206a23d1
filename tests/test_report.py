"""The report's page as other parsers read it, what it shows, and what it does not depend on."""

import csv
import io
import json
from base64 import b64decode
from collections import Counter
from pathlib import Path

import html5lib
import pytest
import torch
from lxml import etree
from PIL import Image

import common
from common.manifest import ManifestRow
from evaluation.cross_fit import PredictedSplit, cross_fit
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint, save_checkpoint
from models.networks import build_network
from models.prediction import Prediction
from reports.page import isolated
from tests.report_set import HOSTILE, LINEAGES, read, run
from tests.tiny import SHAPES, draw_shape, write_image_folders

SUSPECT_FIELDS = ("file", "label", "suggested", "quality")


@pytest.fixture(scope="module")
def report(report_set):
    return report_set / "report"


@pytest.fixture(scope="module")
def page(report):
    """The page as an HTML5 parser reads it, one that stops at the first fault."""
    text = (report / "report.html").read_text(encoding="utf-8")
    return html5lib.HTMLParser(strict=True, tree=html5lib.getTreeBuilder("lxml"), namespaceHTMLElements=False).parse(
        text
    )


def contents(pictures):
    """Return the bytes of pictures that the page holds, each of which must be one."""
    found = []
    for each in pictures:
        kind, data = each.get("src").split(";base64,")
        assert kind in ("data:image/png", "data:image/jpeg")
        with Image.open(io.BytesIO(b64decode(data))) as picture:
            picture.load()
        found.append(b64decode(data))
    return found


def test_every_picture_has_a_text_and_stands_once(page):
    assert all(len(each.get("alt")) > 15 for each in page.findall(".//img"))
    pictures = page.xpath("//img[not(ancestor::article)]")  # what suspects are compared with may be shown twice
    assert len(pictures) > 12
    assert len({each.get("alt") for each in pictures}) == len(pictures)
    found = contents(pictures)
    assert len(set(found)) == len(found)
    # disc80.png and disc90.png are the same picture, and a picture looked into is none of the mistakes.
    shown = [" ".join(each.itertext()) for each in page.xpath("//figcaption/small")]
    assert len(set(shown)) == len(shown) and len({"disc80.png", "disc90.png"}.intersection(shown)) <= 1


def test_the_page_stands_alone_and_says_what_the_files_say(page, report):
    text = (report / "report.html").read_text(encoding="utf-8")
    assert not page.findall(".//script") and not page.findall(".//link")
    links = page.xpath("//a/@href")
    assert all((report / link).is_file() for link in links if "://" not in link)
    abroad = [link for link in links if "://" in link]
    assert abroad and all(link.startswith("http://127.0.0.1/a%20b/") for link in abroad) and "javascript:" not in text
    words = words_of(page.find("body"))
    first = json.loads((report / "summary.json").read_text())["splits"]["validate"]
    right = first["accuracy"]
    assert f"{right['part']} of {first['pictures']}" in words and f"{100 * right['value']:.1f} %" in words
    assert HOSTILE in words and "Told by <u>Disc</u>" in words and "Young & <i>Bown</i>" in words
    assert not page.findall(".//body//b/b") and not page.findall(".//u") and not page.findall(".//i")
    ids = page.xpath("//@id")
    assert len(set(ids)) == len(ids) and set(page.xpath("//@aria-labelledby")) == set(ids)
    assert page.find(".//meta[@name='viewport']") is not None and page.getroot().get("lang") == "en"


def cells(page, label):
    """Return the texts of the rows of the table in the region with this label."""
    rows = page.xpath(f"//*[@role='group'][@aria-label='{label}']//tbody/tr")
    return [[words_of(cell) for cell in row] for row in rows]


def words_of(element):
    return " ".join("".join(element.itertext()).split())


def percent(*numbers):
    texts = [f"{100 * float(number):.1f} %" for number in numbers]
    return texts[0] if len(texts) == 1 else "{} ({} to {})".format(*texts)


def decimals(digits, *numbers):
    return "{0:.{3}f} ({1:.{3}f} to {2:.{3}f})".format(*map(float, numbers), digits)


def test_the_tables_of_the_page_are_those_of_the_files(page, report):
    splits = json.loads((report / "summary.json").read_text())["splits"]
    lines = [("accuracy", None), ("balanced_accuracy", None), ("macro_f1", 3), ("majority", None), ("mean_loss", 3)]
    lines += [("calibration_error before", 3), ("calibration_error after", 3), ("coverage", None)]
    lines += [("mean_set_size", 2), ("mean_mistake_distance", 2)]
    lines += [
        (f"lowest_supported_taxon {kind}", None) for kind in ("class", "higher_rank", "unknown", "true_where_named")
    ]
    expected = [[str(part["pictures"]) for part in splits.values()]]
    for name, digits in lines:
        key, _, more = name.partition(" ")
        expected.append([])
        for part in splits.values():
            figure = part[key][more] if more else part[key]
            numbers = [figure[each] for each in ("value", "low", "high")]
            few = f" of {figure['count']}" if figure["count"] != part["pictures"] else ""
            expected[-1].append((decimals(digits, *numbers) if digits else percent(*numbers)) + few)
    assert [row[1:] for row in cells(page, "All figures")] == expected

    expected = []
    for row in read(report / "per_rank.csv"):
        if row["classes"] == "1":  # the root, which is always right
            continue
        right = percent(row["accuracy"], row["low"], row["high"])
        inside = percent(row["mistakes_inside"], row["inside_low"], row["inside_high"]) + f" of {row['mistakes']}"
        expected.append([f"{row['split']}/", row["depth"], row["classes"], row["count"], right, inside])
    assert cells(page, "Right by rank") == expected

    expected = []
    for row in read(report / "per_class.csv"):
        shares = [percent(*(row[f"{s}{end}"] for end in ("", "_low", "_high"))) for s in ("recall", "precision")]
        shares[1] += f" of {row['answered']}" if int(row["answered"]) not in (0, int(row["support"])) else ""
        f1 = decimals(2, row["f1"], row["f1_low"], row["f1_high"])
        expected.append([row["class"], f"{row['split']}/", row["support"], *shares, f1])
    assert cells(page, "Scores of each class") == expected

    suspects = read(report / "suspects.csv")
    assert [float(row["quality"]) for row in suspects] == sorted(float(row["quality"]) for row in suspects)
    expected = [[row["file"], row["label"], row["suggested"], f"{float(row['quality']):.3f}"] for row in suspects]
    cards = page.xpath("//article")
    shown = [[words_of(card.xpath(f".//dd[@class='{name}']")[0]) for name in SUSPECT_FIELDS] for card in cards]
    assert shown == expected[:30]
    assert f"{len(suspects)} labels look wrong" in page.xpath("string(//body)")


def test_the_sentences_of_the_page_say_what_the_summary_says(page, report):
    words = words_of(page.find("body"))
    summary = json.loads((report / "summary.json").read_text())
    first, second = summary["splits"]["validate"], summary["splits"]["test"]
    assert f"{first['pictures']} pictures of validate/ in {first['groups']} groups, and" in words
    assert f"and {second['pictures']} of test/ in {second['groups']} groups" in words

    def figure(digits, each):
        return decimals(digits, each["value"], each["low"], each["high"])

    before, after = (figure(3, first["calibration_error"][when]) for when in ("before", "after"))
    temperature = figure(2, summary["temperature"])
    assert f"temperature {temperature} brings the expected calibration error from {before} to {after}." in words
    supported = first["lowest_supported_taxon"]
    parts = [supported[kind]["part"] for kind in ("class", "higher_rank", "unknown")]
    sentence = "{} are named at the class, {} at a higher rank (or not at all, as “indet.”), and {} are “unknown”"
    assert sentence.format(*parts) in words
    true = supported["true_where_named"]
    share = percent(true["value"], true["low"], true["high"])
    assert f"it is true for {share} of {true['count']}." in words
    for key, text in (("accuracy", None), ("majority", None), ("macro_f1", 3), ("coverage", None)):
        each = first[key]
        numbers = [each["value"], each["low"], each["high"]]
        value, _, limits = (decimals(text, *numbers) if text else percent(*numbers)).partition(" (")
        cards = page.xpath("//*[@class='figures']/div")
        card = [div for div in cards if limits.rstrip(")") in words_of(div.find("small"))]
        assert value in [words_of(div.find("b")) for div in card], key


def test_pictures_say_what_the_table_says(page, report):
    rows = {
        row["file"].rpartition("/")[2]: row for row in read(report / "predictions.csv") if "validate/" in row["file"]
    }
    captions = page.xpath("//figure[contains(@class, 'card')]/figcaption")
    assert len(captions) > 5
    for caption in captions:
        row = rows[caption.xpath("string(small)")]
        sign = "✓" if row["correct"] == "1" else "✗"
        assert caption.xpath("string(b)") == f"{sign} {row['answer_1']}"
        text = " ".join(caption.itertext())
        assert f"({100 * float(row['probability_1']):.0f} %)" in text and f"actual: {row['actual']}" in text


def test_confused_taxa_stand_with_their_counts_and_type_specimens(page, report, report_set):
    wrong = Counter(
        (row["actual"], row["answer_1"])
        for row in read(report / "predictions.csv")
        if row["file"].startswith("validate/") and row["correct"] == "0"
    )
    titles = page.xpath("//section[@aria-labelledby='pairs']/h3")
    counts = [f"{a} taken for {b}: {n} picture{'s' * (n > 1)}" for (a, b), n in wrong.items()]
    assert sorted(title.text for title in titles) == sorted(counts) and len(counts) > 1
    alt = page.xpath("string(//section[@aria-labelledby='confusion']//img/@alt)")
    total, right = sum(row["file"].startswith("validate/") for row in read(report / "predictions.csv")), wrong.total()
    assert f"3 classes and {total} pictures, {total - right} of them on the diagonal" in alt
    (a, b), most = wrong.most_common(1)[0]
    assert f"{a} taken for {b} ({most})" in alt

    folder = {lineage[-1]: name for name, lineage in LINEAGES.items()}
    manifest = read(report_set / "manifest.csv")
    for side in page.xpath("//*[@class='pair']/div"):
        name = side.xpath("string(b)")
        types = {
            row["path"].rpartition("/")[2]: row["status"]
            for row in manifest
            if row["class"] == folder[name] and row["status"] != "-"
        }
        assert len(types) == 3
        shown = {}
        for caption in side.findall(".//figcaption"):
            what, file = caption.xpath("string(b)"), caption.xpath("string(text())").strip()
            if what == "Training picture":
                assert (report_set / "train" / folder[name] / file).is_file()
            else:
                shown[file] = what
        assert shown == {file: f"Type specimen ({types[file]})" for file in shown}
        above = side.xpath("string(p[contains(., 'further up')])")
        assert len(shown) == 2 or all(file in above for file in types.keys() - shown.keys())
        assert "no type specimen" not in side.xpath("string(.)")
        if len(shown) == 2:
            assert "Holotype" in " ".join(shown.values())


def test_lxml_reads_the_page_too(report):
    root = etree.parse(report / "report.html", etree.HTMLParser(recover=True))
    sections = [each.text for each in root.findall(".//h2")]
    assert sections[0] == "How good is it?" and "May I trust it?" in sections and "Why did it say that?" in sections


def test_the_page_and_the_summary_tell_both_versions(page, report):
    summary = json.loads((report / "summary.json").read_text())
    assert (summary["toolkit"], summary["model_toolkit"]) == (common.__version__, "0.9.1")
    sentence = f"Written by version {common.__version__} of the toolkit; the model was trained by version 0.9.1."
    assert sentence in words_of(page.find("body"))


def test_figures_are_pictures(report):
    for name in ("confusion", "calibration", "mistakes", "saliency"):
        with Image.open(report / f"{name}.png") as picture:
            picture.load()
            assert min(picture.size) > 200, name


def test_no_group_calibrates_itself():
    """What the network says of a group changes the calibrated probabilities of the other half, and only those."""
    random = torch.Generator().manual_seed(0)
    labels, logits = torch.arange(40) % 2, torch.randn(40, 2, generator=random)
    groups = [f"group {number // 4}" for number in range(40)]
    files = [f"{number}.png" for number in range(40)]
    rows = [ManifestRow(path=file, group=group) for file, group in zip(files, groups, strict=True)]

    def calibrated(logits):
        prediction = Prediction(logits, torch.zeros(40, 1))
        split = PredictedSplit("validate", list(map(Path, files)), files, labels, prediction, rows)
        return cross_fit(Taxonomy([("a",), ("b",)]), split, None, 0.9).predictions.probabilities

    before, halves = calibrated(logits), set()
    for group in groups:
        factors = torch.tensor([5.0 if each == group else 1.0 for each in groups])[:, None]
        changed = (calibrated(logits * factors) != before).any(1)
        halves.add(frozenset(each for each, other in zip(groups, changed, strict=True) if each == group or not other))
    one, other = halves
    assert one | other == set(groups) and not one & other


@pytest.mark.slow
def test_a_second_report_is_the_same_to_the_byte(report_set, tmp_path):
    options = ["--model", report_set / "model", "--validate", report_set / "validate", "--report", tmp_path / "report"]
    assert run(*options, "--output", tmp_path / "test.png", "--data", report_set / "data", "--device", "cpu") == 0
    for name in ("predictions.csv", "summary.json", "report.html"):
        assert (tmp_path / "report" / name).read_bytes() == (report_set / "report" / name).read_bytes()


@pytest.mark.slow
def test_sixty_classes_without_train_and_manifest(tmp_path, recwarn):
    classes = [f"species{number:03}" for number in range(60)]
    lineages = {name: ["Root", f"Family {number // 6}", name] for number, name in enumerate(classes)}
    for number, name in enumerate(classes):
        (tmp_path / "validate" / name).mkdir(parents=True)
        for copy in range(1 if number == 59 else 2):
            draw_shape(SHAPES[number % 3], 10 * number + copy, 32).save(tmp_path / "validate" / name / f"{copy}.png")
    torch.manual_seed(0)
    weights = build_network("squeezenet1_1", 60, 32).state_dict()
    save_checkpoint(tmp_path / "model", Checkpoint("squeezenet1_1", 32, classes, weights, lineages=lineages))
    options = ["--model", tmp_path / "model", "--validate", tmp_path / "validate", "--output", tmp_path / "o.png"]
    assert run(*options, "--report", tmp_path / "report", "--data", tmp_path / "none", "--device", "cpu") == 0
    assert not [str(warning.message) for warning in recwarn if warning.category is UserWarning]
    with Image.open(tmp_path / "report" / "confusion.png") as picture:
        assert min(picture.size) > 60 * 16  # pixels for each row: a label of ten points fits
    assert len(read(tmp_path / "report" / "confusion.csv")) == 60


def small_set(directory, each):
    """Write validate/ of three shapes, `each` pictures of a class, and a random model; return the report's options."""
    write_image_folders(directory, train=1, validate=each)
    weights = build_network("mnasnet0_5", 3, 40).state_dict()
    save_checkpoint(directory / "model", Checkpoint("mnasnet0_5", 40, sorted(SHAPES), weights))
    options = ["--model", directory / "model", "--validate", directory / "validate", "--output", directory / "o.png"]
    return [*options, "--report", directory / "report", "--data", directory / "none", "--device", "cpu"]


@pytest.mark.slow
def test_one_picture_of_each_class_is_enough_and_unseen_taxa_are_said_not_to_be_detected(report_set, tmp_path):
    assert run(*small_set(tmp_path, 1)) == 0
    pages = [" ".join((each / "report" / "report.html").read_text().split()) for each in (report_set, tmp_path)]
    assert ["so none is called unknown; train it again" in page for page in pages] == [False, True]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"file,group\nvalidate/disc/disc0.png,one\n", "no column path"),
        (b"path,group\n\xff\n", "utf-8"),
        (b"", "it is empty"),
    ],
)
def test_what_is_not_a_manifest_is_named(tmp_path, capsys, content, message):
    options = small_set(tmp_path, 2)
    (tmp_path / "manifest.csv").write_bytes(content)
    assert run(*options) == 1
    error = capsys.readouterr().err
    assert "manifest.csv cannot be read" in error and message in error and "Traceback" not in error


@pytest.mark.slow
def test_a_stray_quotation_mark_in_a_manifest_costs_its_row_only(tmp_path, capsys):
    options = small_set(tmp_path, 2)
    rows = ["path,group", '"validate/disc/disc0.png,one', *(f"validate/{shape}/{shape}1.png,two" for shape in SHAPES)]
    (tmp_path / "manifest.csv").write_text("\n".join([*rows, *(["x" * 200 + ",train"] * 2000)]) + "\n")
    assert run(*options) == 0
    assert "manifest.csv, line 2 is left out: a quotation mark is out of place" in capsys.readouterr().err
    with (tmp_path / "report" / "predictions.csv").open(encoding="utf-8-sig") as file:
        groups = {row["file"]: row["group"] for row in csv.DictReader(file)}
    assert groups["validate/disc/disc1.png"] == groups["validate/ring/ring1.png"] == "two"
    assert groups["validate/disc/disc0.png"].endswith("disc0.png")


def test_one_group_is_too_few(tmp_path, capsys):
    write_image_folders(tmp_path, train=1, validate=1, shapes=("disc",))
    weights = build_network("mnasnet0_5", 1, 40).state_dict()
    save_checkpoint(tmp_path / "model", Checkpoint("mnasnet0_5", 40, ["disc"], weights))
    options = ["--model", tmp_path / "model", "--validate", tmp_path / "validate", "--output", tmp_path / "o.png"]
    assert run(*options, "--report", tmp_path / "report") == 1
    assert "pictures of one group only" in capsys.readouterr().err and not (tmp_path / "report").exists()


def test_a_name_from_right_to_left_leaves_what_follows_behind_it():
    assert str(isolated("\u0639\u0631\u0628 <b>")) == "<bdi>\u0639\u0631\u0628 &lt;b&gt;</bdi>"
    assert isolated("Emiliania <b>") == "Emiliania <b>"  # which the template escapes
