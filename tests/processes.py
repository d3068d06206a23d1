"""Processes that tests start, interrupt and kill: forked from one that has imported already what takes seconds."""

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.preloaded"])


@dataclass
class Finished:
    """What a run came to: exit status, and what it printed."""

    status: int
    stdout: str
    stderr: str


class Script:
    """A script that runs in a process of its own, as from a command line in `directory`; killed where a test fails."""

    def __init__(self, script: Path | str, *arguments: object, directory: Path, environment: Mapping[str, str] = {}):
        self._streams = tempfile.TemporaryDirectory()
        line = [str(script), *map(str, arguments)]
        call = (line, str(directory), dict(environment), self._streams.name)
        self._process = CONTEXT.Process(target=_run, args=call)
        self._process.start()

    def __enter__(self) -> "Script":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.join()
        self._streams.cleanup()

    @property
    def stdout(self) -> str:
        """What it has printed until now."""
        return self._said("stdout")

    def poll(self) -> int | None:
        """Return its exit status, negative where a signal ended it; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def wait(self, timeout: float = 300) -> Finished:
        """Return what it came to. Raises AssertionError where it takes longer than so many seconds."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, f"it still runs after {timeout} s"
        return Finished(self._process.exitcode, self.stdout, self._said("stderr"))

    def wait_for(self, path: Path) -> None:
        """Wait until it has written a file. Raises AssertionError where it ends without."""
        while not path.exists():
            assert self.poll() is None, f"ended with {self.poll()} before it wrote {path}: {self._said('stderr')}"
            time.sleep(0.002)

    def _said(self, name: str) -> str:
        path = Path(self._streams.name, name)
        return path.read_text() if path.exists() else ""


def _run(line: list[str], directory: str, environment: dict[str, str], streams: str) -> None:
    os.chdir(directory)
    os.environ.update(environment)
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(f"{streams}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.argv = line
    runpy.run_path(line[0], run_name="__main__")


def in_a_process(function, *arguments):
    """Call a function in a process of its own; return its result, or the process's exit code where it has none."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_call, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        return process.exitcode


def _call(sender, function, arguments):
    sender.send(function(*arguments))
