"""The images of a split as the model predicts them: which, by which names, and with which rows of the manifest."""

import pytest
import torch

from common.errors import ToolkitError
from common.manifest import ManifestRow, write_manifest
from common.squares import Preparation, read_square
from models.checkpoint import Checkpoint
from models.device import Device
from models.networks import build_network
from models.prediction import as_batch
from reports.model import LoadedModel
from reports.splits import manifest_beside, predict_split, thin_out
from tests.tiny import SHAPES, draw_shape, write_image_folders


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    weights = build_network("mnasnet0_5", 3, 40).state_dict()
    checkpoint = Checkpoint("mnasnet0_5", 40, sorted(SHAPES), weights)
    return LoadedModel.of(checkpoint, Device.choose("cpu", "fp32"))


def test_images_at_any_depth_go_with_their_rows(model, tmp_path):
    write_image_folders(tmp_path, train=0, validate=2)
    deeper = tmp_path / "validate" / "ring" / "sample 1" / "ring.png"
    deeper.parent.mkdir()
    draw_shape("ring", 5).save(deeper)
    row = ManifestRow("validate/ring/sample 1/ring.png", group="one", source="Bown")
    write_manifest(tmp_path / "manifest.csv", [row, ManifestRow("validate/gone/x.png", group="two")])
    split = predict_split(model, tmp_path / "validate")
    assert split.name == "validate" and len(split) == 7
    assert split.files == [path.relative_to(tmp_path).as_posix() for path in split.paths]
    assert split.labels.tolist() == [0, 0, 1, 1, 2, 2, 2]
    position = split.files.index(row.path)
    assert split.manifest[position] == row and split.groups[position] == "one"
    others = [(known.path, group) for known, group in zip(split.manifest, split.groups, strict=True) if known != row]
    assert others == [("", str(path)) for path in split.paths if path != deeper]
    logits = model.predictor(as_batch([read_square(path, Preparation(40)).pixels for path in split.paths])).logits
    torch.testing.assert_close(split.prediction.logits, logits)


def test_a_manifest_that_excel_saved_again_is_read(model, tmp_path):
    write_image_folders(tmp_path, train=0, validate=1)
    lines = ["path,group", *(f"validate/{shape}/{shape}0.png,{shape}" for shape in SHAPES), "validate/disc/short.png"]
    (tmp_path / "manifest.csv").write_text("\n".join(lines), "utf-8-sig")
    assert predict_split(model, tmp_path / "validate").groups == sorted(SHAPES)


def test_a_set_without_manifest_has_no_rows(tmp_path):
    assert manifest_beside(tmp_path / "validate") == {}


def test_no_more_than_the_limit_of_a_class_evenly_spread_over_its_files(tmp_path):
    samples = [(tmp_path / f"{label}-{number:02}", label) for label in (0, 1) for number in range(20 - 17 * label)]
    assert thin_out(samples, None) == samples
    chosen = thin_out(samples, 7)
    assert [path.name for path, _ in chosen] == ["0-00", "0-03", "0-06", "0-09", "0-12", "0-15", "0-18"] + [
        f"1-0{number}" for number in range(3)
    ]


def test_unreadable_images_are_all_named_and_left_out(model, tmp_path, caplog):
    write_image_folders(tmp_path, train=0, validate=2)
    for shape in ("disc", "ring"):
        (tmp_path / "validate" / shape / f"{shape}0.png").write_bytes(b"")
    split = predict_split(model, tmp_path / "validate")
    assert [path.name for path in split.paths] == ["bar0.png", "bar1.png", "disc1.png", "ring1.png"]
    assert len(split.labels) == len(split.prediction.logits) == len(split.manifest) == 4
    assert "disc0.png" in caplog.text and "ring0.png" in caplog.text
    assert {left.name for left in split.left_out} == {"validate/disc/disc0.png", "validate/ring/ring0.png"}


def test_where_no_image_can_be_read_all_are_named(model, tmp_path):
    write_image_folders(tmp_path, train=0, validate=1)
    for path in (tmp_path / "validate").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(ToolkitError, match=r"none of 3 pictures can be read: .*bar0\.png.*disc0\.png.*ring0\.png"):
        predict_split(model, tmp_path / "validate")
