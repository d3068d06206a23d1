"""Walks the pages of a module from its root: each page once, children only, never out of the module."""

from collections import deque
from collections.abc import Iterator, Set
from dataclasses import dataclass, field, replace

from common.names import comparison_key, same_name
from mikrotax.links import Link, other_names, page_link, page_url
from mikrotax.markup import PageError
from mikrotax.pages import MAX_DEPTH, Page
from mikrotax.reader import Reader, Visit
from mikrotax.session import FetchError, SiteError

STOPPED = "the run stopped when the site refused it"
MAX_LINKS = 100_000  # pages that are listed in one walk; the largest module has some thousand


@dataclass(frozen=True)
class Failure:
    """Something that could not be fetched: `kind` is "page" or "picture", `listed_on` the page that led to it."""

    kind: str
    name: str
    url: str
    reason: str
    listed_on: str = ""


@dataclass(frozen=True)
class Pending:
    """A page that is listed and was not read yet: how deep it lies, and how many taxa are named below it."""

    link: Link
    depth: int
    listed_on: str
    below: int


@dataclass
class Walk:
    """A walk through one module, page by page, breadth first.

    failed_before: addresses that an earlier run could not fetch, which come last; names: taxa by their stable ids;
    failures and waiting may be read at any time.
    """

    reader: Reader
    first: Visit
    failed_before: Set[str] = frozenset()
    failures: list[Failure] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    _waiting: deque[Pending] = field(default_factory=deque)
    _postponed: deque[Pending] = field(default_factory=deque)

    @property
    def waiting(self) -> int:
        """How many pages are listed and were not read yet."""
        return len(self._waiting) + len(self._postponed)

    def __iter__(self) -> Iterator[Visit]:
        """Yield each page once, with the first one first."""
        asked = {_link_key(Link(self.first.page.url, self.first.page.taxon))}
        known = {_page_key(self.first.page)}
        self._note(self.first)
        self._add(self.first.page, 1, asked)
        yield self.first
        while self.waiting:
            pending = (self._waiting or self._postponed).popleft()
            try:
                visit = self.reader.read(pending.link, pending.below)
                self._check(visit.page, pending.depth)
            except (FetchError, PageError) as error:
                self._fail(pending, str(error))
                continue
            except SiteError:
                self._fail(pending, STOPPED)
                raise
            if _page_key(visit.page) in known:
                continue
            known.add(_page_key(visit.page))
            self._note(visit)
            page = self._with_full_names(visit.page, pending.below)
            self._add(page, pending.depth + 1, asked)
            yield replace(visit, page=page)

    def _fail(self, pending: Pending, reason: str) -> None:
        link = pending.link
        self.failures.append(Failure("page", link.taxon or link.url, link.url, reason, pending.listed_on))

    def _with_full_names(self, page: Page, below: int) -> Page:
        """Return a page with the names that its ancestors' own pages have, where it links to them by their ids."""
        lineage = tuple(
            self.names.get(number, name) if number is not None else name
            for number, name in zip(page.ids, page.lineage, strict=True)
        )
        missing = (f"{below} taxa are named below it elsewhere, and it lists none",) * (
            below > 0 and not page.daughters
        )
        return replace(page, lineage=lineage, not_understood=page.not_understood + missing)

    def _add(self, page: Page, depth: int, asked: set[str]) -> None:
        for daughter in page.daughters:
            if len(asked) >= MAX_LINKS:
                reason = f"its daughters are not read: more than {MAX_LINKS:,} pages are listed"
                self.failures.append(Failure("page", page.taxon, page.url, reason))
                return
            link = page_link(page.url, daughter.url)
            if _link_key(link) not in asked:
                asked.add(_link_key(link))
                queue = self._postponed if link.url in self.failed_before else self._waiting
                queue.append(Pending(link, depth, page.url, daughter.below))

    def _check(self, page: Page, depth: int) -> None:
        if not same_name(page.module, self.first.page.module):
            raise PageError(f"it belongs to the module {page.module!r}")
        if depth > MAX_DEPTH:
            raise PageError(f"it lies more than {MAX_DEPTH} levels down")

    def _note(self, visit: Visit) -> None:
        if visit.page.id is not None:
            self.names.setdefault(visit.page.id, visit.page.taxon)
        if visit.trouble:
            self.failures.append(Failure("page", visit.page.taxon, visit.page.url, visit.trouble))


def first_page(reader: Reader, root: str, module: str, taxon: str = "") -> Visit:
    """Return the page from which a module is walked: its root, or the page of `taxon`.

    A module that the site does not know by this name is asked for by its older and newer ones; one that is stored comes
    first, so that a name in vain is not tried twice. Raises what the first name raised if none is known.
    """
    links = [Link(page_url(root, taxon or name, name), taxon or name, name) for name in (module, *other_names(module))]
    errors: list[FetchError | PageError] = []
    for link in sorted(links, key=lambda link: not reader.has(link)):
        try:
            return reader.read(link)
        except (FetchError, PageError) as error:
            errors.append(error)
    raise errors[0]


def _link_key(link: Link) -> str:
    return link.taxon or link.url


def _page_key(page: Page) -> tuple[int | None, str]:
    """Return what distinguishes two pages: the stable id (with the name, in case two have one id), else the name."""
    return (page.id, comparison_key(page.taxon)) if page.id is not None else (None, page.taxon)
