"""What a network runs on."""

import torch
from torch import nn

from models.device import Device
from models.networks import build_network

BF16 = Device(torch.device("cpu"), torch.bfloat16)


def test_convolutions_that_are_slow_in_bf16_compute_in_float32():
    torch.manual_seed(0)
    slow = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8)
    maps = torch.randn(2, 8, 9, 9)
    exact = slow(maps)
    network = BF16.place(nn.Sequential(slow, nn.Conv2d(8, 8, 3, groups=8)))
    with BF16.autocast():
        assert torch.allclose(network[0](maps), exact, atol=1e-5)
        assert network[0](maps.bfloat16()).dtype == torch.bfloat16
        assert network[1](maps).dtype == torch.bfloat16  # 3x3 without a stride stays as it is


def test_a_placed_network_keeps_its_names_and_its_answers():
    torch.manual_seed(0)
    network = build_network("mobilenet_v2", 3, 64).eval()
    names, images = list(network.state_dict()), torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        exact = network(images)
        with BF16.autocast():
            given = BF16.place(network)(BF16.place_images(images))
    assert list(network.state_dict()) == names
    assert torch.allclose(given.float(), exact, atol=0.05 * exact.abs().max().item())
