"""What a run of the scraper is asked to do; imports nothing that would keep --help or a mistake waiting."""

from dataclasses import dataclass
from pathlib import Path

LIVE_SITE = "https://www.mikrotax.org"
KINDS = ("types", "SEM", "LM")  # of pictures, as far as names and captions tell


@dataclass(frozen=True)
class ScrapeSettings:
    """All settings of a run, with their defaults resolved. The names are those of the options.

    modules: names of modules, in any of their forms; site: address of the site, or of the page to start from, which
    then says by itself which module and taxon are meant; cache: where the raw pages are stored; delay: seconds, the
    least pause before each request; max_age: days after which `update` asks for a page again; accept_shrunk: take pages
    that list a good deal less than before; max_hours: after which the run ends, None for never; only: which pictures
    are fetched, some of KINDS, or () for all; no_drawings: fetch no drawings.
    """

    modules: tuple[str, ...] = ("ntax_cenozoic",)
    taxon: str = ""
    site: str = LIVE_SITE
    data: Path = Path("data")
    images: Path = Path("images")
    cache: Path = Path("data/.pages")
    contact: str = ""
    delay: float = 3.0
    full_size: bool = False
    max_pages: int = 10_000
    offline: bool = False
    update: bool = False
    max_age: float = 30.0
    accept_shrunk: bool = False
    dry_run: bool = False
    max_hours: float | None = None
    only: tuple[str, ...] = ()
    no_drawings: bool = False
