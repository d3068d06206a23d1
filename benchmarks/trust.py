"""May predictions be trusted? Trains without some classes, then predicts them, and new pictures of the others.

    python -m benchmarks.trust drawn --use_model vgg11_adaptive --weights none --epochs 20      drawn coccoliths
    python -m benchmarks.trust DIR --use_model squeezenet1_1 --weights FILE --freeze features   a prepared data set

DIR holds train/, validate/ and dataset.json, as prepare_image_model.py writes them. For each seed, one class in eight
is left out, by chance: alternating between one with a sibling in the set and one that is as isolated as any. The others
go to train_classifier.py, with all options that are not of this program. Known pictures are those of test/, where there
is one (the drawn set has one), evaluated with the calibration that is in the model; else those of validate/,
cross-fitted as the report does. Unseen pictures are all those of the classes that were left out. Prints a line for each
seed, then mean and standard deviation; the ECEs are mean differences of shares, all other figures are shares of
pictures or of classes.
"""

import argparse
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

from common.dataset_info import NAME as DATASET_INFO
from common.dataset_info import SPLITS, ClassInfo, DatasetInfo, read_dataset_info, write_dataset_info
from common.image_folder import list_image_folder
from common.manifest import NAME as MANIFEST
from demo.coccoliths import SPECIES, draw
from demo.pictures import modules
from evaluation.calibration import SupportedTaxon
from evaluation.conformal import MIN_CLASS_IMAGES
from evaluation.cross_fit import EvaluatedSplit, cross_fit, evaluate
from evaluation.metrics import expected_calibration_error
from evaluation.taxonomy import Node, Taxonomy, holds
from reports.model import LoadedModel
from reports.splits import predict_split

TOP = Path(__file__).resolve().parent.parent
COLUMNS = {
    "accuracy": "the likeliest class is the truth",
    "ECE before": "expected calibration error of the network's own probabilities",
    "ECE after": "the same with its temperature",
    "set": "the conformal set holds the truth",
    "worst": f"the same in the worst class with {MIN_CLASS_IMAGES} pictures or more, calibrated by itself",
    "at least": "what that class must reach: one such set of classes in forty falls short by chance",
    "supported": "the lowest supported taxon holds the truth",
    "named": "the lowest supported taxon is a class",
    "OOD": "known, and taken for unlike anything in training",
    "unknown": "known, and called unknown for that, or indet. because the possible classes share no taxon",
    "unseen OOD": "unseen, and taken for unlike anything in training",
    "unseen unknown": "unseen, and called unknown for that, or indet. because the possible classes share no taxon",
    "unseen higher": "unseen, and named as a higher taxon that they belong to",
    "unseen wrong": "unseen, and named as any other taxon",
    "unseen classes": "classes left out of whose pictures more than half are not named wrongly",
}
WIDTH = 15
# The drawn set: of each genus so many pictures, of which one in four is a light micrograph.
DRAWN = {"train": 40, "validate": 40, "test": 40}


def draw_set(directory: Path) -> None:
    """Lay out drawn coccoliths, classes being genera: train/, validate/ and test/ share no specimen."""
    species: dict[str, list[str]] = {}
    classes: dict[str, ClassInfo] = {}
    genera = [taxon for root in modules().values() for taxon in root.walk() if taxon.rank == "Genus"]
    for genus in genera:
        members = [taxon.name for taxon in genus.walk() if taxon.rank == "Species" and taxon.name in SPECIES]
        if members:
            classes[genus.name] = ClassInfo(tuple(genus.lineage))
            species[genus.name] = members
    jobs = []
    for position, (split, count) in enumerate(DRAWN.items()):
        for name, members in species.items():
            (directory / split / name).mkdir(parents=True)
            for number in range(count):
                specimen = 10_000 * (1 + position) + number
                path = directory / split / name / f"{specimen}.png"
                jobs.append((path, members[number // 4 % len(members)], specimen, "SEM" if number % 4 else "LM"))
    with ProcessPoolExecutor() as pool:
        list(pool.map(_draw, jobs, chunksize=64))
    write_dataset_info(directory / DATASET_INFO, DatasetInfo(classes))


def _draw(job: tuple[Path, str, int, str]) -> None:
    path, species, specimen, technique = job
    draw(species, specimen, technique=technique, size=64).save(path)


def choose_unseen(taxonomy: Taxonomy, counts: np.ndarray, seed: int) -> list[int]:
    """Return one class in eight, alternating with a sibling and without; none with a fifth of the pictures.

    At least one. counts: pictures of each class, (c,). Where all classes are siblings, or none, all are taken from
    those there are.
    """
    everyone = range(len(taxonomy.names))
    steps = np.array([min(taxonomy.distance(a, b) for b in everyone if a != b) for a in everyone])
    shuffled = np.random.default_rng(seed).permutation(np.flatnonzero(counts < counts.sum() / 5))
    close = [index for index in shuffled if steps[index] == steps.min()]
    alone = [index for index in shuffled if steps[index] == steps.max() > steps.min()]
    in_turn = [index for pair in zip(close, alone, strict=False) for index in pair]
    in_turn += [index for index in close + alone if index not in in_turn]
    return sorted(int(index) for index in in_turn[: max(1, round(len(everyone) / 8))])


def leave_out(source: Path, directory: Path, unseen: list[str]) -> None:
    """Lay out a set anew in `directory`: its classes but the unseen ones, and unseen/ with those, all as links."""
    for split in SPLITS:
        for folder in sorted((source / split).glob("*/")):
            parent = directory / split if folder.name not in unseen else directory / "unseen" / split
            parent.mkdir(parents=True, exist_ok=True)
            (parent / folder.name).symlink_to(folder.resolve(), target_is_directory=True)
    for file in (DATASET_INFO, MANIFEST):
        if (source / file).is_file():
            (directory / file).symlink_to((source / file).resolve())


def known_figures(known: EvaluatedSplit, calibrated_on: np.ndarray, confidence: float) -> list[float]:
    """Return the figures of known pictures, in the order of COLUMNS; calibrated_on: pictures of each class, (c,)."""
    predictions, actual, taxa = known.predictions, known.predictions.actual, known.supported_taxa
    held = known.conformal_sets[np.arange(len(predictions)), actual]
    lineages = predictions.taxonomy.lineages
    true = [holds(taxon.node, lineages[label]) for taxon, label in zip(taxa, actual, strict=True)]
    worst, bound = worst_class(held, actual, calibrated_on, confidence)
    return [
        predictions.right.mean(),
        expected_calibration_error(known.uncalibrated, actual),
        expected_calibration_error(predictions.probabilities, actual),
        held.mean(),
        worst,
        bound,
        np.mean(true),
        np.mean([taxon.node in lineages for taxon in taxa]),
        np.mean([not taxon.in_distribution for taxon in taxa]),
        np.mean([not taxon.named for taxon in taxa]),
    ]


def worst_class(
    held: np.ndarray, actual: np.ndarray, calibrated_on: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Return the lowest share of sets that hold the truth, of classes with their own quantile, and what it must reach.

    Of m pictures of a class, those covered by a quantile that comes from n others are beta-binomial (Vovk 2012, ACML).
    """
    counts = np.bincount(actual, minlength=len(calibrated_on))
    classes = np.flatnonzero((calibrated_on >= MIN_CLASS_IMAGES) & (counts >= MIN_CLASS_IMAGES))
    if not len(classes):
        return np.nan, np.nan
    shares = np.array([held[actual == index].mean() for index in classes])
    worst = classes[shares.argmin()]
    rank = np.ceil((calibrated_on[worst] + 1) * confidence)
    count = stats.betabinom(counts[worst], rank, calibrated_on[worst] + 1 - rank)
    return shares.min(), count.ppf(0.025 / len(classes)) / counts[worst]


def unseen_figures(taxa: list[SupportedTaxon], lineages: list[Node]) -> list[float]:
    """Return the figures of unseen pictures with their true lineages, which tell classes apart, as in COLUMNS."""
    unknown = np.array([not taxon.named for taxon in taxa])
    above = np.array([holds(taxon.node, line) for taxon, line in zip(taxa, lineages, strict=True)]) & ~unknown
    outside = np.array([not taxon.in_distribution for taxon in taxa])
    wrong = ~unknown & ~above
    wrong_by_class: dict[Node, list[bool]] = {}
    for line, is_wrong in zip(lineages, wrong, strict=True):
        wrong_by_class.setdefault(line, []).append(is_wrong)
    classes = np.mean([np.mean(its) < 0.5 for its in wrong_by_class.values()])
    return [outside.mean(), unknown.mean(), above.mean(), wrong.mean(), float(classes)]


def one_run(source: Path, seed: int, confidence: float, training: list[str]) -> list[float]:
    """Leave out, train, and measure: the figures of COLUMNS."""
    info = read_dataset_info(source / DATASET_INFO)
    known = list_image_folder(source / "train")
    samples, classes = known.samples, known.classes
    taxonomy = Taxonomy.of(classes, {name: info.classes[name].lineage for name in classes})
    chosen = choose_unseen(taxonomy, np.bincount([label for _, label in samples]), seed)
    unseen = {classes[index]: taxonomy.lineages[index] for index in chosen}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        leave_out(source, directory, list(unseen))
        model = directory / "model"
        command = [sys.executable, "train_classifier.py", "--directory", folder, "--save_model", str(model)]
        subprocess.run([*command, "--seed", str(seed), *training], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
        return measure(directory, LoadedModel.load(model), unseen, confidence)


def measure(directory: Path, model: LoadedModel, unseen: dict[str, Node], confidence: float) -> list[float]:
    """Return the figures of COLUMNS for a model that never saw some classes, here with their lineages."""
    taxonomy, calibration = model.taxonomy, model.calibration
    assert calibration is not None
    calibrated_on = np.bincount(calibration.conformal.labels, minlength=len(taxonomy.names))
    if (directory / "test").is_dir():
        known = evaluate(taxonomy, predict_split(model, directory / "test"), calibration, confidence)
    else:
        validate = predict_split(model, directory / "validate")
        known = cross_fit(taxonomy, validate, calibration.ood_detector, confidence)
        calibrated_on = calibrated_on // 2
    relabelled = replace(model, checkpoint=replace(model.checkpoint, classes=list(unseen)))
    asked = [predict_split(relabelled, path) for path in sorted((directory / "unseen").iterdir())]
    taxa = [taxon for split in asked for taxon in calibration.lowest_supported_taxa(split.prediction, confidence)]
    lineages = list(unseen.values())
    true = [lineages[label] for split in asked for label in split.labels]
    return known_figures(known, calibrated_on, confidence) + unseen_figures(taxa, true)


def main() -> int:
    """Run the benchmark. Returns 0, 1 where a training failed, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", metavar="DIR", help="a prepared data set, or: drawn")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many runs (3)")
    parser.add_argument(
        "--confidence", type=float, default=0.9, metavar="P", help="of sets and lowest supported taxa (0.9)"
    )
    options, training = parser.parse_known_args()
    source = Path(options.set)
    if options.set != "drawn" and not (source / DATASET_INFO).is_file():
        parser.error(f"there is no {source / DATASET_INFO}; give a directory that prepare_image_model.py laid out")
    with tempfile.TemporaryDirectory() as folder:
        if options.set == "drawn":
            draw_set(source := Path(folder))
        for name, meaning in COLUMNS.items():
            print(f"{name:{WIDTH}} {meaning}")
        print("\n" + "".join(f"{name:>{WIDTH}}" for name in ("seed", *COLUMNS)), flush=True)
        rows = []
        for seed in range(options.seeds):
            try:
                rows.append(one_run(source, seed, options.confidence, training))
            except subprocess.CalledProcessError:  # train_classifier.py has said why
                return 1
            print(f"{seed:{WIDTH}}" + "".join(f"{figure:{WIDTH}.3f}" for figure in rows[-1]), flush=True)
    print(f"{'mean':>{WIDTH}}" + "".join(f"{figure:{WIDTH}.3f}" for figure in np.mean(rows, axis=0)))
    if len(rows) > 1:
        print(f"{'deviation':>{WIDTH}}" + "".join(f"{figure:{WIDTH}.3f}" for figure in np.std(rows, axis=0, ddof=1)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
