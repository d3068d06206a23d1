"""What a network runs on: device, arithmetic and memory layout."""

from __future__ import annotations

import ctypes
import os
import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import psutil
import torch
from torch import Tensor, nn

from common.errors import ToolkitError

# Parameters of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


@dataclass(frozen=True)
class Device:
    """A device of torch, and the number type (float32 or bfloat16) in which a network computes there."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def choose(cls, name: str | None = None, precision: str = "auto") -> Device:
        """Return the device of that name, or the best there is, in the precision "fp32", "bf16" or "auto".

        "auto" is the number type that the device is fastest with. Raises ToolkitError where there is no such device.
        """
        try:
            chosen = torch.device(name or _best_device())
            torch.empty(1, device=chosen)
            if chosen.type == "cuda" and chosen.index is not None:
                torch.cuda.set_device(chosen)  # whose streams and graphs are then the current ones
        except (RuntimeError, AssertionError) as error:
            raise ToolkitError(f"there is no device {name} here ({str(error).splitlines()[0]})", "device") from error
        if precision == "auto":
            precision = "bf16" if _has_fast_bf16(chosen) else "fp32"
        return cls(chosen, {"bf16": torch.bfloat16, "fp32": torch.float32}[precision])

    def place(self, module: nn.Module) -> nn.Module:
        """Move a network here, in the memory layout and arithmetic that its convolutions are fastest with."""
        if self.device.type == "cpu" and self.dtype == torch.bfloat16:
            for part in module.modules():
                if _is_slow_in_bf16(part):
                    part.__class__ = _Float32Conv2d
        return module.to(self.device, memory_format=self._layout)  # type: ignore[call-overload]

    def place_images(self, images: Tensor) -> Tensor:
        """Move images (n, 3, h, w) here, in the layout of the network."""
        return images.to(self.device).contiguous(memory_format=self._layout)

    def autocast(self) -> AbstractContextManager[object]:
        """Compute in `dtype` where that is safe; sums, norms and losses stay in float32."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    @property
    def images_at_once(self) -> int:
        """How many images a network predicts in one go; a GPU would wait for the next ones if they were fewer."""
        return 128 if self.device.type == "cuda" else 64

    def wait(self) -> None:
        """Wait until all is computed that was asked for."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def free_memory(self) -> int:
        """Return how many bytes are free here."""
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0]
        return psutil.virtual_memory().available

    def beside(self) -> AbstractContextManager[object]:
        """Let another thread copy from here without waiting for what is computed meanwhile."""
        if self.device.type != "cuda":
            return nullcontext()
        return torch.cuda.stream(torch.cuda.Stream(self.device))  # type: ignore[no-untyped-call]

    @property
    def widest_float(self) -> torch.dtype:
        """The number type for sums over many images: float64, which Apple's GPUs do not have."""
        return torch.float32 if self.device.type == "mps" else torch.float64

    @property
    def _layout(self) -> torch.memory_format:
        return torch.contiguous_format if self.device.type == "mps" else torch.channels_last

    def __str__(self) -> str:
        return f"{self.device}, {'bf16' if self.dtype == torch.bfloat16 else 'fp32'}"


class _Float32Conv2d(nn.Conv2d):
    """A convolution that computes in float32 whatever the autocast around it says."""

    def forward(self, maps: Tensor) -> Tensor:
        with torch.autocast(maps.device.type, enabled=False):
            return super().forward(maps.float()).to(maps.dtype)


def _is_slow_in_bf16(module: nn.Module) -> bool:
    """Return whether CPUs compute a convolution's gradients several times slower in bfloat16 than in float32.

    That holds for depthwise ones with a stride, or larger than 3x3 (measured; see NOTES.md).
    """
    if type(module) is not nn.Conv2d or not module.groups == module.in_channels > 1:
        return False
    return max(module.stride) > 1 or max(module.kernel_size) > 3


def compute_reproducibly(wanted: bool) -> None:
    """Let torch compute the same from the same, on GPUs too, or refuse; must be called before anything is computed."""
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # of NVIDIA's matrix products, as torch demands
    torch.use_deterministic_algorithms(wanted)


def keep_freed_memory() -> None:
    """Let the C library keep the memory that a tensor frees for the next one; does nothing without glibc.

    Gradients of large layers come and go with each step. Memory that was returned to the system comes back page by
    page, each filled with zeros, which takes half of the time of a step of VGG11's head.
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
    """Return whether the device has instructions of its own for bfloat16; without them, float32 is faster."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def is_out_of_memory(error: Exception) -> bool:
    """Return whether no memory was found: by torch on a GPU or for the CPU, or for the stack of one more thread."""
    signs = ("can't allocate memory", "can't start new thread")
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in signs)
