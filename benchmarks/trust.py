"""May answers be trusted? Trains without some classes, then asks for them, and for new pictures of the others.

    python -m benchmarks.trust drawn --use_model vgg11_adaptive --weights none --epochs 20      drawn coccoliths
    python -m benchmarks.trust DIR --use_model squeezenet1_1 --weights FILE --freeze features   a prepared data set

DIR holds train/, validate/ and dataset.json, as prepare_image_model.py writes them. For each seed, one class in eight
is left out, by chance: in turn one with a sibling in the set and one as alone in it as any. The others go to
train_classifier.py, with all options that are not of this program. Known pictures are those of test/, where there is
one (the drawn set has one), answered with the calibration that is in the model; else those of validate/, cross-fitted
as the report does. Strangers are all pictures of the classes that were left out. Prints a line for each seed, then mean
and standard deviation; the ECEs are mean differences of shares, all other figures are shares of pictures or of classes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

from demo.coccoliths import SPECIES, draw
from demo.pictures import modules
from evaluation.calibration import Answer, Calibration, expected_calibration_error
from evaluation.conformal import CLASS_PICTURES
from evaluation.cross_fit import Examined, cross_fit, examine
from evaluation.taxonomy import Taxonomy, holds
from models.checkpoint import Checkpoint, load_checkpoint
from models.device import choose_hardware
from models.preprocessing import list_pictures
from visualise_results import classify

TOP = Path(__file__).resolve().parent.parent
COLUMNS = {
    "accuracy": "the likeliest class is the truth",
    "ECE before": "expected calibration error of the network's own probabilities",
    "ECE after": "the same with its temperature",
    "set": "the conformal set holds the truth",
    "worst": f"the same in the worst class with {CLASS_PICTURES} pictures or more, calibrated by itself",
    "at least": "what that class must reach: one such set of classes in forty falls short by chance",
    "answer": "the answer holds the truth",
    "named": "the answer is a class",
    "alarm": "known, and taken for unlike anything learnt",
    "unknown": "known, and called unknown for that, or indet. because the possible classes share no taxon",
    "s alarm": "strangers taken for unlike anything learnt",
    "s unknown": "strangers called unknown for that, or indet. because the possible classes share no taxon",
    "s higher": "strangers answered with a higher taxon that they belong to",
    "s wrong": "strangers answered with any other taxon",
    "s classes": "classes left out of whose pictures more than half are not answered wrongly",
}
# The drawn set: of each genus so many pictures, of which one in four is a light micrograph.
DRAWN = {"train": 40, "validate": 40, "test": 40}


def draw_set(directory: Path) -> None:
    """Lay out drawn coccoliths, classes being genera: train/, validate/ and test/ share no specimen."""
    lineages: dict[str, list[str]] = {}
    species: dict[str, list[str]] = {}
    for root in modules().values():
        for taxon in root.walk():
            if taxon.rank == "Species" and taxon.name in SPECIES:
                genus = taxon
                while genus.rank != "Genus":
                    genus = genus.parent
                lineages[genus.name] = genus.lineage
                species.setdefault(genus.name, []).append(taxon.name)
    jobs = []
    for split, count in DRAWN.items():
        for genus, members in species.items():
            (directory / split / genus).mkdir(parents=True)
            for number in range(count):
                specimen = 10_000 * (1 + list(DRAWN).index(split)) + number
                path = directory / split / genus / f"{specimen}.png"
                jobs.append((path, members[number // 4 % len(members)], specimen, "SEM" if number % 4 else "LM"))
    with ProcessPoolExecutor() as pool:
        list(pool.map(_draw, jobs, chunksize=64))
    classes = {genus: {"lineage": lineage} for genus, lineage in lineages.items()}
    (directory / "dataset.json").write_text(json.dumps({"classes": classes}), encoding="utf-8")


def _draw(job: tuple[Path, str, int, str]) -> None:
    path, species, specimen, technique = job
    draw(species, specimen, technique=technique, size=64).save(path)


def choose_strangers(taxonomy: Taxonomy, counts: np.ndarray, seed: int) -> list[int]:
    """Choose one class in eight, at least one, in turn with a sibling and without; none with a fifth of the pictures.

    counts: pictures of each class, (c,). Where all classes are siblings, or none, all are taken from those there are.
    """
    everyone = range(len(taxonomy.names))
    steps = np.array([min(taxonomy.distance(a, b) for b in everyone if a != b) for a in everyone])
    chance = np.random.default_rng(seed).permutation(np.flatnonzero(counts < counts.sum() / 5))
    close = [index for index in chance if steps[index] == steps.min()]
    alone = [index for index in chance if steps[index] == steps.max() > steps.min()]
    turns = [index for pair in zip(close, alone, strict=False) for index in pair]
    turns += [index for index in close + alone if index not in turns]
    return sorted(int(index) for index in turns[: max(1, round(len(everyone) / 8))])


def leave_out(source: Path, directory: Path, strangers: list[str]) -> None:
    """Lay out a set anew in `directory`: its classes but the strangers, and strangers/ with theirs, all as links."""
    for split in ("train", "validate", "test"):
        for folder in sorted((source / split).glob("*/")):
            kept = directory / split if folder.name not in strangers else directory / "strangers" / split
            kept.mkdir(parents=True, exist_ok=True)
            (kept / folder.name).symlink_to(folder.resolve(), target_is_directory=True)
    for file in ("dataset.json", "manifest.csv"):
        if (source / file).is_file():
            (directory / file).symlink_to((source / file).resolve())


def known_figures(known: Examined, calibrated_on: np.ndarray, confidence: float) -> list[float]:
    """Return the figures of known pictures, in the order of COLUMNS; calibrated_on: pictures of each class, (c,)."""
    answers, actual = known.answers, known.answers.actual
    held = known.sets[np.arange(len(answers)), actual]
    true = [
        holds(answer.node, answers.taxonomy.lineages[label])
        for answer, label in zip(known.defended, actual, strict=True)
    ]
    worst, bound = worst_class(held, actual, calibrated_on, confidence)
    return [
        answers.right.mean(),
        expected_calibration_error(known.raw, actual),
        expected_calibration_error(answers.probabilities, actual),
        held.mean(),
        worst,
        bound,
        np.mean(true),
        np.mean([answer.node in answers.taxonomy.lineages for answer in known.defended]),
        np.mean([not answer.familiar for answer in known.defended]),
        np.mean([not answer.known for answer in known.defended]),
    ]


def worst_class(
    held: np.ndarray, actual: np.ndarray, calibrated_on: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Return the lowest share of sets that hold the truth, of classes with their own limit, and what it must reach.

    Of m pictures of a class, those covered by a limit that comes from n others are beta-binomial (Vovk 2012, ACML).
    """
    counts = np.bincount(actual, minlength=len(calibrated_on))
    classes = np.flatnonzero((calibrated_on >= CLASS_PICTURES) & (counts >= CLASS_PICTURES))
    if not len(classes):
        return np.nan, np.nan
    shares = np.array([held[actual == index].mean() for index in classes])
    worst = classes[shares.argmin()]
    rank = np.ceil((calibrated_on[worst] + 1) * confidence)
    count = stats.betabinom(counts[worst], rank, calibrated_on[worst] + 1 - rank)
    return shares.min(), count.ppf(0.025 / len(classes)) / counts[worst]


def stranger_figures(answers: list[Answer], lineages: list[tuple[str, ...]]) -> list[float]:
    """Return the figures of strangers with their true lineages, which tell classes apart, in the order of COLUMNS."""
    unknown = np.array([not answer.known for answer in answers])
    above = np.array([holds(answer.node, line) for answer, line in zip(answers, lineages, strict=True)]) & ~unknown
    unlike = np.array([not answer.familiar for answer in answers])
    wrong = ~unknown & ~above
    wrong_by_class: dict[tuple[str, ...], list[bool]] = {}
    for line, is_wrong in zip(lineages, wrong, strict=True):
        wrong_by_class.setdefault(line, []).append(is_wrong)
    classes = np.mean([np.mean(its) < 0.5 for its in wrong_by_class.values()])
    return [unlike.mean(), unknown.mean(), above.mean(), wrong.mean(), classes]


def one_run(source: Path, seed: int, confidence: float, training: list[str]) -> list[float]:
    """Leave out, train, and measure: the figures of COLUMNS."""
    facts = json.loads((source / "dataset.json").read_text(encoding="utf-8"))["classes"]
    samples, classes = list_pictures(source / "train")
    taxonomy = Taxonomy.of(classes, {name: facts[name]["lineage"] for name in classes})
    chosen = choose_strangers(taxonomy, np.bincount([label for _, label in samples]), seed)
    strangers = [classes[index] for index in chosen]
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        leave_out(source, directory, strangers)
        model = directory / "model"
        command = [sys.executable, "train_classifier.py", "--directory", folder, "--save_model", str(model)]
        subprocess.run([*command, "--seed", str(seed), *training], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
        checkpoint = load_checkpoint(model)
        return measure(directory, checkpoint, strangers, [taxonomy.lineages[index] for index in chosen], confidence)


def measure(
    directory: Path, checkpoint: Checkpoint, strangers: list[str], lineages: list[tuple[str, ...]], confidence: float
) -> list[float]:
    """Return the figures of COLUMNS for a model that never saw the strangers, classes with these lineages."""
    predictor = checkpoint.predictor(choose_hardware())
    taxonomy = Taxonomy.of(checkpoint.classes, checkpoint.lineages)
    calibration = Calibration.of(checkpoint)
    calibrated_on = np.bincount(calibration.conformal.labels, minlength=len(taxonomy.names))
    if (directory / "test").is_dir():
        known = examine(taxonomy, classify(checkpoint, predictor, directory / "test"), calibration, confidence)
    else:
        validate = classify(checkpoint, predictor, directory / "validate")
        known = cross_fit(taxonomy, validate, calibration.familiarity, confidence)
        calibrated_on = calibrated_on // 2
    relabelled = replace(checkpoint, classes=strangers)
    asked = [classify(relabelled, predictor, path) for path in sorted((directory / "strangers").iterdir())]
    answers = [answer for split in asked for answer in calibration.answers(split.prediction, confidence)]
    true = [lineages[label] for split in asked for label in split.labels]
    return known_figures(known, calibrated_on, confidence) + stranger_figures(answers, true)


def main() -> int:
    """Run the benchmark; give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", metavar="DIR", help="a prepared data set, or: drawn")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many runs (3)")
    parser.add_argument("--confidence", type=float, default=0.9, metavar="P", help="of sets and answers (0.9)")
    options, training = parser.parse_known_args()
    source = Path(options.set)
    if options.set != "drawn" and not (source / "dataset.json").is_file():
        parser.error(f"there is no {source / 'dataset.json'}; give a directory that prepare_image_model.py laid out")
    with tempfile.TemporaryDirectory() as folder:
        if options.set == "drawn":
            draw_set(source := Path(folder))
        for name, meaning in COLUMNS.items():
            print(f"{name:11} {meaning}")
        print("\n" + "".join(f"{name:>12}" for name in ("seed", *COLUMNS)), flush=True)
        rows = []
        for seed in range(options.seeds):
            try:
                rows.append(one_run(source, seed, options.confidence, training))
            except subprocess.CalledProcessError:  # train_classifier.py has said why
                return 1
            print(f"{seed:12}" + "".join(f"{figure:12.3f}" for figure in rows[-1]), flush=True)
    print(f"{'mean':>12}" + "".join(f"{figure:12.3f}" for figure in np.mean(rows, axis=0)))
    if len(rows) > 1:
        print(f"{'deviation':>12}" + "".join(f"{figure:12.3f}" for figure in np.std(rows, axis=0, ddof=1)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
