"""Saving beside learning: what a run has come to is written by a thread, while the next epoch learns."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from models.checkpoint import Checkpoint
from models.device import Device

EVERY = 10.0  # seconds from one writing to the next, at least: so much may a killed run lose
MARGIN = 1 << 30  # bytes that a copy leaves free


@dataclass(frozen=True)
class RunState:
    """What a run has come to after an epoch.

    trainer: the state to go on from (`Trainer.state_dict`); folds: what is known of cross-validation; is_fold: whether
    the epoch is a fold's, whose network is not the run's own; best: the best network, where that is not on the disk.
    """

    trainer: dict[str, Any]
    folds: dict[str, Any]
    is_fold: bool
    best: Checkpoint | None = None

    @property
    def nbytes(self) -> int:
        """How much memory a copy takes: of network and optimizer, beside which all else is small."""
        slots = (self.trainer["optimizer"] or {"state": {}})["state"].values()
        tensors = [*self.trainer["network"].values(), *(value for slot in slots for value in slot.values())]
        return sum(tensor.nbytes for tensor in tensors if isinstance(tensor, Tensor))


class BackgroundSaver:
    """Writes the states that it is given, one at a time: the first at once, then the newest every EVERY seconds.

    write: writes a state. An error of it is raised by whatever method is called next.
    """

    def __init__(self, write: Callable[[RunState], None]):
        self._write = write
        self._pool = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self._lock, self._hurry = threading.Lock(), threading.Event()
        self._waiting: RunState | None = None

    def save(self, state: RunState, device: Device) -> None:
        """Have a copy of a state written in its turn; of those that still wait then, the newest stands for all.

        Where the device that it lies on has no memory for a copy, learning waits until the state is written.
        """
        earlier = self._take()  # whose memory is free for the copy
        has_room = device.free_memory() >= state.nbytes + MARGIN
        if has_room:
            state = copy.deepcopy(state)
            device.wait()
        if earlier and state.best is None:
            state = replace(state, best=earlier.best)
        with self._lock:
            self._waiting = state
        if not has_room:
            self.finish()
        elif not self._writing or self._writing.done():
            self._join()
            self._writing = self._pool.submit(self._write_all)

    def finish(self) -> None:
        """Wait until all is written."""
        self._hurry.set()
        while self._writing or self._waiting:
            self._join()
            if self._waiting:
                self._writing = self._pool.submit(self._write_all)
        self._hurry.clear()

    def _join(self) -> None:
        """Wait for the thread, and raise its error; what waits then is lost, since it may rely on what was not written.

        Where the waiting is interrupted, the thread goes on.
        """
        if self._writing:
            wait([self._writing])
            writing, self._writing = self._writing, None
            if writing.exception():
                self._take()
            writing.result()

    def _write_all(self) -> None:
        while state := self._take():
            began = time.monotonic()
            self._write(state)
            del state  # its memory
            self._hurry.wait(max(0.0, began + EVERY - time.monotonic()))

    def _take(self) -> RunState | None:
        with self._lock:
            state, self._waiting = self._waiting, None
        return state
