"""Every figure of the report, recomputed from predictions.csv by hand, with scipy, scikit-learn or cleanlab."""

import json
import math
from collections import Counter, defaultdict
from functools import partial, reduce
from pathlib import Path

import cleanlab.filter
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp
from scipy.stats import binomtest
from sklearn import metrics
from torch import from_numpy

from common.manifest import ManifestRow
from evaluation.calibration import SupportedTaxon
from evaluation.cross_fit import EvaluatedSplit, PredictedSplit
from evaluation.predictions import LabelledPredictions
from evaluation.taxonomy import Taxonomy
from models.prediction import Prediction
from reports.summary import split_summary
from reports.tables import rank_rows
from tests.report_set import HOSTILE, LINEAGES, read

pytestmark = pytest.mark.slow

LINEAGE = {lineage[-1]: lineage for lineage in LINEAGES.values()}
NAMES = [LINEAGES[name][-1] for name in sorted(LINEAGES)]  # in the order of the model's outputs


@pytest.fixture(scope="module")
def report(report_set):
    return report_set / "report"


@pytest.fixture(scope="module")
def summary(report):
    return json.loads((report / "summary.json").read_text())


def rows_of(report, name):
    return [row for row in read(report / "predictions.csv") if row["file"].startswith(f"{name}/")]


@pytest.fixture(scope="module", params=["validate", "test"])
def split(request, report, summary):
    """The rows of predictions.csv of one split, and what summary.json says of it."""
    return request.param, rows_of(report, request.param), summary["splits"][request.param]


def labels(rows):
    return [row["actual"] for row in rows], [row["answer_1"] for row in rows]


def given(row, column):
    """Return the three classes' probabilities by name, from `probability` or `uncalibrated`."""
    return {row[f"answer_{place}"]: float(row[f"{column}_{place}"]) for place in (1, 2, 3)}


def is_share(figure, part, whole):
    """Check a share and its Wilson interval against scipy's."""
    limits = binomtest(int(part), int(whole)).proportion_ci(method="wilson")
    return [figure[key] for key in ("value", "low", "high")] == pytest.approx([part / whole, *limits], abs=1e-5)


def rests_on(figure, part, whole):
    return (figure["part"], figure["count"]) == (part, whole) and is_share(figure, part, whole)


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


def lie_within(figure, limits, slack=0.005):
    return limits[0] - slack <= figure["low"] <= limits[1] + slack and (
        limits[2] - slack <= figure["high"] <= limits[3] + slack
    )


def mean_of(value):
    return lambda rows: np.mean([value(row) for row in rows]) if rows else math.nan


def calibration_error(column):
    """Return the function that bins rows by the highest probability and weighs the bins' errors."""

    def error(rows):
        bins = defaultdict(list)
        for row in rows:
            value = max(given(row, column).values())
            bins[min(14, max(0, math.ceil(value * 15) - 1))].append(int(row["correct"]) - value)
        return sum(abs(sum(each)) for each in bins.values()) / len(rows)

    return error


def shared(one, other):
    """Return the names that two lineages have in common, from the root on."""
    return one[: next((i for i, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1), len(one))]


def steps(row):
    """Count the steps from the actual class to what it has in common with the answer."""
    actual, answered = (LINEAGE[row[column]] for column in ("actual", "answer_1"))
    return len(actual) - len(shared(actual, answered))


def test_the_model_is_neither_faultless_nor_blind(split):
    right = sum(row["correct"] == "1" for row in split[1])
    assert 0.35 * len(split[1]) < right < len(split[1])  # else the tests below could not fail


def test_rows_are_consistent(split, report_set):
    name, rows, summary = split
    assert len(rows) == summary["pictures"] == len(list((report_set / name).glob("*/*.png")))
    for row in rows:
        for column in ("probability", "uncalibrated"):
            values = list(given(row, column).values())
            assert values == sorted(values, reverse=True) and sum(values) == pytest.approx(1, abs=1e-5)
        assert row["correct"] == str(int(row["actual"] == row["answer_1"]))
        probability = given(row, "probability")
        assert float(row["loss"]) == pytest.approx(-math.log(max(probability[row["actual"]], 1e-12)), abs=1e-5)
        assert row["actual_lineage"] == " > ".join(LINEAGE[row["actual"]])
        assert row["source"] == "Young & <i>Bown</i>" and (report_set / row["file"]).is_file()
        for depth in (1, 2, 3):
            sums = Counter()
            for label, value in probability.items():
                sums[" > ".join(LINEAGE[label][:depth])] += value
            assert row[f"answer_at_depth_{depth}"] == max(sums, key=sums.get)


def test_shares_of_the_summary(split, summary):
    _, rows, part = split
    actual, answered = labels(rows)
    right = sum(a == b for a, b in zip(actual, answered, strict=True))
    assert part["groups"] == len({row["group"] for row in rows})
    assert rests_on(part["accuracy"], right, len(rows))
    assert rests_on(part["majority"], max(Counter(actual).values()), len(rows))
    assert (summary["classes"], summary["confidence"], summary["architecture"]) == (3, 0.9, "mnasnet0_5")


def test_means_of_the_summary_and_their_intervals(split):
    """The calibration error's interval is the basic one: twice the error less what the draws give."""
    _, rows, part = split
    actual, answered = labels(rows)
    balanced = metrics.balanced_accuracy_score(actual, answered)
    macro = metrics.f1_score(actual, answered, labels=sorted(set(actual)), average="macro")
    wrong = [row for row in rows if row["correct"] == "0"]

    def macro_of(score):
        return lambda drawn: np.mean([score(label, drawn) for label in set(labels(drawn)[0])])

    figures = {
        "macro_f1": (macro, macro_of(f1_of), len(rows)),
        "balanced_accuracy": (balanced, macro_of(recall_of), len(rows)),
        "mean_loss": (None, mean_of(lambda row: float(row["loss"])), len(rows)),
        "mean_set_size": (None, mean_of(lambda row: len(row["set"].split(" | "))), len(rows)),
        "mean_mistake_distance": (None, lambda drawn: mean_of(steps)([r for r in drawn if r in wrong]), len(wrong)),
    }
    for name, (value, score, count) in figures.items():
        figure = part[name]
        assert figure["value"] == pytest.approx(score(rows) if value is None else value, abs=1e-5), name
        assert lie_within(figure, resampled(rows, score)) and figure["count"] == count, name
    for when, column in (("before", "uncalibrated"), ("after", "probability")):
        figure, score = part["calibration_error"][when], calibration_error(column)
        error = score(rows)
        assert figure["value"] == pytest.approx(error, abs=1e-4) and figure["count"] == len(rows)
        turned = 2 * error - resampled(rows, score)[::-1]
        assert lie_within(figure, np.maximum(turned, [0, 0, error, error])), when


def f1_of(label, rows):
    """F1 from its definition; no number for a class that neither occurs nor is answered."""
    actual, answered = labels(rows)
    total = actual.count(label) + answered.count(label)
    return 2 * sum(a == b == label for a, b in zip(actual, answered, strict=True)) / total if total else math.nan


def recall_of(label, rows):
    of_class = [row["correct"] == "1" for row in rows if row["actual"] == label]
    return sum(of_class) / len(of_class)


def log_of(rows):
    """Return what the network itself said, as logarithms (n, 3), and the actual classes' places (n,)."""
    raw = [[given(row, "uncalibrated")[name] for name in NAMES] for row in rows]
    return np.log(raw), np.array([NAMES.index(row["actual"]) for row in rows])


def temperature_of(rows, tolerance=1e-9):
    """Fit a temperature anew: the likeliest, its logarithm held near 0 with the weight of a picture."""
    logs, places = log_of(rows)

    def cost(x):
        return x**2 / 2 - log_softmax(logs / math.exp(x), axis=1)[np.arange(len(rows)), places].sum()

    return math.exp(minimize_scalar(cost, bracket=(-0.5, 0.5), tol=tolerance).x)


def halves(rows):
    """Part the rows of validate/ by the temperature that their probabilities show: (temperature, rows) of both."""
    shown = []
    for row in rows:
        raw, calibrated = (np.log(list(given(row, column).values())) for column in ("uncalibrated", "probability"))
        shown.append((raw[0] - raw[-1]) / (calibrated[0] - calibrated[-1]))
    shown, middle = np.array(shown), (min(shown) + max(shown)) / 2
    parts = [np.flatnonzero(shown < middle), np.flatnonzero(shown >= middle)]
    return [(np.median(shown[part]), [rows[index] for index in part]) for part in parts]


def test_the_temperature_is_the_likeliest(report, summary):
    rows = rows_of(report, "validate")
    assert summary["temperature"]["value"] == pytest.approx(temperature_of(rows), rel=1e-3)
    assert summary["temperature"]["count"] == len(rows)
    coarse = partial(temperature_of, tolerance=1e-2)  # the interval is sought in steps of 1.4 %
    assert lie_within(summary["temperature"], resampled(rows, coarse), slack=0.03)


def test_each_half_is_calibrated_by_the_other(report, summary):
    (low, one), (high, other) = halves(rows_of(report, "validate"))
    assert low == pytest.approx(temperature_of(other), rel=1e-3)
    assert high == pytest.approx(temperature_of(one), rel=1e-3)
    assert not {row["group"] for row in one} & {row["group"] for row in other}
    for row in rows_of(report, "test"):  # calibrated by the whole of validate/
        logs = np.log(list(given(row, "uncalibrated").values())) / summary["temperature"]["value"]
        assert list(given(row, "probability").values()) == pytest.approx(np.exp(logs - logsumexp(logs)), abs=1e-4)


def taxonomic_nonconformity(probability, label):
    """Sum the probability of the highest taxon that is wrong if `label` is right; 0 for the most probable class."""
    likeliest = LINEAGE[max(probability, key=probability.get)]
    common = shared(likeliest, LINEAGE[label])
    if common == likeliest:
        return 0
    wrong = likeliest[: len(common) + 1]
    return sum(value for name, value in probability.items() if LINEAGE[name][: len(wrong)] == wrong)


def nonconformity(probability, label, rank_limit):
    """Add 1 to the taxonomic nonconformity of a class than which `rank_limit` or more others are likelier."""
    likelier = sum(value > probability[label] for value in probability.values())
    return taxonomic_nonconformity(probability, label) + (likelier >= rank_limit)


def sets_of(probabilities, rank_limit, quantile):
    return [
        {name for name in NAMES if nonconformity(each, name, rank_limit) <= quantile + 1e-5} for each in probabilities
    ]


def expected_sets(fitted_on, temperature, asked):
    """Return the sets of `asked` rows by split conformal prediction: the classes no worse than the quantile.

    The rank limit is that within which 95 % of the pictures lie, if the sets of `fitted_on` then share clearly more
    ranks.
    """
    fitted = []
    for row in fitted_on:  # at the temperature of the rows asked for, not at their own
        logs = np.log(list(given(row, "uncalibrated").values())) / temperature
        fitted.append(dict(zip(given(row, "uncalibrated"), np.exp(logs - logsumexp(logs)), strict=True)))
    actual = [row["actual"] for row in fitted_on]
    assert len(actual) > 9 and max(Counter(actual).values()) < 30  # one quantile and one rank limit for all
    own_ranks = sorted(
        sorted(p.values(), reverse=True).index(p[label]) + 1 for p, label in zip(fitted, actual, strict=True)
    )
    own_limit = own_ranks[math.ceil(0.95 * (len(own_ranks) - 1))]
    quantiles, depths = {}, {}
    for limit in (3, own_limit):
        scores = sorted(nonconformity(each, label, limit) for each, label in zip(fitted, actual, strict=True))
        quantiles[limit] = scores[math.ceil((len(scores) + 1) * 0.9) - 1]
        sets = sets_of(fitted, limit, quantiles[limit])
        depths[limit] = np.array([len(reduce(shared, (LINEAGE[name] for name in members))) for members in sets])
    gain = depths[own_limit] - depths[3]
    chosen = own_limit if gain.sum() > 2 * gain.std() * math.sqrt(len(gain)) else 3
    return sets_of([given(row, "probability") for row in asked], chosen, quantiles[chosen])


def by_half(report, summary, ask):
    """Return what `ask(fitted on, temperature, asked)` tells of all rows, each half by the other, and the rows."""
    (low, one), (high, other) = halves(rows_of(report, "validate"))
    validate, test = one + other, rows_of(report, "test")
    found = ask(other, low, one) + ask(one, high, other) + ask(validate, summary["temperature"]["value"], test)
    return list(zip(validate + test, found, strict=True))


def candidates(fitted_on, temperature, asked):
    """Return the candidates of `asked` rows: the classes as probable as the own class of 90 % of `fitted_on` was."""
    scores = []
    for row in fitted_on:
        logs = np.log(list(given(row, "uncalibrated").values())) / temperature
        values = dict(zip(given(row, "uncalibrated"), np.exp(logs - logsumexp(logs)), strict=True))
        scores.append(1 - values[row["actual"]])
    quantile = sorted(scores)[math.ceil((len(scores) + 1) * 0.9) - 1]
    sets = []
    for row in asked:
        values = given(row, "probability")
        sets.append(
            {name for name in NAMES if 1 - values[name] <= quantile + 1e-5 or values[name] == max(values.values())}
        )
    return sets


def test_candidates_by_hand(report, summary):
    found = by_half(report, summary, candidates)
    assert all({*row["set"].split(" | ")} == members for row, members in found)
    assert len({len(members) for _, members in found}) > 1


def test_coverage_and_ranks_of_supported_taxa(split):
    _, rows, part = split
    sets = [row["set"].split(" | ") for row in rows]
    covered = sum(row["actual"] in members for row, members in zip(rows, sets, strict=True))
    assert covered == sum(row["set_holds_actual"] == "1" for row in rows)
    assert [len(members) for members in sets] == [int(row["set_size"]) for row in rows]
    assert rests_on(part["coverage"], covered, len(rows))
    unknown = sum(row["lowest_supported_taxon"] == "unknown" for row in rows)
    named = [row for row in rows if row["lowest_supported_taxon"] not in ("unknown", "indet.")]
    classes = [row for row in named if row["lowest_supported_taxon"] in NAMES]
    supported = part["lowest_supported_taxon"]
    assert rests_on(supported["class"], len(classes), len(rows))
    assert rests_on(supported["unknown"], unknown, len(rows))
    assert rests_on(supported["higher_rank"], len(rows) - unknown - len(classes), len(rows))
    true = sum(f"{row['actual_lineage']} > ".startswith(f"{row['lowest_supported_taxon_lineage']} > ") for row in named)
    assert rests_on(supported["true_where_named"], true, len(named))


def test_lowest_supported_taxa_are_what_the_sets_by_the_tree_share(report, summary):
    for row, names in by_half(report, summary, expected_sets):
        if row["lowest_supported_taxon"] == "unknown":  # by what the network saw, which no table holds
            assert row["lowest_supported_taxon_lineage"] == ""
            assert row["lowest_supported_taxon_probability"] == row["probability_1"]
            continue
        members = [LINEAGE[name] for name in names]
        node = members[0]
        for lineage in members[1:]:
            node = shared(node, lineage)
        if all(lineage[: len(node)] == node for lineage in LINEAGE.values()):
            node = ()  # it merely holds everything together
        assert row["lowest_supported_taxon_lineage"] == " > ".join(node)
        assert row["lowest_supported_taxon"] == (
            "indet." if not node else node[-1] if node in LINEAGE.values() else f"{node[-1]} indet."
        )
        below = [value for name, value in given(row, "probability").items() if LINEAGE[name][: len(node)] == node]
        expected = sum(below) if node else float(row["probability_1"])
        assert float(row["lowest_supported_taxon_probability"]) == pytest.approx(expected, abs=1e-5)


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
        either = sum(label in pair for pair in zip(actual, answered, strict=True))
        interval = binomtest(right, either).proportion_ci(method="wilson")
        expected = [2 * share / (1 + share) for share in (interval.low, interval.high)]
        assert [float(row["f1_low"]), float(row["f1_high"])] == pytest.approx(expected, abs=1e-5)


def test_per_rank(split, report):
    name, rows, _ = split
    table = [row for row in read(report / "per_rank.csv") if row["split"] == name]
    assert [int(row["depth"]) for row in table] == [1, 2, 3]
    wrong = [row for row in rows if row["correct"] == "0"]
    for row in table:
        depth = int(row["depth"])
        actual = [" > ".join(each["actual_lineage"].split(" > ")[:depth]) for each in rows]
        answered = [each[f"answer_at_depth_{depth}"] for each in rows]
        figure = {"value": float(row["accuracy"]), "low": float(row["low"]), "high": float(row["high"])}
        right = sum(a == b for a, b in zip(actual, answered, strict=True))
        assert int(row["count"]) == len(rows) and is_share(figure, right, len(rows))
        assert int(row["classes"]) == len({tuple(lineage[:depth]) for lineage in LINEAGE.values()})
        inside = sum(LINEAGE[each["actual"]][:depth] == LINEAGE[each["answer_1"]][:depth] for each in wrong)
        figure = zip(("value", "low", "high"), ("mistakes_inside", "inside_low", "inside_high"), strict=True)
        assert int(row["mistakes"]) == len(wrong)
        assert is_share({key: float(row[column]) for key, column in figure}, inside, len(wrong))


def test_confusion_csv(report):
    table = read(report / "confusion.csv")
    order = [row["actual"] for row in table]
    assert order == ["Bar", "Disc", HOSTILE]  # taxonomic: Bar < Round > (Disc, Ring)
    matrix = metrics.confusion_matrix(*labels(rows_of(report, "validate")), labels=order)
    assert [[int(row[name]) for name in order] for row in table] == matrix.tolist()
    assert [row["parent"] for row in table] == [" > ".join(LINEAGE[name][:-1]) for name in order]


def test_suspects_are_those_that_cleanlab_finds_in_the_table(split, report):
    name, rows, _ = split
    suspects = [row for row in read(report / "suspects.csv") if row["file"].startswith(f"{name}/")]
    by_file = {row["file"]: row for row in rows}
    probabilities = np.array([[given(row, "probability")[each] for each in NAMES] for row in rows])
    probabilities /= probabilities.sum(1, keepdims=True)
    found = cleanlab.filter.find_label_issues([NAMES.index(row["actual"]) for row in rows], probabilities, n_jobs=1)
    assert {row["file"] for row in suspects} == {row["file"] for row, hit in zip(rows, found, strict=True) if hit}
    quality = [float(row["quality"]) for row in suspects]
    assert quality == sorted(quality) and suspects
    for row in suspects:
        known = by_file[row["file"]]
        assert (row["label"], row["suggested"]) == (known["actual"], known["answer_1"]) and row["label"] != row[
            "suggested"
        ]
        assert float(row["quality"]) == pytest.approx(given(known, "probability")[known["actual"]], abs=1e-5)
        assert (row["source"], row["URL"]) == (known["source"], known["URL"])


def test_suspects_hold_the_labels_that_are_wrong(report):
    files = {row["file"] for row in read(report / "suspects.csv")}
    planted = [f"validate/disc/disc{number}.png" for number in (80, 90, 91, 92, 93)]
    planted += [f"validate/ring/ring{number}.png" for number in (95, 96, 97)]
    planted += [f"test/{shape}/{shape}4.png" for shape in ("disc", "ring")]
    found = files.intersection(planted)
    assert len(found) >= 5 and len(files - found) <= 2
    assert {file.partition("/")[0] for file in found} == {"validate", "test"}


def test_without_mistakes_there_is_no_distance_and_no_share_of_them():
    taxonomy = Taxonomy([LINEAGE[name] for name in NAMES])
    actual, paths = np.array([0, 1, 2, 2]), [Path(f"{number}.png") for number in range(4)]
    probabilities = np.eye(3)[actual] * 0.9 + 0.1 / 3
    nodes = [taxonomy.lineages[label] for label in actual]
    prediction = Prediction(from_numpy(np.log(probabilities)), from_numpy(np.zeros((4, 1))))
    files = [str(path) for path in paths]
    split = PredictedSplit("validate", paths, files, from_numpy(actual), prediction, [ManifestRow(path="")] * 4)
    evaluated = EvaluatedSplit(
        split,
        LabelledPredictions(paths, taxonomy, actual, probabilities),
        uncalibrated=probabilities,
        conformal_sets=np.eye(3, dtype=bool)[actual],
        supported_taxa=[SupportedTaxon(node[-1], node, 0.9, named=True) for node in nodes],
    )
    summary = split_summary(evaluated)
    assert summary["mean_mistake_distance"] is None and rests_on(summary["accuracy"], 4, 4)
    for row in rank_rows(evaluated):
        assert row["mistakes"] == 0 and row["mistakes_inside"] is row["inside_low"] is row["inside_high"] is None
