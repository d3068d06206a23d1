"""Processes that work through files beside this one, where threads would wait for each other (for Python's lock)."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from threadpoolctl import threadpool_limits

from common.errors import ToolkitError

AT_ONCE = 8  # items that a thread or process works through before it hands them over
READ_AHEAD = 256  # items that are worked through before they are asked for
Item = TypeVar("Item")
Result = TypeVar("Result")


def core_count() -> int:
    """Return how many processor cores this process may use; under torchrun, its share of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def process_pool(count: int) -> ProcessPoolExecutor:
    """Return so many processes, each with one core, that leave Ctrl-C to this one and end when it ends.

    They start afresh: a copy of this one may wait for ever for what another of its threads held.
    """
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _start)


def map_ahead(pool: Executor, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield what a function makes of each item, in order; a pool works ahead of whoever asks, by up to READ_AHEAD.

    The pool is shut down at the end. Raises ToolkitError where one of its processes is killed.
    """
    waiting: deque[Future[list[Result]]] = deque()
    try:
        for start in range(0, len(items), AT_ONCE):
            waiting.append(pool.submit(_apply, function, items[start : start + AT_ONCE]))
            if len(waiting) * AT_ONCE >= READ_AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ToolkitError("a process that read pictures was ended from outside, maybe for want of memory") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _apply(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)  # each process has one core; more threads for small matrices only get in each other's way
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
