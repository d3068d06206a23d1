"""What a test's own process says of its memory, on Linux."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process its memory")


def peak_of(work: Callable[[], Any]) -> int:
    """Return by how many bytes the memory of this process rose at most while `work` was done."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    return 1024 * int(re.search(rf"{name}:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])
