"""A run of the scraper: the pages of each module become records, then the pictures that they list are fetched."""

from contextlib import closing
from datetime import date
from urllib.parse import urlsplit

from common.files import write_bytes
from common.progress import Progress
from common.records import Record
from mikrotax.changes import changes, write_changes
from mikrotax.crawl import Failure, Reader, Visit, Walk, first_page
from mikrotax.links import Link, is_page, site_directory
from mikrotax.markup import PageError
from mikrotax.outcome import Outcome
from mikrotax.pictures import MAX_BYTES, PictureError, check_picture, is_whole
from mikrotax.record_files import RecordFiles, remove_leftovers
from mikrotax.records import Files, Listed, Pool, make_record, with_pictures
from mikrotax.session import FetchError, PoliteSession, SiteError
from mikrotax.settings import ScrapeSettings
from mikrotax.store import PageStore
from mikrotax.tables import write_citation, write_credits, write_failures, write_notices


def scrape(settings: ScrapeSettings) -> Outcome:
    """Read the pages of each module, write their records, and fetch the pictures; return what came of it.

    An interruption, by Ctrl-C or because the site asks for it, ends the run early and is noted in the outcome. Raises
    ToolkitError where the store of pages cannot be used, OSError where the disk refuses.
    """
    with closing(PageStore(settings.cache)) as store:
        scraper = Scraper(settings, store)
        scraper.run()
    return scraper.outcome


class Scraper:
    """One run, with all that changes in it. Modules go by the names that their pages give them."""

    def __init__(self, settings: ScrapeSettings, store: PageStore):
        self.settings = settings
        self.outcome = Outcome()
        self.session = None
        if not settings.offline:
            self.session = PoliteSession(settings.site, settings.delay, settings.contact)
        self.reader = Reader(store, self.session, settings.max_age if settings.update else None)
        remove_leftovers(settings.images)
        self.files = RecordFiles(settings.data)
        self.pool = Pool(Files(self.files.picture_files()), settings.full_size)
        self.records: dict[str, list[Record]] = {}  # of this run, by module, without their pictures
        self.whole: set[str] = set()  # modules that were read from their root to the last page

    def run(self) -> None:
        """Do all of it, or as much as there is time for."""
        try:
            try:
                for module in self.settings.modules:
                    self._read_module(module)
            finally:
                if not self.settings.dry_run:
                    self._write_records()
            self._fetch_pictures()
        except (KeyboardInterrupt, SiteError) as reason:
            self.outcome.stopped = reason
        self.outcome.delay = self.session.delay if self.session else self.settings.delay
        self.outcome.requests = self.session.asked if self.session else None
        if any(self.records.values()) and not self.settings.dry_run:
            self._write_tables()

    def _read_module(self, module: str) -> None:
        """Walk a module from its first page; note its records, and put its pictures into the pool."""
        if self.outcome.pages >= self.settings.max_pages:
            return
        try:
            first = self._first_page(module)
        except (FetchError, PageError) as error:
            name = self.settings.taxon or module
            self.outcome.failures.append(Failure("page", name, self.settings.site, f"no page to start from: {error}"))
            return
        name = first.page.module
        if name in self.records:
            return  # one module, given by two of its names
        walk = Walk(self.reader, first)
        self.records[name] = []
        with Progress(unit="page", desc=f"{name}: pages") as bar:
            try:
                for visit in walk:
                    self._add(visit)
                    bar.total = bar.n + 1 + len(walk.waiting)
                    bar.update()
                    if self.outcome.pages >= self.settings.max_pages:
                        break
                if len(first.page.lineage) == 1 and not walk.failures and not walk.waiting:
                    self.whole.add(name)
            finally:
                self.outcome.failures += walk.failures
                self.outcome.waiting += len(walk.waiting)

    def _first_page(self, module: str) -> Visit:
        """Return the first page of a module, or of the taxon in it; FetchError or PageError if there is none."""
        site = self.settings.site
        if is_page(site):
            return self.reader.read(Link(site.partition("#")[0]))
        parts = urlsplit(site)
        folder = parts.path.removesuffix("index.php").strip("/") or site_directory(module)
        return first_page(self.reader, f"{parts.scheme}://{parts.netloc}/{folder}", module, self.settings.taxon)

    def _add(self, visit: Visit) -> None:
        """Take in one page that was read, and write its record if there is none yet."""
        self.pool.add(visit.page, visit.fetched)
        self.outcome.add(visit)
        record = make_record(visit.page, visit.fetched)
        self.records[visit.page.module].append(record)
        known = self.files.path(record).exists()
        self.outcome.counts["taxa", "known" if known else "new"] += 1
        if not (known or self.settings.dry_run or self.settings.update):
            self.files.write(with_pictures(record, self.pool))

    def _write_records(self) -> None:
        """Write each record again that has changed, now that the richest metadata of its pictures is known."""
        for module, records in self.records.items():
            if self.settings.update:
                self._write_changes(module, records)
            for record in records:
                self.files.write(with_pictures(record, self.pool))

    def _write_changes(self, module: str, records: list[Record]) -> None:
        """Write down what has changed in a module since its records were written, and put aside those of taxa now gone.

        This comes before the records are written anew, so that a run that is killed in between tells it all the same.
        """
        earlier, whole = self.files.earlier(module), module in self.whole
        if earlier:
            rows = list(changes(earlier, records, self.pool, whole))
            write_changes(self.settings.data / "changes.csv", f"{date.today()}", module, rows)
            self.outcome.changes += len(rows)
            self.files.put_aside(module, records, whole)

    def _fetch_pictures(self) -> None:
        """Fetch the pictures that are not here yet; each is checked, and written whole or not at all."""
        missing = [entry for entry in self.pool.listed.values() if not is_whole(self.settings.images / entry.file)]
        self.outcome.counts["pictures", "known"] += len(self.pool.listed) - len(missing)
        if self.session is None or self.settings.dry_run:
            self.outcome.missing = len(missing)
            return
        for entry in Progress(missing, unit="picture", desc="pictures"):
            try:
                self._fetch_picture(self.session, entry)
                self.outcome.counts["pictures", "new"] += 1
            except (FetchError, PictureError) as error:
                taxon = entry.picture.lineage[-1]
                self.outcome.failures.append(Failure("picture", taxon, entry.url, str(error), entry.page))

    def _fetch_picture(self, session: PoliteSession, entry: Listed) -> None:
        content = session.fetch(entry.url, MAX_BYTES).content
        check_picture(content)
        write_bytes(self.settings.images / entry.file, content)

    def _write_tables(self) -> None:
        """Write what goes with the records: how to cite, credits, what failed, what a person should look at."""
        parts = urlsplit(self.settings.site)
        data, images = self.settings.data, self.settings.images
        write_citation(data / "CITATION.txt", f"{parts.scheme}://{parts.netloc}", self.files.fetch_dates(self.records))
        write_credits(images / "credits.csv", images, self.pool.listed.values())
        write_failures(data / "failures.csv", self.outcome.failures)
        write_notices(data / "notices.csv", self.outcome.notices)
        self.outcome.tables = True
