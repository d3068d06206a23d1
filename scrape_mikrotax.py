"""Fetch the pages and pictures of a Mikrotax module: data/<module>/<Taxon>.json and images/.

    python scrape_mikrotax.py --contact you@museum.org                            all of Nannotax's Cenozoic module
    python scrape_mikrotax.py --contact you@museum.org --taxon Syracosphaera      one genus and all below it
    python scrape_mikrotax.py --contact you@museum.org --module pf_cenozoic --dry_run    how much, and how long?
    python scrape_mikrotax.py --offline                                           rebuild data/ from the stored pages

It asks for one thing at a time, with a pause of --delay seconds, and keeps all that it has fetched: interrupt it
whenever you like, and the same command goes on where it was.
"""

import argparse
import io
import math
import shlex
import sys
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from common.command_line import make_parser

LIVE_SITE = "https://www.mikrotax.org"
LEAST_DELAY = 1.0  # seconds, for a host that is somebody else's
SHOWN = 20  # lines of a list in the summary; the tables have them all
WISH = (
    "--contact is missing: your e-mail address or web page, which the site will see. The editors of Nannotax do not "
    "offer their database for anonymous download, so this program says who is asking. Before you fetch a whole module, "
    "please write to them and say what you have in mind; the site's citation page tells how to reach them."
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this script's command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--module", action="append", metavar="NAME", help="module to fetch; may be given several times (ntax_cenozoic)")
    add("--taxon", default="", metavar="NAME", help="fetch only this taxon and all below it")
    add("--site", default=LIVE_SITE, metavar="URL", help="the site, or the page of it to start from (%(default)s)")
    add("--data", type=Path, default=Path("data"), metavar="DIR", help="where the JSON files go (%(default)s)")
    add("--images", type=Path, default=Path("images"), metavar="DIR", help="where the pictures go (%(default)s)")
    add("--cache", type=Path, metavar="DIR", help="where the raw pages are kept (<data>/.pages)")
    add("--contact", default="", metavar="WHO", help="your e-mail address or web page; the site will see it")
    add("--delay", type=float, default=3.0, metavar="SECONDS", help="least pause before each request (%(default)s)")
    add("--full_size", action="store_true", help="fetch the full-size pictures in place of the thumbnails")
    add("--max_pages", type=int, default=10_000, metavar="N", help="read at most N pages (%(default)s)")
    add("--offline", action="store_true", help="ask the site for nothing; rebuild data/ from the stored pages")
    add("--update", action="store_true", help="ask again for old pages; what has changed goes to <data>/changes.csv")
    add("--max_age", type=float, default=30.0, metavar="DAYS", help="with --update: when a page is old (%(default)s)")
    add("--dry_run", action="store_true", help="read the pages, fetch no picture; say how much there is and how long")
    return parser


def check_arguments(args: argparse.Namespace) -> str:
    """Return what is wrong with the command line, in one sentence, or "" if nothing is; complete what it left open."""
    from mikrotax.session import is_loopback

    args.site = args.site if "://" in args.site else f"https://{args.site}"
    args.module = args.module or ["ntax_cenozoic"]
    args.cache = args.cache or args.data / ".pages"
    try:
        parts = urlsplit(args.site)
        parts.port  # noqa: B018  (raises where it is no number)
    except ValueError:
        return f"--site {args.site!r} is not an address"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"--site {args.site!r} is not an address like {LIVE_SITE}"
    if not all(name.strip() for name in args.module):
        return "--module wants the name of a module, such as ntax_cenozoic"
    if args.max_pages < 1:
        return "--max_pages wants a number of 1 or more"
    if not math.isfinite(args.delay) or args.delay < 0:
        return "--delay wants a number of seconds, 0 or more"
    if not args.max_age >= 0:
        return "--max_age wants a number of days, 0 or more"
    if args.update and args.offline:
        return "--update asks the site again and --offline asks for nothing: give one of them"
    if is_page(args.site) and (args.taxon or len(args.module) > 1):
        return "--site is the address of a page, which says by itself where to start: leave out --module and --taxon"
    if args.offline or is_loopback(args.site):
        return ""
    if not args.contact.strip():
        return WISH
    if not (args.contact.isascii() and args.contact.isprintable()):
        return "--contact wants an e-mail address or a web page, in plain letters"
    if args.delay < LEAST_DELAY:
        return f"--delay wants at least {LEAST_DELAY:g} second at a site that is not your own"
    return ""


def is_page(site: str) -> bool:
    """Tell whether --site is the address of one page, in any of the four forms, and not of a directory."""
    parts = urlsplit(site)
    folders = [part for part in parts.path.split("/") if part]
    return bool(parts.query) or (len(folders) > 1 and folders[-1] != "index.php" and not parts.path.endswith("/"))


@dataclass
class Run:
    """What a run works with, and what it has come to. Modules go by the names that their pages give them."""

    args: argparse.Namespace
    reader: object
    pool: object
    old: dict[str, list] = field(default_factory=dict)  # what the records of each directory said before
    records: dict[str, list[dict]] = field(default_factory=lambda: defaultdict(list))  # outlines
    names: dict[str, object] = field(default_factory=dict)  # the files of the records in each directory
    whole: dict[str, bool] = field(default_factory=dict)  # was the module read from its root to its last page?
    counts: Counter = field(default_factory=Counter)
    left_out: dict[str, str] = field(default_factory=dict)  # reason by address
    notices: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # names of taxa by what is odd
    failures: list = field(default_factory=list)
    waiting: int = 0
    stopped: BaseException | None = None

    @property
    def pages_read(self) -> int:
        """How many pages were read so far, from the store or from the site."""
        return sum(map(len, self.records.values()))


def start(run: Run, module: str):
    """Return the first page of a module, or of --taxon in it; FetchError or PageError if there is none."""
    from mikrotax.crawl import first_page
    from mikrotax.links import Link, site_directory

    if is_page(run.args.site):
        return run.reader.read(Link(run.args.site.partition("#")[0]))
    parts = urlsplit(run.args.site)
    folder = parts.path.removesuffix("index.php").strip("/") or site_directory(module)
    return first_page(run.reader, f"{parts.scheme}://{parts.netloc}/{folder}", module, run.args.taxon)


def read_module(run: Run, module: str) -> None:
    """Walk a module from its first page; note its records, and put its pictures into the pool."""
    from tqdm import tqdm

    from mikrotax.crawl import Failure, Walk
    from mikrotax.markup import PageError
    from mikrotax.session import FetchError

    try:
        first = start(run, module)
    except (FetchError, PageError) as error:
        name = run.args.taxon or module
        run.failures.append(Failure("page", name, run.args.site, f"no page to start from: {error}"))
        return
    if first.page.module in run.records:
        return  # one module, given by two of its names
    walk = Walk(run.reader, first)
    with tqdm(unit="page", desc=f"{first.page.module}: pages") as bar:
        try:
            for visit in walk:
                note(run, visit)
                bar.total = bar.n + 1 + len(walk.waiting)
                bar.update()
                if run.pages_read >= run.args.max_pages:
                    break
            root = len(first.page.lineage) == 1
            run.whole[first.page.module] = root and not walk.failures and not walk.waiting
        finally:
            run.failures += walk.failures
            run.waiting += len(walk.waiting)


def note(run: Run, visit) -> None:
    """Take in one page that was read, and write its record if there is none yet."""
    from mikrotax.records import complete, outline, write_record

    page = visit.page
    run.pool.add(page, visit.fetched)
    run.counts["pages", "new" if visit.new else "known"] += 1
    run.left_out |= dict(page.left_out)
    for notice in page.notices:
        run.notices[notice].append(page.taxon)
    record = outline(page, visit.fetched)
    run.records[page.module].append(record)
    path = record_path(run, record)
    run.counts["taxa", "known" if path.exists() else "new"] += 1
    if not (path.exists() or run.args.dry_run or run.args.update):
        write_record(path, complete(record, run.pool))


def record_path(run: Run, record: dict) -> Path:
    """Return where the record of a taxon lies; two taxa never share a file."""
    from common.names import safe_part
    from mikrotax.records import Files, record_file

    taxon = record["lineage"][-1]
    folder = run.args.data / safe_part(record["lineage"][0])
    return folder / run.names.setdefault(folder.name, Files()).file(taxon, record_file(taxon))


def note_changes(run: Run, module: str) -> None:
    """Write down what has changed in a module since its records were written, and put aside those of taxa now gone.

    This comes before the records are written anew, so that a run that is killed in between tells it all the same.
    """
    from common.names import safe_part
    from mikrotax.changes import changes, write_changes

    folder = run.args.data / safe_part(module)
    old, records = run.old.get(folder.name, []), run.records[module]
    if not old:
        return
    whole = run.whole.get(module, False)
    rows = list(changes(old, records, run.pool, whole))
    write_changes(run.args.data / "changes.csv", f"{date.today()}", module, rows)
    run.counts["changes", ""] += len(rows)
    kept = {record_path(run, record).name for record in records}
    ids = {record["page"]["id"] for record in records} - {None}
    for known in old:
        if known.file not in kept and (whole or known.id in ids):
            (folder / known.file).replace(folder / f"{known.file}.gone")


def write_records(run: Run) -> None:
    """Write each record again that has changed, now that the richest metadata of its pictures is known."""
    from mikrotax.records import complete, write_record

    for module, records in run.records.items():
        if run.args.update:
            note_changes(run, module)
        for record in records:
            write_record(record_path(run, record), complete(record, run.pool))


def missing_pictures(run: Run) -> list:
    """Return the pictures that do not lie below --images yet, or not whole."""
    from mikrotax.pictures import is_whole

    missing = [entry for entry in run.pool.listed.values() if not is_whole(run.args.images / entry.file)]
    run.counts["pictures", "known"] += len(run.pool.listed) - len(missing)
    return missing


def fetch_pictures(run: Run, missing: list) -> None:
    """Fetch pictures one by one; each is looked at before it is written, and written whole or not at all."""
    from tqdm import tqdm

    from common.files import write_bytes
    from mikrotax.crawl import Failure
    from mikrotax.pictures import MAX_BYTES, PictureError, check_picture
    from mikrotax.session import FetchError

    for entry in tqdm(missing, unit="picture", desc="pictures"):
        try:
            content = run.reader.session.fetch(entry.url, MAX_BYTES).content
            check_picture(content)
            write_bytes(run.args.images / entry.file, content)
            run.counts["pictures", "new"] += 1
        except (FetchError, PictureError, NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            run.failures.append(Failure("picture", entry.picture.lineage[-1], entry.url, str(error), entry.page))


def scrape(run: Run) -> None:
    """Read the pages of each module, then fetch the pictures; an interruption ends this, and is noted in the run."""
    from mikrotax.session import SiteError

    try:
        try:
            for module in run.args.module:
                if run.pages_read < run.args.max_pages:
                    read_module(run, module)
        finally:
            if not run.args.dry_run:
                write_records(run)
        missing = missing_pictures(run)
        if run.args.dry_run or run.args.offline:
            run.counts["pictures", "not fetched"] += len(missing)
        else:
            fetch_pictures(run, missing)
    except (KeyboardInterrupt, SiteError) as reason:
        run.stopped = reason
    if run.records and not run.args.dry_run:
        write_tables(run)


def write_tables(run: Run) -> None:
    """Write what goes with the records: credits, how to cite, what failed."""
    from mikrotax.tables import write_citation, write_credits, write_failures, write_notices

    parts = urlsplit(run.args.site)
    dates = defaultdict(dict)
    for folder, records in run.old.items():
        for known in records:
            if (run.args.data / folder / known.file).exists():
                dates[known.lineage[0]][known.file] = known.fetched
    for module, records in run.records.items():
        dates[module] |= {record_path(run, record).name: record["page"]["fetched"] for record in records}
    write_citation(run.args.data / "CITATION.txt", f"{parts.scheme}://{parts.netloc}", dates)
    write_credits(run.args.images / "credits.csv", run.args.images, run.pool.listed.values())
    write_failures(run.args.data / "failures.csv", run.failures)
    write_notices(run.args.data / "notices.csv", run.notices)


def summary(run: Run) -> str:
    """Return what a run has come to, as a table with the reasons of what was left out below it."""
    failed = Counter({("pages", "failed"): 0}) + Counter((f"{failure.kind}s", "failed") for failure in run.failures)
    counts = run.counts + failed
    lines = [f"{'':10}{'new':>10}{'known':>10}{'failed':>10}"]
    lines += [
        f"{kind:10}" + "".join(f"{counts[kind, column]:>10,}" for column in ("new", "known", "failed"))
        for kind in ("pages", "taxa", "pictures")
    ]
    if run.reader.session:
        lines.append(f"The site was asked {run.reader.session.asked:,} times.")
    if counts["pictures", "not fetched"]:
        lines.append(f"{counts['pictures', 'not fetched']:,} pictures are not here and were not asked for.")
    if counts["changes", ""]:
        lines.append(f"{counts['changes', '']:,} changes since the last time stand in {run.args.data / 'changes.csv'}.")
    if run.waiting:
        lines.append(f"{run.waiting:,} pages that are listed were not read yet.")
    if run.left_out:
        lines.append("Left out:")
        lines += [f"  {number:>6,}  {reason}" for reason, number in Counter(run.left_out.values()).most_common(SHOWN)]
    if run.notices:
        lines += ["Worth a look:", *(f"  {notice}: {listed(names)}" for notice, names in run.notices.items())]
    return "\n".join(lines)


def listed(names: list[str]) -> str:
    """Return names in one line, the first ones of many."""
    more = f" … and {len(names) - SHOWN:,} more, in notices.csv" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def forecast(run: Run) -> str:
    """Return how long it would take to fetch what is not here."""
    number = run.counts["pictures", "not fetched"]
    delay = run.reader.session.delay if run.reader.session else run.args.delay
    time = timedelta(seconds=round((number + run.waiting) * delay))
    more = f" and at least {run.waiting:,} pages" if run.waiting else ""
    return f"A run would fetch {number:,} pictures{more}: about {time} at one request every {delay:g} seconds."


def begin(args: argparse.Namespace, store) -> Run:
    """Clear up after a run that was killed, and read what earlier runs have left."""
    from mikrotax.crawl import Reader
    from mikrotax.records import Files, Pool, old_records, sweep
    from mikrotax.session import PoliteSession

    old, names, files = {}, {}, {}
    sweep(args.data)
    sweep(args.images)
    for folder in sorted(path for path in args.data.glob("*") if path.is_dir()):
        old[folder.name], known, by_hand = old_records(folder)
        files |= known
        names[folder.name] = Files({record.lineage[-1]: record.file for record in old[folder.name]})
        for name in by_hand:
            names[folder.name].file(f"written by hand: {name}", name)
    session = None if args.offline else PoliteSession(args.site, args.delay, args.contact)
    reader = Reader(store, session, args.max_age if args.update else None)
    return Run(args, reader, Pool(Files(files), args.full_size), old, names=names)


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its status: 0, 1 if something could not be had, 2 for a wrong command, 130 for Ctrl-C."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if problem := check_arguments(args):
        parser.error(problem)
    from mikrotax.store import PageStore, StoreError

    for stream in (sys.stdout, sys.stderr):
        # A name that this terminal cannot show is no reason to stop.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with closing(PageStore(args.cache)) as store:
            run = begin(args, store)
            scrape(run)
        print(summary(run))
        if args.dry_run:
            print(forecast(run))
        return farewell(run, argv)
    except (OSError, StoreError) as error:
        print(f"scrape_mikrotax.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scrape_mikrotax.py: interrupted", file=sys.stderr)
        return 130


def farewell(run: Run, argv: list[str] | None) -> int:
    """Say why a run was not complete and what to type next; return the exit status."""
    command = shlex.join(["python", "scrape_mikrotax.py", *(sys.argv[1:] if argv is None else argv)])
    say = [f"{failure.kind} {failure.name}: {failure.reason} ({failure.url})" for failure in run.failures[:SHOWN]]
    if len(run.failures) > SHOWN:
        say.append(f"… and {len(run.failures) - SHOWN:,} more")
    if run.failures and run.records and not run.args.dry_run:
        say.append(f"All that failed stands in {run.args.data / 'failures.csv'}. To try only that again:\n  {command}")
    if isinstance(run.stopped, KeyboardInterrupt):
        say.append(f"Interrupted. Nothing that was fetched is lost; to go on:\n  {command}")
    elif run.stopped:
        say.append(str(run.stopped))
    for line in say:
        print(line, file=sys.stderr)
    return 130 if isinstance(run.stopped, KeyboardInterrupt) else int(bool(run.failures or run.stopped))


if __name__ == "__main__":
    sys.exit(main())
