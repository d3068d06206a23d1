"""Markup as the site writes it: bytes in, a tree and readable text out. Knows HTML, nothing of taxa."""

import codecs
import html
import re

from lxml import etree
from lxml import html as lxml_html

BLOCKS = frozenset("article blockquote dd div dl dt form h1 h2 h3 h4 h5 h6 hr li ol p table tr ul".split())  # noqa: SIM905
NO_BREAKS = dict.fromkeys([*range(32), 0x2028, 0x2029], " ")
BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


class PageError(ValueError):
    """A page that cannot be used; the message says why."""


def decode(content: bytes) -> str:
    """Return the text of a page: UTF-8, but bytes that are none are read as Windows-1252, which old entries were."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("utf-8", errors="mikrotax.cp1252")


def _one_byte_of_windows(error: UnicodeError) -> tuple[str, int]:
    return error.object[error.start : error.start + 1].decode("cp1252", errors="replace"), error.start + 1


codecs.register_error("mikrotax.cp1252", _one_byte_of_windows)


def cut(text: str) -> str:
    """Return the page proper: without debug output before it, the comment form after it, and scripts within it."""
    text = re.sub(r"[\x00-\x08\x0b-\x1f]", " ", text)
    start = re.search(r"<!DOCTYPE|<html\b", text, re.IGNORECASE)
    text = text[start.start() :] if start else text
    end = re.search(r"<div\s[^<>]{0,200}?\bid\s*=\s*[\"']?cmtx_container\b", text, re.IGNORECASE)
    text = text[: end.start()] if end else text
    kept = []
    for part in re.split(r"<script\b", text, flags=re.IGNORECASE):
        # What follows the end of a script, or all of it before the first one.
        kept.append(re.split(r"</script\s*>", part, maxsplit=1, flags=re.IGNORECASE)[-1])
    return "".join(kept)


def mend(text: str) -> str:
    """Write an apostrophe inside a single-quoted attribute as `&#39;`; the site writes names raw."""
    parts, last, inside = [], 0, False
    for found in re.finditer(r"(?P<open>\s(?:href|src|title|alt)\s*=\s*)?'(?P<close>\s*/?>|\s+[a-zA-Z-]+\s*=)?", text):
        if found["open"]:
            inside = not found["close"]
        elif inside and found["close"]:
            inside = False
        elif inside:
            parts += [text[last : found.start()], "&#39;"]
            last = found.end()
    return "".join([*parts, text[last:]])


def tree(page: str):
    """Return the body of a page as an lxml tree."""
    try:
        parser = lxml_html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
        return lxml_html.document_fromstring(mend(page).encode("utf-8", errors="replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise PageError(f"it cannot be read as HTML: {error}") from None


def all_text(element) -> str:
    """Return the text of an element with that of its attributes, for the tooltips hold text too."""
    return " ".join([element.text_content(), *(value for node in element.iter("*") for value in node.attrib.values())])


def flow(body) -> tuple[str, list[str]]:
    """Return the text of a page with a line for each `<br>` and a blank line round each block, and its links.

    A link stands in the text as `\\x02<number>\\x03<what it shows>\\x04`; the number is its place in the list.
    """
    parts, hrefs = [], []
    for event, node in etree.iterwalk(body, events=("start", "end")):
        is_link = node.tag == "a" and node.get("href")
        if event == "start":
            if node.tag in BLOCKS:
                parts.append("\n\n")
            if is_link:
                parts.append(f"\x02{len(hrefs)}\x03")
                hrefs.append(node.get("href"))
            text = node.text
        else:
            if is_link:
                parts.append("\x04")
            if node.tag in BLOCKS or node.tag in ("br", "td"):
                parts.append("\n\n" if node.tag in BLOCKS else "\n")
            text = node.tail
        if text:
            parts.append(text.translate(NO_BREAKS))
    # Without long runs of white space, no search in the text takes more than one pass, whatever a page holds.
    text = re.sub(r"[^\S\n]+", " ", "".join(parts))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" ?\n ?", "\n", text)), hrefs


def tidy(text: str) -> str:
    """Return text for reading: unescaped once more if it was escaped twice, no tags, no controls, single blanks."""
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = re.sub(r"</?[a-zA-Z][^<>]{0,200}>", "", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
