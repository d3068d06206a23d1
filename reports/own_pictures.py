"""A folder of the user's own pictures: each is named, samples are counted, and what cannot be read is listed."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.errors import ToolkitError
from common.files import write_csv
from common.images import ImageError
from common.locks import exclusive_lock
from models.prediction import BATCH_SIZE
from models.preprocessing import read_squares
from reports.classifier import Classifier
from reports.image_files import OwnImage, list_own_images
from reports.model import LoadedModel
from reports.own_summary import summarise
from reports.prediction_table import NAME as PREDICTIONS
from reports.prediction_table import append_rows, resume_table
from reports.ranges import read_ranges
from reports.settings import VisualiseSettings

UNREADABLE = "unreadable.csv"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NamedFolder:
    """What became of a folder: sentences for the user, and the number of pictures that could not be read."""

    sentences: list[str]
    unreadable: int


def name_own_pictures(folder: Path, settings: VisualiseSettings, model: LoadedModel) -> NamedFolder:
    """Name all images below `folder`; write what was found to the directory `settings.own_output`.

    Writes predictions.csv (batch by batch as it goes; a killed run is resumed), assemblage.csv (what each sub-folder,
    a sample, consists of), contact_sheet.png and, where there are any, unreadable.csv. Raises OSError where there are
    no images or the disk refuses, ToolkitError where another run is writing to the directory or the model does not fit.
    """
    output = settings.own_output
    images, faults = list_own_images(folder, output)
    if not images:
        raise ToolkitError(f"there are no pictures in {folder}; give the folder that holds them, or one above it")
    ranges = read_ranges(settings.data) if settings.age is not None else {}
    classifier = Classifier(model, settings.confidence, settings.age, ranges)
    table = output / PREDICTIONS
    with exclusive_lock(output):
        done = _resume(table, classifier, images)
        faults |= _classify([image for name, image in images.items() if name not in done], classifier, table, len(done))
        _write_unreadable(output / UNREADABLE, faults)
        out_of_range = summarise(output, images, classifier)
    classified = (
        f"Classified {len(images.keys() - faults)} pictures, {len(done)} of them in an earlier run; see {table}."
    )
    return NamedFolder([classified, *_remarks(classifier, out_of_range, len(faults))], len(faults))


def _resume(table: Path, classifier: Classifier, images: Mapping[str, OwnImage]) -> set[str]:
    """Make predictions.csv ready; return the images that an earlier run has named."""
    done, old = resume_table(table, classifier.fingerprint, {name: image.stamp for name, image in images.items()})
    if old:
        logger.info(
            "%s holds answers of another model, with other options or on other pictures: it is now %s.", table, old
        )
    return done


def _classify(waiting: Sequence[OwnImage], classifier: Classifier, table: Path, done: int) -> dict[str, str]:
    """Append a row to the table for each image that waits; return why others cannot be read, by name."""
    faults: dict[str, str] = {}
    squares = read_squares((image.path for image in waiting), classifier.model.checkpoint.image_size)

    def readable() -> Iterator[tuple[OwnImage, np.ndarray]]:
        for image, square in zip(waiting, squares, strict=True):
            if isinstance(square, ImageError):
                faults[image.name] = str(square)
                bar.update()
            else:
                yield image, square

    with tqdm(total=done + len(waiting), initial=done, desc="Classifying", unit=" pictures", leave=False) as bar:
        pairs = readable()
        while batch := list(islice(pairs, BATCH_SIZE)):
            append_rows(table, classifier.rows(*zip(*batch, strict=True)))
            bar.update(len(batch))
    return faults


def _write_unreadable(path: Path, faults: Mapping[str, str]) -> None:
    path.unlink(missing_ok=True)
    if faults:
        write_csv(path, ("file", "reason"), [{"file": name, "reason": faults[name]} for name in sorted(faults)])


def _remarks(classifier: Classifier, out_of_range: Counter[str], unreadable: int) -> Iterator[str]:
    """Say in a sentence each what the user should know of the answers."""
    if not classifier.calibration:
        yield "The model holds no calibration, so each answer is the likeliest class, with no confidence to rely on."
    elif not classifier.calibration.ood_detector:
        yield "The model does not know what is unlike its training pictures, so nothing is unknown; train it again."
    if classifier.confusion is None:
        yield "The model holds no confusion matrix, so the shares in assemblage.csv are not corrected."
    if classifier.age is not None and not classifier.ranges:
        yield f"The records hold no geological ranges, so no answer was held against {classifier.age:g} Ma."
    elif classifier.age is not None:
        yield (
            f"{out_of_range['yes']} answers are out of their taxon's geological range at {classifier.age:g} Ma, "
            f"{out_of_range['no']} are within, and of {out_of_range['']} the range is not known (column out_of_range)."
        )
    if unreadable:
        yield f"{unreadable} files could not be read; {UNREADABLE} says why."
