"""A page of the site: text in, page out. Nothing here asks the network or the disk for anything.

Only what has stayed the same over the years is relied on: the labels (in each of their known wordings), the words
`age window` in the head of the daughters' table, the addresses of links and pictures. Cells are never counted.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

from common.names import same_name
from mikrotax.links import LinkError, other_names, page_link, picture_lineage, picture_url
from mikrotax.markup import BODY_END, PageError, all_text, cut, flow, tidy, tree

MAX_PAGE = 2_000_000  # characters (and bytes); the largest pages of the site have some hundred thousand
MAX_DEPTH = 25  # names in a lineage; the site's deepest have about ten
HIDDEN = {"hidden", "deleted", "sandbox"}  # the editors' attic, which is not for visitors

LINEAGE = re.compile(r"\b(?:Classification|Ancestry|Higher levels)\s*:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
ARROW = re.compile(r"-+>|\s>\s|→|»|›")
SIBLINGS = re.compile(r"(?:Sister taxa|Other pages this level)\s*:", re.IGNORECASE)
FEATURES = re.compile(
    r"^(?:Distinguishing features|Short diagnosis)\s*:(?P<text>.*?)(?=\n\n|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
THIS_TAXON = re.compile(r"\bThis taxon\s*:(?P<text>.*?)(?=\n\n|\Z)", re.IGNORECASE | re.DOTALL)
RANK = re.compile(r"^(?:taxonomic )?rank\s*: ?(.{1,80})$", re.IGNORECASE | re.MULTILINE)
FIRST = re.compile(r"First occurrence(?: \(base\))?\s*:(.*?)(?=\bLast occurrence|\n|\Z)", re.IGNORECASE)
LAST = re.compile(r"Last occurrence(?: \(top\))?\s*:(.*?)(?=\bFirst occurrence|\n|\Z)", re.IGNORECASE)
CREDIT = re.compile(r"Image Source\s*:|File name\s*:", re.IGNORECASE)
MA = re.compile(r"\(\s*(\d+(?:\.\d+)?)\s*[-–]\s*(\d+(?:\.\d+)?)\s*Ma\b")
STABLE = re.compile(r"\bstables?\s+page\s+link\s*:?\s*\x02(\d+)\x03", re.IGNORECASE)
AGE_WINDOW = re.compile(r"age[\s-]*window", re.IGNORECASE)

GALLERY = "//*[contains(@class, 'gallery') or contains(@rel, 'lightbox')]"
GALLERY += "[not(ancestor::*[contains(@class, 'gallery') or contains(@rel, 'lightbox')])]"
MARKED = "contains(concat(@class, ' '), '_m ')"  # the class of a daughter's name: taxon_m, smallcaps_m

FIELDS = {
    "image source": "source",
    "caption in source": "caption",
    "status": "status",
    "notes": "notes",
    "location": "location",
    "sample": "sample",
    "geological age": "age",
}


@dataclass(frozen=True)
class Picture:
    """One picture: addresses of thumbnail and full size, lineage (from its folder), and what the site says of it."""

    thumb: str
    full: str = ""
    lineage: tuple[str, ...] = ()
    source: str = ""
    caption: str = ""
    status: str = ""
    notes: str = ""
    location: str = ""
    sample: str = ""
    age: str = ""

    @property
    def richness(self) -> tuple[int, int]:
        """How much is known of the picture: fields that say something, then letters in them."""
        values = [getattr(self, name) for name in FIELDS.values()]
        return sum(value not in ("", "-") for value in values), sum(map(len, values))


@dataclass(frozen=True)
class Daughter:
    """One row of the daughters' table: the taxon's full name, its page's address, and the pictures beside it."""

    taxon: str
    url: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Page:
    """What a page says. `left_out`: (address, reason) of what is not followed; `notices`: what a person should see."""

    url: str
    lineage: tuple[str, ...]
    id: int | None = None
    rank: str = ""
    features: str = ""
    range: dict = field(default_factory=dict)
    daughters: tuple[Daughter, ...] = ()
    pictures: tuple[Picture, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()

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

    Raises PageError, and nothing else, for what is no page of a taxon: cut off, without a Classification, too large.
    """
    if len(text) > MAX_PAGE:
        raise PageError(f"it has {len(text):,} characters; a page of the site has some hundred thousand")
    page = cut(text)
    if not BODY_END.search(page) and not re.search(r"</body>\s*</html>\s*\Z", text[-200:], re.IGNORECASE):
        raise PageError("it has no </body>: cut off, or the answer to a taxon asked for in the wrong module")
    body = tree(page)
    seen = _Seen(url)
    daughters = tuple(seen.daughters(body))
    pictures = tuple(seen.gallery(body))
    text, hrefs = flow(body)
    lineage = _lineage(text, hrefs, url)
    daughters = tuple(seen.of_module(daughters, lineage[0]))
    if not daughters and not pictures:
        seen.notices.append("neither pictures nor daughters")
    return Page(
        url=url,
        lineage=lineage,
        id=_stable_id(text, hrefs),
        rank=_first(RANK, text),
        features=_features(text),
        range=_range(text),
        daughters=daughters,
        pictures=pictures,
        left_out=tuple(dict.fromkeys(seen.left_out)),
        notices=tuple(dict.fromkeys(seen.notices)),
    )


class _Seen:
    """Collects daughters and pictures from a tree, taking them out of it, with notes on what was left out."""

    def __init__(self, url: str):
        self.url = url
        self.left_out: list[tuple[str, str]] = []
        self.notices: list[str] = []

    def daughters(self, body) -> list[Daughter]:
        """Return the taxa of the daughters' table (of each, where there are several), in its order."""
        found = []
        for table in _daughter_tables(body):
            rows = [row for row in table.iter("tr") if next(row.iterancestors("table")) is table]
            if AGE_WINDOW.search(all_text(rows[0])):
                rows = rows[1:]
            else:
                self.notices.append(f"unknown heading of a table of taxa: {tidy(rows[0].text_content())[:80]!r}")
            for row in rows:
                found.extend(self._row(row))
            table.clear(keep_tail=True)
        return found

    def of_module(self, daughters: tuple[Daughter, ...], module: str) -> Iterator[Daughter]:
        """Yield the daughters whose links stay within the module, by one of its names or by the one it was asked by."""
        names = [
            module,
            *other_names(module),
            page_link(self.url, self.url).module if "module=" in self.url else module,
        ]
        for daughter in daughters:
            asked = page_link(self.url, daughter.url).module
            if not asked or any(same_name(asked, name) for name in names):
                yield daughter
            else:
                self.left_out.append((daughter.url, f"link not followed: it leads to the module {asked}"))

    def gallery(self, body) -> list[Picture]:
        """Return the pictures of the page's own taxon, each once, in the order of the galleries."""
        found = []
        for place in body.xpath(GALLERY):
            found.extend(self._pictures(place))
            place.clear(keep_tail=True)
        return list({picture.thumb: picture for picture in reversed(found)}.values())[::-1]

    def _row(self, row) -> list[Daughter]:
        pictures = self._pictures(row)
        links = row.xpath(".//a[@href][not(ancestor::*[contains(@class, 'GDscroll')])][not(.//img)]")
        marked = [a for a in links if a.xpath(f"descendant-or-self::*[{MARKED}]")]
        plain = [a for a in links if not a.xpath("descendant-or-self::*[contains(concat(@class, ' '), '_s ')]")]
        for a in marked or plain[:1]:
            text = tidy(a.text_content())
            try:
                link = page_link(self.url, a.get("href"), text)
            except LinkError as error:
                self.left_out.append((tidy(a.get("href"))[:300], f"link not followed: {error}"))
                continue
            name = link.taxon or text
            if name.casefold() in HIDDEN:
                self.left_out.append((link.url, "below hidden"))
                self.left_out.extend((picture.thumb, "below hidden") for picture in pictures)
                return []
            if name:
                return [Daughter(name, link.url, tuple(pictures))]
        if pictures:
            self.notices.append(f"a row of {len(pictures)} pictures names no taxon")
        return []

    def _pictures(self, place) -> list[Picture]:
        """Return the pictures below an element; those that cannot be used are noted with the reason."""
        found = []
        for img in place.xpath("descendant-or-self::img"):
            link = next(iter(img.xpath("ancestor::a[@href][1]")), None)
            # A page that loads its pictures lazily keeps the address in data-src, and a blank in src.
            thumb = self._address(img.get("data-src"), img.get("src"))
            if not thumb:
                continue
            full = self._address(link.get("href")) if link is not None else ""
            lineage = tuple(picture_lineage(full))
            if {part.casefold() for part in lineage} & HIDDEN:
                self.left_out.append((thumb, "below hidden"))
                continue
            said = [*(link.attrib.values() if link is not None else ()), *img.attrib.values()]
            title = next((value for value in said if CREDIT.search(value)), "")
            found.append(replace(Picture(thumb, full, lineage), **self._fields(title)))
        return found

    def _address(self, *candidates: str | None) -> str:
        """Return the first candidate that is a picture's address, in full; "" if none is, and that is noted."""
        for src in filter(None, candidates):
            try:
                return picture_url(self.url, src)
            except LinkError as error:
                reason = (tidy(src)[:300], f"not a picture of a taxon: {error}")
        self.left_out += [reason] if any(candidates) else []
        return ""

    def _fields(self, title: str) -> dict[str, str]:
        """Return what the title of a picture says: `<br>File name: …<br>Image Source: …`, by our names for it."""
        values = {}
        for line in re.split(r"<br\s*/?>", title, flags=re.IGNORECASE):
            label, colon, value = line.partition(":")
            name = FIELDS.get(tidy(label).casefold())
            if name:
                values[name] = tidy(value).rstrip("; ")
            elif colon and tidy(label).casefold() != "file name":
                self.notices.append(f"unknown field of a picture: {tidy(label)[:40]!r}")
        return values


def _daughter_tables(body) -> list:
    """Return the tables that list taxa: known by the age window in their heads, else by the classes of their names."""
    tables = [table for table in body.iter("table") if next(table.iter("tr"), None) is not None]
    found = [table for table in tables if AGE_WINDOW.search(all_text(next(table.iter("tr"))))]
    found = found or [table for table in tables if table.xpath(f".//a[@href][descendant-or-self::*[{MARKED}]]")]
    # A table that only lays out another one is none itself.
    outer = {above for table in found for above in table.iterancestors("table")}
    return [table for table in found if table not in outer]


def _lineage(text: str, hrefs: list[str], url: str) -> tuple[str, ...]:
    """Return the lineage of the page's taxon, root first; full names from the links, the last one from the text."""
    found = LINEAGE.search(text)
    line = SIBLINGS.split(found.group(1))[0] if found else ""
    names = []
    for item in ARROW.split(line):
        name = tidy(re.sub(r"\x02\d+\x03|\x04", "", item))
        link = re.search(r"\x02(\d+)\x03", item)
        if link:
            with contextlib.suppress(LinkError):
                name = page_link(url, hrefs[int(link.group(1))], name).taxon or name
        if name:
            names.append(name)
    if not names:
        raise PageError("it has no Classification")
    if len(names) > MAX_DEPTH:
        raise PageError(f"its Classification has {len(names)} levels; {MAX_DEPTH} are the limit")
    if {name.casefold() for name in names} & HIDDEN:
        raise PageError("it lies below hidden")
    return tuple(names)


def _features(text: str) -> str:
    """Return the distinguishing features of this taxon, leaving out its parent's, which later pages print first."""
    found = [match for match in FEATURES.finditer(text) if tidy(match["text"])] or [*FEATURES.finditer(text)]
    if not found:
        return ""
    own = THIS_TAXON.search(text, found[0].start())
    if own:
        return tidy(own["text"])
    text = tidy(found[0]["text"])
    return "" if text.startswith("Parent taxon") else text


def _range(text: str) -> dict:
    """Return `{"first": …, "last": …}` in the site's words, with their bounds in Ma (youngest, oldest) if given."""
    found = {}
    for key, label in (("last", LAST), ("first", FIRST)):
        words, _, source = _first(label, text).partition("Data source:")
        words = words.strip().rstrip(".")
        if words:
            ages = MA.search(words)
            bounds = [float(age) for age in ages.groups()] if ages else None
            found[key] = words
            found[f"{key}_ma"] = [0.0, 0.0] if words.casefold() == "extant" else bounds
            found[f"{key}_source"] = source.strip()
    return found


def _stable_id(text: str, hrefs: list[str]) -> int | None:
    """Return the number in the page's stable link, or None."""
    found = STABLE.search(text)
    number = re.search(r"[?&]id=(\d{1,12})\b", hrefs[int(found.group(1))]) if found else None
    return int(number.group(1)) if number else None


def _first(pattern: re.Pattern, text: str) -> str:
    found = pattern.search(text)
    return tidy(re.sub(r"\x02\d+\x03|\x04", "", found.group(1))) if found else ""


def check_asked(page: Page, taxon: str) -> None:
    """Raise PageError unless `page` is that of the taxon that was asked for."""
    if taxon and not same_name(page.taxon, taxon):
        raise PageError(f"it is the page of {page.taxon!r}, not of {taxon!r}")


def as_json(picture: Picture) -> dict:
    """Return a picture as it stands in a record, without its thumbnail's address, which is the key there."""
    fields = asdict(picture)
    del fields["thumb"]
    return fields | {"lineage": list(picture.lineage)}
