"""What training/tensorboard.py writes, read back with TensorBoard's own readers."""

import shutil
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from PIL import Image
from sklearn.metrics import precision_score, recall_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.util.tensor_util import make_ndarray

from common.squares import Preparation
from evaluation.taxonomy import Taxonomy
from models.prediction import Prediction
from tests.tiny import SHAPES, draw_shape
from training.images import InMemoryImages
from training.tensorboard import COMPONENTS, TensorBoardLog, evenly_spaced, principal_components

CLASSES = [*SHAPES, "never seen"]
TAXONOMY = Taxonomy.of(CLASSES, {})
# Of three discs, three rings and three bars: two discs and all bars are right, no ring is; one answer has no pictures.
SAID = torch.tensor([0, 0, 3, 0, 2, 2, 2, 2, 2])


def drawn_images(size: int = 40) -> InMemoryImages:
    drawn = [Preparation(size).square(draw_shape(shape, seed)) for shape in SHAPES for seed in range(3)]
    pixels = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)
    labels = torch.arange(3).repeat_interleave(3)
    return InMemoryImages(pixels, labels, [Path(f"{shape}/a\tb {shape}{n}.png") for shape in SHAPES for n in range(3)])


def drawn_prediction(strength: float = 2.0) -> Prediction:
    random = torch.Generator().manual_seed(0)
    logits = torch.rand(9, 4, generator=random) + strength * torch.nn.functional.one_hot(SAID, 4)
    return Prediction(logits, torch.randn(9, 20, generator=random))


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("log") / "run"
    log = TensorBoardLog(directory)
    for step in (1, 2):
        log.write_predictions(step, TAXONOMY, drawn_images(), drawn_prediction(step + 1.0).logits)
    options = {"epochs": 2, "rate": 0.5, "use_model": "vgg11", "log": True, "budget": None, "where": Path("a/b")}
    log.write_hyperparameters(options, {"accuracy": 5 / 9, "macro_f1": 0.4})
    log.write_embedding(CLASSES, drawn_images(), drawn_prediction())
    log.close()
    return directory


@pytest.fixture(scope="module")
def events(logged) -> EventAccumulator:
    return EventAccumulator(str(logged / "validate"), size_guidance={"images": 0, "tensors": 0}).Reload()


@pytest.mark.slow
def test_no_run_but_train_and_validate(logged):
    runs = {path.parent.relative_to(logged).as_posix() for path in logged.rglob("events.out.tfevents.*")}
    assert runs == {"train", "validate"}


def test_accuracy_by_class(events):
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("accuracy by class/")]
    assert sorted(tags) == sorted(f"accuracy by class/{shape}" for shape in SHAPES)
    for shape, right in zip(SHAPES, (2 / 3, 0, 1), strict=True):
        logged = events.Scalars(f"accuracy by class/{shape}")
        assert [event.step for event in logged] == [1, 2]
        assert [event.value for event in logged] == pytest.approx([right, right])


@pytest.mark.slow
def test_of_many_classes_those_with_the_most_pictures_have_curves(tmp_path):
    count = 80
    names = [f"Genus species{label:03d}" for label in range(count)]
    labels = torch.cat([torch.arange(count), torch.arange(40, 70), torch.arange(79, 80)])
    images = InMemoryImages(torch.zeros(len(labels), 3, 8, 8, dtype=torch.uint8), labels, [Path("a.png")] * len(labels))
    log = TensorBoardLog(tmp_path)
    for step in (1, 2):
        logits = torch.rand(len(labels), count, generator=torch.Generator().manual_seed(step))
        log.write_predictions(step, Taxonomy.of(names, {}), images, logits)
    log.close()
    events = EventAccumulator(str(tmp_path / "validate"), size_guidance={"tensors": 0}).Reload()
    expected = {names[label] for label in (*range(29), *range(40, 70), 79)}
    tags = {tag.removeprefix("accuracy by class/") for tag in events.Tags()["scalars"] if "by class" in tag}
    assert len(expected) == 60 and tags == expected
    assert set(events.PluginTagToContent("pr_curves")) == {f"precision and recall/{name}" for name in expected}


@pytest.mark.slow
def test_a_thousand_classes_take_seconds_and_little_memory(tmp_path):
    count = 1000
    labels = torch.arange(count)
    images = InMemoryImages(torch.zeros(count, 3, 8, 8, dtype=torch.uint8), labels, [Path("a.png")] * count)
    log, taxonomy = TensorBoardLog(tmp_path), Taxonomy.of([f"Genus species{label:04d}" for label in range(count)], {})
    log.write_predictions(1, taxonomy, images, torch.eye(count))
    began = time.process_time()
    log.write_predictions(2, taxonomy, images, torch.eye(count).roll(1, 0))
    assert time.process_time() - began < 6
    log.close()
    assert sum(path.stat().st_size for path in tmp_path.rglob("events*")) < 5e6


def test_precision_and_recall_are_scikit_learns(events):
    assert set(events.PluginTagToContent("pr_curves")) == {f"precision and recall/{shape}" for shape in SHAPES}
    probabilities = drawn_prediction(3.0).logits.double().softmax(1).numpy()
    for label, shape in enumerate(SHAPES):
        curve = events.Tensors(f"precision and recall/{shape}")
        assert [event.step for event in curve] == [1, 2]
        *_, precision, recall = make_ndarray(curve[1].tensor_proto)
        its = (drawn_images().labels == label).numpy()
        for place in (5, 30, 70, 110):
            above = np.floor(probabilities[:, label] * 126) >= place  # TensorBoard's 127 thresholds
            assert precision[place] == pytest.approx(precision_score(its, above, zero_division=0), abs=1e-6)
            assert recall[place] == pytest.approx(recall_score(its, above), abs=1e-6)


@pytest.mark.parametrize("tag", ["answers", "confusion matrix"])
def test_figures_are_pictures_with_something_on_them(events, tag):
    shown = events.Images(tag)
    assert [event.step for event in shown] == [1, 2]
    picture = Image.open(BytesIO(shown[1].encoded_image_string)).convert("RGB")
    assert min(picture.size) > 200 and len(picture.getcolors(1 << 20)) > 50


def test_hyperparameters_stand_in_the_run_itself_those_that_are_tried_first(logged, events):
    contents = events.PluginTagToContent("hparams")
    start = hparams_metadata.parse_session_start_info_plugin_data(contents[hparams_metadata.SESSION_START_INFO_TAG])
    values = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    assert values == {"epochs": 2, "rate": 0.5, "use_model": "vgg11", "log": 1, "budget": "None", "where": "a/b"}
    experiment = hparams_metadata.parse_experiment_plugin_data(contents[hparams_metadata.EXPERIMENT_TAG])
    assert [info.name for info in experiment.hparam_infos] == ["use_model", "epochs", "rate", "log", "budget", "where"]
    tags = {info.name.tag for info in experiment.metric_infos}
    assert tags == {f"best so far/{name}" for name in ("accuracy", "balanced_accuracy", "macro_f1", "loss")}


def test_final_scores_are_a_table_and_no_curve_of_one_point(events):
    assert not [tag for tag in events.Tags()["scalars"] if "final" in tag]
    (text,) = events.Tensors("scores of the model/text_summary")
    assert "| accuracy | 0.5556 |" in make_ndarray(text.tensor_proto)[0].decode()


def test_projector_has_every_picture_with_its_classes_and_thumbnail(logged):
    run = logged / "validate"
    config = text_format.Parse((run / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (shown,) = config.embeddings
    header, *rows = [line.split("\t") for line in (run / shown.metadata_path).read_text().splitlines()]
    assert header == ["actual", "predicted", "answer", "file"]
    assert rows[0] == ["disc", "disc", "right", "a b disc0.png"]
    assert rows[2] == ["disc", "never seen", "wrong", "a b disc2.png"]
    assert len(rows) == 9
    points = np.loadtxt(run / shown.tensor_path)
    features = drawn_prediction().features
    np.testing.assert_allclose(np.linalg.norm(points[0] - points[5]), (features[0] - features[5]).norm(), rtol=1e-4)
    sprite = Image.open(run / shown.sprite.image_path)
    width, height = shown.sprite.single_image_dim
    assert (width, height) == (40, 40) and sprite.size == (3 * 40, 3 * 40)
    fifth = np.asarray(sprite.crop((40, 40, 80, 80)), int)
    assert np.abs(fifth - drawn_images().pixels[4].permute(1, 2, 0).numpy()).max() <= 1


@pytest.mark.slow
def test_large_sets_are_thinned_out_for_the_projector(tmp_path):
    count = 2600
    images = InMemoryImages(
        torch.zeros(count, 3, 64, 64, dtype=torch.uint8), torch.zeros(count).long(), [Path("a.png")] * count
    )
    log = TensorBoardLog(tmp_path)
    log.write_embedding(["one", "two"], images, Prediction(torch.zeros(count, 2), torch.rand(count, 8)))
    log.close()
    config = text_format.Parse((tmp_path / "validate/projector_config.pbtxt").read_text(), ProjectorConfig())
    sprite = config.embeddings[0].sprite
    assert list(sprite.single_image_dim) == [48, 48]
    with Image.open(tmp_path / "validate" / sprite.image_path) as picture:
        assert picture.size == (45 * 48, 45 * 48)


def test_principal_components_leave_the_run_its_random_numbers():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    assert principal_components(torch.zeros(150, 400)).shape == (150, COMPONENTS)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(("count", "wanted"), [(1, 24), (9, 24), (24, 24), (1000, 24)])
def test_evenly_spaced_chooses_without_repeats_from_first_to_last(count, wanted):
    chosen = evenly_spaced(count, wanted).tolist()
    assert len(set(chosen)) == len(chosen) == min(count, wanted)
    assert chosen[0] == 0 and chosen[-1] == count - 1


def test_a_log_that_vanishes_is_reported_once_and_in_a_sentence(tmp_path, capfd):
    log = TensorBoardLog(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(OSError, match=r"the log .*run could not be written \(No such file or directory\)"):
        log.write_predictions(1, TAXONOMY, drawn_images(), drawn_prediction().logits)
        for writer in log.writers.values():
            writer.flush()
    assert not capfd.readouterr().err
