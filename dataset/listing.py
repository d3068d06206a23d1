"""From records to listed pictures: each picture of the site once, however many pages show it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from common.errors import ToolkitError
from common.files import in_one_line
from common.names import picture_file, strip_blanks
from common.odd_names import check_text, clean_lineage, clean_name
from common.records import NOT_A_RECORD, PICTURE_FIELDS, Lineage, PictureFacts, Record, read_records
from dataset.pictures import Excluded, ListedPicture
from dataset.settings import NO_RECORDS


@dataclass
class _Mentions:
    """All that the records say of one picture."""

    urls: set[str] = field(default_factory=set)
    taxa: set[str] = field(default_factory=set)
    own_lineages: set[Lineage] = field(default_factory=set)
    page_lineages: set[Lineage] = field(default_factory=set)
    facts: list[dict[str, str]] = field(default_factory=list)

    def picture(self, file: str) -> ListedPicture:
        """Return the picture: with its own lineages before those of its pages, and with the richest facts."""
        lineages = sorted(self.own_lineages or self.page_lineages, key=lambda lineage: (-len(lineage), lineage))
        facts = max(self.facts, key=lambda known: (len(known), sorted(known.items())))
        return ListedPicture(file, min(self.urls), tuple(lineages), frozenset(self.taxa), facts)


def read_all_records(data: Path) -> tuple[list[Record], list[Excluded]]:
    """Read the records below `data`, and return with them a row of excluded.csv for each file that adds no picture.

    Records with a name that nobody can have meant are not used; others get clean names. A page of the site may well
    list no picture; a record that somebody wrote means to. Raises ToolkitError where there is no record.
    """
    records, problems = read_records(data)
    usable = []
    for path, record in records.items():
        try:
            usable.append(_with_clean_names(record))
        except ValueError as error:
            problems[path] = f"it has {error}"
            continue
        if not any(sample.thumbs for sample in record.samples) and not (record.page and record.page.url):
            problems[path] = "it lists no picture"
    excluded = [
        Excluded(in_one_line(str(path)), f"{'not a ' * (why == NOT_A_RECORD)}record: {in_one_line(why)}", "")
        for path, why in problems.items()
    ]
    if not usable:
        reason = notes_on_records(excluded)[0].rstrip(".") if notes_on_records(excluded) else NO_RECORDS
        raise ToolkitError(f"no record with `hierarchy` and `samples` was found below {data}; {reason}", "data")
    return usable, excluded


def notes_on_records(excluded: Iterable[Excluded]) -> list[str]:
    """Return a sentence for each record that adds no picture; files that do not claim to be one are counted alone."""
    return [f"{left.file} is no usable {left.reason}." for left in excluded if left.reason.startswith("record: ")]


def _with_clean_names(record: Record) -> Record:
    lineage = clean_lineage(record.lineage)
    if lineage == record.lineage:
        return record
    return replace(record, lineage=lineage, hierarchy=tuple(map(strip_blanks, lineage)))


def list_pictures(records: Iterable[Record]) -> tuple[list[ListedPicture], list[Excluded]]:
    """Bring together what all records say of each picture; sorted by file, so that no order of records matters.

    A listed name without a scheme (`my_own/a.png`) is taken as a path below images/. Names that lead elsewhere are
    excluded.
    """
    mentions: dict[str, _Mentions] = {}
    excluded: dict[str, Excluded] = {}
    for record in records:
        for taxon, url in ((sample.taxon, url) for sample in record.samples for url in sample.thumbs):
            facts = record.pictures.get(url, PictureFacts())
            try:
                file = _file(url, facts)
            except ValueError as error:
                excluded[url] = Excluded(url, f"no file name: {error}", url)
                continue
            try:
                taxon, facts = _checked(taxon, facts)
            except ValueError as error:
                excluded[url] = Excluded(file, f"odd record: {error}", url)
                continue
            known = mentions.setdefault(file, _Mentions())
            known.urls.add(url)
            known.taxa.add(taxon)
            known.page_lineages.add(record.lineage)
            known.own_lineages.update([facts.lineage] if facts.lineage else [])
            texts = {name: _text(getattr(facts, name)) for name in PICTURE_FIELDS}
            known.facts.append({name: text for name, text in texts.items() if text})
    pictures = [known.picture(file) for file, known in sorted(mentions.items())]
    return pictures, [excluded[url] for url in sorted(excluded) if excluded[url].file not in mentions]


def known_ranks(records: Iterable[Record]) -> dict[str, str]:
    """Return the rank of each taxon that has a page of its own, by its name without blanks, both without case."""
    pages = ((record.taxon, record.page.rank.strip()) for record in records if record.page)
    return {strip_blanks(taxon).casefold(): rank.casefold() for taxon, rank in pages if rank}


def _checked(taxon: str, facts: PictureFacts) -> tuple[str, PictureFacts]:
    """Return what a record says of a picture, with clean names. Raises ValueError for what nobody can have meant."""
    for name in PICTURE_FIELDS:
        check_text(name, getattr(facts, name))
    lineage = clean_lineage(facts.lineage)
    return clean_name(taxon) if taxon.strip() else taxon, replace(facts, lineage=lineage)


def _text(value: str) -> str:
    """Return what the site says in a cell; a dash there says nothing."""
    return value.strip() if value.strip(" -;") else ""


def _file(url: str, facts: PictureFacts) -> str:
    """Return a picture's path below images/. Raises ValueError for one that leads out of it."""
    file = _text(facts.file) or (picture_file(url) if "://" in url or url.startswith("/") else url)
    path = PurePosixPath(file.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0] or "\0" in file:
        raise ValueError(f"{file!r} leads out of the directory of pictures")
    return str(path)
