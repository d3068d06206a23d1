"""Errors as a terminal shows them."""

import gc
import importlib

import pytest

from common.command_line import explain, quick_imports
from common.errors import ToolkitError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ToolkitError("there is no file a", "data", "folder"), "there is no file a; try another --data or --folder"),
        (ToolkitError("no taxon \x1b[31mA\x07"), "no taxon \\x1b[31mA\\x07"),
        (ToolkitError("two\nlines"), "two\nlines"),
        (ToolkitError(f"no taxon {'D' * 200_000}"), f"no taxon {'D' * 200}…"),
        (OSError(2, "No such file", "Größe.png"), "[Errno 2] No such file: 'Größe.png'"),
    ],
)
def test_an_error_is_fit_for_a_terminal(error, said):
    assert explain(error) == said


def test_garbage_is_collected_again_after_an_import_that_fails():
    with pytest.raises(ImportError), quick_imports():
        assert not gc.isenabled()
        importlib.import_module("no_such_module")
    assert gc.isenabled()
