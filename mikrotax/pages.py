"""A page of the site: text in, page out. Nothing here asks the network or the disk for anything.

Only what has stayed the same over the years is relied on: the labels (in each of their known wordings) and what
`mikrotax.listing` finds.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bs4 import Tag

from common.names import same_name
from common.occurrence import Occurrence
from common.taxon_text import TaxonText
from mikrotax.captions import SURE
from mikrotax.gallery import HIDDEN, Findings
from mikrotax.labels import label_type_images
from mikrotax.links import ENDING, LinkError, link_id, page_link
from mikrotax.listing import Daughter, Listing
from mikrotax.markup import BODY_END, LINK, NoPageError, PageError, page_proper, parse_html, read_lines, tags, tidy
from mikrotax.paging import HINT, Paging, read_paging
from mikrotax.picture_sources import Picture
from mikrotax.ranges import read_range
from mikrotax.sections import read_text

MAX_PAGE = 2_000_000  # characters (and bytes); the largest pages of the site have some hundred thousand
MAX_DEPTH = 25  # names in a lineage; the site's deepest have about ten

LINEAGE_LABEL = re.compile(r"\b(?:Classification|Ancestry|Higher levels)\s*:", re.IGNORECASE)
LINEAGE = re.compile(LINEAGE_LABEL.pattern + r"\s*(.+)$", re.IGNORECASE | re.MULTILINE)
LINEAGE_SEPARATOR = re.compile(r"-+>|\s>\s|→|»|›")
SIBLINGS = re.compile(r"(?:Sister taxa|Other pages this level)\s*:(.*)", re.IGNORECASE)
SHORTENED = re.compile(r"([A-Z][a-z]{0,2})\.\s+(.+)")  # S.  arethusae
FEATURES = re.compile(
    r"^\x04?(?:Distinguishing features|Short diagnosis)\s*:(.*?)(?=\n\n|\Z)", re.IGNORECASE | re.MULTILINE | re.DOTALL
)
THIS_TAXON = re.compile(r"\bThis taxon\s*:(.*?)(?=\n\n|\Z)", re.IGNORECASE | re.DOTALL)
RANK = re.compile(r"^\x04?(?:taxonomic )?rank ?:[ \n]{0,3}([^\n\x04]{1,80})$", re.IGNORECASE | re.MULTILINE)
# Where a page names a picture, in whatever form, the directories of the site's own graphics apart.
NAMED_PICTURE = re.compile(rf"/images/(?!graphics|logo)[^'\"<>()]{{1,300}}?{ENDING}(?=['\"?&\\)\s])", re.IGNORECASE)
STABLE = re.compile(r"\bstables?\s+page\s+link\s*:?\s*\x02(\d+)\x03", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """What a page says.

    ids: the stable id that a link in the Classification gives for each name of the lineage; paging: where the rest of a
    long list of daughters is; left_out: (address, reason) of what is not followed; notices: what a person should see;
    not_understood: what is there and could not be read.
    """

    url: str
    lineage: tuple[str, ...]
    ids: tuple[int | None, ...] = ()
    id: int | None = None
    rank: str = ""
    features: str = ""
    range: Mapping[str, Occurrence] = field(default_factory=dict)
    text: TaxonText = field(default_factory=TaxonText)
    daughters: tuple[Daughter, ...] = ()
    pictures: tuple[Picture, ...] = ()
    paging: Paging = Paging()  # noqa: RUF009  (it is frozen)
    left_out: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    not_understood: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module's name, as the page itself says it."""
        return self.lineage[0]

    @property
    def taxon(self) -> str:
        """The full name of the page's own taxon."""
        return self.lineage[-1]


def parse_page(text: str, url: str) -> Page:
    """Return what the page `text`, which came from the address `url`, says.

    Raises PageError, and nothing else, for what is not the page of a taxon: cut off, without a Classification, too
    large.
    """
    if len(text) > MAX_PAGE:
        raise PageError(f"it has {len(text):,} characters; a page of the site has some hundred thousand")
    page = page_proper(text)
    if not BODY_END.search(page) and not re.search(r"</body>\s*</html>\s*\Z", text[-200:], re.IGNORECASE):
        kind = PageError if LINEAGE_LABEL.search(page) else NoPageError
        raise kind("it has no </body>: cut off, or the answer to a taxon asked for in the wrong module")
    tree = parse_html(page)
    findings = Findings()
    listing = Listing(url, findings)
    paging = read_paging(tree, url) if HINT.search(page) else Paging()
    # What is listed leaves the tree, so that the names in it are not taken for what the page says of its own taxon.
    listed = listing.take_daughters(tree)
    pictures = listing.gallery.read_page(tree)
    lines, hrefs = read_lines(tree)
    if SURE.search(lines) and not all(picture.richness[0] for picture in pictures):
        findings.not_understood.append("captions are not beside their pictures")
    lineage, ids = _lineage(lines, hrefs, url, tree)
    below = listing.within_module(_below(listed, lineage, lines, hrefs, url), lineage[0])
    daughters = tuple(_with_labels(daughter, lineage) for daughter in below)
    features = _features(lines)
    words, unknown = read_text(tree, lines, lineage[-1], features)
    findings.notices += [f"unknown heading: {heading!r}" for heading in unknown]
    if daughters and paging.by_script:
        findings.not_understood.append(f"a script loads more of its list: {paging.by_script!r}")
    if not daughters:
        tables = listing.unread_tables(tree, lineage)
        findings.not_understood += [f"a table that names taxa could not be read: {head!r}" for head in tables]
        lists = listing.unread_lists(tree, lineage)
        findings.not_understood += [f"a list that names taxa could not be read: {head!r}" for head in lists]
        if not pictures:
            _note_empty_page(findings, text)
    return Page(
        url=url,
        lineage=lineage,
        ids=ids,
        id=_stable_id(lines, hrefs, url),
        rank=_first(RANK, lines),
        features=features,
        range=read_range(lines),
        text=words,
        daughters=daughters,
        pictures=tuple(label_type_images(pictures, lineage)),
        paging=paging,
        left_out=tuple(dict.fromkeys(findings.left_out)),
        notices=tuple(dict.fromkeys(findings.notices)),
        not_understood=tuple(dict.fromkeys(findings.not_understood)),
    )


def check_asked(page: Page, taxon: str) -> None:
    """Raise PageError unless `page` is that of the taxon that was asked for."""
    if taxon and not same_name(page.taxon, taxon):
        raise PageError(f"it is the page of {page.taxon!r}, not of {taxon!r}")


def _lineage(lines: str, hrefs: list[str], url: str, tree: Tag) -> tuple[tuple[str, ...], tuple[int | None, ...]]:
    """Return the lineage of the page's taxon, root first, and the ids in its links.

    Full names are in the links; the last one is in the text, or in the page's heading where the text shortens it.
    Raises PageError where there is no Classification, or none of a page that is to be read.
    """
    found = LINEAGE.search(lines)
    names, ids = [], []
    for item in LINEAGE_SEPARATOR.split(SIBLINGS.split(found.group(1))[0]) if found else ():
        name, number = _plain(item), None
        if link := LINK.search(item):
            with contextlib.suppress(LinkError):
                linked = page_link(url, hrefs[int(link.group(1))], name)
                name, number = linked.taxon or name, link_id(linked.url)
        if name:
            names.append(name)
            ids.append(number)
    if not names:
        raise NoPageError("it has no Classification")
    if len(names) > MAX_DEPTH:
        raise PageError(f"its Classification has {len(names)} levels; {MAX_DEPTH} are the limit")
    if {name.casefold() for name in names} & HIDDEN:
        raise PageError("it lies below hidden")
    headings = [tidy(tag.get_text()).rpartition(" - ")[2] for tag in tags(tree, "h1", "h2", "h3", "title")]
    names[-1] = next((heading for heading in headings if is_short_for(names[-1], heading)), names[-1])
    return tuple(names), tuple(ids)


def is_short_for(name: str, full: str) -> bool:
    """Return whether `name` is a shortened form of `full`, as `S.  arethusae` of `Syracosphaera arethusae`."""
    short = SHORTENED.fullmatch(name)
    genus, _, rest = full.partition(" ")
    return bool(short and genus.startswith(short.group(1)) and "." not in genus and same_name(short.group(2), rest))


def _below(
    listed: list[Daughter], lineage: tuple[str, ...], lines: str, hrefs: list[str], url: str
) -> Iterator[Daughter]:
    """Yield the daughters; where only their row told of them, none that is a sister, an ancestor or the page's own."""
    beside = set()
    if any(not daughter.sure for daughter in listed) and (line := SIBLINGS.search(lines)):
        for link in LINK.finditer(line.group(1)):
            with contextlib.suppress(LinkError):
                beside.add(page_link(url, hrefs[int(link.group(1))]).url)
    for daughter in listed:
        related = daughter.url in beside or any(same_name(daughter.taxon, name) for name in lineage)
        if daughter.sure or not related:
            yield daughter


def _with_labels(daughter: Daughter, lineage: tuple[str, ...]) -> Daughter:
    own = (*lineage, daughter.taxon)
    return replace(daughter, pictures=tuple(label_type_images(daughter.pictures, own)))


def _note_empty_page(findings: Findings, text: str) -> None:
    """Note that a page has neither daughters nor pictures, and what speaks against that."""
    findings.notices.append("neither pictures nor daughters")
    named = set() if findings.left_out else set(NAMED_PICTURE.findall(BODY_END.split(text)[0]))
    if named:
        findings.not_understood.append("it names pictures, and none could be read")


def _features(lines: str) -> str:
    """Return the distinguishing features of this taxon, leaving out its parent's, which later pages print first."""
    found = [match for match in FEATURES.finditer(lines) if _plain(match.group(1))] or [*FEATURES.finditer(lines)]
    if not found:
        return ""
    if own := THIS_TAXON.search(lines, found[0].start()):
        return _plain(own.group(1))
    features = _plain(found[0].group(1))
    return "" if features.startswith("Parent taxon") else features


def _stable_id(lines: str, hrefs: list[str], url: str) -> int | None:
    """Return the number in the page's stable link, else the one by which it was asked for, or None."""
    found = STABLE.search(lines)
    return link_id(hrefs[int(found.group(1))] if found else url)


def _first(pattern: re.Pattern[str], lines: str) -> str:
    found = pattern.search(lines)
    return _plain(found.group(1)) if found else ""


def _plain(text: str) -> str:
    """Return a piece of the text for reading, without the marks of its links."""
    return tidy(LINK.sub("", text))
