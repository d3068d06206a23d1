"""Notices when the site does not want to be asked: many answers in a row that refuse, or are no pages of it."""

from collections import Counter
from datetime import datetime, timedelta

from common.errors import ToolkitError

PATIENCE = 10  # answers in a row
REST = timedelta(hours=1)  # how long a site that refuses is left alone at least
MISSING = (404, 410)  # what was asked for is not there, which is no refusal


class SiteError(ToolkitError):
    """The site is too busy, or out of reach; the message says what to do. The run stops."""


class Refusals:
    """Counts refusals in a row; an answer as it should be begins the count anew."""

    def __init__(self) -> None:
        self._looks: list[str] = []

    def accepted(self) -> None:
        """Note an answer that is what was asked for."""
        self._looks.clear()

    def refused(self, look: str) -> None:
        """Note an answer that is not, by what it looked like. Raises SiteError at the tenth in a row."""
        self._looks.append(look)
        if len(self._looks) >= PATIENCE:
            looks = "; ".join(f"{number} x {look}" for look, number in Counter(self._looks).most_common(3))
            self._looks.clear()
            raise SiteError(
                f"The last {PATIENCE} answers of the site were refusals, or no pages of it: {looks}. It may not want "
                "programs, be under repair, or want a log-in. All that came before is kept, and nothing of these "
                f"answers. Look at the site with a browser. {try_again(REST)} If it goes on, write to the editors."
            )


def try_again(rest: timedelta) -> str:
    """Return when to go on, as a sentence."""
    return f"Try again after {datetime.now() + rest:%Y-%m-%d %H:%M}, with the same command."
