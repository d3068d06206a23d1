"""What the scripts' command lines share; imports nothing that would keep --help or a mistake waiting."""

import argparse
import gc
import io
import logging
import math
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO

from common import __version__
from common.errors import ToolkitError
from common.files import in_one_line

LONGEST_SHOWN = 200  # letters of a word of more than 1000
SHARPEST = "sharpest"  # the page with the finest detail
MOST_DIGITS = 18  # of a whole number: what fits into 64 bits, such as torch's seeds


def make_parser(docstring: str) -> argparse.ArgumentParser:
    """Return a parser whose help begins with a script's docstring, unchanged: what it is, and what to type."""
    parser = argparse.ArgumentParser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def run_script(name: str, work: Callable[[], int], when_interrupted: str) -> int:
    """Do the work of a script; return its exit status: what `work` returns, 1 after an error, 130 after Ctrl-C.

    when_interrupted: what Ctrl-C left, where the interruption itself does not say it.
    What the library has to say by `logging` goes to standard output meanwhile, between the progress bars, and warnings
    go to standard error; an expected error ends as one sentence there, with the script's name before
    it. Output that cannot be shown is lost, and costs nothing else.
    """
    show_log()
    with _tolerant_output():
        try:
            return work()
        except KeyboardInterrupt as interruption:
            print(f"\n{name}: {str(interruption) or when_interrupted}", file=sys.stderr)
            return 128 + signal.SIGINT
        except (ToolkitError, OSError) as error:
            print(f"{name}: {explain(error)}", file=sys.stderr)
            return 1
        except UnicodeEncodeError as error:
            print(
                f"{name}: a name cannot be written in this system's encoding, {error.encoding}; set PYTHONUTF8=1",
                file=sys.stderr,
            )
            return 1
        except RecursionError:
            print(f"{name}: something is nested too deeply, such as directories in a thousand others", file=sys.stderr)
            return 1


@contextmanager
def quick_imports() -> Iterator[None]:
    """Look for no garbage among large libraries, neither while they are imported nor later, nor at the script's end.

    There is next to none, and to look for it takes a third of a short run. Where all is imported already, as in tests,
    all that is there is looked through as usual.
    """
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        gc.enable()


@contextmanager
def _tolerant_output() -> Iterator[None]:
    """Let no output that cannot be shown stop the work: a letter that a terminal lacks, or a pipe that was closed."""
    streams = sys.stdout or null_stream(), sys.stderr or null_stream()  # none where a shell has closed them
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (_TolerantStream(stream) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for stream in streams:
            try:
                stream.flush()
            except (OSError, ValueError):  # else Python would try once more at its end, and end with another status
                with suppress(OSError, ValueError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _TolerantStream:
    """A text stream that drops what cannot be written; all else is that of the stream itself."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, or drop it; return its length."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            self.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        except (OSError, ValueError):  # a closed pipe, a full disk, a closed stream
            pass
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if it can be."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def explain(error: Exception) -> str:
    """Return what an error says, fit for a terminal, and which options to try another value of."""
    options = [f"--{setting}" for setting in getattr(error, "settings", ())]
    said = "\n".join(in_one_line(line) for line in str(error).split("\n"))
    said = re.sub(r"\S{1000,}", lambda word: f"{word[0][:LONGEST_SHOWN]}…", said)
    return f"{said}; try another {' or '.join(options)}" if options else said


def show_log() -> None:
    """Let messages of `logging`, from INFO, be lines that do not break a progress bar; warnings on standard error."""
    logger = logging.getLogger()
    logger.setLevel(logging.WARNING)
    if not any(isinstance(handler, _Lines) for handler in logger.handlers):
        logger.addHandler(_Lines())
    for package in ("common", "models", "training", "dataset", "mikrotax", "reports"):
        logging.getLogger(package).setLevel(logging.INFO)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr if record.levelno >= logging.WARNING else sys.stdout)


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the names most like one that is not among them, as a part of a sentence; "" where none is near."""
    near = get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def is_main_rank() -> bool:
    """Return whether this is the main process of a run under torchrun, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def silence_non_main_ranks() -> None:
    """Let what all processes of a run under torchrun would print be printed by the main one alone."""
    if not is_main_rank():
        sys.stdout = sys.stderr = null_stream()


def null_stream() -> TextIO:
    """Return a file that keeps nothing of what is written to it."""
    return Path(os.devnull).open("w", encoding="utf-8")


def whole_number(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `least` on; it raises ArgumentTypeError for anything else."""

    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > MOST_DIGITS or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of {least} or more, not {text!r}")
        return int(text)

    return read


def positive_float(text: str) -> float:
    """Return a finite number above 0. Raises ArgumentTypeError."""
    value = _float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def non_negative_float(text: str) -> float:
    """Return a finite number of 0 or more. Raises ArgumentTypeError."""
    value = _float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of 0 or more, not {text!r}")
    return value


def share(text: str) -> float:
    """Return a number between 0 and 1, both left out. Raises ArgumentTypeError."""
    value = _float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be a number between 0 and 1, such as 0.9, not {text!r}")
    return value


def share_or_none(text: str) -> float:
    """Return a number from 0 to below 1. Raises ArgumentTypeError."""
    value = _float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to below 1, such as 0.2, not {text!r}")
    return value


def device_name(text: str) -> str:
    """Return the name of a device of torch, such as cpu or cuda:1. Raises ArgumentTypeError for anything else."""
    if not re.fullmatch(r"(cpu|cuda|mps|xpu)(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"must be the name of a device, such as cpu, cuda or cuda:1, not {text!r}")
    return text


def page_number(text: str) -> int | str:
    """Return which page of several is wanted: SHARPEST or a number from 1 ("first"). Raises ArgumentTypeError."""
    if text == SHARPEST:
        return SHARPEST
    if text == "first":
        return 1
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 1_000_000:
        raise argparse.ArgumentTypeError(f"must be first, {SHARPEST} or a number from 1, not {text!r}")
    return int(text)


def _float(text: str) -> float:
    """Return a number; text that is not one becomes "not a number", which lies within no bounds."""
    try:
        return float(text)
    except ValueError:
        return math.nan
