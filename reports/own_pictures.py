"""A folder of the user's own pictures: each is named, samples are counted, and what cannot be read is listed."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from common.corrections import read_corrections
from common.errors import ToolkitError
from common.fingerprints import are_known, stack
from common.images import ImageError
from common.locks import exclusive_lock
from common.progress import Progress
from common.remarks import counted, remarks
from common.squares import Square, read_squares
from common.tables import write_table
from reports.classifier import Classifier
from reports.image_files import LEFT_OUT, UNREADABLE, OwnImage, list_own_images
from reports.model import LoadedModel
from reports.nearest import Features
from reports.own_summary import OwnSummary
from reports.prediction_table import NAME as PREDICTIONS
from reports.prediction_table import append_rows, resume_table
from reports.ranges import read_ranges
from reports.settings import VisualiseSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NamedFolder:
    """What became of a folder: sentences for the user, and the number of pictures that could not be read."""

    sentences: list[str]
    unreadable: int


def name_own_pictures(folder: Path, settings: VisualiseSettings, model: LoadedModel) -> NamedFolder:
    """Name all images below `folder`, or the one that it is; write what was found to `settings.own_output`.

    Writes predictions.csv (batch by batch as it goes; a killed run is resumed), what `reports.own_summary` makes of it
    and, where there are any, unreadable.csv and left_out.csv. Raises OSError where the disk refuses, ToolkitError where
    there are no images, another run is writing to the directory, the model does not fit, or a table is broken.
    """
    output = settings.own_output
    corrections = read_corrections(settings.corrections) if settings.corrections else []
    listed = list_own_images(folder, output, *([settings.sort_into] if settings.sort_into else []))
    images = listed.images
    if not images:
        reason = "".join(f" ({name}: {why})" for name, why in list(listed.faults.items())[:1])
        raise ToolkitError(
            f"there are no pictures in {folder}{reason}; give the folder that holds them, or one above it"
        )
    ranges = read_ranges(settings.data) if settings.age is not None else {}
    page = model.page if settings.page is None else settings.page
    classifier = Classifier(model, settings.confidence, settings.age, ranges, page)
    table = output / PREDICTIONS
    with exclusive_lock(output):
        done = _resume(table, classifier, images)
        waiting = [image for name, image in images.items() if name not in done]
        named = _classify(waiting, classifier, table, len(done))
        faults = listed.faults | named.faults
        _write_reasons(output / UNREADABLE, faults)
        _write_reasons(output / LEFT_OUT, listed.others)
        summary = OwnSummary(folder, settings, classifier, images, named.features)
        summed_up = summary.write(corrections)
    classified = (
        f"Classified {counted(len(images.keys() - faults), 'picture', 'pictures')}, {len(done)} of them in an earlier "
        f"run; see {table}."
    )
    odd = remarks(named.pages, named.one_colour, page)
    learnt = _learnt_remark(classifier, named)
    left_out = counted(len(listed.others), "file is no picture", "files are no pictures")
    others = [f"{left_out}; {LEFT_OUT} says why."] if listed.others else []
    last = _remarks(classifier, summed_up.out_of_range, len(faults))
    return NamedFolder([classified, *others, *odd, *learnt, *summed_up.sentences, *last], len(faults))


def _resume(table: Path, classifier: Classifier, images: Mapping[str, OwnImage]) -> set[str]:
    """Make predictions.csv ready; return the images that an earlier run has named."""
    done, old = resume_table(table, classifier.fingerprint, {name: image.stamp for name, image in images.items()})
    if old:
        logger.info(
            "%s holds answers of another model, with other options or on other pictures: it is now %s.", table, old
        )
    return done


@dataclass
class _Named:
    """What became of the images that waited.

    By name: why some cannot be read, and how many pages those have that have several; which show nothing; and the
    fingerprints and features of all that were named.
    """

    faults: dict[str, str] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    one_colour: list[str] = field(default_factory=list)
    fingerprints: list[np.ndarray] = field(default_factory=list)
    features: Features = field(default_factory=Features)

    def note(self, image: OwnImage, square: Square) -> None:
        """Take note of an image that was read."""
        self.fingerprints.append(square.fingerprint)
        if square.pages > 1:
            self.pages[image.name] = square.pages
        if square.one_colour:
            self.one_colour.append(image.name)


def _classify(waiting: Sequence[OwnImage], classifier: Classifier, table: Path, done: int) -> _Named:
    """Append a row to the table for each image that waits and can be read."""
    named = _Named()
    preparation = classifier.model.checkpoint.preparation(classifier.page)
    squares = read_squares([image.path for image in waiting], preparation)

    def readable() -> Iterator[tuple[OwnImage, np.ndarray]]:
        for image, square in zip(waiting, squares, strict=True):
            if isinstance(square, ImageError):
                named.faults[image.name] = str(square)
                bar.update()
            else:
                named.note(image, square)
                yield image, square.pixels

    device = classifier.model.predictor.device
    # Where a GPU predicts, all cores read, and what is left to do here is not worth waiting for many of them.
    few_threads = partial(threadpool_limits, 2, "openmp") if device.device.type == "cuda" else nullcontext
    bar = Progress(total=done + len(waiting), initial=done, desc="Classifying", unit=" pictures", leave=False)
    with few_threads(), bar:
        pairs = readable()
        while batch := list(islice(pairs, device.images_at_once)):
            found, pixels = zip(*batch, strict=True)
            prediction = classifier.predict(pixels)
            append_rows(table, classifier.rows(found, prediction))
            named.features.add((image.name for image in found), prediction.features)
            bar.update(len(batch))
    return named


def _write_reasons(path: Path, reasons: Mapping[str, str]) -> None:
    path.unlink(missing_ok=True)
    if reasons:
        rows = [{"file": name, "reason": reasons[name]} for name in sorted(reasons)]
        write_table(path, ("file", "reason"), rows)


def _learnt_remark(classifier: Classifier, named: _Named) -> list[str]:
    """Say how many of the images the model learnt from."""
    known = classifier.model.checkpoint.fingerprints
    if known is None:
        return []
    count = int(are_known(stack(named.fingerprints), known.numpy()).sum())
    said = f"{count} of the {len(named.fingerprints)} pictures named now are among those that the model learnt from."
    return [said] if count else []


def _remarks(classifier: Classifier, out_of_range: Counter[str], unreadable: int) -> Iterator[str]:
    """Say in a sentence each what the user should know of the answers."""
    if not classifier.calibration:
        yield "The model holds no calibration, so each answer is the likeliest class, with no confidence to rely on."
    elif not classifier.calibration.ood_detector:
        yield "The model does not know what is unlike its training pictures, so nothing is unknown; train it again."
    if classifier.confusion is None:
        yield "The model holds no confusion matrix, so the shares are not corrected (there is no corrected_shares.csv)."
    if classifier.age is not None and not classifier.ranges:
        yield f"The records hold no geological ranges, so no answer was held against {classifier.age:g} Ma."
    elif classifier.age is not None:
        yield (
            f"{out_of_range['yes']} answers are out of their taxon's geological range at {classifier.age:g} Ma, "
            f"{out_of_range['no']} are within, and of {out_of_range['']} the range is not known (column out_of_range)."
        )
    if unreadable:
        yield f"{counted(unreadable, 'file', 'files')} could not be read; {UNREADABLE} says why."
