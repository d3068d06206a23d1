"""What a run of the scraper has come to, and how that is said."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

from mikrotax.crawl import Failure, Visit
from mikrotax.session import SiteError
from mikrotax.settings import ScrapeSettings

SHOWN = 20  # lines of a list; the tables have them all


@dataclass
class Outcome:
    """Counts, and what did not go as it should.

    counts: of ("pages", "taxa" or "pictures", "new" or "known"); left_out: reason by address; notices: names of taxa by
    what is odd about their pages; waiting: pages that are listed and were not read; missing: pictures that are not here
    and were not asked for; changes: rows of changes.csv; delay: seconds between two requests; requests: how often the
    site was asked, None where the run was offline; tables: whether failures.csv and its like were written; stopped:
    what ended the run early.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notices: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    waiting: int = 0
    missing: int = 0
    changes: int = 0
    delay: float = 0.0
    requests: int | None = None
    tables: bool = False
    stopped: KeyboardInterrupt | SiteError | None = None

    @property
    def pages(self) -> int:
        """How many pages were read, from the store or from the site."""
        return self.counts["pages", "new"] + self.counts["pages", "known"]

    def add(self, visit: Visit) -> None:
        """Count a page that was read, and note what is odd about it."""
        self.counts["pages", "new" if visit.new else "known"] += 1
        self.left_out |= dict(visit.page.left_out)
        for notice in visit.page.notices:
            self.notices[notice].append(visit.page.taxon)

    def summary(self, settings: ScrapeSettings) -> str:
        """Return the counts as a table, with what was left out and why below it; after a dry run, a forecast too."""
        failed = Counter(f"{failure.kind}s" for failure in self.failures)
        lines = [f"{'':10}{'new':>10}{'known':>10}{'failed':>10}"]
        for kind in ("pages", "taxa", "pictures"):
            numbers = (self.counts[kind, "new"], self.counts[kind, "known"], failed[kind])
            lines.append(f"{kind:10}" + "".join(f"{number:>10,}" for number in numbers))
        if self.requests is not None:
            lines.append(f"The site was asked {self.requests:,} times.")
        if self.missing:
            lines.append(f"{self.missing:,} pictures are not here and were not asked for.")
        if self.changes:
            lines.append(f"{self.changes:,} changes since the last time stand in {settings.data / 'changes.csv'}.")
        if self.waiting:
            lines.append(f"{self.waiting:,} pages that are listed were not read yet.")
        if self.left_out:
            reasons = Counter(self.left_out.values()).most_common(SHOWN)
            lines += ["Left out:", *(f"  {number:>6,}  {reason}" for reason, number in reasons)]
        if self.notices:
            lines += ["Worth a look:", *(f"  {notice}: {_listed(names)}" for notice, names in self.notices.items())]
        return "\n".join(lines + [self._forecast()] * settings.dry_run)

    def problems(self, settings: ScrapeSettings, command: str) -> list[str]:
        """Return lines that say why the run was not complete; `command` is what to type to go on."""
        lines = [f"{each.kind} {each.name}: {each.reason} ({each.url})" for each in self.failures[:SHOWN]]
        if len(self.failures) > SHOWN:
            lines.append(f"… and {len(self.failures) - SHOWN:,} more")
        if self.failures and self.tables:
            table = settings.data / "failures.csv"
            lines.append(f"All that failed stands in {table}. To try only that again:\n  {command}")
        if isinstance(self.stopped, KeyboardInterrupt):
            lines.append(f"Interrupted. Nothing that was fetched is lost; to go on:\n  {command}")
        elif self.stopped:
            lines.append(str(self.stopped))
        return lines

    def _forecast(self) -> str:
        """Return how long it would take to fetch what is not here."""
        time = timedelta(seconds=round((self.missing + self.waiting) * self.delay))
        more = f" and at least {self.waiting:,} pages" if self.waiting else ""
        return (
            f"A run would fetch {self.missing:,} pictures{more}: "
            f"about {time} at one request every {self.delay:g} seconds."
        )


def _listed(names: list[str]) -> str:
    """Return names in one line, the first ones of many."""
    more = f" … and {len(names) - SHOWN:,} more, in notices.csv" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
