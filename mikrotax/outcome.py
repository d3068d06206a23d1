"""The result of a run of the scraper, and how it is reported."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from common.remarks import counted
from mikrotax.clock import OutOfTime
from mikrotax.crawl import Failure
from mikrotax.reader import Visit
from mikrotax.refusals import SiteError
from mikrotax.settings import ScrapeSettings

SHOWN = 20  # failures that are listed one by one; the table has them all
EXAMPLES = 3  # of one reason


@dataclass
class Outcome:
    """Counts, and what did not go as it should.

    counts: of ("pages", "taxa" or "pictures", "new" or "known"); left_out: reason by address; notices: names of taxa by
    what is odd about their pages; not_understood: the same, by what could not be read of them; waiting: pages that are
    listed and were not read; missing: pictures that are not here and were not asked for; forbidden: how many of these
    robots.txt forbids; changes: rows of changes.csv; delay: seconds between two requests; requests: how many were
    sent to the site, None where the run was offline; tables: whether failures.csv and its like were written; shrunk:
    whether pages came back much shorter, and their stored ones stay; stopped: what ended the run early.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notices: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    not_understood: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    waiting: int = 0
    missing: int = 0
    forbidden: int = 0
    changes: int = 0
    delay: float = 0.0
    requests: int | None = None
    tables: bool = False
    shrunk: bool = False
    stopped: KeyboardInterrupt | SiteError | OutOfTime | None = None

    @property
    def status(self) -> int:
        """The exit status: 0 if all is well, 1 if something is missing or was not understood, 130 after Ctrl-C.

        Time that has run out is what was asked for.
        """
        if isinstance(self.stopped, KeyboardInterrupt):
            return 130
        return int(bool(self.failures or self.not_understood or isinstance(self.stopped, SiteError)))

    @property
    def pages(self) -> int:
        """How many pages were read, from the store or from the site."""
        return self.counts["pages", "new"] + self.counts["pages", "known"]

    def add(self, visit: Visit) -> None:
        """Count a page that was read, and note what is odd about it."""
        self.counts["pages", "new" if visit.new else "known"] += 1
        self.left_out |= dict(visit.page.left_out)
        self.shrunk |= visit.shrunk
        for notice in visit.page.notices:
            self.notices[notice].append(visit.page.taxon)
        for what in visit.page.not_understood:
            self.not_understood[what].append(visit.page.taxon)

    def summary(self, settings: ScrapeSettings) -> str:
        """Return the counts as a table, with what was left out and why below it; after a dry run, a forecast too."""
        failed = Counter(f"{failure.kind}s" for failure in self.failures)
        lines = [f"{'':10}{'new':>10}{'known':>10}{'failed':>10}"]
        for kind in ("pages", "taxa", "pictures"):
            numbers = (self.counts[kind, "new"], self.counts[kind, "known"], failed[kind])
            lines.append(f"{kind:10}" + "".join(f"{number:>10,}" for number in numbers))
        if self.requests is not None:
            lines.append(f"{counted(self.requests, 'request was', 'requests were')} sent to the site.")
        if self.missing:
            lines.append(f"{self.missing:,} pictures are not here and were not asked for.")
        if self.forbidden:
            lines.append(f"robots.txt forbids {self.forbidden:,} of them.")
        if self.changes:
            lines.append(f"{self.changes:,} changes since the last time are listed in {settings.data / 'changes.csv'}.")
        if self.waiting:
            lines.append(f"{self.waiting:,} pages that are listed were not read yet.")
        left_out: dict[str, list[str]] = defaultdict(list)
        for address, reason in self.left_out.items():
            left_out[reason].append(address)
        for heading, reasons in (
            ("Left out:", left_out),
            ("Not understood:", self.not_understood),
            ("Worth checking:", self.notices),
        ):
            lines += _totals(heading, reasons)
        if (self.not_understood or self.notices) and self.tables:
            lines.append(f"All of these taxa are listed in {settings.data / 'notices.csv'}.")
        return "\n".join(lines + [self._forecast()] * settings.dry_run)

    def problems(self, settings: ScrapeSettings, command: str) -> list[str]:
        """Return lines that say why the run was not complete; `command` is what to type to go on."""
        lines = self._failures()
        if self.not_understood:
            number = len({taxon for taxa in self.not_understood.values() for taxon in taxa})
            first = ", ".join(next(iter(self.not_understood.values()))[:EXAMPLES])
            lines.append(
                f"The pages of {number:,} taxa were not wholly understood, so something may be missing: {first}"
            )
        if self.failures and self.tables:
            table = settings.data / "failures.csv"
            lines.append(f"All that failed is listed in {table}. To try only that again:\n  {command}")
        if isinstance(self.stopped, KeyboardInterrupt):
            lines.append(f"Interrupted. Nothing that was fetched is lost; to go on:\n  {command}")
        elif self.stopped:
            lines.append(f"{self.stopped}\nTo go on:\n  {command}")
        return lines

    def _failures(self) -> list[str]:
        """Return a line for each failure, but not more than EXAMPLES of those that have one reason."""
        lines: list[str] = []
        alike = Counter((each.kind, each.reason) for each in self.failures)
        told: Counter[tuple[str, str]] = Counter()
        for each in self.failures:
            told[each.kind, each.reason] += 1
            if told[each.kind, each.reason] <= EXAMPLES and len(lines) < SHOWN:
                lines.append(f"{each.kind} {each.name}: {each.reason} ({each.url})")
        more = [(number - EXAMPLES, key) for key, number in alike.most_common(SHOWN) if number > EXAMPLES]
        lines += [f"… and {number:,} more {kind}s: {reason}" for number, (kind, reason) in more]
        return lines

    def _forecast(self) -> str:
        """Return how long it would take to fetch what is not here."""
        pictures = self.missing - self.forbidden
        time = timedelta(seconds=round((pictures + self.waiting) * self.delay))
        more = f" and at least {self.waiting:,} pages" if self.waiting else ""
        return (
            f"A run would fetch {pictures:,} pictures{more}: about {time} at one request every {self.delay:g} seconds."
        )


def _totals(heading: str, reasons: Mapping[str, list[str]]) -> list[str]:
    """Return a line for each reason, the commonest first, with its number and a few examples, below a heading."""
    lines = [heading] if reasons else []
    ranked = sorted(reasons.items(), key=lambda each: -len(each[1]))
    for reason, cases in ranked[:SHOWN]:
        dots = ", …" if len(cases) > EXAMPLES else ""
        lines.append(f"  {len(cases):>6,}  {reason}: {', '.join(cases[:EXAMPLES])}{dots}")
    if len(ranked) > SHOWN:
        rest = sum(len(cases) for _, cases in ranked[SHOWN:])
        lines.append(f"  {rest:>6,}  for {len(ranked) - SHOWN:,} other reasons")
    return lines
