"""What many tests need: the demo site, served on 127.0.0.1 while a test runs."""

import contextlib
import signal

import pytest

from demo.site import DemoSite

# A shell starts its background jobs with Ctrl-C ignored, and so would be all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def make_site():
    """A function that serves a DemoSite, with the class's arguments, until the test ends."""
    with contextlib.ExitStack() as sites:
        yield lambda *arguments, **options: sites.enter_context(DemoSite(*arguments, **options))


@pytest.fixture
def demo_site(make_site):
    """The demo site in its later wording, without faults."""
    return make_site()


@pytest.fixture(scope="session")
def report_set(tmp_path_factory):
    """A drawn data set with a model and its report (see `tests.report_set`), made once. Tests must not write to it."""
    from tests.report_set import shared_report_set  # only now: most tests do without torch

    return shared_report_set(tmp_path_factory)
