import pytest
import torch
from torch import nn
from torchvision.models import vgg as torchvision_vgg

from models.networks import build_network, transfer
from models.vgg import ADAPTIVE_LAYERS, fold_head, make_layers, pooling_matrix, vgg11, vgg11_adaptive


@pytest.mark.parametrize("height, width", [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (7, 7), (3, 4), (5, 2)])
def test_the_folded_head_answers_as_pooling_and_whole_head(height, width):
    weight = torch.randn(16, 8 * 49, dtype=torch.float64)
    last_map = torch.randn(2, 8, height, width, dtype=torch.float64)
    whole = nn.functional.adaptive_avg_pool2d(last_map, 7).flatten(1) @ weight.T
    folded = last_map.flatten(1) @ fold_head(weight, height, width).T
    assert (whole - folded).abs().max() < 1e-10


def test_the_pooling_matrix_averages():
    for side in range(1, 12):
        matrix = pooling_matrix(side)
        assert matrix.shape == (7, side)
        assert torch.allclose(matrix.sum(1), torch.ones(7, dtype=torch.float64))


@pytest.fixture(scope="module")
def imagenet_like():
    """A whole VGG11 of torchvision in float64, with random weights large enough for its answers to differ."""
    torch.manual_seed(0)
    network = torchvision_vgg.vgg11(weights=None, num_classes=10).double().eval()
    with torch.no_grad():
        for layer in network.classifier:
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(3)
    return network


@pytest.mark.slow
def test_vgg11_with_the_fold_equals_torchvisions(imagenet_like, size=120):
    network = vgg11(num_classes=10, image_size=size).double().eval()
    random = transfer(network, imagenet_like.state_dict())
    pictures = torch.randn(1, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        expected = imagenet_like(pictures)
        assert random == []
        assert expected.std() > 1e-3
        assert (network(pictures) - expected).abs().max() < 1e-10


def test_the_fold_makes_the_head_smaller_and_never_larger():
    with torch.device("meta"):  # shapes alone: the whole head has a hundred million weights
        assert vgg11(5, 120).classifier[0].in_features == 4608
        assert vgg11(5, 224).classifier[0].in_features == vgg11(5, 320).classifier[0].in_features == 25088


def test_vgg11_says_when_pictures_are_too_small():
    with pytest.raises(ValueError, match="at least 32 pixels, not 31"):
        vgg11(5, 31)


@pytest.mark.parametrize("height, width", [(64, 64), (120, 120), (97, 133), (224, 224), (8, 300)])
def test_the_adaptive_variant_takes_any_size(height, width):
    network = vgg11_adaptive(7).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 3, height, width)).shape == (2, 7)


@pytest.mark.slow
def test_the_adaptive_variant_takes_the_imagenet_weights_of_vgg11_bn():
    whole = torchvision_vgg.vgg11_bn(weights=None)
    network = build_network("vgg11_adaptive", 7, 120)
    assert transfer(network, whole.state_dict()) == ["classifier.1.weight", "classifier.1.bias"]
    assert torch.equal(network.features[25].weight, whole.features[25].weight)


def test_layers_are_numbered_as_torchvisions():
    theirs = torchvision_vgg.make_layers(torchvision_vgg.cfgs["A"], batch_norm=True).state_dict()
    ours = make_layers(ADAPTIVE_LAYERS).state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {n: t.shape for n, t in theirs.items()}
