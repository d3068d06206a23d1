"""What the scripts' command lines share; imports nothing that would keep --help waiting."""

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO


def make_parser(docstring: str) -> argparse.ArgumentParser:
    """Make a parser whose help begins with a script's docstring, as it stands there: what it is, and what to type."""
    return argparse.ArgumentParser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)


def hush_all_but_first() -> None:
    """Let what all processes of a run under torchrun would print be printed by the first alone."""
    if os.environ.get("RANK", "0") != "0":
        sys.stdout = sys.stderr = nowhere()


def nowhere() -> TextIO:
    """Give a file that keeps nothing."""
    return Path(os.devnull).open("w", encoding="utf-8")


def whole_number(least: int) -> Callable[[str], int]:
    """Make a reader of whole numbers from `least` on; it raises ArgumentTypeError for anything else."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"a whole number above {least - 1} is needed, not {text!r}")
        return int(text)

    return read


def positive_float(text: str) -> float:
    """Read a finite number above 0. Raises ArgumentTypeError."""
    value = _float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0 is needed, not {text!r}")
    return value


def share(text: str) -> float:
    """Read a number between 0 and 1, both left out. Raises ArgumentTypeError."""
    value = _float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"a number between 0 and 1 is needed, such as 0.9, not {text!r}")
    return value


def share_or_none(text: str) -> float:
    """Read a number from 0 to below 1. Raises ArgumentTypeError."""
    value = _float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"a number from 0 to below 1 is needed, such as 0.2, not {text!r}")
    return value


def _float(text: str) -> float:
    """Read a number; what is none becomes "not a number", which lies within no bounds."""
    try:
        return float(text)
    except ValueError:
        return math.nan
