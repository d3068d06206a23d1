"""How pages become records of taxa, with the pictures that they list."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from common.names import disambiguate, picture_file, picture_path, strip_blanks
from common.records import PICTURE_FIELDS, PageFacts, PictureFacts, Record, Sample
from mikrotax.listing import Picture
from mikrotax.pages import Page


class Files:
    """Assigns a file to each key (of a picture, of a taxon); no two share one, also where `A.jpg` and `a.jpg` are one.

    A key keeps the file that it has in `given`; a new one whose file is taken gets its own hash behind the name.
    """

    def __init__(self, given: Mapping[str, str] | None = None):
        self.given = dict(given or {})
        self._taken = {file.casefold(): key for key, file in self.given.items()}

    def file(self, key: str, wanted: str) -> str:
        """Return the file of `key`: `wanted`, unless another key has it."""
        if key not in self.given:
            file = wanted if self._taken.get(wanted.casefold(), key) == key else disambiguate(wanted, key)
            self.given[key] = file
            self._taken[file.casefold()] = key
        return self.given[key]


@dataclass(frozen=True)
class Listed:
    """What is known of one picture, from the page that says most of it; `url` is the address that is fetched."""

    picture: Picture
    page: str
    fetched: str
    url: str
    file: str

    def facts(self) -> PictureFacts:
        """Return the picture as it stands in a record."""
        words = {name: getattr(self.picture, name) for name in PICTURE_FIELDS}
        picture = self.picture
        return PictureFacts(picture.full, self.file, picture.lineage, **words, page=self.page, fetched=self.fetched)


@dataclass
class Pool:
    """All pictures that were seen, each by its key (the path below `/images/`), with the richest metadata."""

    files: Files = field(default_factory=Files)
    full_size: bool = False
    listed: dict[str, Listed] = field(default_factory=dict)

    def add(self, page: Page, fetched: str) -> None:
        """Add the pictures of a page, which was fetched at that moment (`2026-11-24T05:33:02Z`)."""
        for taxon, pictures in samples(page):
            for picture in pictures:
                key = picture_path(picture.thumb)
                known = self.listed.get(key)
                if known is None or picture.richness > known.picture.richness:
                    if not picture.lineage:
                        below = (taxon,) if taxon != page.taxon else ()
                        picture = replace(picture, lineage=(*page.lineage, *below))
                    url = (self.full_size and picture.full) or picture.thumb
                    file = self.files.file(picture_path(url), picture_file(url))
                    self.listed[key] = Listed(picture, page.url, fetched, url, file)


def samples(page: Page) -> Iterator[tuple[str, tuple[Picture, ...]]]:
    """Yield (taxon, pictures) for each daughter in the table's order, then for the page's own taxon if it has any."""
    for daughter in page.daughters:
        yield daughter.taxon, daughter.pictures
    if page.pictures:
        yield page.taxon, page.pictures


def make_record(page: Page, fetched: str) -> Record:
    """Return the record of a page, without the metadata of its pictures, of which other pages may say more."""
    return Record(
        hierarchy=tuple(strip_blanks(name) for name in page.lineage),
        samples=tuple(
            Sample(taxon, tuple(dict.fromkeys(picture.thumb for picture in pictures)))
            for taxon, pictures in samples(page)
        ),
        lineage=page.lineage,
        page=PageFacts(page.url, page.id, page.rank, page.features, page.range, fetched),
    )


def with_pictures(record: Record, pool: Pool) -> Record:
    """Return `record` with all that the pool knows of its pictures."""
    thumbs = dict.fromkeys(thumb for sample in record.samples for thumb in sample.thumbs)
    return replace(record, pictures={thumb: pool.listed[picture_path(thumb)].facts() for thumb in thumbs})
