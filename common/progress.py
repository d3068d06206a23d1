"""Progress bars: on a terminal a bar that moves, in a log file a line now and then."""

import sys
from typing import Any

from tqdm import tqdm

SECONDS = 10  # between two lines in a log file, and before the first


class Progress(tqdm):  # type: ignore[misc]  # it has no types
    """A bar of tqdm; where standard error is no terminal, each state is a line, at most one in SECONDS."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._in_log = not (hasattr(sys.stderr, "isatty") and sys.stderr.isatty())
        if self._in_log:
            options |= {"mininterval": SECONDS, "delay": SECONDS, "leave": False, "ascii": True, "ncols": 80}
        super().__init__(*arguments, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool | None:
        """Show the state; in a log file as a line of its own."""
        if not self._in_log:
            shown: bool | None = super().display(msg, pos)
            return shown
        text = str(self) if msg is None else msg
        if text:  # what would wipe the bar out is empty
            print(text, file=sys.stderr, flush=True)
        return None

    def refresh(self, nolock: bool = False, lock_args: Any = None) -> bool | None:
        """Show the state anew; not in a log file where only another text has been written between."""
        if self._in_log and nolock:
            return None
        shown: bool | None = super().refresh(nolock, lock_args)
        return shown

    def clear(self, nolock: bool = False) -> None:
        """Wipe the bar out before another text is written; a line in a log file stays."""
        if not self._in_log:
            super().clear(nolock)
