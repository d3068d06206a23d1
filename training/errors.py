"""Errors of a training run that somebody tells from others."""

from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import ToolkitError
from models.device import is_out_of_memory


class InterruptedRun(ToolkitError):
    """A run that ended before its time. Its finished epochs are saved, and it can be resumed."""


@contextmanager
def torch_errors() -> Iterator[None]:
    """Turn what torch cannot do here into a sentence for the user; other errors of torch are faults of this program."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise ToolkitError("there is not enough memory", "batch_size", "image_size", "use_model") from error
        if "deterministic" in str(error):
            message = f"this run cannot be made repeatable here ({str(error).split(',')[0]})"
            raise ToolkitError(message, "deterministic", "device") from error
        raise
