"""Walks the pages of a module from its root: each page once, children only, never out of the module."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from requests import Response

from common.names import comparison_key, same_name
from mikrotax.links import Link, other_names, page_link, page_url
from mikrotax.markup import PageError, decode
from mikrotax.pages import MAX_DEPTH, MAX_PAGE, Page, check_asked, parse_page
from mikrotax.session import FetchError, PoliteSession
from mikrotax.store import PageStore, fetched

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
class Visit:
    """One page that was read: when the site sent it, and whether that was in this run."""

    page: Page
    fetched: str
    new: bool
    trouble: str = ""  # why the page could not be asked for again, where what was stored had to do


@dataclass
class Reader:
    """Reads pages, from the store where they are there and young enough, from the site otherwise.

    Without a session nothing is asked for. `max_age` is in days; None means that no page grows old.
    """

    store: PageStore
    session: PoliteSession | None
    max_age: float | None = None

    def read(self, link: Link) -> Visit:
        """Return the page at `link`. Raises FetchError if it cannot be fetched, PageError if it cannot be used.

        Only a good page is stored. A stored one that is no longer good is asked for again.
        """
        stored = self._stored(link)
        if stored and (self.session is None or not self._is_old(stored)):
            return stored
        if self.session is None:
            raise FetchError("it is not stored, and an offline run asks the site for nothing")
        try:
            response = self.session.fetch(link.url, MAX_PAGE)
            page = _checked(response, link)
        except (FetchError, PageError) as error:
            if stored:
                return Visit(stored.page, stored.fetched, False, str(error))
            raise
        return Visit(page, fetched(self.store.save(link.url, response)), True)

    def has(self, link: Link) -> bool:
        """Tell whether a good page is stored for `link`."""
        return self._stored(link) is not None

    def _stored(self, link: Link) -> Visit | None:
        response = self.store.get(link.url)
        try:
            return Visit(_checked(response, link), fetched(response), False) if response is not None else None
        except PageError:
            return None

    def _is_old(self, visit: Visit) -> bool:
        if self.max_age is None:
            return False
        moment = datetime.strptime(visit.fetched, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        return datetime.now(timezone.utc) - moment > timedelta(days=self.max_age)


@dataclass
class Walk:
    """A walk through one module, page by page, breadth first; `failures` and `waiting` may be read at any time."""

    reader: Reader
    first: Visit
    failures: list[Failure] = field(default_factory=list)
    waiting: deque[tuple[Link, int, str]] = field(default_factory=deque)  # with its depth, and the page that lists it

    def __iter__(self) -> Iterator[Visit]:
        """Yield each page once, with the first one first."""
        asked = {_link_key(Link(self.first.page.url, self.first.page.taxon))}
        known = {_page_key(self.first.page)}
        self._note(self.first)
        self._add(self.first.page, 1, asked)
        yield self.first
        while self.waiting:
            link, depth, parent = self.waiting.popleft()
            try:
                visit = self.reader.read(link)
                self._check(visit.page, depth)
            except (FetchError, PageError) as error:
                self.failures.append(Failure("page", link.taxon or link.url, link.url, str(error), parent))
                continue
            if _page_key(visit.page) in known:
                continue
            known.add(_page_key(visit.page))
            self._note(visit)
            self._add(visit.page, depth + 1, asked)
            yield visit

    def _add(self, page: Page, depth: int, asked: set[str]) -> None:
        for daughter in page.daughters:
            if len(asked) >= MAX_LINKS:
                reason = f"its daughters are not read: more than {MAX_LINKS:,} pages are listed"
                self.failures.append(Failure("page", page.taxon, page.url, reason))
                return
            link = page_link(page.url, daughter.url)
            if _link_key(link) not in asked:
                asked.add(_link_key(link))
                self.waiting.append((link, depth, page.url))

    def _check(self, page: Page, depth: int) -> None:
        if not same_name(page.module, self.first.page.module):
            raise PageError(f"it belongs to the module {page.module!r}")
        if depth > MAX_DEPTH:
            raise PageError(f"it lies more than {MAX_DEPTH} levels down")

    def _note(self, visit: Visit) -> None:
        if visit.trouble:
            reason = f"could not be asked for again: {visit.trouble}"
            self.failures.append(Failure("page", visit.page.taxon, visit.page.url, reason))


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


def _checked(response: Response, link: Link) -> Page:
    """Return the page in a response; PageError if it cannot be used, or is another taxon's than was asked for."""
    page = parse_page(decode(response.content), response.url)
    # The root of a module goes by the module's name, which may have changed since somebody learnt it.
    if not (link.taxon == link.module and page.taxon in other_names(link.module)):
        check_asked(page, link.taxon)
    return page


def _link_key(link: Link) -> str:
    return link.taxon or link.url


def _page_key(page: Page) -> tuple[int | None, str]:
    """Return what tells two pages apart: the stable id (with the name, in case an id stands on two), else the name."""
    return (page.id, comparison_key(page.taxon)) if page.id is not None else (None, page.taxon)
