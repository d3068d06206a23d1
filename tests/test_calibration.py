import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from evaluation.calibration import (
    FAMILIAR,
    Calibration,
    expected_calibration_error,
    fit_temperature,
    softmax,
)
from evaluation.conformal import CLASS_PICTURES, doubts, limit
from evaluation.ood import NEIGHBOURS, Familiarity
from evaluation.taxonomy import Taxonomy
from models.checkpoint import CheckpointError
from models.prediction import Prediction
from tests.test_taxonomy import taxonomies

TAXONOMY = Taxonomy(
    [
        ("Coccolithophores", "Syracosphaera", "Syracosphaera pulchra"),
        ("Coccolithophores", "Syracosphaera", "Syracosphaera corolla"),
        ("Coccolithophores", "Emiliania", "Emiliania huxleyi"),
        ("Coccolithophores", "Gephyrocapsa", "Gephyrocapsa oceanica"),
        ("Coccolithophores", "Gephyrocapsa", "Gephyrocapsa muellerae"),
    ]
)
CENTRES = torch.eye(5, 600) * 4  # in more directions than there are pictures
HARD = 2.2  # clusters so wide that one picture in three lies nearer to another's centre


def drawn(counts, seed, spread=1.0):
    """Pictures of five overlapping clusters of features, the network's logits for them (too sure), and labels."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(5), torch.tensor(counts))
    noise = torch.randn(len(labels), 600, generator=random) * torch.where(torch.arange(600) < 8, 1.2 * spread, 0.02)
    features = CENTRES[labels] + noise
    return Prediction(features @ CENTRES.T, features), labels


def fitted(validate=(200, 120, 60, 10, 8), seed=1):
    train, _ = drawn((80, 80, 80, 20, 20), 0)
    prediction, labels = drawn(validate, seed)
    return Calibration.fit(TAXONOMY, prediction, labels, Familiarity.fit(train.features[None], prediction.features))


CALIBRATION = fitted()


def test_temperature_by_hand():
    logits = torch.tensor([[1.0, 0.0]]).repeat(4000, 1)
    labels = (np.arange(4000) % 4 == 0).astype(int)  # three of four are right: 1 / T = log 3
    assert fit_temperature(logits, labels) == pytest.approx(1 / np.log(3), rel=1e-3)


def test_temperature_undoes_a_stretching_of_true_logits():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20000, 4))
    labels = np.array([random.choice(4, p=row) for row in softmax(torch.tensor(logits), 1)])
    assert fit_temperature(torch.tensor(logits * 3), labels) == pytest.approx(3, rel=0.04)


def test_a_few_faultless_answers_do_not_make_the_network_sure_of_everything():
    perfect = torch.eye(3) * 5
    assert 0.7 < fit_temperature(perfect, np.arange(3)) <= 1
    assert fit_temperature(perfect[:0], np.arange(0)) == pytest.approx(1, abs=1e-3)


def test_calibration_lowers_the_error_on_other_pictures():
    learnt, learnt_labels = drawn((300, 300, 300, 300, 300), 4, HARD)
    calibration = Calibration.fit(TAXONOMY, learnt, learnt_labels)
    prediction, labels = drawn((1000, 1000, 1000, 1000, 1000), 5, HARD)
    before = expected_calibration_error(softmax(prediction.logits, 1), labels.numpy())
    after = expected_calibration_error(calibration.probabilities(prediction.logits), labels.numpy())
    assert after < before / 2


def test_expected_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.86, 0.14], [0.35, 0.65], [0.0, 1.0]])
    labels = np.array([0, 1, 1, 1])
    # with ten bins: (0.8, 0.9] holds 0.9 right and 0.86 wrong, (0.6, 0.7] 0.65 right, (0.9, 1] 1.0 right
    expected = (2 * abs(1 / 2 - 0.88) + abs(1 - 0.65) + 0) / 4
    assert expected_calibration_error(probabilities, labels, bins=10) == pytest.approx(expected)


def test_doubts_by_hand():
    shares = np.array([[0.4, 0.2, 0.3, 0.1, 0.0], [0.1, 0.0, 0.1, 0.3, 0.5]])
    expected = [[0, 0.4, 0.6, 0.6, 0.6], [0.8, 0.8, 0.8, 0.5, 0]]  # the species within its genus, else the genus
    assert doubts(TAXONOMY, shares) == pytest.approx(np.array(expected))
    nested = Taxonomy([("A",), ("A", "B"), ("C",)])  # B is too precise for an A, but A is right for a B
    expected = [[0.5, 0, 0.7], [0, 0, 0.7]]
    assert doubts(nested, np.array([[0.2, 0.5, 0.3], [0.5, 0.2, 0.3]])) == pytest.approx(np.array(expected))


def test_answers_too_hold_the_truth_no_oftener_than_asked_for():
    """An answer is wider than its set; by whole taxa it is so by little, and most species are still named."""
    prediction, labels = drawn((300, 300, 300, 300, 300), 11, HARD)
    new, actual = drawn((300, 300, 300, 300, 300), 12, HARD)
    answers = Calibration.fit(TAXONOMY, prediction, labels).answers(new, 0.9)
    right = [TAXONOMY.lineages[label][: len(a.node)] == a.node for a, label in zip(answers, actual, strict=True)]
    assert 0.88 < np.mean(right) < 0.94


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [
        (0.5, 3),  # ceil(6 · 0.5) = the third of five
        (0.8, 5),
        (0.83, 5),  # ceil(6 · 0.83) = 5
        (0.9, 9),  # none of five; ceil(11 · 0.9) = the tenth of the ten others
        (0.95, np.inf),
    ],
)
def test_the_limit_by_hand(confidence, expected):
    assert limit([np.array([3.0, 1, 5, 2, 4]), np.arange(10.0)], confidence) == expected


def test_the_limit_never_falls_where_it_is_taken_from_more_scores():
    assert limit([np.array([3.0, 1, 5, 2, 4]), np.zeros(10)], 0.9) == 5


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 90, np.nan])
def test_a_confidence_is_a_share(confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        CALIBRATION.sets(torch.zeros(1, 5), confidence)


def test_sets_hold_the_truth_of_new_pictures():
    """Over many draws of validation pictures, the number of covered test pictures is beta-binomial around 0.9.

    With n of a class, its limit being the k-th smallest score, the coverage given the validation is Beta(k, n + 1 - k)
    (Vovk 2012). What is tested is the mean over draws, with the tolerance that this leaves.
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
        if n >= CLASS_PICTURES:
            rank = np.ceil((n + 1) * confidence)
            one_round = stats.betabinom(per_class, rank, n + 1 - rank)
            tolerance = 3.5 * one_round.std() / per_class / np.sqrt(rounds)
            expected = one_round.mean() / per_class
            assert covered[:, index].mean() == pytest.approx(expected, abs=tolerance), index
    # two small classes of equal size have a common limit: of 48 scores the 45th
    assert covered[:, 3:].mean() == pytest.approx(45 / 49, abs=0.02)
    assert covered.mean() == pytest.approx(0.9, abs=0.02)


def test_a_hard_class_has_a_limit_of_its_own():
    prediction, labels = drawn((300, 300, 40, 5, 5), 9)
    prediction.logits[labels == 2] += torch.tensor([16.0, 0, -8, 0, 0])  # mostly taken for the first class
    held = Calibration.fit(TAXONOMY, prediction, labels).sets(prediction.logits, 0.9)[np.arange(650), labels]
    assert held[labels == 2].sum() >= 37  # ceil(41 · 0.9) of those that the limit was made from


def test_one_calibration_covers_within_the_binomial_tolerance():
    prediction, labels = drawn((200, 120, 60, 10, 8), 1, HARD)
    new, actual = drawn((400, 400, 400, 400, 400), 77, HARD)
    held = Calibration.fit(TAXONOMY, prediction, labels).sets(new.logits, 0.9)[np.arange(len(actual)), actual]
    for index, n in enumerate((200, 120, 60)):
        rank = np.ceil((n + 1) * 0.9)
        low, high = stats.betabinom(400, rank, n + 1 - rank).ppf([0.001, 0.999])
        assert low <= held[actual.numpy() == index].sum() <= high


@given(taxonomies(), st.integers(0, 2**32 - 1), st.lists(st.floats(0.01, 0.99), min_size=2, max_size=2))
@settings(max_examples=80, deadline=None)
def test_answers_hold_their_sets_and_only_rise_with_confidence(taxonomy, seed, levels):
    random, classes = torch.Generator().manual_seed(seed), len(taxonomy.names)
    counts = torch.randint(1, 2 * CLASS_PICTURES, (classes,), generator=random)
    labels = torch.repeat_interleave(torch.arange(classes), counts)
    logits = torch.randn(len(labels), classes, generator=random) + 2 * torch.eye(classes)[labels]
    features = torch.randn(len(labels), 12, generator=random)
    prediction = Prediction(logits, features)
    calibration = Calibration.fit(taxonomy, prediction, labels, Familiarity.fit(features[None, ::2], features))
    low, high = sorted(levels)
    less, more = calibration.sets(logits, low), calibration.sets(logits, high)
    assert less.any(1).all() and not (less & ~more).any()
    probabilities = calibration.probabilities(logits)
    assert less[np.arange(len(less)), probabilities.argmax(1)].all()
    rows = zip(calibration.answers(prediction, low), calibration.answers(prediction, high), less, strict=True)
    for row, (answer, wider, members) in enumerate(rows):
        lines = [taxonomy.lineages[index] for index in np.flatnonzero(members)]
        assert answer.node in {(), *taxonomy.nodes}
        assert all(line[: len(answer.node)] == answer.node for line in lines)
        assert answer.node[: len(wider.node)] == wider.node
        assert answer.title == (taxonomy.title(answer.node) if answer.familiar else "unknown")
        assert answer.known == (answer.node != ())
        below = [line[: len(answer.node)] == answer.node for line in taxonomy.lineages]
        assert answer.probability == pytest.approx(probabilities[row, below].sum())


def test_with_too_few_pictures_nothing_is_ruled_out():
    prediction, labels = drawn((2, 2, 2, 1, 1), 3)
    assert Calibration.fit(TAXONOMY, prediction, labels).sets(prediction.logits, 0.9).all()


def test_a_cluster_that_was_left_out_is_mostly_unknown_and_the_others_rarely():
    known, _ = drawn((100, 100, 100, 100, 100), 6)
    stranger = known.features.clone()
    stranger[:, :5] -= CENTRES[:, :5].repeat_interleave(100, 0)
    stranger[:, 5] += 4
    called = [answer.title for answer in CALIBRATION.answers(Prediction(stranger @ CENTRES.T, stranger), 0.9)]
    assert called.count("unknown") > 350
    known, _ = drawn((400, 240, 120, 20, 16), 7)  # mixed as the validation pictures were
    false_alarms = sum(not answer.known for answer in CALIBRATION.answers(known, 0.9))
    low, high = stats.betabinom(796, np.ceil(399 * FAMILIAR), 399 - np.ceil(399 * FAMILIAR)).ppf([0.001, 0.999])
    assert 796 - high <= false_alarms <= 796 - low


def test_pictures_unlike_any_are_still_seen_in_directions_that_are_not_kept():
    elsewhere = torch.zeros(1, 600)
    elsewhere[0, 599] = 3  # training pictures do not reach there, and so no direction points there
    assert CALIBRATION.unfamiliar(elsewhere, 0.95).all()
    assert not CALIBRATION.unfamiliar(CENTRES, 0.95).any()


def test_strangeness_by_hand():
    train = torch.tensor([[[2.0, 0, 0], [0, 3.0, 0]]])  # their squared distance on the unit circle is 2
    seen = torch.tensor([[5.0, 0, 0], [1.0, 1.0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    familiarity = Familiarity.fit(train, seen)
    # the mean of the squared distances to both, 2 - 2 cos each, by the root of what lies between these
    assert familiarity.usual == pytest.approx(np.array([1, 2 - 2**0.5, 2, 3]) / 2**0.5, abs=1e-3)
    assert familiarity.measured_on(seen[:2]).usual == pytest.approx(familiarity.usual[:2], abs=1e-3)
    assert familiarity.measured_on(seen[:2]).strangeness(seen) == pytest.approx(familiarity.usual, abs=1e-3)


@pytest.mark.parametrize("negative, power", [(False, 0.5), (True, 1)])
def test_strangeness_is_what_scikit_learn_makes_of_all_distances(negative, power):
    random = np.random.default_rng(0)
    train, seen = (random.gamma(0.5, size=shape) for shape in ((3, 9, 8), (20, 8)))
    if negative:
        train, seen = train - 0.5, seen - 0.5
    looks, new = (normalize(np.sign(each) * np.abs(each) ** power) for each in (train.reshape(-1, 8), seen))
    picture = np.tile(np.arange(9), 3)
    disambiguate = np.where(picture[:, None] == picture, np.inf, euclidean_distances(looks, squared=True))
    spread = np.sort(disambiguate, axis=1)[:, :NEIGHBOURS].mean(1)
    distances, near = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(looks).kneighbors(new)
    expected = (distances**2).mean(1) / np.sqrt(spread[near].mean(1))
    familiarity = Familiarity.fit(torch.from_numpy(train), torch.from_numpy(seen))
    assert familiarity.usual == pytest.approx(expected, rel=0.01)


def test_copies_among_the_training_pictures_do_not_make_all_else_strange():
    familiarity = Familiarity.fit(torch.ones(1, 9, 4), torch.eye(4))
    assert np.isfinite(familiarity.usual).all() and familiarity.strangeness(torch.ones(1, 4))[0] < 0.01


def test_one_training_picture_is_enough_to_measure_by():
    familiarity = Familiarity.fit(torch.tensor([[[1.0, 0]], [[0, 1.0]]]), torch.tensor([[1.0, 0], [-1.0, 0]]))
    assert familiarity.usual == pytest.approx([1, 3], abs=1e-3)


def test_what_a_model_of_an_older_format_remembers_is_left_alone():
    older = {"directions": torch.zeros(3, 2), "pictures": torch.zeros(4, 2), "usual": torch.zeros(2)}
    assert Calibration.from_state(TAXONOMY, {**CALIBRATION.state(), "familiarity": older}).familiarity is None


def test_without_features_nothing_is_unfamiliar():
    prediction, labels = drawn((50, 50, 50, 5, 5), 3)
    calibration = Calibration.fit(TAXONOMY, prediction, labels)
    assert not calibration.unfamiliar(prediction.features * 0 - 1, 0.9).any()
    assert Calibration.from_state(TAXONOMY, calibration.state()).familiarity is None


def test_a_model_file_keeps_it_small_and_the_same():
    file = io.BytesIO()
    torch.save(CALIBRATION.state(), file)
    assert file.tell() < 1e6
    file.seek(0)
    again = Calibration.from_state(TAXONOMY, torch.load(file, weights_only=True))
    new, _ = drawn((20, 20, 20, 20, 20), 8)
    assert again.answers(new, 0.8) == CALIBRATION.answers(new, 0.8)
    assert np.array_equal(again.unfamiliar(new.features, 0.7), CALIBRATION.unfamiliar(new.features, 0.7))


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.0},
        {"temperature": "warm"},
        {"labels": torch.full((398,), 9)},
        {"labels": torch.zeros(3, dtype=torch.long)},
        {"scores": torch.full((398,), torch.nan)},
        {"places": torch.ones(3, dtype=torch.long)},
        {"places": torch.zeros(5, dtype=torch.long)},
        {"familiarity": {"directions": torch.zeros(3)}},
        {"familiarity": {**CALIBRATION.familiarity.state(), "looks": torch.zeros(4, 5)}},
        {"familiarity": {**CALIBRATION.familiarity.state(), "spread": torch.zeros(280)}},
        {"familiarity": {**CALIBRATION.familiarity.state(), "spread": torch.ones(3)}},
        {"familiarity": {**CALIBRATION.familiarity.state(), "power": 0.0}},
        {"familiarity": 7},
    ],
)
def test_a_damaged_state_is_refused_with_a_sentence(change):
    with pytest.raises(CheckpointError, match="calibration is damaged"):
        Calibration.from_state(TAXONOMY, {**CALIBRATION.state(), **change})


@pytest.mark.parametrize("missing", ["temperature", "scores", "labels"])
def test_a_state_that_lacks_something_is_refused_with_a_sentence(missing):
    state = CALIBRATION.state()
    del state[missing]
    with pytest.raises(CheckpointError, match="calibration is damaged"):
        Calibration.from_state(TAXONOMY, state)
