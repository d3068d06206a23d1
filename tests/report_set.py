"""A drawn data set with a model that has learnt it, not quite, and the report on it: what the tests of reports read."""

import csv
import json
import shutil

import numpy as np
import torch

import visualise_results
from evaluation.calibration import Calibration
from evaluation.ood import Familiarity
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint, save_checkpoint
from models.device import choose_hardware
from models.networks import build_network, head_name
from models.preprocessing import fit_square
from tests.tiny import SHAPES, draw_shape, write_image_folders

HOSTILE = "Ring <b>&\"'</b> {{ 7 * 7 }} $x_1$"
LINEAGES = {"disc": ["Shapes", "Round", "Disc"], "ring": ["Shapes", "Round", HOSTILE], "bar": ["Shapes", "Bar"]}
CLASSES = sorted(SHAPES)
SIZE = 40
# Of some pictures of each class, what the site says of the specimen.
STATUS = {"train": {3: "Holotype", 4: "paratype"}, "validate": {6: "lectotype <i>x</i>"}}


def learnt_checkpoint():
    """Return a random network whose last layer has learnt the shapes, not quite, by least squares."""
    torch.manual_seed(0)
    checkpoint = Checkpoint("vgg11_adaptive", SIZE, CLASSES, {}, lineages=LINEAGES)
    checkpoint.weights = build_network("vgg11_adaptive", len(CLASSES), SIZE).state_dict()
    pixels = np.stack([fit_square(draw_shape(shape, n), SIZE) for shape in CLASSES for n in range(3)])
    predictor = checkpoint.predictor(choose_hardware("cpu", "fp32"))
    features = predictor(torch.from_numpy(pixels).permute(0, 3, 1, 2)).features.double()
    wanted = 2 * torch.eye(len(CLASSES)).double().repeat_interleave(3, 0)
    middle = features.mean(0)
    solved = torch.linalg.pinv(features - middle, rtol=0.02) @ (wanted - wanted.mean(0))
    head = head_name(predictor.network)
    checkpoint.weights[f"{head}.weight"] = solved.T.float()
    checkpoint.weights[f"{head}.bias"] = -(middle @ solved).float()
    return checkpoint


def write_manifest(directory):
    """Say that pictures 0 and 1 of a class are one specimen, and so on, and where they come from."""
    rows = []
    for path in sorted(directory.glob("*/*/*.png")):
        number = int(path.stem.removeprefix(path.parent.name))
        row = {"path": path.relative_to(directory).as_posix(), "group": f"{path.parent.name}{number // 2}"}
        url = "javascript:alert(1)" if number % 3 == 0 else f"http://127.0.0.1/a b/{path.name}?x=1&y=<2>"
        status = STATUS.get(path.parts[-3], {}).get(number, "-")
        row |= {"class": path.parent.name, "status": status}
        rows.append(row | {"source": "Young & <i>Bown</i>", "URL": url})
    with (directory / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run(*arguments):
    """Run the script in this process; give its status."""
    return visualise_results.main([str(argument) for argument in arguments])


def read(path):
    """Read a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_report_set(directory):
    """Write three shapes with train/, validate/, test/ and manifest, a model, and its report; give the directory."""
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
    write_manifest(directory)
    (directory / "data" / "shapes").mkdir(parents=True)
    for lineage in LINEAGES.values():
        record = {"lineage": lineage, "page": {"features": f"Told by <u>{lineage[-1]}</u>"}}
        (directory / "data" / "shapes" / f"{lineage[1]}{len(lineage)}{lineage[-1][:3]}.json").write_text(
            json.dumps(record)
        )
    (directory / "data" / "broken.json").write_text("{")
    checkpoint = learnt_checkpoint()
    predictor = checkpoint.predictor(choose_hardware("cpu", "fp32"))
    train, validate = (visualise_results.classify(checkpoint, predictor, directory / n) for n in ("train", "validate"))
    familiarity = Familiarity.fit(train.prediction.features[None], validate.prediction.features)
    taxonomy = Taxonomy.of(CLASSES, LINEAGES)
    checkpoint.calibration = Calibration.fit(taxonomy, validate.prediction, validate.labels, familiarity).state()
    save_checkpoint(directory / "model", checkpoint)
    options = ["--model", directory / "model", "--validate", directory / "validate", "--data", directory / "data"]
    assert run(*options, "--output", directory / "test.png", "--report", directory / "report", "--device", "cpu") == 0
    return directory
