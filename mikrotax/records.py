"""How pages become records of taxa, with the pictures that they list."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import zip_longest

from common.names import disambiguate, picture_file, picture_path, safe_part, strip_blanks
from common.records import Lineage, PageFacts, PictureFacts, Record, Sample
from mikrotax.labels import folder_disagrees
from mikrotax.links import picture_lineage
from mikrotax.pages import Page
from mikrotax.picture_sources import Picture

TYPE_FIGURES = "type figures"  # a directory; what lies there is a drawing to prepare_image_model.py


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
        """Return the picture as it is written in a record."""
        known = {each.name: getattr(self.picture, each.name) for each in fields(PictureFacts)}
        return PictureFacts(**known | {"file": self.file, "page": self.page, "fetched": self.fetched})


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
                if not picture.lineage:
                    below = (taxon,) if taxon != page.taxon else ()
                    picture = replace(picture, lineage=(*page.lineage, *below))
                key = picture_path(picture.thumb)
                known = self.listed.get(key)
                if known is None or _knows_more(picture, known.picture):
                    url = (self.full_size and picture.full) or picture.thumb
                    wanted = wanted_file(url, page.module if picture.catalogue else "")
                    self.listed[key] = Listed(
                        picture, page.url, fetched, url, self.files.file(picture_path(url), wanted)
                    )


def _knows_more(picture: Picture, known: Picture) -> bool:
    """Return whether more is said of a picture than was known, or its place is told more exactly."""
    return (picture.richness, len(picture.lineage)) > (known.richness, len(known.lineage))


def wanted_file(url: str, module: str = "") -> str:
    """Return where the picture at `url` lies below images/ unless another one lies there.

    A type image out of a catalogue lies with the `module` whose page shows it, among drawings.
    """
    file = picture_file(url)
    return "/".join([safe_part(module), TYPE_FIGURES, *file.split("/")[1:]]) if module else file


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
        page=PageFacts(
            page.url, page.id, page.rank, page.features, page.range, fetched, page.text, dict(_other_folders(page))
        ),
    )


def with_names(record: Record, names: Iterable[str | None]) -> Record:
    """Return `record` with the full name of each sample's taxon, where `names` has one for it."""
    full = zip_longest(record.samples, names)
    return replace(
        record, samples=tuple(Sample(name or sample.taxon, sample.thumbs) for sample, name in full if sample)
    )


def _other_folders(page: Page) -> Iterator[tuple[str, Lineage]]:
    """Yield thumbnail and folder of each picture whose folder does not lie below the taxon that shows it."""
    for taxon, pictures in samples(page):
        lineage = page.lineage if taxon == page.taxon else (*page.lineage, taxon)
        for picture in pictures:
            folder = tuple(picture_lineage(picture.full))
            if not picture.catalogue and folder_disagrees(folder, lineage):
                yield picture.thumb, folder


def with_pictures(record: Record, pool: Pool) -> Record:
    """Return `record` with all that the pool knows of its pictures."""
    thumbs = dict.fromkeys(thumb for sample in record.samples for thumb in sample.thumbs)
    return replace(record, pictures={thumb: pool.listed[picture_path(thumb)].facts() for thumb in thumbs})
