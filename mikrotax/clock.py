"""The time that a run may take."""

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


class OutOfTime(Exception):
    """The time that a run may take is over."""


class Clock:
    """Ends a run after so many hours; None lets it go on for as long as it takes."""

    def __init__(self, hours: float | None):
        self.hours = hours
        self._end = None if hours is None else monotonic() + hours * 3600

    def check(self) -> None:
        """Raise OutOfTime when the time is over."""
        if self._end is not None and monotonic() > self._end:
            raise OutOfTime(
                f"The {self.hours:g} hours that this run may take are over. Nothing that was fetched is lost."
            )

    def watch(self, things: Iterable[T]) -> Iterator[T]:
        """Yield things until the time is over; then raise OutOfTime."""
        for thing in things:
            yield thing
            self.check()
