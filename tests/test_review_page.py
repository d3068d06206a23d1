"""review.html in a real browser: a review by keyboard alone, which survives a closed page and both scripts read."""

import csv
import json
import shutil
import time
from collections import Counter

import html5lib
import numpy as np
import pytest
import torch
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import prepare_image_model
import visualise_results
from common.corrections import read_corrections
from common.manifest import read_manifest
from evaluation.taxonomy import Taxonomy
from models.checkpoint import save_checkpoint
from reports.review import MOST, Candidate, Review, ReviewPicture, write_review
from reports.review_images import encode_images
from reports.taxon_facts import TaxonFacts
from tests.driven_browser import browse, needs_chromium
from tests.report_set import HOSTILE, LINEAGES, shared_report_set, trained_checkpoint
from tests.tiny import draw_shape

TAXA = {"ring": HOSTILE, "disc": "Disc", "bar": "Bar"}  # what the model calls the shapes


def run(script, *arguments):
    return script.main([str(argument) for argument in arguments])


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Thirty pictures in two samples, a model of them, and what visualise writes with five of each to verify."""
    top = tmp_path_factory.mktemp("samples")
    for number in range(30):
        shape = ("ring", "disc", "bar")[number % 3]
        folder = top / "own" / f"core {number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        draw_shape(shape, 400 + number).save(folder / f"{shape} {number}.png")
    checkpoint = trained_checkpoint()
    checkpoint.calibration = {"confusion": torch.eye(3).long() * 20}
    save_checkpoint(top / "model", checkpoint)
    assert run(visualise_results, *command(top), "--verify", 5) == 0
    shutil.copy(top / "out" / "review.html", top / "review.html")  # before any correction
    return top


def command(top):
    return ["--images", top / "own", "--model", top / "model", "--report", top / "out", "--device", "cpu"]


def press(driver, *keys):
    driver.switch_to.active_element.send_keys(*keys)


def now(driver):
    """Return the file that is shown, and the model's answer."""
    return driver.find_element(By.ID, "about").text, driver.find_element(By.ID, "name").text


def judge(driver, said):
    """Name the picture that is shown by keys: what its file's name says, but for three of them."""
    file, answer = now(driver)
    shape = file.rpartition("/")[2].split()[0]
    if len(said) in (3, 17):
        press(driver, "d" if len(said) == 3 else "n")
        said[file] = "drop" if len(said) == 3 else "indet."
    elif len(said) == 9:
        press(driver, "t")
        press(driver, "round", Keys.ENTER)
        said[file] = "Round"
    elif answer.startswith(TAXA[shape]):
        press(driver, "y")
        said[file] = TAXA[shape]
    else:
        names = [item.text for item in driver.find_elements(By.CSS_SELECTOR, "#candidates button")]
        (place,) = [place for place, name in enumerate(names, 1) if TAXA[shape] in name]
        press(driver, str(place))
        said[file] = TAXA[shape]


@needs_chromium
@pytest.mark.slow
def test_thirty_pictures_by_keyboard_closed_opened_saved_and_read_by_both_scripts(samples, tmp_path, capsys):
    page, said = samples / "review.html", {}
    with browse(page, tmp_path) as driver:
        flags = driver.execute_script("return pictures.map((picture) => picture.flags)")
        assert ["verify" in its for its in flags] == [True] * 10 + [False] * 20
        for _ in range(14):
            judge(driver, said)
        assert driver.find_element(By.ID, "done").text == "14 of 30 checked, 10 of 10 of the random sample"
        time.sleep(1)  # until the browser has written what it keeps
    with browse(page, tmp_path) as driver:
        assert driver.find_element(By.ID, "done").text.startswith("14 of 30 checked")
        undone = list(said)[-1]
        press(driver, "z")
        assert now(driver)[0] == undone and driver.find_element(By.ID, "done").text.startswith("13 of 30")
        assert f"Undone: {undone}" in driver.find_element(By.ID, "live").text
        del said[undone]
        while len(said) < 30:
            judge(driver, said)
        assert "This was the last" in driver.find_element(By.ID, "live").text
        press(driver, "s")
        saved = tmp_path / "corrections.csv"
        deadline = time.monotonic() + 20
        while not saved.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert {each.file: each.label for each in read_corrections(saved)} == said
    assert run(visualise_results, *command(samples), "--verify", 5, "--corrections", saved) == 0
    assert "A person has checked 30 pictures" in capsys.readouterr().out
    titles = said | {file: "Round indet." for file, label in said.items() if label == "Round"}
    counted = Counter((file.split("/")[0], label) for file, label in titles.items() if label != "drop")
    rows = table(samples / "out" / "assemblage.csv")
    assert {(row["sample"], row["taxon"]): int(row["count"]) for row in rows} == counted
    assert {row["verified_on"] for row in rows} == {"15"}
    predictions = {row["file"]: row for row in table(samples / "out" / "predictions.csv")}
    assert {file: row["answer"] for file, row in predictions.items()} == titles | {
        file: "" for file, label in said.items() if label == "drop"
    }
    assert Counter(row["checked"] for row in predictions.values()) == {"yes": 29, "dropped": 1}
    read_by_prepare(samples / "own", saved, tmp_path, said)


def read_by_prepare(folder, saved, tmp_path, said):
    """Check that the pictures become training pictures of the taxa that the person named."""
    options = ["--folder", folder, "--corrections", saved, "--train", tmp_path / "set"]
    assert run(prepare_image_model, *options) == 0
    named = {file: label for file, label in said.items() if label in TAXA.values()}
    rows = {row.file: row for row in read_manifest(tmp_path / "set" / "manifest.csv")}
    reasons = {row["picture"]: row["reason"].split(":")[0] for row in table(tmp_path / "set" / "excluded.csv")}
    alike = {file for file, reason in reasons.items() if reason == "too few groups"}  # bars look like each other
    assert {file: row.lineage[-1] for file, row in rows.items()} == {f: named[f] for f in named.keys() - alike}
    assert {row.lineage for row in rows.values()} <= {tuple(lineage) for lineage in LINEAGES.values()}
    assert {row.split for row in rows.values()} == {"train", "validate"}
    assert sorted(reason for file, reason in reasons.items() if file not in alike) == [
        "dropped",
        "higher taxon",
        "unidentified",
    ]


def shown(driver):
    return len(driver.find_elements(By.CSS_SELECTOR, "#list li"))


@needs_chromium
@pytest.mark.slow
def test_filters_names_and_roles_on_a_phone(samples, tmp_path):
    with browse(samples / "review.html", tmp_path, 390, 844) as driver:
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
        buttons = "[...document.querySelectorAll('.acts button, .bar button')]"
        assert driver.execute_script(f"return {buttons}.filter(b => b.offsetParent && b.offsetHeight < 44).length") == 0
        driver.find_element(By.CSS_SELECTOR, "#filter-box summary").click()
        for name, value, wanted in (
            ("f-sample", "core 1", 15),
            ("f-state", "Random sample", 5),
            ("f-state", "Checked", 0),
        ):
            box = driver.find_element(By.ID, name)
            box.find_element(By.XPATH, f"option[text()='{value}']").click()
            assert shown(driver) == wanted
        assert driver.find_element(By.ID, "nothing").is_displayed()
        driver.find_element(By.ID, "f-none").click()
        assert shown(driver) == 30
        listbox = driver.find_element(By.ID, "list")
        chosen = driver.find_element(By.ID, listbox.get_attribute("aria-activedescendant"))
        assert chosen.get_attribute("aria-selected") == "true" and "to be checked" in chosen.get_attribute("aria-label")
        driver.find_element(By.ID, "other").click()
        find = driver.find_element(By.ID, "find")
        find.send_keys("dis")
        assert [item.text.splitlines()[0] for item in driver.find_elements(By.CSS_SELECTOR, "#found li")] == ["Disc"]
        assert find.get_attribute("aria-activedescendant") == "t0" and find.get_attribute("aria-expanded") == "true"
        controls = "[...document.querySelectorAll('button, input, select')]"
        unnamed = f"{controls}.filter(e => !e.textContent.trim() && !e.labels?.length && !e.ariaLabel)"
        assert driver.execute_script(f"return {unnamed}.length") == 0


def review_of(top, count, side):
    """Return a review of noise, the worst that JPEG can meet."""
    paths = []
    for number in range(8):
        paths.append(top / f"{number}.png")
        noise = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
        Image.fromarray(noise).save(paths[-1])
    pictures = [
        ReviewPicture(f"{n}/<!-- </script> {n}.png", paths[n % 8], "a", "a", [Candidate(0, 0.9, [0])], ["unsure"], "s")
        for n in range(count)
    ]
    return Review(Taxonomy([["Root", "a"]]), ["a"], pictures, paths, TaxonFacts(), count, True)


@needs_chromium
@pytest.mark.slow
def test_two_thousand_pictures_are_small_and_smooth(tmp_path):
    page = write_review(tmp_path / "review.html", review_of(tmp_path, MOST, 100))
    assert page.stat().st_size < 25e6
    start = time.monotonic()
    with browse(page, tmp_path) as driver:
        assert len(driver.find_elements(By.CSS_SELECTOR, "#list li")) == MOST
        opened = time.monotonic() - start
        lazy = "return [...document.querySelectorAll('#list img')].filter(image => image.src).length"
        assert driver.execute_script(lazy) < 100
        steps = "const start = performance.now(); for (let n = 0; n < 20; n++) decide('a');"
        assert driver.execute_script(f"{steps} return (performance.now() - start) / 20") < 100  # milliseconds; a blink
    assert opened < 20


@pytest.mark.slow
def test_the_page_is_valid_and_alone(samples):
    text = (samples / "review.html").read_text(encoding="utf-8")
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    assert not [each for each in document.iter() if each.get("src", "").startswith("http") or each.tag == "link"]
    content = json.loads(document.find(".//script[@id='content']").text)
    assert len(content["pictures"]) == 30 and HOSTILE in {taxon["label"] for taxon in content["taxa"]}
    predictions = {row["file"]: row for row in table(samples / "out" / "predictions.csv")}
    names = [content["taxa"][place]["label"] for place in content["classes"]]
    for picture in content["pictures"]:  # its figures are those of the table
        row = predictions[picture["file"]]
        said = [(names[label], share) for label, share, _ in picture["candidates"]]
        assert said == [(row[name], float(row[f"{name}_probability"])) for name in ("first", "second", "third")]
        assert picture["answer"] == f"{row['model_answer']} {100 * float(row['model_answer_probability']):.0f} %"
        assert picture["sample"] == row["sample"]


@pytest.mark.slow
def test_the_review_of_a_report_has_suspects_first_and_names_that_prepare_knows(tmp_path_factory):
    report = shared_report_set(tmp_path_factory) / "report"
    text = (report / "review.html").read_text(encoding="utf-8")
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    content = json.loads(document.find(".//script[@id='content']").text)
    suspects = [row["file"] for row in table(report / "suspects.csv")]
    first = [picture["file"] for picture in content["pictures"][: len(suspects)]]
    assert first == suspects and all("suspect" in each["flags"] for each in content["pictures"][: len(suspects)])
    predictions = {row["file"]: row for row in table(report / "predictions.csv")}
    assert {picture["file"]: picture["label"] for picture in content["pictures"]} == {
        file: row["actual"] for file, row in predictions.items()
    }
    names = [taxon["label"] for taxon in content["taxa"]]
    for picture in content["pictures"]:
        row = predictions[picture["file"]]
        said = [(names[content["classes"][label]], share) for label, share, _ in picture["candidates"]]
        assert said == [
            (row[f"answer_{n}"], pytest.approx(float(row[f"probability_{n}"]), abs=1e-4)) for n in (1, 2, 3)
        ]
        assert all(content["training"][index]["image"] for _, _, nearest in picture["candidates"] for index in nearest)


@pytest.mark.slow
def test_pictures_stay_within_their_size(tmp_path):
    review = review_of(tmp_path, 8, 600)
    for letters in (1e6, 200_000, 40_000):
        images = encode_images([each.path for each in review.pictures], 1, letters)
        assert sum(map(len, images)) <= 1.02 * letters and all(images)
    assert encode_images([tmp_path / "gone.png"], 1, 1e6) == [""]
