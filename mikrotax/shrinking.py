"""Whether a page has lost so much since the last time that it is not believed at once."""

from dataclasses import dataclass

from common.names import comparison_key
from common.records import Record
from mikrotax.pages import Page

FEW = 3  # taxa that may be lost in a revision without a question, where that is not most of them
MANY_PICTURES = 5


@dataclass(frozen=True)
class Size:
    """How many daughters a page lists, and how many pictures of its own taxon."""

    taxa: int
    pictures: int


def size(page: Page) -> Size:
    """Return how much a page lists."""
    return Size(len(page.daughters), len(page.pictures))


def record_size(record: Record) -> Size:
    """Return how much the page of a record listed."""
    own = [sample for sample in record.samples if sample.taxon == record.taxon]
    return Size(len(record.samples) - len(own), sum(len(sample.thumbs) for sample in own))


def page_key(number: int | None, taxon: str) -> int | str:
    """Return what tells a page from others: its stable id, or else its taxon's name."""
    return comparison_key(taxon) if number is None else number


def shrinkage(before: Size, now: Size) -> str:
    """Return, in words, that a page lists a good deal less than before; "" if it does not.

    That is: all taxa or more than half of them are gone, or at least FEW that are a quarter; or all of several
    pictures, or many that are more than half.
    """
    lost = before.taxa - now.taxa
    if lost > before.taxa / 2 or (lost >= FEW and lost >= before.taxa / 4):
        return f"it came back with {now.taxa} taxa where {before.taxa} were listed"
    gone = before.pictures - now.pictures
    if (gone >= FEW and not now.pictures) or (gone >= MANY_PICTURES and gone > before.pictures / 2):
        return f"it came back with {now.pictures} pictures where {before.pictures} were listed"
    return ""
