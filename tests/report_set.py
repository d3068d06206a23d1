"""A drawn data set with a model that has learned it, not quite, and the report on it, for the tests of reports."""

import csv
import os
import shutil

import pytest
import torch
from filelock import FileLock

import visualise_results
from common.manifest import ManifestRow, write_manifest
from common.names import strip_blanks
from common.records import PageFacts, Record, write_record
from common.squares import Preparation
from evaluation.calibration import Calibration
from evaluation.ood import OODDetector
from models.checkpoint import Checkpoint, save_checkpoint
from models.device import Device
from models.networks import build_network, head_name
from models.prediction import as_batch
from reports import saliency
from reports.model import LoadedModel
from reports.splits import predict_split
from tests.tiny import SHAPES, draw_shape, write_image_folders

CPU = Device.choose("cpu", "fp32")
HOSTILE = "Ring <b>&\"'</b> {{ 7 * 7 }} $x_1$"
LINEAGES = {"disc": ["Shapes", "Round", "Disc"], "ring": ["Shapes", "Round", HOSTILE], "bar": ["Shapes", "Bar"]}
CLASSES = sorted(SHAPES)
SIZE = 40
# Of some pictures of each class, what the site says of the specimen.
STATUS = {"train": {3: "Holotype", 4: "paratype"}, "validate": {6: "lectotype <i>x</i>"}}


def trained_checkpoint():
    """Return a random network whose last layer has learned the shapes, not quite, by least squares."""
    torch.manual_seed(0)
    checkpoint = Checkpoint("mnasnet0_5", SIZE, CLASSES, {}, lineages=LINEAGES, toolkit="0.9.1")
    checkpoint.weights = build_network("mnasnet0_5", len(CLASSES), SIZE).state_dict()
    images = as_batch([Preparation(SIZE).square(draw_shape(shape, n)) for shape in CLASSES for n in range(4)])
    predictor = checkpoint.predictor(CPU)
    features = predictor(images).features.double()
    wanted = 2 * torch.eye(len(CLASSES)).double().repeat_interleave(4, 0)
    middle = features.mean(0)
    solved = torch.linalg.pinv(features - middle, rtol=0.02) @ (wanted - wanted.mean(0))
    head = head_name(predictor.network)
    checkpoint.weights[f"{head}.weight"] = solved.T.float()
    checkpoint.weights[f"{head}.bias"] = -(middle @ solved).float()
    return checkpoint


def describe_images(directory):
    """Write a manifest in which pictures 0 and 1 of a class are one specimen, and so on, and that says their source."""
    rows = []
    for path in sorted(directory.glob("*/*/*.png")):
        number = int(path.stem.removeprefix(path.parent.name))
        rows.append(
            ManifestRow(
                path=path.relative_to(directory).as_posix(),
                label=path.parent.name,
                group=f"{path.parent.name}{number // 2}",
                status=STATUS.get(path.parts[-3], {}).get(number, "-"),
                technique=("SEM", "LM", "")[number % 3],
                source="Young & <i>Bown</i>",
                url="javascript:alert(1)" if number % 3 == 0 else f"http://127.0.0.1/a b/{path.name}?x=1&y=<2>",
            )
        )
    write_manifest(directory / "manifest.csv", rows)


def describe_taxa(data):
    """Write a record of each shape with its distinguishing features, and one that is broken."""
    for lineage in LINEAGES.values():
        page = PageFacts(features=f"Told by <u>{lineage[-1]}</u>")
        record = Record(tuple(map(strip_blanks, lineage)), (), tuple(lineage), page)
        write_record(data / "shapes" / f"{lineage[1]}{len(lineage)}{lineage[-1][:3]}.json", record)
    (data / "broken.json").write_text("{")


def run(*arguments):
    """Run the script in this process, with saliency maps that are rough but soon there; return its status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saliency, "STEPS", 2)
        patch.setattr(saliency, "PLACES", 2)
        return visualise_results.main([str(argument) for argument in arguments])


def read(path):
    """Read a table."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def draw_images(directory):
    """Write three shapes with train/, validate/ and test/, some of them in the wrong class, and one in two files."""
    write_image_folders(directory, train=6, validate=16)
    for shape in SHAPES:
        (directory / "test" / shape).mkdir(parents=True)
        for number in range(5):
            drawn = "bar" if number == 4 else shape  # labels that are wrong
            draw_shape(drawn, 5000 + number).save(directory / "test" / shape / f"{shape}{number}.png")
    for number in range(4):  # labels that are wrong
        draw_shape("bar", 2000 + number).save(directory / "validate" / "disc" / f"disc{90 + number}.png")
    for number in range(3):  # and some that are wrong by less
        draw_shape("disc", 3000 + number).save(directory / "validate" / "ring" / f"ring{95 + number}.png")
    wrong = directory / "validate" / "disc"
    shutil.copy(wrong / "disc90.png", wrong / "disc80.png")  # one picture in two files


def shared_report_set(tmp_path_factory):
    """Return the directory of the set, which the first process of pytest-xdist that asks for it makes."""
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent
    with FileLock(top / "report_set.lock"):
        directory = top / "report_set"
        return directory if directory.is_dir() else write_report_set(directory)


def write_report_set(directory):
    """Write images, manifest, records, a model and its report; return the directory."""
    draw_images(directory)
    describe_images(directory)
    describe_taxa(directory / "data")
    checkpoint = trained_checkpoint()
    model = LoadedModel.of(checkpoint, CPU)
    train, validate = (predict_split(model, directory / name) for name in ("train", "validate"))
    detector = OODDetector.fit(train.prediction.features[None], validate.prediction.features)
    checkpoint.calibration = Calibration.fit(model.taxonomy, validate.prediction, validate.labels, detector).state()
    save_checkpoint(directory / "model", checkpoint)
    options = ["--model", directory / "model", "--validate", directory / "validate", "--data", directory / "data"]
    assert run(*options, "--output", directory / "test.png", "--report", directory / "report", "--device", "cpu") == 0
    return directory
