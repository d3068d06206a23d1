"""What many tests need: the demo site, served on 127.0.0.1 while a test runs."""

import contextlib
import gc
import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults import FaultySite
from tests.scraping import GENUS, scrape

# Tiny networks would spend their time on sharing out work, and pytest-xdist uses the cores already; what a test starts
# inherits this. Torch, which reads it when it is imported, is not imported yet.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts its background jobs with Ctrl-C ignored, and so would be all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


# To import all that is tested takes a third longer where garbage is looked for meanwhile.
gc.disable()


def pytest_collection_finish():
    """Let garbage be collected again, but not looked for in what has been imported."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    """Begin with the files that hold most of what is slow: no process is left alone with one of them at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


class Crawled(NamedTuple):
    folder: object
    log: list
    site: FaultySite


@pytest.fixture
def nest():
    """A function that makes directories named d in each other, so many levels below a directory; they go with the test.

    They are removed one by one: what cleans up after pytest recurses once a level.
    """
    tops = []

    def make(top: Path, levels: int) -> Path:
        tops.append((top, levels))
        place = top
        for _ in range(levels):
            place = place / "d"
            place.mkdir()
        return place

    yield make
    for top, levels in tops:
        for level in range(levels, 0, -1):
            place = Path(f"{top}{'/d' * level}")
            for entry in list(os.scandir(place)):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)  # noqa: PTH108
            place.rmdir()


@pytest.fixture
def make_site():
    """A function that serves a FaultySite, with the class's arguments, until the test ends."""
    with contextlib.ExitStack() as sites:
        yield lambda *arguments, **options: sites.enter_context(FaultySite(*arguments, **options))


@pytest.fixture
def demo_site(make_site):
    """The demo site in its later wording, without faults."""
    return make_site()


@pytest.fixture(scope="session")
def crawled(tmp_path_factory):
    """A finished crawl of one genus of the demo site: its folder, the site's log of it, and the site."""
    folder = tmp_path_factory.mktemp("crawled")
    with FaultySite() as site:
        assert scrape(site, folder, "--taxon", GENUS) == 0
        yield Crawled(folder, list(site.requests), site)


@pytest.fixture
def crawl_copy(crawled, tmp_path):
    """A copy of that crawl to go on with: its folder, and the site, whose log begins anew."""
    shutil.copytree(crawled.folder, tmp_path, dirs_exist_ok=True)
    crawled.site.requests.clear()
    return tmp_path, crawled.site


@pytest.fixture(scope="session")
def report_set(tmp_path_factory):
    """A drawn data set with a model and its report (see `tests.report_set`), made once. Tests must not write to it."""
    from tests.report_set import shared_report_set  # only now: most tests do without torch

    return shared_report_set(tmp_path_factory)
