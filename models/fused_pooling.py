"""Bias, ReLU and 2x2 max pooling in one pass over the maps, for NVIDIA GPUs, in Triton.

On its own each of them reads and writes the maps as a whole, which takes VGG11 longer than its convolutions: their
outputs are written once, and a step waits for memory and not for arithmetic.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = tl.constexpr(1024)  # values of a row that a program takes
SIZES = ["height", "width", "channels"]  # for which no kernel of its own is compiled


def pooled_relu(maps: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return max_pool2d(relu(maps + bias), 2) of maps (n, c, h, w) and a bias (c,) on a GPU: (n, c, h // 2, w // 2).

    Of equal values the gradient goes to the first, as torch has it; computed in float32, and rounded once.
    """
    return _PooledReLU.apply(maps, bias)


class _PooledReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, bias: Tensor | None) -> Tensor:
        maps = maps.contiguous(memory_format=torch.channels_last)
        count, channels, height, width = maps.shape
        shape = (count, channels, height // 2, width // 2)
        pooled = torch.empty(shape, dtype=maps.dtype, device=maps.device, memory_format=torch.channels_last)
        corner = torch.empty_like(pooled, dtype=torch.uint8)
        _forward[_grid(shape)](maps, bias, pooled, corner, height, width, channels)
        ctx.save_for_backward(pooled, corner)
        ctx.size, ctx.has_bias = maps.shape, bias is not None
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        pooled, corner = ctx.saved_tensors
        gradient = torch.where(pooled > 0, gradient, 0).contiguous(memory_format=torch.channels_last)
        _, channels, height, width = ctx.size
        layout = torch.channels_last
        spread = torch.empty(ctx.size, dtype=gradient.dtype, device=gradient.device, memory_format=layout)
        if height % 2 or width % 2:
            spread.zero_()  # the last row or column is in no square
        _backward[_grid(pooled.shape)](gradient, corner, spread, height, width, channels)
        return spread, gradient.sum((0, 2, 3), dtype=torch.float32) if ctx.has_bias else None


def _grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many programs there are for pooled maps (n, c, h, w): rows, and blocks in a row."""
    count, channels, height, width = shape
    return count * height, triton.cdiv(width * channels, BLOCK.value)


@triton.jit
def _places(height, width, channels):
    """Return the places of a block in pooled maps and of its squares' first corners in maps, channels last."""
    row, pooled_height, pooled_width = tl.program_id(0).to(tl.int64), height // 2, width // 2
    inner = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    column, channel = inner // channels, inner % channels
    above = (row // pooled_height * height + row % pooled_height * 2) * width * channels
    pooled = row * pooled_width * channels + inner
    return pooled, above + column * 2 * channels + channel, channel, inner < pooled_width * channels


@triton.jit(do_not_specialize=SIZES)
def _forward(maps, bias, pooled, corner, height, width, channels):
    place, first, channel, inside = _places(height, width, channels)
    largest = tl.load(maps + first, inside).to(tl.float32)
    which = tl.full([BLOCK], 0, tl.uint8)
    for each in tl.static_range(1, 4):
        value = tl.load(maps + first + (each // 2 * width + each % 2) * channels, inside).to(tl.float32)
        larger = (value > largest) | (value != value)  # not a number stays what it is
        largest, which = tl.where(larger, value, largest), tl.where(larger, each, which).to(tl.uint8)
    if bias is not None:
        largest += tl.load(bias + channel, inside).to(tl.float32)
    tl.store(pooled + place, tl.where(largest < 0, 0.0, largest), inside)
    tl.store(corner + place, which, inside)


@triton.jit(do_not_specialize=SIZES)
def _backward(gradient, corner, spread, height, width, channels):
    place, first, _, inside = _places(height, width, channels)
    value, which = tl.load(gradient + place, inside), tl.load(corner + place, inside)
    for each in tl.static_range(4):
        to = spread + first + (each // 2 * width + each % 2) * channels
        tl.store(to, tl.where(which == each, value, 0.0), inside)
