"""The pictures: which of them are wanted and not here yet, and how they come."""

from collections.abc import Iterable, Set

from requests import Response

from common.files import write_bytes
from common.progress import Progress
from mikrotax.clock import Clock
from mikrotax.crawl import STOPPED, Failure
from mikrotax.outcome import Outcome
from mikrotax.pictures import MAX_BYTES, PictureError, check_picture, is_whole
from mikrotax.records import Listed
from mikrotax.robots import Robots
from mikrotax.selection import reason_against
from mikrotax.session import FetchError, PoliteSession, SiteError
from mikrotax.settings import ScrapeSettings


class PictureFetcher:
    """Fetches pictures, and notes in `outcome` what came of it."""

    def __init__(self, settings: ScrapeSettings, outcome: Outcome, clock: Clock):
        self.settings = settings
        self.outcome = outcome
        self.clock = clock

    def missing(self, listed: Iterable[Listed], failed_before: Set[str]) -> list[Listed]:
        """Return the pictures that are wanted and not here; those that an earlier run could not fetch come last."""
        missing = []
        for entry in listed:
            if is_whole(self.settings.images / entry.file):
                self.outcome.counts["pictures", "known"] += 1
            elif reason := reason_against(entry, self.settings):
                self.outcome.left_out[entry.url] = reason
            else:
                missing.append(entry)
        return sorted(missing, key=lambda entry: entry.url in failed_before)

    def count(self, missing: list[Listed], robots: Robots | None) -> None:
        """Note how many pictures are missing, and how many of these robots.txt forbids."""
        self.outcome.missing = len(missing)
        if robots:
            self.outcome.forbidden = sum(not robots.allows(entry.url) for entry in missing)

    def fetch(self, session: PoliteSession, missing: list[Listed]) -> None:
        """Fetch pictures; each is checked, and written whole or not at all. Raises SiteError, OutOfTime."""
        for entry in Progress(missing, unit="picture", desc="pictures"):
            self.clock.check()
            try:
                write_bytes(self.settings.images / entry.file, session.fetch(entry.url, MAX_BYTES, _content))
                self.outcome.counts["pictures", "new"] += 1
            except (FetchError, PictureError) as error:
                self._note(entry, str(error))
            except SiteError:
                self._note(entry, STOPPED)
                raise

    def _note(self, entry: Listed, reason: str) -> None:
        taxon = entry.picture.lineage[-1]
        self.outcome.failures.append(Failure("picture", taxon, entry.url, reason, entry.page))


def _content(response: Response) -> bytes:
    """Return the picture in an answer. Raises PictureError if it holds none."""
    check_picture(response.content)
    return response.content
