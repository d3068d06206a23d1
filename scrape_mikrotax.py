"""Fetch the pages and pictures of a Mikrotax module: data/<module>/<Taxon>.json and images/.

    python scrape_mikrotax.py --contact you@museum.org                            all of Nannotax's Cenozoic module
    python scrape_mikrotax.py --contact you@museum.org --taxon Syracosphaera      one genus and all below it
    python scrape_mikrotax.py --contact you@museum.org --module pf_cenozoic --dry_run    how much, and how long?
    python scrape_mikrotax.py --offline                                           rebuild data/ from the stored pages

It asks for one thing at a time, with a pause of --delay seconds, and stores all that it has fetched: interrupt it
whenever you like, and the same command goes on where it was.
"""

import argparse
import shlex
import sys
from pathlib import Path
from urllib.parse import urlsplit

from common.command_line import make_parser, non_negative_float, positive_float, quick_imports, run_script, whole_number
from mikrotax.links import is_loopback, is_page
from mikrotax.settings import KINDS, LIVE_SITE, ScrapeSettings

LEAST_DELAY = 1.0  # seconds, for a host that is somebody else's
CONTACT_IS_MISSING = (
    "--contact is missing: your e-mail address or web page, which the site will see. The editors of Nannotax do not "
    "offer their database for anonymous download, so this program says who is asking. Before you fetch a whole module, "
    "please write to them and say what you have in mind; the site's citation page tells how to reach them."
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this script's command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--module", action="append", metavar="NAME", help="module to fetch; repeatable (default: ntax_cenozoic)")
    add("--taxon", default="", metavar="NAME", help="fetch only this taxon and all below it")
    add(
        "--site",
        default=LIVE_SITE,
        metavar="URL",
        help="the site, or the page of it to start from (default: %(default)s)",
    )
    add("--data", type=Path, default=Path("data"), metavar="DIR", help="where the JSON files go (default: %(default)s)")
    add(
        "--images",
        type=Path,
        default=Path("images"),
        metavar="DIR",
        help="where the pictures go (default: %(default)s)",
    )
    add("--cache", type=Path, metavar="DIR", help="where the raw pages are stored (default: <data>/.pages)")
    add("--contact", default="", metavar="WHO", help="your e-mail address or web page; the site will see it")
    add(
        "--delay",
        type=non_negative_float,
        default=3.0,
        metavar="SECONDS",
        help="least pause before each request (default: %(default)s)",
    )
    add("--full_size", action="store_true", help="fetch the full-size pictures in place of the thumbnails")
    add(
        "--max_pages",
        type=whole_number(1),
        default=10_000,
        metavar="N",
        help="read at most N pages (default: %(default)s)",
    )
    add("--offline", action="store_true", help="ask the site for nothing; rebuild data/ from the stored pages")
    add("--update", action="store_true", help="ask again for old pages; what has changed goes to <data>/changes.csv")
    add(
        "--max_age",
        type=non_negative_float,
        default=30.0,
        metavar="DAYS",
        help="with --update: when a page is old (default: %(default)s)",
    )
    add("--accept_shrunk", action="store_true", help="take pages that list a good deal less than what is stored, too")
    add("--dry_run", action="store_true", help="read the pages, fetch no picture; say how much there is and how long")
    add("--max_hours", type=positive_float, metavar="HOURS", help="stop after so many hours; go on another day")
    add(
        "--only",
        action="append",
        choices=KINDS,
        help="fetch type specimens, SEM or LM pictures alone, as captions tell",
    )
    add("--no_drawings", action="store_true", help="fetch no drawings, as far as names and captions tell")
    return parser


def read_settings(parser: argparse.ArgumentParser, argv: list[str] | None) -> ScrapeSettings:
    """Return what a command line asks for; a mistake in it ends the script with a sentence and status 2."""
    options = vars(parser.parse_args(argv))
    site = options["site"] if "://" in options["site"] else f"https://{options['site']}"
    modules = tuple(options.pop("module") or ["ntax_cenozoic"])
    cache = options["cache"] or options["data"] / ".pages"
    only = tuple(options["only"] or ())
    settings = ScrapeSettings(**options | {"site": site, "modules": modules, "cache": cache, "only": only})
    if problem := find_mistake(settings):
        parser.error(problem)
    return settings


def find_mistake(settings: ScrapeSettings) -> str:
    """Return what is wrong with the settings, in one sentence about their options, or "" if nothing is."""
    try:
        parts = urlsplit(settings.site)
        parts.port  # noqa: B018  (raises where it is not a number)
    except ValueError:
        return f"--site {settings.site!r} is not an address"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"--site {settings.site!r} is not an address like {LIVE_SITE}"
    if not all(name.strip() for name in settings.modules):
        return "--module must be the name of a module, such as ntax_cenozoic"
    if settings.update and settings.offline:
        return "--update asks the site again and --offline asks for nothing: give one of them"
    if is_page(settings.site) and (settings.taxon or len(settings.modules) > 1):
        return "--site is the address of a page, which says by itself where to start: leave out --module and --taxon"
    if settings.offline or is_loopback(settings.site):
        return ""
    if not settings.contact.strip():
        return CONTACT_IS_MISSING
    if not (settings.contact.isascii() and settings.contact.isprintable()):
        return "--contact must be an e-mail address or a web page, in plain letters"
    if settings.delay < LEAST_DELAY:
        return f"--delay must be at least {LEAST_DELAY:g} second at a site that is not your own"
    return ""


def run(settings: ScrapeSettings, command: str) -> int:
    """Scrape and print the result; return the exit status. `command` is what to type to go on."""
    with quick_imports():
        from mikrotax.scrape import scrape

    outcome = scrape(settings)
    print(outcome.summary(settings))
    for line in outcome.problems(settings, command):
        print(line, file=sys.stderr)
    if outcome.shrunk:
        print("If the shorter pages are right, the next --update takes them; or give --accept_shrunk.", file=sys.stderr)
    return outcome.status


def main(argv: list[str] | None = None) -> int:
    """Run the script; return its status: 0, 1 if something is missing or was not understood, 130 after Ctrl-C.

    A wrong command line ends with status 2.
    """
    settings = read_settings(build_parser(), argv)
    command = shlex.join(["python", "scrape_mikrotax.py", *(sys.argv[1:] if argv is None else argv)])
    return run_script("scrape_mikrotax.py", lambda: run(settings, command), "interrupted")


if __name__ == "__main__":
    sys.exit(main())
