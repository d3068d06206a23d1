"""Markup as the site writes it: bytes in, a tree and readable text out. Knows HTML, nothing of taxa."""

import html
import re
from collections.abc import Iterator
from functools import lru_cache

from bs4 import BeautifulSoup, NavigableString, Script, Stylesheet, Tag, UnicodeDammit
from bs4.dammit import EncodingDetector
from bs4.exceptions import ParserRejectedMarkup
from lxml.etree import LxmlError

from common.errors import ToolkitError

MAX_NESTING = 250  # tags within tags; the site's pages have about twenty
BLOCKS = frozenset("article blockquote dd div dl dt form h1 h2 h3 h4 h5 h6 hr li ol p table tr ul".split())  # noqa: SIM905
LINE_ENDS = dict.fromkeys(BLOCKS, "\n\n") | {"br": "\n", "td": "\n"}
BARE = frozenset("h2 h3 h4 h5 h6 dt th td".split())  # noqa: SIM905  (headings with or without a colon)
CELLS = ("tags", "metrics")  # what a <td> holds that is a heading
EMPHASIS = BARE | frozenset("b strong i em u span label".split())  # noqa: SIM905
MAX_HEADING = 60  # letters of a heading within the text
NO_BREAKS = dict.fromkeys([*range(32), 0x2028, 0x2029], " ")
ATTRIBUTE = (
    r"(?:href|src|srcset|sizes|title|alt|rel|class|id|name|style|width|height|target|loading|decoding|fetchpriority"
    r"|crossorigin|referrerpolicy|role|tabindex|lang|dir|type|media|hidden|download|item\w+|property|color|bgcolor|border"
    r"|v?align|cell\w+|colspan|rowspan|[a-z]+(?:-\w+)+|on\w+)"
)
FLAGS = r"(?:\s+(?:hidden|download|inert|itemscope|ismap|nowrap|async|[a-z]+(?:-\w+)+)(?=[\s/>]))*"  # without a value
# What comes before a quote that opens an attribute, and behind one that closes it.
OPENS = re.compile(rf"""[\s'"]{ATTRIBUTE}\s*=\s*\Z""", re.IGNORECASE)
CLOSES = re.compile(rf"""{FLAGS}(?:\)?\s*/?>|\s*{ATTRIBUTE}\s*=|\s+[a-z][\w:]*=['"])""", re.IGNORECASE)
# The text in these is no text of the page; BeautifulSoup would count that of a <template> among it.
NO_TEXT = {"style": Stylesheet, "script": Script}
LONGEST_OPENING = 40  # letters of the name of an attribute, with `=` and blanks
LINK = re.compile(r"\x02(\d+)\x03")  # where a link begins, in the text of `read_lines`
BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


class ForeignAnswer(ToolkitError):
    """An answer that is nothing of the site's, such as a log-in page; the message says what it lacks."""


class PageError(ToolkitError):
    """A page that cannot be used; the message says why."""


class NoPageError(PageError, ForeignAnswer):
    """What is not the page of a taxon at all."""


def decode(content: bytes) -> str:
    """Return the text of a page: UTF-8, but bytes that are not are read as Windows-1252, which old entries were."""
    content, encoding = EncodingDetector.strip_byte_order_mark(content)
    if encoding:
        return content.decode(encoding, errors="replace")
    # UnicodeDammit.detwingle is made for such mixtures, but takes every é and ä of Windows-1252 for the beginning of a
    # longer character and loses it. So each byte that is not UTF-8 is marked first.
    text = content.decode("utf-8", errors="surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda byte: _old_letter(byte.group()), text)


@lru_cache
def _old_letter(byte: str) -> str:
    return UnicodeDammit(byte.encode("utf-8", "surrogateescape"), ["windows-1252", "latin-1"]).unicode_markup or ""


def page_proper(text: str) -> str:
    """Return the page without debug output before it, the comment form after it, and scripts within it."""
    text = re.sub(r"[\x00-\x08\x0b-\x1f]", " ", text)
    start = re.search(r"<!DOCTYPE|<html\b", text, re.IGNORECASE)
    text = text[start.start() :] if start else text
    end = re.search(r"<div\s[^<>]{0,200}?\bid\s*=\s*[\"']?cmtx_container\b", text, re.IGNORECASE)
    text = text[: end.start()] if end else text
    parts = []
    for part in re.split(r"<script\b", text, flags=re.IGNORECASE):
        # What follows the end of a script, or all of it before the first one.
        parts.append(re.split(r"</script\s*>", part, maxsplit=1, flags=re.IGNORECASE)[-1])
    return "".join(parts)


def escape_quotes(text: str) -> str:
    """Write a quote inside a quoted attribute as `&#39;` or `&#34;`; the site writes names and captions raw.

    A quote ends the attribute where the tag ends behind it, or the next attribute begins.
    """
    parts, last, inside = [], 0, ""
    for found in re.finditer("['\"]", text):
        place, quote = found.start(), found.group()
        if inside in ("", quote) and _opens(text, place):
            inside = quote if not CLOSES.match(text, place + 1) else ""
        elif quote == inside and CLOSES.match(text, place + 1):
            inside = ""
        elif quote == inside:
            parts += [text[last:place], f"&#{ord(quote)};"]
            last = place + 1
    return "".join([*parts, text[last:]])


def _opens(text: str, place: int) -> bool:
    """Return whether the quote at `place` opens an attribute."""
    before = text[max(0, place - LONGEST_OPENING) : place]
    return before.rstrip().endswith("=") and OPENS.search(before) is not None


def parse_html(page: str) -> Tag:
    """Return a page as a tree, attributes as they are written (no lists of classes). Raises PageError."""
    markup = escape_quotes(page).encode("utf-8", errors="replace")
    try:
        soup = BeautifulSoup(
            markup, "lxml", from_encoding="utf-8", multi_valued_attributes=None, string_containers=NO_TEXT
        )
    except (ParserRejectedMarkup, LxmlError, ValueError, AssertionError) as error:
        raise NoPageError(f"it cannot be read as HTML: {error}") from None
    if soup.html is None:
        raise NoPageError("it cannot be read as HTML: it is empty")
    depth = {id(soup.html): 1}  # by identity: two tags are equal where their markup is the same
    for tag in soup.html.find_all(True):
        depth[id(tag)] = depth[id(tag.parent)] + 1
    if max(depth.values()) > MAX_NESTING:
        raise PageError(f"its tags are nested more than {MAX_NESTING} deep")
    return soup.html  # what follows </html> is no part of the page


def tags(place: Tag, *names: str) -> Iterator[Tag]:
    """Yield the tags of these names in a tag, in their order; `find_all` is three times as slow for several names."""
    return (node for node in place.descendants if isinstance(node, Tag) and node.name in names)


def holds(place: Tag, name: str) -> bool:
    """Return whether there is a tag of this name in a tag."""
    return next(tags(place, name), None) is not None


def all_text(tag: Tag) -> str:
    """Return the text of a tag with that of all attributes in it, for the tooltips hold text too."""
    values = (str(value) for each in (tag, *tag.find_all(True)) for value in each.attrs.values())
    return " ".join([tag.get_text(), *values])


def attribute(tag: Tag, name: str) -> str:
    """Return an attribute of a tag as it is written, "" where it has none."""
    return str(tag.get(name, ""))


def read_lines(page: Tag) -> tuple[str, list[str]]:
    """Return the text of a page with a line for each `<br>` and a blank line round each block, and its links.

    A link begins with `\\x02<number>\\x03` in the text; the number is its place in the list. `\\x04` comes before a
    heading: emphasised text that ends with a colon, at the beginning of an `<article>` or outside of one. A heading in
    a tag of its own, such as `<h3>`, gets the colon that it lacks.
    """
    pieces: list[str] = []
    hrefs: list[str] = []
    inside = [page]
    articles = [False]  # of each article that is open: whether it has had text
    for node in page.descendants:
        while node.parent is not inside[-1]:
            tag = inside.pop()
            closed = tag.name
            pieces.append(
                ":" if closed in BARE and _is_heading(tag) and not tag.get_text().rstrip().endswith(":") else ""
            )
            pieces.append(LINE_ENDS.get(closed, ""))
            if closed == "article":
                articles.pop()
        if isinstance(node, Tag):
            inside.append(node)
            if node.name == "article":
                articles.append(False)
            if node.name in BLOCKS:
                pieces.append("\n\n")
            if node.name in EMPHASIS and not (len(articles) > 1 and articles[-1]) and _is_heading(node):
                pieces.append("\x04")
            if node.name == "a" and (href := attribute(node, "href")):
                pieces.append(f"\x02{len(hrefs)}\x03")
                hrefs.append(href)
        elif type(node) is NavigableString:  # not a comment
            text = node.translate(NO_BREAKS)
            pieces.append(text)
            articles[-1] = articles[-1] or bool(text.strip())
    # Without long runs of white space, no search in the text takes more than one pass, whatever a page holds.
    text = re.sub(r"[^\S\n]+", " ", "".join(pieces))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" ?\n ?", "\n", text)), hrefs


def _is_heading(tag: Tag) -> bool:
    """Return whether a tag holds a heading: a few words with a colon behind them, in the tag or after it."""
    text = "".join(string for string, _ in zip(tag.strings, range(4), strict=False)).strip()
    if tag.name == "td":
        return text.rstrip(":").casefold() in CELLS
    after = tag.next_sibling
    colon = text.endswith(":") or tag.name in BARE or (isinstance(after, str) and after.lstrip().startswith(":"))
    return colon and 3 < len(text) <= MAX_HEADING


def tidy(text: str) -> str:
    """Return text for reading: unescaped once more if it was escaped twice, no tags, no controls, single blanks."""
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = re.sub(r"</?[a-zA-Z][^<>]{0,200}>", "", text)
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
