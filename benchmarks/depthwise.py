"""What depthwise convolutions cost on a CPU, in bfloat16 and in float32: forward and backward, batches of 32.

    python benchmarks/depthwise.py

The reason for `models.hardware._is_slow_in_bf16`. The maps are those of MobileNetV2 and EfficientNet at 160 px.
"""

import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

RUNS = 5
SHAPES = [(96, 3, 1, 40), (96, 3, 2, 80), (192, 3, 2, 20), (144, 5, 1, 40), (240, 5, 2, 20), (192, 7, 1, 20)]


def milliseconds(step: Callable[[], None]) -> float:
    """Give the shortest of some runs of `step`, after one that warms up."""
    seconds = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds[1:])


def cost(channels: int, kernel: int, stride: int, side: int, dtype: torch.dtype) -> float:
    """Give the milliseconds of a convolution and its gradients in `dtype`; its input comes in bfloat16."""
    weight = torch.randn(channels, 1, kernel, kernel, requires_grad=True)
    maps = torch.randn(32, channels, side, side, dtype=torch.bfloat16)
    maps = maps.contiguous(memory_format=torch.channels_last).requires_grad_()

    def step() -> None:
        given = F.conv2d(maps.to(dtype), weight.to(dtype), None, stride, kernel // 2, groups=channels)
        given.to(maps.dtype).sum().backward()

    return milliseconds(step)


def main() -> None:
    """Measure and print."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, milliseconds, best of {RUNS}")
    for channels, kernel, stride, side in SHAPES:
        half, full = (cost(channels, kernel, stride, side, dtype) for dtype in (torch.bfloat16, torch.float32))
        shape = f"{channels} channels, {kernel}x{kernel}, stride {stride}, map {side}x{side}"
        print(f"{shape:44} bf16 {half:7.1f}  fp32 {full:7.1f}  ratio {half / full:5.1f}")


if __name__ == "__main__":
    main()
