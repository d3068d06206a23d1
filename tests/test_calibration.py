"""Calibrated probabilities, conformal sets and the lowest supported taxa, on drawn predictions."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.calibration import IN_DISTRIBUTION_SHARE, MOST_NAMED, Calibration
from evaluation.conformal import MIN_CLASS_IMAGES
from evaluation.metrics import expected_calibration_error
from evaluation.ood import OODDetector
from evaluation.taxonomy import holds
from evaluation.temperature import fit_temperature, softmax
from models.checkpoint import FORMAT, CheckpointError, load_checkpoint, save_tensors
from models.prediction import Prediction
from tests.clusters import CALIBRATION, CENTRES, HARD, TAXONOMY, drawn
from tests.test_taxonomy import taxonomies


def test_temperature_by_hand():
    logits = torch.tensor([[1.0, 0.0]]).repeat(4000, 1)
    labels = (np.arange(4000) % 4 == 0).astype(int)  # three of four are right: 1 / T = log 3
    assert fit_temperature(logits, labels) == pytest.approx(1 / np.log(3), rel=1e-3)


def test_temperature_undoes_a_stretching_of_true_logits():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20000, 4))
    labels = np.array([random.choice(4, p=row) for row in softmax(torch.tensor(logits), 1)])
    assert fit_temperature(torch.tensor(logits * 3), labels) == pytest.approx(3, rel=0.04)


def test_a_few_faultless_predictions_do_not_make_the_network_sure_of_everything():
    perfect = torch.eye(3) * 5
    assert 0.7 < fit_temperature(perfect, np.arange(3)) <= 1
    assert fit_temperature(perfect[:0], np.arange(0)) == pytest.approx(1, abs=1e-3)


def test_calibration_lowers_the_error_on_other_images():
    learnt, learnt_labels = drawn((300, 300, 300, 300, 300), 4, HARD)
    calibration = Calibration.fit(TAXONOMY, learnt, learnt_labels)
    prediction, labels = drawn((1000, 1000, 1000, 1000, 1000), 5, HARD)
    before = expected_calibration_error(softmax(prediction.logits, 1), labels.numpy())
    after = expected_calibration_error(calibration.probabilities(prediction.logits), labels.numpy())
    assert after < before / 2


def test_supported_taxa_hold_the_truth_no_oftener_than_asked_for():
    """A supported taxon is wider than its set; by whole taxa it is so by little, and most species are still named."""
    prediction, labels = drawn((300, 300, 300, 300, 300), 11, HARD)
    new, actual = drawn((300, 300, 300, 300, 300), 12, HARD)
    taxa = Calibration.fit(TAXONOMY, prediction, labels).lowest_supported_taxa(new, 0.9)
    right = [holds(taxon.node, TAXONOMY.lineages[label]) for taxon, label in zip(taxa, actual, strict=True)]
    assert 0.88 < np.mean(right) < 0.94


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 90, np.nan])
def test_a_confidence_is_a_share(confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        CALIBRATION.sets(torch.zeros(1, 5), confidence)


@pytest.mark.slow
def test_sets_hold_the_truth_of_new_images():
    """Over many draws of validation images, the number of covered test images is beta-binomial around 0.9.

    With n of a class, its quantile being the k-th smallest score, the coverage given the validation is
    Beta(k, n + 1 - k) (Vovk 2012). What is tested is the mean over draws, with the tolerance that this leaves.
    """
    confidence, rounds, per_class = 0.9, 60, 40
    counts, covered = (200, 120, 60, 24, 24), np.zeros((rounds, 5))
    for seed in range(rounds):
        prediction, labels = drawn(counts, 100 + seed, HARD)
        calibration = Calibration.fit(TAXONOMY, prediction, labels)
        new, actual = drawn([per_class] * 5, 10_000 + seed, HARD)
        held = calibration.sets(new.logits, confidence)[np.arange(len(actual)), actual]
        covered[seed] = held.reshape(5, per_class).mean(1)
    for index, n in enumerate(counts):
        if n >= MIN_CLASS_IMAGES:
            rank = np.ceil((n + 1) * confidence)
            one_round = stats.betabinom(per_class, rank, n + 1 - rank)
            tolerance = 3.5 * one_round.std() / per_class / np.sqrt(rounds)
            expected = one_round.mean() / per_class
            assert covered[:, index].mean() == pytest.approx(expected, abs=tolerance), index
    # two small classes of equal size have a common quantile: of 48 scores the 45th
    assert covered[:, 3:].mean() == pytest.approx(45 / 49, abs=0.02)
    assert covered.mean() == pytest.approx(0.9, abs=0.02)


def test_a_hard_class_has_a_quantile_of_its_own():
    prediction, labels = drawn((300, 300, 40, 5, 5), 9)
    prediction.logits[labels == 2] += torch.tensor([16.0, 0, -8, 0, 0])  # mostly taken for the first class
    held = Calibration.fit(TAXONOMY, prediction, labels).sets(prediction.logits, 0.9)[np.arange(650), labels]
    assert held[labels == 2].sum() >= 37  # ceil(41 · 0.9) of those that the quantile was made from


def test_one_calibration_covers_within_the_binomial_tolerance():
    prediction, labels = drawn((200, 120, 60, 10, 8), 1, HARD)
    new, actual = drawn((400, 400, 400, 400, 400), 77, HARD)
    held = Calibration.fit(TAXONOMY, prediction, labels).sets(new.logits, 0.9)[np.arange(len(actual)), actual]
    for index, n in enumerate((200, 120, 60)):
        rank = np.ceil((n + 1) * 0.9)
        low, high = stats.betabinom(400, rank, n + 1 - rank).ppf([0.001, 0.999])
        assert low <= held[actual.numpy() == index].sum() <= high


@pytest.mark.slow
@given(taxonomies(), st.integers(0, 2**32 - 1), st.lists(st.floats(0.01, 0.99), min_size=2, max_size=2))
@settings(max_examples=80, deadline=None)
def test_supported_taxa_hold_their_sets_and_only_rise_with_confidence(taxonomy, seed, levels):
    random, classes = torch.Generator().manual_seed(seed), len(taxonomy.names)
    counts = torch.randint(1, 2 * MIN_CLASS_IMAGES, (classes,), generator=random)
    labels = torch.repeat_interleave(torch.arange(classes), counts)
    logits = torch.randn(len(labels), classes, generator=random) + 2 * torch.eye(classes)[labels]
    features = torch.randn(len(labels), 12, generator=random)
    prediction = Prediction(logits, features)
    calibration = Calibration.fit(taxonomy, prediction, labels, OODDetector.fit(features[None, ::2], features))
    low, high = sorted(levels)
    less, more = calibration.sets(logits, low), calibration.sets(logits, high)
    assert less.any(1).all() and not (less & ~more).any()
    probabilities = calibration.probabilities(logits)
    if not taxonomy.is_flat:
        less, more = (calibration.conformal.sets(probabilities, level) for level in (low, high))
        assert less.any(1).all() and not (less & ~more).any()
    assert less[np.arange(len(less)), probabilities.argmax(1)].all()
    supported, wider = (calibration.lowest_supported_taxa(prediction, level) for level in (low, high))
    for row, members in enumerate(less):
        taxon = supported[row]
        lines = [taxonomy.lineages[index] for index in np.flatnonzero(members)]
        assert taxon.node in {(), *taxonomy.nodes}
        assert all(line[: len(taxon.node)] == taxon.node for line in lines)
        assert taxon.node[: len(wider[row].node)] == wider[row].node
        assert taxon.named == (taxon.node != ())
        below = [line[: len(taxon.node)] == taxon.node for line in taxonomy.lineages]
        expected = probabilities[row, below].sum() if taxon.named else probabilities[row].max()
        if taxonomy.is_flat and taxon.in_distribution and not taxon.named and members.sum() <= MOST_NAMED:
            assert {*taxon.title.split(" or ")} == {taxonomy.names[label] for label in np.flatnonzero(members)}
            expected = probabilities[row, members].sum()
        else:
            assert taxon.title == (taxonomy.title(taxon.node) if taxon.in_distribution else "unknown")
        assert taxon.probability == pytest.approx(expected)


def test_with_too_few_images_nothing_is_ruled_out():
    prediction, labels = drawn((2, 2, 2, 1, 1), 3)
    assert Calibration.fit(TAXONOMY, prediction, labels).sets(prediction.logits, 0.9).all()


def test_a_cluster_that_was_left_out_is_mostly_unknown_and_the_others_rarely():
    known, _ = drawn((100, 100, 100, 100, 100), 6)
    unseen = known.features.clone()
    unseen[:, :5] -= CENTRES[:, :5].repeat_interleave(100, 0)
    unseen[:, 5] += 4
    taxa = CALIBRATION.lowest_supported_taxa(Prediction(unseen @ CENTRES.T, unseen), 0.9)
    assert sum(taxon.title == "unknown" for taxon in taxa) > 350
    known, _ = drawn((400, 240, 120, 20, 16), 7)  # mixed as the validation images were
    false_alarms = sum(not taxon.named for taxon in CALIBRATION.lowest_supported_taxa(known, 0.9))
    rank = np.ceil(399 * IN_DISTRIBUTION_SHARE)
    low, high = stats.betabinom(796, rank, 399 - rank).ppf([0.001, 0.999])
    assert 796 - high <= false_alarms <= 796 - low


def test_the_state_has_the_names_that_model_files_hold():
    state = CALIBRATION.state()
    assert list(state) == ["temperature", "rank_limits", "nonconformity", "labels", "own_probability", "ood_detector"]
    held = ["power", "directions", "reference_features", "spread", "validation_scores"]
    assert list(state["ood_detector"]) == held


def test_a_model_file_of_format_4_is_read_by_its_old_names(tmp_path):
    state = CALIBRATION.state()
    old = {"temperature": state["temperature"], "places": state["rank_limits"], "scores": state["nonconformity"]}
    names = ("power", "directions", "looks", "spread", "usual")
    old |= {"labels": state["labels"], "familiarity": dict(zip(names, state["ood_detector"].values(), strict=True))}
    classes = [lineage[-1] for lineage in TAXONOMY.lineages]
    content = {"architecture": "vgg11_adaptive", "image_size": 40, "classes": classes, "weights": {}, "turns": 1}
    lineages = dict(zip(classes, map(list, TAXONOMY.lineages), strict=True))
    content |= {"format": FORMAT, "version": 4, "lineages": lineages, "calibration": old}
    save_tensors(tmp_path / "model", content)
    read = Calibration.of(load_checkpoint(tmp_path / "model"))
    new, _ = drawn((20, 20, 20, 20, 20), 8)
    assert read.lowest_supported_taxa(new, 0.8) == CALIBRATION.lowest_supported_taxa(new, 0.8)


def test_the_distances_of_an_older_format_are_left_alone():
    older = {"directions": torch.zeros(3, 2), "pictures": torch.zeros(4, 2), "validation_scores": torch.zeros(2)}
    assert Calibration.from_state(TAXONOMY, {**CALIBRATION.state(), "ood_detector": older}).ood_detector is None


def test_without_a_detector_no_image_is_out_of_distribution():
    prediction, labels = drawn((50, 50, 50, 5, 5), 3)
    calibration = Calibration.fit(TAXONOMY, prediction, labels)
    elsewhere = Prediction(prediction.logits, prediction.features * 0 - 1)
    assert not calibration.out_of_distribution(elsewhere, 0.9).any()
    assert Calibration.from_state(TAXONOMY, calibration.state()).ood_detector is None


def test_a_model_file_holds_it_small_and_the_same():
    file = io.BytesIO()
    torch.save(CALIBRATION.state(), file)
    assert file.tell() < 1e6
    file.seek(0)
    again = Calibration.from_state(TAXONOMY, torch.load(file, weights_only=True))
    new, _ = drawn((20, 20, 20, 20, 20), 8)
    assert again.lowest_supported_taxa(new, 0.8) == CALIBRATION.lowest_supported_taxa(new, 0.8)
    assert np.array_equal(again.out_of_distribution(new, 0.7), CALIBRATION.out_of_distribution(new, 0.7))


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.0},
        {"temperature": "warm"},
        {"labels": torch.full((398,), 9)},
        {"labels": torch.zeros(3, dtype=torch.long)},
        {"nonconformity": torch.full((398,), torch.nan)},
        {"rank_limits": torch.ones(3, dtype=torch.long)},
        {"rank_limits": torch.zeros(5, dtype=torch.long)},
        {"ood_detector": {"directions": torch.zeros(3)}},
        {"ood_detector": {**CALIBRATION.ood_detector.state(), "reference_features": torch.zeros(4, 5)}},
        {"ood_detector": {**CALIBRATION.ood_detector.state(), "spread": torch.zeros(280)}},
        {"ood_detector": {**CALIBRATION.ood_detector.state(), "spread": torch.ones(3)}},
        {"ood_detector": {**CALIBRATION.ood_detector.state(), "power": 0.0}},
        {"ood_detector": 7},
    ],
)
def test_a_damaged_state_is_refused_with_a_sentence(change):
    with pytest.raises(CheckpointError, match="calibration is damaged"):
        Calibration.from_state(TAXONOMY, {**CALIBRATION.state(), **change})


@pytest.mark.parametrize("missing", ["temperature", "nonconformity", "labels"])
def test_a_state_that_lacks_something_is_refused_with_a_sentence(missing):
    state = CALIBRATION.state()
    del state[missing]
    with pytest.raises(CheckpointError, match="calibration is damaged"):
        Calibration.from_state(TAXONOMY, state)
