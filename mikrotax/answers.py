"""What came of a request, in plain words."""

import re

from requests import Response
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from mikrotax.markup import decode, tidy

TITLE = re.compile(r"<(title|h1|h2)\b[^<>]{0,200}>(.{1,300}?)</\1", re.IGNORECASE | re.DOTALL)


def describe(response: Response) -> str:
    """Return what an answer looks like, in a few words: its status, or the title of its page."""
    if response.status_code != 200:
        return f"{response.status_code} {response.reason or ''}".strip()
    if not response.content.strip():
        return "an empty answer"
    title = TITLE.search(decode(response.content[:20_000]))
    if title:
        return f"a page with the title {tidy(title.group(2))[:60]!r}"
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    return f"{len(response.content):,} bytes of {kind or 'no stated kind'}"


def retry_after(retry: Retry, response: Response) -> float:
    """Return the seconds that the site asks to wait (Retry-After, in either form), 0 if it does not say so."""
    try:
        return retry.get_retry_after(response.raw) or 0
    except (HTTPError, ValueError, OverflowError):
        return 0


def plainly(error: Exception) -> str:
    """Return what went wrong with a request in a few words, without the library's own."""
    text = f"{type(error).__name__} {error}"
    for sign, words in (
        ("imeout", "it did not answer in time"),
        ("timed out", "it did not answer in time"),
        ("IncompleteRead", "its answer was cut off"),
        ("refused", "it refuses connections"),
        ("resolve", "its name is not known: is the network there?"),
        ("ConnectionError", "the connection broke"),
        ("failed to decode", "its answer cannot be unpacked"),
        ("ChunkedEncoding", "its answer was cut off"),
    ):
        if sign in text:
            return words
    return str(error) or type(error).__name__
