"""What the scripts' command lines share; imports nothing that would keep --help waiting."""

import argparse
import math


def make_parser(docstring: str) -> argparse.ArgumentParser:
    """Make a parser that introduces a script by its docstring: the first line, then the options, then the rest."""
    title, rest = docstring.split("\n", 1)
    return argparse.ArgumentParser(description=title, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)


def positive_int(text: str) -> int:
    """Read a whole number above 0. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"a whole number above 0 is needed, not {text!r}")
    return int(text)


def positive_float(text: str) -> float:
    """Read a finite number above 0. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0 is needed, not {text!r}")
    return value
