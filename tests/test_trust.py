"""May a trained model be trusted? Shown on drawn coccoliths, from their pictures to the lowest supported taxa."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from benchmarks.trust import COLUMNS, choose_unseen, known_figures, leave_out, unseen_figures, worst_class
from common.dataset_info import ClassInfo, DatasetInfo, write_dataset_info
from common.manifest import ManifestRow
from common.squares import Preparation
from demo.coccoliths import draw
from evaluation.calibration import IN_DISTRIBUTION_SHARE, SupportedTaxon
from evaluation.conformal import MIN_CLASS_IMAGES
from evaluation.cross_fit import EvaluatedSplit, PredictedSplit
from evaluation.predictions import LabelledPredictions
from evaluation.taxonomy import Taxonomy
from models.checkpoint import load_checkpoint
from models.device import Device
from models.prediction import Prediction, as_batch
from reports.model import LoadedModel
from tests.training_runs import train

SIZE = 32
KNOWN = {
    "Gephyrocapsa oceanica": ["Isochrysidales", "Gephyrocapsa"],
    "Reticulofenestra umbilicus": ["Isochrysidales", "Reticulofenestra"],
    "Watznaueria barnesiae": ["Watznaueriales", "Watznaueria"],
    "Discoaster pentaradiatus": ["Discoasterales", "Discoaster"],
    "Braarudosphaera bigelowii": ["Braarudosphaerales", "Braarudosphaera"],
}
UNSEEN = {  # one with relatives among the known, one alone in its order
    "Emiliania huxleyi": ["Isochrysidales", "Emiliania"],
    "Nannoconus kamptneri": ["Nannolith families inc sed", "Nannoconus"],
}
VALIDATE, TEST = 32, 40


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network that learned the known species from scratch, with its calibration, read from the model file."""
    directory = tmp_path_factory.mktemp("coccoliths")
    for split, count, first in (("train", 32, 0), ("validate", VALIDATE, 1000)):
        for species in KNOWN:
            (directory / split / species).mkdir(parents=True)
            for specimen in range(first, first + count):
                draw(species, specimen, size=SIZE).save(directory / split / species / f"{specimen}.png")
    classes = {species: ClassInfo(tuple(lineage)) for species, lineage in KNOWN.items()}
    write_dataset_info(directory / "dataset.json", DatasetInfo(classes))
    network = ["--use_model", "resnet18", "--weights", "none", "--device", "cpu", "--precision", "fp32"]
    assert train(directory, *network, "--epochs", 3, "--batch_size", 16).status == 0
    return LoadedModel.of(load_checkpoint(directory / "model"), Device.choose("cpu", "fp32"))


def ask(model, species):
    """Let the model predict new specimens of a species."""
    squares = [Preparation(SIZE).square(draw(species, 5000 + n, size=SIZE).convert("RGB")) for n in range(TEST)]
    return model.predictor(as_batch(squares))


@pytest.mark.slow
def test_new_pictures_are_in_their_sets_and_in_distribution(model):
    calibration = model.calibration
    held, taxa = [], []
    for species, lineage in KNOWN.items():
        prediction = ask(model, species)
        label = model.taxonomy.lineages.index(tuple(lineage))
        held.append(calibration.sets(prediction.logits, 0.9)[:, label].sum())
        taxa += calibration.lowest_supported_taxa(prediction, 0.9)
    rank = np.ceil((VALIDATE + 1) * 0.9)
    one_class = stats.betabinom(TEST, rank, VALIDATE + 1 - rank)  # at least, where scores are equal (Vovk 2012)
    assert min(held) >= one_class.ppf(0.001 / len(KNOWN))
    assert sum(held) >= len(KNOWN) * one_class.mean() - 3.1 * one_class.std() * np.sqrt(len(KNOWN))
    count = VALIDATE * len(KNOWN)
    rank = np.ceil((count + 1) * IN_DISTRIBUTION_SHARE)
    most = stats.betabinom(TEST * len(KNOWN), count + 1 - rank, rank).ppf(0.999)
    assert sum(not taxon.in_distribution for taxon in taxa) <= most


@pytest.mark.slow
@pytest.mark.parametrize("species", UNSEEN)
def test_unseen_species_are_mostly_unknown_or_named_at_a_higher_rank(model, species):
    taxa = model.calibration.lowest_supported_taxa(ask(model, species), 0.9)
    _, unknown, above, wrong, _ = unseen_figures(taxa, [tuple(UNSEEN[species])] * TEST)
    assert unknown + above > 0.5
    assert unknown + above + wrong == pytest.approx(1)


def test_known_pictures_by_hand():
    taxonomy = Taxonomy([("A", "a"), ("A", "b"), ("C", "c")])
    nodes = [("A", "a"), ("A",), ("C", "c"), (), ()]
    taxa = [SupportedTaxon("", node, 1.0, bool(node), in_distribution=n < 4) for n, node in enumerate(nodes)]
    uncalibrated = np.array([[0.8, 0.2, 0], [0.8, 0.2, 0], [0.8, 0.2, 0], [0, 0.2, 0.8], [0, 0.2, 0.8]])
    calibrated = np.array([[0.6, 0.4, 0], [0.6, 0.4, 0], [0.6, 0.4, 0], [0, 0.4, 0.6], [0, 0.4, 0.6]])
    sets = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 1]]).astype(bool)
    actual, paths = np.array([0, 1, 0, 2, 2]), [Path("x.png")] * 5
    prediction = Prediction(torch.zeros(5, 3), torch.zeros(5, 1))
    rows = [ManifestRow(path="")] * 5
    split = PredictedSplit("test", paths, ["x.png"] * 5, torch.from_numpy(actual), prediction, rows)
    predictions = LabelledPredictions(paths, taxonomy, actual, calibrated)
    known = EvaluatedSplit(split, predictions, uncalibrated, sets, taxa)
    # the likeliest class is right but for the second picture; set and taxon but for the third
    expected = [4 / 5, 0, 1 / 5, 4 / 5, np.nan, np.nan, 4 / 5, 2 / 5, 1 / 5, 2 / 5]
    figures = known_figures(known, np.array([9, 9, 9]), 0.9)
    assert len(figures) + 5 == len(COLUMNS)
    assert figures == pytest.approx(expected, nan_ok=True)


def test_unseen_pictures_by_hand():
    line = ("Order", "Family", "Genus")
    nodes = [(), line[:1], line[:2], ("Order", "Other"), ("Else",)]
    taxa = [SupportedTaxon("", node, 1.0, named=bool(node), in_distribution=bool(node)) for node in nodes]
    assert unseen_figures(taxa, [line] * 5) == [1 / 5, 1 / 5, 2 / 5, 2 / 5, 1]
    lines = [line, line, line, *[(*line[:2], "Sister")] * 2]
    assert unseen_figures(taxa, lines)[-1] == 1 / 2


def test_who_is_left_out_has_a_sibling_or_is_alone_and_is_not_the_commonest():
    lineages = [("O", f"F{family}", f"G{genus}") for family in range(5) for genus in range(3)]
    lineages += [("Alone", "A", "A a"), ("Lonely", "L", "L l")]
    taxonomy, counts = Taxonomy(lineages), np.array([100, *[10] * 16])
    chosen = [choose_unseen(taxonomy, counts, seed) for seed in range(20)]
    assert all(len(indices) == 2 and min(indices) < 15 <= max(indices) and 0 not in indices for indices in chosen)
    assert len({tuple(indices) for indices in chosen}) > 5


def test_leaving_out_keeps_every_picture_once(tmp_path):
    for split in ("train", "validate"):
        for name in ("A", "B", "C"):
            (tmp_path / "set" / split / name).mkdir(parents=True)
            (tmp_path / "set" / split / name / f"{split}.png").write_bytes(b"")
    leave_out(tmp_path / "set", tmp_path / "new", ["B"])
    found = {path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").glob("**/*") if path.is_dir()}
    assert {"train/A", "train/C", "validate/A", "unseen/train/B", "unseen/validate/B"} <= found
    assert "train/B" not in found and not (tmp_path / "new" / "test").exists()


def test_the_worst_class_by_hand():
    actual = np.repeat([0, 1, 2], [40, 40, 40])
    held = np.r_[np.ones(40), np.repeat([1, 0], [34, 6]), np.zeros(40)].astype(bool)
    calibrated_on = np.array([99, 99, MIN_CLASS_IMAGES - 1])  # the third has no quantile of its own
    worst, bound = worst_class(held, actual, calibrated_on, 0.9)
    assert worst == 34 / 40
    lowest = bound * 40
    chances = stats.betabinom(40, 90, 10)
    assert chances.cdf(lowest - 1) < 0.025 / 2 <= chances.cdf(lowest)
    assert np.isnan(worst_class(held[:20], actual[:20], calibrated_on, 0.9)).all()
