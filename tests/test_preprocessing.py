"""Images on their way into a network, and what networks predict of them."""

import multiprocessing

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from common.errors import ToolkitError
from common.image_folder import list_image_folder
from common.images import ImageError
from common.squares import Preparation, native_size, read_squares
from models.networks import build_network, size_step, transfer
from models.prediction import Predictor, predict, predict_files, tta_views
from models.preprocessing import IMAGENET
from tests.memory import on_linux, peak_of
from tests.processes import in_a_process
from tests.tiny import SHAPES, draw_shape, write_image_folders
from tests.training_runs import CPU
from training.images import read_images


def test_normalising_is_undone():
    images = torch.randint(0, 256, (3, 3, 8, 9), dtype=torch.uint8)
    assert torch.allclose(IMAGENET.undo(IMAGENET.apply(images)) * 255, images.float(), atol=1e-3)


def test_normalising_is_torchvisions():
    from torchvision.transforms.v2 import functional as transforms

    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    expected = transforms.normalize(images.float() / 255, list(IMAGENET.mean), list(IMAGENET.std))
    assert torch.allclose(IMAGENET.apply(images), expected, atol=1e-5)


@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    size=st.integers(8, 48),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    padded_first=st.booleans(),
)
def test_a_whole_image_fits_its_square_padded_with_its_border(width, height, size, colour, padded_first):
    square = Preparation(size, padded_first=padded_first).square(Image.new("RGB", (width, height), colour))
    assert square.shape == (size, size, 3) and square.dtype == np.uint8
    assert (square == np.array(colour, np.uint8)).all()


def test_proportions_are_kept():
    image = Image.new("RGB", (80, 40), "black")
    image.paste("white", (4, 4, 76, 36))
    white = np.argwhere(Preparation(40).square(image)[..., 0] > 128)
    assert tuple(white.max(0) - white.min(0) + 1) == (16, 36)


@pytest.mark.parametrize("size", [(126, 175), (175, 126), (64, 64), (90, 7), (31, 200), (1, 5)])
@pytest.mark.parametrize("side", [37, 64, 160])
def test_images_are_prepared_as_the_tools_of_the_field_do(size, side):
    """As shared formats say: padded to a square with the median colour of the edge pixels, centred, then bilinear."""
    chance = np.random.default_rng(sum(size))
    pixels = chance.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    longest = max(size)
    canvas = np.full((longest, longest, 3), np.median(edge, axis=0).astype(np.uint8))
    top, left = (longest - size[1]) // 2, (longest - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = pixels
    expected = np.asarray(Image.fromarray(canvas).resize((side, side), Image.Resampling.BILINEAR))
    assert (Preparation(side).square(Image.fromarray(pixels)) == expected).all()


def test_a_very_long_image_is_reduced_before_it_is_padded(monkeypatch):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 3000, 3), dtype=np.uint8))
    image = image.resize((3000, 300), Image.Resampling.BOX, (0, 0, 300, 30))  # blocks, which survive a reduction
    whole = Preparation(100).square(image).astype(int)
    monkeypatch.setattr("common.squares.LARGEST_SQUARE", 1000**2)
    reduced = Preparation(100).square(image).astype(int)
    assert reduced.shape == (100, 100, 3) and np.abs(reduced - whole).mean() < 2


@on_linux
@pytest.mark.slow
def test_a_very_long_image_takes_bounded_memory():
    assert in_a_process(memory_to_prepare, (80_000, 1000)) < 1.5e9  # its square would take 26e9


def memory_to_prepare(size: tuple[int, int]) -> int:
    return peak_of(lambda: Preparation(64).square(Image.new("RGB", size, "white")))


def test_the_native_size_is_the_median_of_the_longer_sides(tmp_path):
    paths = []
    for number, size in enumerate([(120, 80), (119, 90), (90, 118), (400, 300), (20, 20)]):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", size).save(paths[-1])
    assert native_size(paths) == 120
    assert native_size(paths[3:4]) == 224 and native_size(paths[4:]) == 32


def test_images_are_read_in_order_and_with_their_labels(tmp_path):
    folder = list_image_folder(write_image_folders(tmp_path, train=2, validate=1) / "train")
    samples, classes = folder.samples, folder.classes
    images = read_images(samples, Preparation(40)).images
    assert classes == sorted(SHAPES) and len(images) == 6
    assert images.pixels.shape == (6, 3, 40, 40) and images.pixels.dtype == torch.uint8
    assert images.labels.tolist() == [0, 0, 1, 1, 2, 2]
    first = np.asarray(draw_shape(classes[0], 0))
    assert (images.pixels[0].permute(1, 2, 0).numpy() == first).all()


@pytest.mark.parametrize("parallel", [1000, pytest.param(1, marks=pytest.mark.slow)], ids=["threads", "processes"])
def test_squares_are_read_ahead_in_order_and_errors_keep_their_place(tmp_path, monkeypatch, parallel):
    monkeypatch.setattr("common.processes.READ_AHEAD", 16)
    monkeypatch.setattr("common.squares.LARGE", 30 * 30)  # some are read one at a time
    monkeypatch.setattr("common.squares.PARALLEL", parallel)
    paths = [tmp_path / f"{number}.png" for number in range(30)]
    for number, path in enumerate(paths):
        Image.new("RGB", (20 + 2 * number, 20), (number, 0, 0)).save(path)
    paths[4].write_bytes(b"no image")
    squares = list(read_squares(paths, Preparation(16)))
    assert isinstance(squares.pop(4), ImageError)
    assert [int(square.pixels[8, 8, 0]) for square in squares] == [*range(4), *range(5, 30)]


@pytest.mark.slow
def test_a_process_that_is_ended_from_outside_is_reported_in_a_sentence(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    stream = read_squares([tmp_path / "a.png"] * 5000, Preparation(16))
    next(stream)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(ToolkitError, match="a process that read pictures was ended from outside"):
        list(stream)


@pytest.fixture(scope="module")
def predictor():
    torch.manual_seed(0)
    return Predictor(build_network("squeezenet1_1", 3, 40).eval(), IMAGENET, CPU)


def test_files_are_predicted_as_images_in_memory(tmp_path, predictor, monkeypatch):
    monkeypatch.setattr("models.device.Device.images_at_once", 4)
    samples = list_image_folder(write_image_folders(tmp_path, train=2, validate=1) / "train").samples
    steps = []
    given = predict_files(predictor, [path for path, _ in samples], Preparation(40), steps.append).prediction
    expected = predict(predictor, read_images(samples, Preparation(40)).images.pixels)
    assert steps == [4, 2] and given.logits.shape == (6, 3) and given.features.shape == (6, 512)
    assert torch.allclose(given.logits, expected.logits, atol=1e-5)
    assert torch.allclose(given.features, expected.features, atol=1e-5)
    chosen = given.select(torch.tensor([5, 0]))
    assert torch.equal(chosen.logits, given.logits[[5, 0]]) and torch.equal(chosen.features, given.features[[5, 0]])


def test_files_that_cannot_be_predicted_are_left_out_with_their_reasons(tmp_path, predictor):
    paths = [
        path for path, _ in list_image_folder(write_image_folders(tmp_path, train=2, validate=1) / "train").samples
    ]
    whole = predict_files(predictor, paths, Preparation(40))
    for path in paths[1::2]:
        path.write_bytes(b"")
    given = predict_files(predictor, paths, Preparation(40))
    assert given.read.tolist() == [True, False] * 3
    assert given.faults == dict.fromkeys(paths[1::2], "it is empty (0 bytes)")
    assert torch.allclose(given.prediction.logits, whole.prediction.logits[::2], atol=1e-5)
    assert (given.fingerprints == whole.fingerprints[::2]).all()
    for path in paths[::2]:
        path.write_bytes(b"")
    with pytest.raises(ToolkitError, match=r"^none of 6 pictures can be read: .*bar0\.png \(it is empty.*ring1\.png"):
        predict_files(predictor, paths, Preparation(40))


def test_views_are_all_different_and_begin_with_the_mirror_image():
    image = torch.arange(9.0).view(1, 1, 3, 3)
    two, eight = list(tta_views(image, 2)), list(tta_views(image, 8))
    assert torch.equal(two[0], image) and torch.equal(two[1], image.flip(3))
    assert len({tuple(view.flatten().tolist()) for view in eight}) == 8


@pytest.mark.slow
def test_the_weights_of_a_vit_fit_other_sizes():
    whole = build_network("vit_b_32", 5, 224)
    network = build_network("vit_b_32", 3, 96)
    fresh = transfer(network, whole.state_dict())
    assert fresh == ["heads.head.weight", "heads.head.bias"]
    places = whole.encoder.pos_embedding[0, 1:].detach().view(7, 7, 768)  # at the corners the same patches
    found = network.encoder.pos_embedding[0, 1:].detach().view(3, 3, 768)
    assert torch.allclose(found[[0, 0, 2, 2], [0, 2, 0, 2]], places[[0, 0, 6, 6], [0, 6, 0, 6]], atol=1e-5)
    assert [size_step(name) for name in ("vit_b_16", "vit_h_14", "vgg11")] == [16, 14, 8]


def test_names_of_networks_are_those_of_torchvision():
    import torchvision

    from models.network_names import OWN, UNSUITABLE, network_names

    theirs = set(torchvision.models.list_models(module=torchvision.models))
    assert theirs > UNSUITABLE and not theirs & OWN
    ours = [name for name in network_names() if not name.startswith("timm/")]
    assert ours == sorted(theirs - UNSUITABLE | OWN)
