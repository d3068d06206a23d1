"""What the network runs on: device, arithmetic and memory layout."""

import ctypes
import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Parameters of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


@dataclass(frozen=True)
class Hardware:
    """A device and the number type (float32 or bfloat16) in which a network computes there."""

    device: torch.device
    dtype: torch.dtype

    def place(self, module: nn.Module) -> nn.Module:
        """Move a network to the device, in the memory layout and arithmetic that its convolutions are fastest with."""
        if self.device.type == "cpu" and self.dtype == torch.bfloat16:
            for part in module.modules():
                if _is_slow_in_bf16(part):
                    part.__class__ = _Float32Conv2d
        return module.to(self.device, memory_format=self._layout)

    def place_pictures(self, pictures: Tensor) -> Tensor:
        """Move pictures (n, 3, h, w) to the device, in the layout of the network."""
        return pictures.to(self.device).contiguous(memory_format=self._layout)

    def autocast(self) -> AbstractContextManager:
        """Compute in `dtype` where that is safe; sums, norms and losses stay in float32."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    @property
    def _layout(self) -> torch.memory_format:
        return torch.contiguous_format if self.device.type == "mps" else torch.channels_last

    def __str__(self) -> str:
        return f"{self.device}, {'bf16' if self.dtype == torch.bfloat16 else 'fp32'}"


class _Float32Conv2d(nn.Conv2d):
    """A convolution that computes in float32 wherever it stands."""

    def forward(self, maps: Tensor) -> Tensor:
        with torch.autocast(maps.device.type, enabled=False):
            return super().forward(maps.float()).to(maps.dtype)


def _is_slow_in_bf16(module: nn.Module) -> bool:
    """Name the convolutions whose gradients CPUs compute several times slower in bfloat16 than in float32.

    These are depthwise ones with a stride, or larger than 3x3 (`benchmarks/depthwise.py`).
    """
    depthwise = type(module) is nn.Conv2d and module.groups == module.in_channels > 1
    return depthwise and (max(module.stride) > 1 or max(module.kernel_size) > 3)


def choose_hardware(device: str | None = None, precision: str = "auto") -> Hardware:
    """Take the device named, or the best there is, and for precision "auto" the number type that it is fastest with.

    Raises ValueError where there is no such device.
    """
    try:
        chosen = torch.device(device or _best_device())
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"there is no device {device} here ({str(error).splitlines()[0]})") from error
    if precision == "auto":
        precision = "bf16" if _has_fast_bf16(chosen) else "fp32"
    return Hardware(chosen, {"bf16": torch.bfloat16, "fp32": torch.float32}[precision])


def keep_freed_memory() -> None:
    """Let the C library keep the memory that a tensor frees for the next one; does nothing without glibc.

    Gradients of large layers come and go with each step. Memory that was given back to the system comes from there
    again page by page, each filled with zeros, which takes half of the time of a step of VGG11's head.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _has_fast_bf16(device: torch.device) -> bool:
    """Say whether the device has instructions of its own for bfloat16; where it has not, float32 is faster."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether torch found no memory, on a GPU or for the CPU, whose allocator has no exception of its own."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
