"""A folder of the user's own pictures: each is named, samples are counted, and what cannot be read is listed."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from common.files import write_csv
from evaluation.calibration import FAMILIAR, UNKNOWN, Answer, Calibration
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint
from models.device import Hardware
from models.prediction import BATCH_SIZE, Prediction
from reports.assemblage import COLUMNS as ASSEMBLAGE
from reports.assemblage import assemblage
from reports.picture_files import File, list_files, read_square, read_squares
from reports.prediction_table import PLACES, STAMPS, append_rows, exclusive_lock, read_rows, resume_table
from reports.ranges import Range
from reports.taxa_sheet import draw_taxa_sheet


def classify_folder(
    folder: Path,
    output: Path,
    checkpoint: Checkpoint,
    hardware: Hardware,
    confidence: float = 0.9,
    age: float | None = None,
    ranges: Mapping[str, Range] | None = None,
) -> int:
    """Name all pictures below `folder`; write what was found to the directory `output`, and say so.

    Writes predictions.csv (row by row as it goes; a killed run is taken up again), assemblage.csv (what each
    sub-folder, a sample, consists of), contact_sheet.png and, where there are any, unreadable.csv. confidence: of the
    answers, in (0, 1), see `evaluation.calibration`; age: of all samples in Ma; ranges: (youngest, oldest) in Ma by taxon,
    see `reports.ranges`. Gives 0 if every picture was classified and 1 if some could not be read. Raises OSError, with
    a sentence for the user, where there are no pictures, another run is writing to `output`, or the disk refuses,
    CheckpointError or ValueError where the model does not fit.
    """
    files, faults = list_files(folder, output)
    if not files:
        raise FileNotFoundError(f"there are no pictures in {folder}; give the folder that holds them, or one above it")
    namer = Namer(checkpoint, hardware, confidence, age, (age is not None and ranges) or {})
    confusion = confusion_matrix(checkpoint)
    with exclusive_lock(output):
        return _classify(files, faults, output, namer, confusion)


def _classify(
    files: Mapping[str, File], faults: dict[str, str], output: Path, namer: "Namer", confusion: np.ndarray | None
) -> int:
    """Name the files that no earlier run has named, and sum up; `faults` says why others cannot be read."""
    table = output / "predictions.csv"
    done, aside = resume_table(table, namer.fingerprint, {name: file.stamp for name, file in files.items()})
    if aside:
        print(f"{table} holds answers of another model, with other options or on other pictures: it is now {aside}.")
    waiting = [file for name, file in files.items() if name not in done]
    with tqdm(total=len(files), initial=len(done), desc="Classifying", unit=" pictures", leave=False) as bar:
        for file, pixels in read_squares(waiting, namer.checkpoint.image_size):
            if isinstance(pixels, str):
                faults[file.name] = pixels
                bar.update()
            elif rows := namer.add(file, pixels):
                append_rows(table, rows)
                bar.update(len(rows))
        rows = namer.flush()
        append_rows(table, rows)
        bar.update(len(rows))
    _write_unreadable(output / "unreadable.csv", faults)
    out_of_range = summarise(output, files, namer, confusion)
    print(f"Classified {len(files.keys() - faults)} pictures, {len(done)} of them in an earlier run; see {table}.")
    for sentence in _remarks(namer, confusion, out_of_range, len(faults)):
        print(sentence)
    return 1 if faults else 0


@dataclass
class Namer:
    """Collects pictures into batches, lets the model name them, and makes a row of predictions.csv for each."""

    checkpoint: Checkpoint
    hardware: Hardware
    confidence: float
    age: float | None
    ranges: Mapping[str, Range]
    _batch: list[tuple[File, np.ndarray]] = field(default_factory=list)

    def __post_init__(self):
        checkpoint = self.checkpoint
        self.taxonomy = Taxonomy.of(checkpoint.classes, checkpoint.lineages)
        twice = Counter(self.taxonomy.names)
        own = zip(self.taxonomy.names, checkpoint.classes, strict=True)
        self.names = [name if twice[name] == 1 else label for name, label in own]
        self.calibration = Calibration.of(checkpoint)
        self.fingerprint = fingerprint(checkpoint, self.confidence, FAMILIAR, self.age, sorted(self.ranges.items()))
        self._predictor = checkpoint.predictor(self.hardware)

    def add(self, file: File, pixels: np.ndarray) -> list[dict[str, Any]]:
        """Take in a picture, uint8 (size, size, 3); give the rows of a batch whenever it is full, else none."""
        self._batch.append((file, pixels))
        return self.flush() if len(self._batch) == BATCH_SIZE else []

    def flush(self) -> list[dict[str, Any]]:
        """Return the rows of the pictures that wait for their batch to fill."""
        if not self._batch:
            return []
        files, pixels = zip(*self._batch, strict=True)
        self._batch = []
        prediction = self._predictor(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2))
        return [self._row(*each) for each in zip(files, *self._answers(prediction), strict=True)]

    def _answers(self, prediction: Prediction) -> tuple[np.ndarray, list[Answer]]:
        """Return probabilities (n, classes), and an answer for each picture."""
        if self.calibration:
            answers = self.calibration.answers(prediction, self.confidence)
            return self.calibration.probabilities(prediction.logits), answers
        probabilities = torch.softmax(prediction.logits.double(), dim=1).numpy()
        lineages, best = self.taxonomy.lineages, probabilities.argmax(1)
        answers = [
            Answer(self.names[label], lineages[label], row[label], known=True)
            for row, label in zip(probabilities, best, strict=True)
        ]
        return probabilities, answers

    def _row(self, file: File, probabilities: np.ndarray, answer: Answer) -> dict[str, Any]:
        row = {"file": file.name, "answer": answer.title, "answer_probability": f"{answer.probability:.4f}"}
        for place, label in zip(PLACES, np.argsort(-probabilities, kind="stable"), strict=False):
            row |= {place: self.names[label], f"{place}_probability": f"{probabilities[label]:.4f}"}
        row |= {"familiar": "yes" if answer.familiar else "no", "out_of_range": self._out_of_range(answer)}
        return row | dict(zip(STAMPS, file.stamp, strict=True)) | {"model": self.fingerprint}

    def titles(self) -> list[str]:
        """List all titles that an answer may have, in taxonomic order."""
        return [self.taxonomy.title(node) for node in sorted(self.taxonomy.nodes)]

    def _out_of_range(self, answer: Answer) -> str:
        """Say "yes" or "no", or nothing where the age or the taxon's range is not known."""
        known = self.ranges.get(answer.node[-1]) if answer.node else None
        if self.age is None or known is None:
            return ""
        return "no" if known[0] <= self.age <= known[1] else "yes"


def fingerprint(checkpoint: Checkpoint, *options: Any) -> str:
    """Return 16 hexadecimal digits that differ wherever a model, or an option, might give another row."""
    digest = hashlib.sha256()

    def feed(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        elif isinstance(value, Mapping):
            feed(sorted(value.items(), key=lambda item: str(item[0])))
        elif isinstance(value, (list, tuple)):
            digest.update(f"({len(value)}".encode())
            for each in value:
                feed(each)
        else:
            digest.update(f"{value!r};".encode())

    parts = ("architecture", "image_size", "classes", "lineages", "mean", "std", "turns", "calibration", "weights")
    feed([getattr(checkpoint, part) for part in parts])
    feed(options)
    return digest.hexdigest()[:16]


def confusion_matrix(checkpoint: Checkpoint) -> np.ndarray | None:
    """Return the model's confusion matrix, counts (actual, given), or None. Raises ValueError where it makes no sense."""
    stored = checkpoint.calibration.get("confusion")
    if stored is None:
        return None
    confusion = np.asarray(stored, dtype=float)
    if confusion.shape != (len(checkpoint.classes),) * 2 or not (confusion >= 0).all():
        raise ValueError("the model's confusion matrix does not fit its classes; train it anew")
    return confusion


def summarise(output: Path, files: Mapping[str, File], namer: Namer, confusion: np.ndarray | None) -> Counter:
    """Write assemblage.csv and contact_sheet.png from predictions.csv; count what the rows say in out_of_range."""
    index = {name: label for label, name in enumerate(namer.names)}
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(index), dtype=int))
    strange, out_of_range, taxa = Counter(), Counter(), defaultdict(list)
    for row in read_rows(output / "predictions.csv"):
        sample = PurePosixPath(row["file"]).parent.as_posix()
        counts[sample][index[row["first"]]] += row["familiar"] == "yes"
        strange[sample] += row["familiar"] == "no"
        taxa[row["answer"]].append((float(row["answer_probability"]), row["file"]))
        out_of_range[row["out_of_range"]] += 1
    rows = []
    for sample in sorted(counts):
        rows += assemblage(sample, namer.names, counts[sample], confusion)
        if strange[sample]:
            rows.append({"sample": sample, "taxon": UNKNOWN, "count": strange[sample]})
    write_csv(output / "assemblage.csv", ASSEMBLAGE, rows)
    order = {title: place for place, title in enumerate(namer.titles())}
    lock = Lock()

    def read(name: str, size: int) -> np.ndarray | None:
        square = read_square(files[name].path, size, lock)
        return None if isinstance(square, str) else square

    sheet = output / "contact_sheet.png"
    sheet.unlink(missing_ok=True)
    if taxa:
        in_order = sorted(taxa.items(), key=lambda each: (order.get(each[0], len(order)), each[0]))
        draw_taxa_sheet(sheet, in_order, read)
    return out_of_range


def _write_unreadable(path: Path, faults: Mapping[str, str]) -> None:
    path.unlink(missing_ok=True)
    if faults:
        write_csv(path, ("file", "reason"), [{"file": name, "reason": faults[name]} for name in sorted(faults)])


def _remarks(namer: Namer, confusion: np.ndarray | None, out_of_range: Counter, unreadable: int) -> Iterator[str]:
    """Say in a sentence each what the user should know of the answers."""
    if not namer.calibration:
        yield "The model holds no calibration, so each answer is the likeliest class, with no confidence to rely on."
    elif not namer.calibration.familiarity:
        yield "The model does not know what is unlike its training pictures, so nothing is unknown; train it again."
    if confusion is None:
        yield "The model holds no confusion matrix, so the shares in assemblage.csv are not corrected."
    if namer.age is not None and not namer.ranges:
        yield f"The records hold no geological ranges, so no answer was held against {namer.age:g} Ma."
    elif namer.age is not None:
        yield (
            f"{out_of_range['yes']} answers are out of their taxon's geological range at {namer.age:g} Ma, "
            f"{out_of_range['no']} are within, and of {out_of_range['']} the range is not known (column out_of_range)."
        )
    if unreadable:
        yield f"{unreadable} files could not be read; unreadable.csv says why."
