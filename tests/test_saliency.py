"""Where a network looks: the map's peak lies where the class is drawn, whatever the network's stride and padding."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from models.networks import build_network, head_name
from reports.saliency import saliency_map

SIDE, SPOT = 80, 0.09  # of the image in pixels, of the patch as a share of the side
NETWORKS = ["vgg11", "vgg11_adaptive", "squeezenet1_1", "mobilenet_v2", "resnet18", "convnext_tiny"]


def draw(place):
    """Draw a red patch at a place (x, y) of a grey image; values in [0, 1], (1, 3, s, s)."""
    random = np.random.default_rng(int(1000 * place[0]))
    picture = Image.fromarray(random.integers(90, 110, (SIDE, SIDE, 3), dtype=np.uint8))
    x, y = SIDE * place[0], SIDE * place[1]
    radius = SIDE * SPOT
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(230, 60, 60))
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255


def draw_among_others(place):
    """Draw a chequered patch at a place (x, y) of an uneven image, among five plain discs that tell nothing."""
    random = np.random.default_rng(int(1000 * place[0]))
    uneven = Image.fromarray(random.integers(70, 150, (12, 12, 3), dtype=np.uint8)).resize((SIDE, SIDE))
    picture = Image.fromarray(np.asarray(uneven) + random.integers(0, 30, (SIDE, SIDE, 3), dtype=np.uint8))
    pen, radius = ImageDraw.Draw(picture), SIDE * SPOT
    for x, y, *colour in random.integers((0, 0, 60, 60, 60), (SIDE, SIDE, 190, 190, 190), (5, 5)).tolist():
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(colour))
    rows, columns = np.mgrid[:SIDE, :SIDE] // 3
    chequered = Image.fromarray(((rows + columns) % 2 * 170 + 40).astype(np.uint8)).convert("RGB")
    patch, (x, y) = Image.new("L", (SIDE, SIDE)), (SIDE * place[0], SIDE * place[1])
    ImageDraw.Draw(patch).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    picture.paste(chequered, mask=patch)
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255


PLACES = [(x, y) for x in np.linspace(0.15, 0.85, 6) for y in np.linspace(0.15, 0.85, 5)]


def network_of(name, draw=draw):
    """Return a random network whose last layer tells images with a patch from those without."""
    torch.manual_seed(0)
    network = build_network(name, 2, SIDE).eval()
    for parameter, values in network.named_parameters():
        if parameter.endswith("layer_scale"):  # of a ConvNeXt, in which random blocks do nothing else
            values.data.fill_(0.1)
    blank = torch.cat([draw((x, 5.0)) for x in np.linspace(0.1, 0.9, len(PLACES))])
    images = torch.cat([*(draw(place) for place in PLACES), blank])
    inputs = []
    head = network.get_submodule(head_name(network))
    hook = head.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    with torch.inference_mode():
        network(images)
    hook.remove()
    features = inputs[0].flatten(2).mean(2) if inputs[0].ndim > 2 else inputs[0]
    middle, spread = features.mean(0), features.std(0) + 1e-6
    scaled = ((features - middle) / spread).double()
    wanted = torch.tensor([[1.0, -1.0]] * len(PLACES) + [[-1.0, 1.0]] * len(PLACES)).double()
    kernel = scaled @ scaled.T
    solved = scaled.T @ torch.linalg.solve(kernel + 0.1 * kernel.trace() / len(kernel) * torch.eye(len(kernel)), wanted)
    weights = (solved / spread[:, None]).T.float()
    with torch.no_grad():
        head.weight.copy_(weights.view_as(head.weight))
        head.bias.copy_(-(weights @ middle))
    return network


HARD = [(0.27, 0.7), (0.72, 0.35), (0.2, 0.22), (0.83, 0.78), (0.62, 0.15)]


def distance(network, image, place):
    """Return how far the map's peak lies from a place, along either side, as a share of the side."""

    def score(images):
        logits = network(images)
        return logits[:, 0] - logits[:, 1]

    heat = saliency_map(score, image)
    assert heat.shape == (SIDE, SIDE) and heat.min() >= 0 and heat.max() == 1
    top, left = np.unravel_index(heat.argmax(), heat.shape)
    return max(abs((left + 0.5) / SIDE - place[0]), abs((top + 0.5) / SIDE - place[1]))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_peak_lies_on_the_patch(name):
    network = network_of(name)
    for place in [(0.27, 0.7), (0.72, 0.35), (0.5, 0.5)]:
        assert distance(network, draw(place), place) <= 0.05, (name, place)


@pytest.mark.slow
def test_the_peak_lies_on_the_patch_among_others():
    network = network_of("squeezenet1_1", draw_among_others)
    for place in HARD:
        without = draw_among_others((place[0], 5.0))
        image = draw_among_others(place)
        assert network(image).argmax() == 0 and network(without).argmax() == 1  # so it hangs on the patch
        assert distance(network, image, place) <= 0.05, place


def test_where_nothing_speaks_for_the_class_nothing_shines():
    heat = saliency_map(lambda images: images.flatten(1).sum(1) * 0, draw((0.5, 0.5)))
    assert not heat.any()
