"""Reads pages, from the store where they are there and good enough, from the site otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from requests import Response

from mikrotax.gallery import BELOW_HIDDEN
from mikrotax.links import Link, other_names
from mikrotax.markup import PageError, decode
from mikrotax.pages import MAX_PAGE, Page, check_asked, parse_page
from mikrotax.session import FetchError, PoliteSession
from mikrotax.shrinking import Size, page_key, shrinkage, size
from mikrotax.store import PageStore, fetched

MAX_PARTS = 200  # pages of one list


@dataclass(frozen=True)
class Visit:
    """One page that was read: when the site sent it, and whether that was in this run."""

    page: Page
    fetched: str
    new: bool
    trouble: str = ""  # why the page is not as the site has it now, or not whole
    shrunk: bool = False  # the site's answer held so much less that the stored page stays


@dataclass
class Reader:
    """Reads pages. Without a session nothing is asked for.

    max_age: in days; None means that no page grows old. sizes: what the records of earlier runs list, by
    `shrinking.page_key`, for pages that are not stored; accept_shrunk: take pages that list much less than before;
    note_shrunk: remember them, so that the next run takes them if they are still the same.
    """

    store: PageStore
    session: PoliteSession | None
    max_age: float | None = None
    sizes: Mapping[int | str, Size] = field(default_factory=dict)
    accept_shrunk: bool = False
    note_shrunk: bool = True

    def read(self, link: Link, below: int = 0) -> Visit:
        """Return the page at `link`, with all of a list that is cut into several pages.

        Only a good page is stored. A stored one that is no longer good is asked for again, and so is one without
        daughters where its parent names so many taxa `below` it. Raises FetchError if it cannot be fetched, PageError
        if it cannot be used.
        """
        visit = self._read_one(link, below)
        return self._with_rest(visit, link) if visit.page.paging.several else visit

    def has(self, link: Link) -> bool:
        """Return whether a good page is stored for `link`."""
        return self._stored(link) is not None

    def _read_one(self, link: Link, below: int = 0) -> Visit:
        stored = self._stored(link)
        if self.accept_shrunk and (put_by := self.store.get_shrunk(link.url)):
            self.store.save(link.url, put_by)
            self.store.remove_shrunk(link.url)
            stored = self._stored(link)
        elif stored and self.session and (self._is_old(stored) or _lacks_daughters(stored.page, below)):
            return self._ask(self.session, link, stored)
        if stored:
            return stored
        if self.session is None:
            raise FetchError("it is not stored, and an offline run asks the site for nothing")
        return self._ask(self.session, link, None)

    def _ask(self, session: PoliteSession, link: Link, stored: Visit | None) -> Visit:
        """Ask the site for a page; where that fails, what is `stored` has to do."""
        try:
            response, page = session.fetch(link.url, MAX_PAGE, lambda answer: (answer, _checked(answer, link)))
        except (FetchError, PageError) as error:
            if stored is None:
                raise
            return replace(stored, trouble=f"could not be asked for again: {error}")
        before = size(stored.page) if stored else self.sizes.get(page_key(page.id, page.taxon))
        less = shrinkage(before, size(page)) if before else ""
        if less and not self._is_accepted(link, page, response):
            if stored is None:
                raise PageError(less)
            return replace(stored, trouble=f"{less}; the stored page stays", shrunk=True)
        saved = self.store.save(link.url, response)
        self.store.remove_shrunk(link.url)
        return Visit(page, fetched(saved), True)

    def _is_accepted(self, link: Link, page: Page, response: Response) -> bool:
        """Return whether a page that lists less is taken: because that is wanted, or the last run found the same."""
        if self.accept_shrunk:
            return True
        earlier = self.store.get_shrunk(link.url)
        if earlier is not None and _lists(_checked(earlier, link)) == _lists(page):
            return True
        if self.note_shrunk:
            self.store.save_shrunk(link.url, response)
        return False

    def _with_rest(self, visit: Visit, link: Link) -> Visit:
        """Return a page with the daughters that its list has on other pages."""
        parts, failed = [visit], []
        urls = [*visit.page.paging.more]
        for url in urls:  # which grows
            try:
                part = self._read_one(Link(url, link.taxon, link.module))
                check_asked(part.page, visit.page.taxon)
            except (FetchError, PageError) as error:
                failed.append(f"another page of its list could not be read: {error}")
                continue
            parts.append(part)
            known = {*urls, visit.page.paging.own}
            urls += [more for more in part.page.paging.more if more not in known][: MAX_PARTS - len(urls)]
        page = _joined([part.page for part in parts])
        troubles = dict.fromkeys([part.trouble for part in parts if part.trouble] + failed)
        shrunk, new = any(part.shrunk for part in parts), any(part.new for part in parts)
        return replace(visit, page=page, new=new, trouble="; ".join(troubles), shrunk=shrunk)

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


def _checked(response: Response, link: Link) -> Page:
    """Return the page in a response; PageError if it cannot be used, or is another taxon's than was asked for."""
    page = parse_page(decode(response.content), response.url)
    # The root of a module goes by the module's name, which may have changed since somebody learnt it.
    if not (link.taxon == link.module and page.taxon in other_names(link.module)):
        check_asked(page, link.taxon)
    return page


def _lacks_daughters(page: Page, below: int) -> bool:
    """Return whether a page has no daughters and should: that of a module, or one whose parent names taxa below it."""
    return not page.daughters and (below > 0 or len(page.lineage) == 1)


def _lists(page: Page) -> tuple[set[str], set[str]]:
    return {daughter.url for daughter in page.daughters}, {picture.thumb for picture in page.pictures}


def _joined(pages: list[Page]) -> Page:
    """Return the first of the pages with all that the others list besides."""
    first = pages[0]
    daughters = {daughter.url: daughter for page in pages for daughter in page.daughters}
    taxa, number = first.paging.taxa, first.paging.pages
    left_out = {url: reason for page in pages for url, reason in page.left_out}
    hidden = sum(reason == BELOW_HIDDEN and "/images/" not in url for url, reason in left_out.items())
    missing = []
    if taxa > len(daughters) + hidden:
        missing.append(f"its list has {taxa} taxa, of which {len(daughters)} were found")
    elif not taxa and number > len(pages):
        missing.append(f"its list has {number} pages, of which {len(pages)} were found")
    return replace(
        first,
        daughters=tuple(daughters.values()),
        pictures=tuple({picture.thumb: picture for page in pages for picture in page.pictures}.values()),
        left_out=tuple(left_out.items()),
        notices=tuple(dict.fromkeys(notice for page in pages for notice in page.notices)),
        not_understood=tuple(dict.fromkeys([each for page in pages for each in page.not_understood] + missing)),
    )
