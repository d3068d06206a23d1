"""A run of the scraper: the pages of each module become records, then the pictures that they list are fetched."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import date
from urllib.parse import urlsplit

from common.progress import Progress
from common.records import Record
from mikrotax.changes import changes, write_changes
from mikrotax.clock import Clock, OutOfTime
from mikrotax.crawl import Failure, Walk, first_page
from mikrotax.fetching import PictureFetcher
from mikrotax.links import MODULES, Link, LinkError, is_page, link_id, page_link, site_directory
from mikrotax.markup import PageError
from mikrotax.outcome import Outcome
from mikrotax.reader import Reader, Visit
from mikrotax.record_files import RecordFiles, remove_leftovers
from mikrotax.records import Files, Pool, make_record, with_names, with_pictures
from mikrotax.robots import SAYS_NO_TRAINING, Robots, read_robots
from mikrotax.session import FetchError, PoliteSession, SiteError
from mikrotax.settings import ScrapeSettings
from mikrotax.store import PageStore
from mikrotax.suggestions import suggestion
from mikrotax.tables import Tables, read_table

ROBOTS = "robots.txt"  # where the store keeps it

logger = logging.getLogger(__name__)


def scrape(settings: ScrapeSettings) -> Outcome:
    """Read the pages of each module, write their records, and fetch the pictures; return what came of it.

    An interruption, by Ctrl-C, by the clock or because the site asks for it, ends the run early and is noted in the
    outcome. Raises ToolkitError where the store of pages cannot be used, OSError where the disk refuses.
    """
    with closing(PageStore(settings.cache)) as store:
        scraper = Scraper(settings, store)
        scraper.run()
    return scraper.outcome


class Scraper:
    """One run, with all that changes in it. Modules go by the names that their pages give them."""

    def __init__(self, settings: ScrapeSettings, store: PageStore):
        self.settings = settings
        self.store = store
        self.outcome = Outcome()
        self.session = None
        if not settings.offline:
            self.session = PoliteSession(settings.site, settings.delay, settings.contact)
        self.clock = Clock(settings.max_hours)
        remove_leftovers(settings.images)
        self.files = RecordFiles(settings.data)
        for problem in self.files.problems:
            self.outcome.notices["a record that cannot be used is passed over"].append(problem)
        self.reader = Reader(
            store,
            self.session,
            settings.max_age if settings.update else None,
            self.files.sizes() if settings.update else {},
            accept_shrunk=settings.accept_shrunk,
            note_shrunk=not settings.dry_run,
        )
        self.failed_before = {row.get("url") or "" for row in read_table(settings.data / "failures.csv")}
        self.pool = Pool(Files(self.files.picture_files()), settings.full_size)
        self.records: dict[str, list[Record]] = {}  # of this run, by module, without their pictures
        self.sample_ids: dict[str, list[int | None]] = {}  # of the taxa that a page lists, by the page's address
        self.names: dict[int, str] = {}  # of the taxa by their ids
        self.whole: set[str] = set()  # modules that were read from their root to the last page

    def run(self) -> None:
        """Do all of it, or as much as there is time for."""
        robots = self._last_robots()
        if robots and robots.no_training:
            logger.info(SAYS_NO_TRAINING, robots.no_training)
            if self.session:
                self.session.said = robots.no_training
        try:
            try:
                for module in self.settings.modules:
                    self._read_module(module)
            finally:
                if not self.settings.dry_run:
                    self._write_records()
            self._fetch_pictures()
        except (KeyboardInterrupt, SiteError, OutOfTime) as reason:
            self.outcome.stopped = reason
        if self.session and self.session.robots_answer is not None and self.records:
            self.store.save(ROBOTS, self.session.robots_answer)
        self.outcome.delay = self.session.delay if self.session else self.settings.delay
        self.outcome.requests = self.session.asked if self.session else None
        if any(self.records.values()) and not self.settings.dry_run:
            self._write_tables()

    def _last_robots(self) -> Robots | None:
        """Return the site's robots.txt, as it was read in this run or else an earlier one, None if it never was."""
        answer = (self.session and self.session.robots_answer) or self.store.get(ROBOTS)
        return read_robots(answer) if answer is not None else None

    def _fetch_pictures(self) -> None:
        """Fetch the pictures that are not here yet, or count them where nothing is to be fetched."""
        if self.records and not self.pool.listed:
            self.outcome.not_understood["no picture was found at all"] += list(self.records)
        fetcher = PictureFetcher(self.settings, self.outcome, self.clock)
        missing = fetcher.missing(self.pool.listed.values(), self.failed_before)
        if self.session and not self.settings.dry_run:
            fetcher.fetch(self.session, missing)
            return
        robots = self._last_robots()
        if missing and robots is None and self.session:
            robots = self.session.robots
        fetcher.count(missing, robots)

    def _read_module(self, module: str) -> None:
        """Walk a module from its first page; note its records, and put its pictures into the pool."""
        if self.outcome.pages >= self.settings.max_pages:
            return
        try:
            first = self._first_page(module)
        except (FetchError, PageError) as error:
            reason = f"no page to start from: {error}{self._suggestion(module)}"
            name = self.settings.taxon or module
            self.outcome.failures.append(Failure("page", name, self.settings.site, reason))
            return
        name = first.page.module
        if name in self.records:
            return  # one module, given by two of its names
        walk = Walk(self.reader, first, self.failed_before)
        self.records[name] = []
        try:
            # How many pages there are is known only at the end.
            for visit in Progress(self.clock.watch(walk), unit="page", desc=f"{name}: pages"):
                self._add(visit)
                if self.outcome.pages >= self.settings.max_pages:
                    break
            if len(first.page.lineage) == 1 and not walk.failures and not walk.waiting:
                self.whole.add(name)
        finally:
            self.names |= walk.names
            self.outcome.failures += walk.failures
            self.outcome.waiting += walk.waiting

    def _first_page(self, module: str) -> Visit:
        """Return the first page of a module, or of the taxon in it; FetchError or PageError if there is none."""
        site = self.settings.site
        if is_page(site):
            return self.reader.read(Link(site.partition("#")[0]))
        parts = urlsplit(site)
        folder = parts.path.removesuffix("index.php").strip("/") or site_directory(module)
        return first_page(self.reader, f"{parts.scheme}://{parts.netloc}/{folder}", module, self.settings.taxon)

    def _suggestion(self, module: str) -> str:
        """Return names like those that were asked for, among what is stored and known; "" where there are none."""
        stored = list(_links(self.store.urls()))
        taxa = self.files.taxa() | {link.taxon for link in stored}
        modules = {*MODULES, *self.files.modules(), *(link.module for link in stored)}
        return (self.settings.taxon and suggestion(self.settings.taxon, taxa)) or suggestion(module, modules)

    def _add(self, visit: Visit) -> None:
        """Take in one page that was read, and write its record if there is none yet."""
        page = visit.page
        self.pool.add(page, visit.fetched)
        self.outcome.add(visit)
        if len(page.lineage) == 1 and not page.daughters:
            self.outcome.not_understood["it is the page of a module, and lists no taxa"].append(page.taxon)
        record = make_record(page, visit.fetched)
        self.records[page.module].append(record)
        if any("?id=" in daughter.url for daughter in page.daughters):
            self.sample_ids[page.url] = [link_id(daughter.url) for daughter in page.daughters]
        known = self.files.path(record).exists()
        self.outcome.counts["taxa", "known" if known else "new"] += 1
        if not (known or self.settings.dry_run or self.settings.update):
            self.files.write(with_pictures(record, self.pool))

    def _write_records(self) -> None:
        """Write each record again that has changed, now that names and the richest metadata of pictures are known."""
        for module, records in self.records.items():
            if self.settings.update:
                self._write_changes(module, records)
            for record in records:
                ids = self.sample_ids.get(record.page.url, []) if record.page else []
                named = with_names(record, [self.names.get(number or -1) for number in ids])
                self.files.write(with_pictures(named, self.pool))

    def _write_changes(self, module: str, records: list[Record]) -> None:
        """Write down what has changed in a module since its records were written, and put aside those of taxa now gone.

        This comes before the records are written anew, so that a run that is killed in between tells it all the same.
        """
        earlier, whole = self.files.earlier(module), module in self.whole
        if earlier:
            rows = list(changes(earlier, records, self.pool, whole))
            write_changes(self.settings.data / "changes.csv", f"{date.today()}", module, rows)
            self.outcome.changes += len(rows)
            self.files.retire(module, records, whole)

    def _write_tables(self) -> None:
        """Write what goes with the records: how to cite, credits, taxa, what failed, what a person should look at."""
        tables = Tables(self.settings, self.outcome)
        robots = self._last_robots()
        no_training = robots.no_training if robots else ""
        tried = self.session.tried if self.session else set()
        tables.write(self.files.present(self.records), self.pool.listed.values(), no_training, tried)
        self.outcome.tables = True


def _links(urls: Iterable[str]) -> Iterator[Link]:
    """Yield what addresses of pages say, of those that name a taxon."""
    for url in urls:
        with suppress(LinkError):
            yield page_link(url, url)
