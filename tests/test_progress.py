"""Progress bars: what they leave in a log file."""

import sys

import pytest
from tqdm import tqdm

from common import progress


class Terminal:
    """A stream that keeps what is written to it, and says whether it is a terminal."""

    def __init__(self, is_terminal):
        self.written, self.is_terminal = "", is_terminal

    def write(self, text):
        self.written += text

    def flush(self):
        pass

    def isatty(self):
        return self.is_terminal


@pytest.fixture
def shown(monkeypatch):
    """A function that runs a bar of 2,000 steps of a hundredth of a second and returns what it wrote."""

    def run(is_terminal):
        stream, clock = Terminal(is_terminal), iter(range(10**9))
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr("tqdm.std.time", lambda: next(clock) / 100)
        with progress.Progress(total=2000, desc="Reading", unit=" pictures", leave=False, miniters=1) as bar:
            bar._time = lambda: next(clock) / 100
            for _ in range(2000):
                bar.update()
                if bar.n % 500 == 0:
                    tqdm.write("a line between", file=stream)
        return stream.written

    return run


def test_in_a_log_file_a_bar_is_a_line_now_and_then(shown):
    lines = shown(False).splitlines()
    states = [line for line in lines if line.startswith("Reading")]
    assert 0 < len(states) <= 6 and "\r" not in "".join(lines)
    assert lines.count("a line between") == 4 and len(lines) == len(states) + 4


def test_on_a_terminal_it_moves(shown):
    assert shown(True).count("\rReading") > 20


def test_a_short_bar_leaves_nothing_in_a_log_file(monkeypatch):
    stream = Terminal(False)
    monkeypatch.setattr(sys, "stderr", stream)
    for _ in progress.Progress(range(50), desc="quick"):
        pass
    assert not stream.written
