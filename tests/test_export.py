"""A model for other programs: what they read, what they feed, and that it answers as the model does."""

import contextlib
import csv
import io
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

import visualise_results
from common.errors import ToolkitError
from common.squares import Preparation, read_square
from evaluation.calibration import Calibration
from evaluation.taxonomy import Taxonomy
from evaluation.temperature import softmax
from models.checkpoint import Checkpoint, save_checkpoint
from models.networks import build_network
from models.prediction import Prediction, as_batch, predict
from reports import export
from reports.classifier import validation_confusion
from reports.model import LoadedModel
from reports.settings import VisualiseSettings
from tests.report_set import CPU
from tests.tiny import SHAPES, write_image_folders

pytestmark = pytest.mark.slow

FILES = {"model.onnx", "network_info.xml", "labels.csv", "README.md"}


@dataclass
class Field:
    """What a program of the field knows of a classifier by network_info.xml, read as the format describes it."""

    session: onnxruntime.InferenceSession
    side: int
    labels: list[str]
    root: ElementTree.Element

    @classmethod
    def read(cls, directory: Path) -> "Field":
        root = ElementTree.parse(directory / "network_info.xml").getroot()
        assert root.tag == "network" and root.get("version") == "2.1"
        order = "name description type date protobuf inputs outputs source_data source_size labels prepro accuracy"
        assert [each.tag for each in root] == [*order.split(), "precision", "recall", "f1score", "load"]
        network = directory / root.findtext("protobuf")
        session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
        entry = root.find("inputs/input")
        height, width, channels = (int(entry.findtext(name)) for name in ("height", "width", "channels"))
        batch, *shape = session.get_inputs()[0].shape
        assert isinstance(batch, str) and shape == [channels, height, width] and height == width and channels == 3
        labels = [label.findtext("code").strip() for label in root.findall("labels/label")]
        assert int(root.findtext("outputs/output/height")) == len(labels) == session.get_outputs()[0].shape[1]
        assert (entry.findtext("name"), root.findtext("outputs/output/name")) == ("image", "pred")
        assert [param.text for param in root.findall("prepro/params/param")] == ["255", "0", "1"]
        return cls(session, height, labels, root)

    def run(self, images: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.session.get_inputs()[0].name: images})[0]

    def answer(self, path: Path) -> np.ndarray:
        """Return the probabilities of an image file, prepared as the format says."""
        pixels = np.asarray(Image.open(path).convert("RGB"))
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        height, width, _ = pixels.shape
        longest = max(height, width)
        square = np.full((longest, longest, 3), np.median(edge, axis=0).astype(np.uint8))
        top, left = (longest - height) // 2, (longest - width) // 2
        square[top : top + height, left : left + width] = pixels
        small = Image.fromarray(square).resize((self.side, self.side), Image.Resampling.BILINEAR)
        return self.run(np.asarray(small, np.float32).transpose(2, 0, 1)[None] / 255)[0]


def make_model(name, size, classes, **more):
    """Return a model of a random network, whose answers are spread over its classes."""
    torch.manual_seed(0)
    network = build_network(name, len(classes), size)
    checkpoint = Checkpoint(name, size, classes, network.state_dict(), **more)
    return LoadedModel.of(checkpoint, CPU)


def probabilities(model, squares):
    """Return what the model itself says of images, uint8 (n, size, size, 3)."""
    temperature = model.calibration.temperature if model.calibration else 1.0
    return softmax(predict(model.predictor, as_batch(squares)).logits, temperature)


def exported(model, directory, **settings):
    export.write_export(VisualiseSettings(export=directory, **{"validate": directory / "none", **settings}), model)
    return Field.read(directory)


def assert_alike(model, directory):
    """Assert that an export is whole and answers as the model does, on three pictures of noise."""
    field = Field.read(directory)
    squares = np.random.default_rng(1).integers(0, 256, (3, field.side, field.side, 3), dtype=np.uint8)
    found = field.run(squares.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    assert np.abs(found - probabilities(model, squares)).max() < 1e-4
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    assert {path.name for path in directory.iterdir()} == FILES


def test_a_vision_transformer_answers_as_the_model_does(tmp_path):
    model = make_model("timm/test_vit", 160, ["a", "b", "c d"])
    exported(model, tmp_path / "out")
    assert_alike(model, tmp_path / "out")


NAMES = [f"Genus {number:03d} & <sp.> é" for number in range(200)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A model of 204 classes, what it is exported to where there is nothing else, and what was printed of that."""
    folder = tmp_path_factory.mktemp("alone")
    model = make_model("vgg11_adaptive", 37, [" ", "a\x07b", "\ud800", "x\uffff", *NAMES])
    save_checkpoint(folder / "model", model.checkpoint)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(folder)
        assert visualise_results.main(["--export", "e", "--device", "cpu"]) == 0
    return model, folder / "e", printed.getvalue()


def test_it_answers_as_the_model_does(alone):
    model, out, _ = alone
    assert_alike(model, out)


def test_all_classes_are_labels_in_their_order_and_none_is_blank_or_lost(alone):
    _, out, _ = alone
    assert Field.read(out).labels == ["class 1", r"a\x07b", r"\ud800", "x", *NAMES]
    with (out / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == list(range(204)) and [row["label"] for row in rows][4:] == NAMES


def test_pictures_are_needed_only_for_what_shows_them(alone, monkeypatch, capsys):
    _, out, printed = alone
    assert "on 16 drawn pictures" in printed
    monkeypatch.chdir(out.parent)
    assert visualise_results.main(["--export", "f", "--report", "r", "--device", "cpu"]) == 1
    assert "there is no directory validate" in capsys.readouterr().err
    assert sorted(each.name for each in out.parent.iterdir()) == ["e", "model"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A calibrated model with what training notes, and its data set, of which one picture cannot be read."""
    folder = write_image_folders(tmp_path_factory.mktemp("export"), train=1, validate=4)
    (folder / "validate" / "disc" / "broken.png").write_bytes(b"")
    classes = sorted(SHAPES)
    model = make_model("squeezenet1_1", 50, classes, lineages={"disc": ["Shapes", "Disc shapes"]}, tta_views=2)
    squares = [read_square(path, Preparation(50)).pixels for path in sorted(folder.glob("validate/*/*[0-9].png"))]
    prediction = predict(model.predictor, as_batch(squares))
    labels = np.repeat(np.arange(3), 4)
    taxonomy = Taxonomy.of(classes, model.checkpoint.lineages)
    state = Calibration.fit(taxonomy, Prediction(3 * prediction.logits, prediction.features), labels).state()
    checkpoint = replace(
        model.checkpoint,
        calibration={**state, "confusion": torch.tensor([[3, 1, 0], [0, 4, 0], [2, 0, 2]])},
        scores={"accuracy": 0.75, "epoch": 5},
        train_counts=[7, 8, 9],
        dataset="1f2e",
        trained="2026-11-26",
    )
    save_checkpoint(folder / "model", checkpoint)
    return folder


@pytest.fixture(scope="module")
def out(trained, tmp_path_factory):
    """What the command writes of that model. Tests must not write to it."""
    return run_command(trained, tmp_path_factory.mktemp("out"))


def run_command(trained, folder):
    line = ["--model", str(trained / "model"), "--validate", str(trained / "validate"), "--device", "cpu"]
    assert visualise_results.main([*line, "--export", str(folder / "e"), "--output", str(folder / "grid.png")]) == 0
    assert (folder / "grid.png").exists()
    return folder / "e"


def test_the_files_tell_what_the_network_is_and_how_it_was_checked(trained, out):
    field = Field.read(out)
    page = (out / "README.md").read_text(encoding="utf-8")
    assert "on 12 pictures of validate/, it answers as the model does" in page and "calibrated (temperature " in page
    assert "100.0% of them get the same answer" in page and "EXIF" not in page
    model = LoadedModel.load(trained / "model", "cpu")
    assert model.calibration.temperature != pytest.approx(1, abs=0.01)
    paths = sorted(trained.glob("validate/*/*[0-9].png"))
    squares = np.stack([read_square(path, Preparation(50)).pixels for path in paths])
    expected = probabilities(LoadedModel.of(model.checkpoint, CPU), squares)
    assert np.abs(np.stack([field.answer(path) for path in paths]) - expected).max() < 1e-4

    root = field.root
    assert (root.findtext("type"), root.findtext("date")) == ("squeezenet1_1", "2026-11-26_000000")
    assert (root.findtext("source_size"), root.findtext("accuracy")) == ("36", "0.750000")
    first = {each.tag: each.text for each in root.find("labels/label")}
    assert first == {
        **{"code": "bar", "count": "11", "precision": "0.600000", "recall": "0.750000"},
        **{"f1score": "0.666667", "support": "4"},
    }
    assert float(root.findtext("precision")) == pytest.approx((3 / 5 + 4 / 5 + 1) / 3, abs=1e-6)
    assert (root.findtext("load/training_epochs"), root.findtext("load/training_split")) == ("5", "0.333333")
    assert float(root.findtext("load/inference_time_per_image")) > 0


def test_no_path_of_this_machine_is_in_it(trained, out):
    for path in out.iterdir():
        for sign in (str(Path.home()), str(trained.parent), "site-packages", "models/export.py", "torch/nn"):
            assert sign.encode() not in path.read_bytes(), path.name


def test_any_program_can_read_the_network(out):
    network = onnx.load(out / "model.onnx")
    onnx.checker.check_model(network, full_check=True)
    assert network.ir_version <= 8 and [each.version for each in network.opset_import if not each.domain] == [18]


def test_a_model_of_an_older_version_says_how_often_it_answers_alike(trained, out):
    model = LoadedModel.load(trained / "model", "cpu")
    model.checkpoint.padded_first = False
    checked = export.check(out / "model.onnx", model, VisualiseSettings(validate=trained / "validate"))
    assert "trained by an older version, which prepared pictures otherwise" in export._told(checked)
    assert "resized pictures before it padded them" in export._page(model, model.taxonomy.names, checked)


@pytest.mark.parametrize("same, reason", [(1.0, False), (0.99, False), (0.95, True)])
def test_a_share_below_99_percent_comes_with_its_reason(same, reason):
    told = export._told(export.Checked(200, "validate/", 1e-6, same, older=False, seconds=0.01))
    assert f"{same:.1%} of them get the same answer" in told and ("EXIF" in told) == reason


def test_the_format_leaves_out_the_rotation_that_a_camera_noted(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 10, 3)).save(tmp_path / "a.png", exif=exif)
    (tmp_path / "b.png").write_bytes(b"no picture")
    with Image.open(tmp_path / "a.png") as image:
        plain = Preparation(16).square(image.convert("RGB"))
    assert (export._by_the_format(tmp_path / "a.png", 16) == plain).all()
    assert (read_square(tmp_path / "a.png", Preparation(16)).pixels != plain).any()
    assert not export._by_the_format(tmp_path / "b.png", 16).any()


def test_the_pages_lines_of_python_work(trained, out, tmp_path, monkeypatch, capsys):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    Image.open(trained / "validate" / "ring" / "ring0.png").crop((0, 3, 40, 30)).save("picture.jpg")
    code = Path("README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(compile(code, "README.md", "exec"), {})
    label, probability = capsys.readouterr().out.rsplit(" ", 1)
    model = LoadedModel.of(LoadedModel.load(trained / "model", "cpu").checkpoint, CPU)
    (expected,) = probabilities(model, read_square(Path("picture.jpg"), Preparation(50)).pixels[None])
    assert label == model.taxonomy.names[expected.argmax()]
    assert float(probability) == pytest.approx(expected.max(), abs=1e-4)


def test_a_network_that_answers_otherwise_is_not_kept(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("models.export.ExportedNetwork.forward", lambda network, images: images.mean((2, 3)).softmax(1))
    with pytest.raises(ToolkitError, match="answers otherwise than the model"):
        exported(LoadedModel.load(trained / "model", "cpu"), tmp_path / "e")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_other_files_is_left_alone(trained, tmp_path):
    (tmp_path / "README.md").write_text("of a former export")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ToolkitError, match=r"holds other files, such as notes\.txt"):
        exported(LoadedModel.load(trained / "model", "cpu"), tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["README.md", "notes.txt"]


def test_a_library_that_is_missing_is_named(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "models.export", None)
    assert visualise_results.main(["--model", str(trained / "model"), "--export", str(tmp_path / "e")]) == 1
    assert "pip install -r requirements.txt" in capsys.readouterr().err and not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    "confusion",
    ["x", 1j, [[1, 2], [3]], torch.ones(2, 2), -torch.ones(3, 3), torch.full((3, 3), float("inf")), [["a"] * 3] * 3],
)
def test_counts_that_are_no_counts_are_refused(trained, confusion):
    model = LoadedModel.load(trained / "model", "cpu")
    model.checkpoint.calibration["confusion"] = confusion
    with pytest.raises(ToolkitError, match="confusion matrix does not fit"):
        validation_confusion(model)
