"""Processes that work through files beside this one, where threads would wait for each other (for Python's lock)."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor

from threadpoolctl import threadpool_limits


def core_count() -> int:
    """Return how many processor cores this process may use; under torchrun, its share of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def process_pool(count: int) -> ProcessPoolExecutor:
    """Return so many processes, each with one core, that leave Ctrl-C to this one and end when it ends.

    They start afresh: a copy of this one may wait for ever for what another of its threads held.
    """
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _start)


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)  # each process has one core; more threads for small matrices only get in each other's way
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
