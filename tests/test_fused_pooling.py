"""Bias, ReLU and pooling in one pass compute what torch's own layers do: on a GPU, else in Triton's interpreter."""

import importlib

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models.vgg import ConvLayers

pytest.importorskip("triton")
GPU = torch.cuda.is_available()


@pytest.fixture(scope="module")
def pooled_relu():
    with pytest.MonkeyPatch.context() as patched:
        if not GPU:
            patched.setenv("TRITON_INTERPRET", "1")
        yield importlib.import_module("models.fused_pooling").pooled_relu


@pytest.mark.parametrize("shape", [(2, 5, 8, 8), (3, 4, 7, 9), (1, 70, 2, 40), (2, 3, 3, 2)])
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_computes_what_three_layers_do(pooled_relu, shape, has_bias, dtype):
    torch.manual_seed(0)
    maps, bias = torch.randn(shape).to(dtype), torch.randn(shape[1])
    maps[0, 0, 0, :2] = 7.0  # of equal values the first counts
    weights = torch.randn(shape[0], shape[1], shape[2] // 2, shape[3] // 2)
    results = []
    for fused in (True, False):
        where = "cuda" if fused and GPU else "cpu"
        given = [each.to(where).detach().requires_grad_() for each in (maps, bias)]
        if fused:
            pooled = pooled_relu(given[0], given[1] if has_bias else None)
        else:
            pooled = F.max_pool2d(F.relu(given[0] + (given[1].view(1, -1, 1, 1) if has_bias else 0)), 2)
        (pooled * weights.to(where)).sum().backward()
        results.append([pooled.detach().cpu(), *(each.grad.cpu() for each in given[: 1 + has_bias])])
    rounding = 0.05 if dtype == torch.bfloat16 else 1e-5
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours.float(), theirs.float(), rtol=0.0, atol=rounding)


def test_what_is_not_a_number_stays_so(pooled_relu):
    maps = torch.zeros(1, 1, 2, 2, device="cuda" if GPU else "cpu")
    maps[0, 0, 1, 0] = torch.nan
    assert pooled_relu(maps).isnan().all()


@pytest.mark.skipif(not GPU, reason="there is no GPU here that torch can use")
def test_layers_that_learn_compute_what_they_do_otherwise(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(8)
    parts = [convolution, nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 8, 3, padding=1), norm, nn.ReLU(), nn.MaxPool2d(2)]
    layers, images = ConvLayers(*parts, nn.Conv2d(8, 2, 1), nn.ReLU()).cuda(), torch.randn(4, 3, 21, 30).cuda()
    gradients = []
    for network in (layers, nn.Sequential(*layers)):
        network.zero_grad()
        network.train()(images).square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)
