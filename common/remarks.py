"""What should be said of pictures that were read: several pages, and pictures of one colour."""

from collections.abc import Mapping

from common.pages import Page

NAMED = 5  # pictures that a sentence names


def remarks(pages: Mapping[str, int], one_colour: list[str], page: Page) -> list[str]:
    """Return sentences on pictures that have several pages (how many, by name) and on those of one colour.

    page: which one of several was read.
    """
    said = []
    if pages:
        which = f"page {page}" if isinstance(page, int) else f"the {page} page"
        named = [f"{name} ({count})" for name, count in pages.items()]
        have = "picture has" if len(pages) == 1 else "pictures have"
        said.append(
            f"{len(pages)} {have} several pages: {listed(named)}; {which} of each is read; another can be asked for."
        )
    if one_colour:
        are = "picture is" if len(one_colour) == 1 else "pictures are"
        said.append(f"{len(one_colour)} {are} of one colour and show nothing: {listed(one_colour)}.")
    return said


def counted(count: int, one: str, many: str) -> str:
    """Return a number with its noun: `one` or `many` of them."""
    return f"{count:,} {one if count == 1 else many}"


def listed(names: list[str], most: int = NAMED) -> str:
    """Return names as a part of a sentence: the first of them, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
