"""The records below data/: what earlier runs, and other people, wrote there, and which file each taxon has."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from common.names import TABLES, disambiguate, is_safe_file, picture_path, safe_part, strip_blanks
from common.records import Record, RecordError, read_record, write_record
from mikrotax.links import PICTURE
from mikrotax.records import Files, wanted_file
from mikrotax.shrinking import Size, page_key, record_size

GONE = ".gone"  # behind the name of a record whose taxon is no longer on the site


class RecordFiles:
    """The records of all modules in a data directory; two taxa never share a file.

    Records that were written by hand, with `hierarchy` and `samples` alone, are never written over; broken ones are.
    `problems` says which ones are broken.
    """

    def __init__(self, data: Path):
        """Read what lies there, and remove the temporary files of a run that was killed."""
        self.data = data
        self.problems: list[str] = []
        self._earlier: dict[str, dict[str, Record]] = {}  # by directory and file name
        self._files: dict[str, Files] = {}  # by directory
        remove_leftovers(data)
        for folder in sorted(path for path in data.glob("*") if path.is_dir() and not path.name.startswith(".")):
            records = dict(self._read(folder))
            self._earlier[folder.name] = {file: record for file, record in records.items() if record and record.page}
            names = {_key(record): file for file, record in self._earlier[folder.name].items()}
            others = {f"not ours: {file}": file for file, record in records.items() if not (record and record.page)}
            self._files[folder.name] = Files(names | others)

    def path(self, record: Record) -> Path:
        """Return where the record of a taxon lies, or will."""
        folder = self._folder(record.lineage[0])
        files = self._files.setdefault(folder.name, Files())
        key = _key(record)
        without_id = _key(record, without_id=True)
        if key not in files.given and without_id in files.given:
            key = without_id  # the page has told its id only since
        return folder / files.file(key, safe_part(strip_blanks(record.taxon) + ".json"))

    def write(self, record: Record) -> None:
        """Write a record, unless the same lies there already. What was put aside as gone is here again."""
        path = self.path(record)
        write_record(path, record)
        path.with_name(path.name + GONE).unlink(missing_ok=True)

    def earlier(self, module: str) -> list[Record]:
        """Return the records of a module that earlier runs have written."""
        return list(self._earlier.get(self._folder(module).name, {}).values())

    def sizes(self) -> dict[int | str, Size]:
        """Return how much the page of each record listed, by `shrinking.page_key`."""
        return {
            page_key(record.page.id, record.taxon): record_size(record)
            for records in self._earlier.values()
            for record in records.values()
            if record.page
        }

    def taxa(self) -> set[str]:
        """Return the names of all taxa that the records name."""
        records = [record for records in self._earlier.values() for record in records.values()]
        return {name for record in records for name in (*record.lineage, *(each.taxon for each in record.samples))}

    def modules(self) -> set[str]:
        """Return the names of the modules that have records."""
        return {record.lineage[0] for records in self._earlier.values() for record in records.values()}

    def picture_files(self) -> dict[str, str]:
        """Return the file below images/ of each picture in the records of earlier runs, by the picture's key.

        What no run of ours would have named so is passed over, and so is a file that another picture has.
        """
        files: dict[str, str] = {}
        taken: set[str] = set()
        for records in self._earlier.values():
            for record in records.values():
                for key, file in _picture_files(record):
                    if key not in files and file.casefold() not in taken:
                        files[key] = file
                        taken.add(file.casefold())
        return files

    def retire(self, module: str, records: list[Record], whole: bool) -> None:
        """Rename to `….gone` the earlier records of taxa that are not among `records`, those of a module now.

        Where the `whole` module was not read, only taxa whose stable id goes by another name now are known to be gone.
        """
        folder = self._folder(module)
        files = {self.path(record).name for record in records}
        ids = {record.page.id for record in records if record.page} - {None}
        for file, record in self._earlier.get(folder.name, {}).items():
            if file not in files and (whole or (record.page and record.page.id in ids)):
                (folder / file).replace(folder / f"{file}{GONE}")

    def present(self, written: Mapping[str, list[Record]]) -> dict[Path, Record]:
        """Return all records by their files: those that were written in this run, and earlier ones still there."""
        found = {
            self.data / folder / file: record
            for folder, earlier in self._earlier.items()
            for file, record in earlier.items()
            if (self.data / folder / file).exists()
        }
        return found | {self.path(record): record for records in written.values() for record in records}

    def _folder(self, module: str) -> Path:
        name = safe_part(module)
        return self.data / (f"_{name}" if name.casefold() in TABLES else name)

    def _read(self, folder: Path) -> Iterator[tuple[str, Record | None]]:
        """Yield name and record of each file in a directory that is a record, and None for what takes its place."""
        for path in sorted(folder.glob("*.json")):
            try:
                record = read_record(path)
            except RecordError as error:
                self.problems.append(f"{path}: {error}")
                if path.exists() and not path.is_file():
                    yield path.name, None
                continue
            if record:
                yield path.name, record


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary files that a killed run of `common.files` has left below `directory`."""
    for path in directory.rglob(".*.????????.part"):
        path.unlink(missing_ok=True)


def _key(record: Record, without_id: bool = False) -> str:
    """Return what tells a taxon's record from others: its name, and its id where two taxa may bear that name."""
    number = record.page.id if record.page and not without_id else None
    return record.taxon if number is None else f"{record.taxon}\0{number}"


def _picture_files(record: Record) -> Iterator[tuple[str, str]]:
    """Yield key and file of each picture in a record; the file may be that of the thumbnail or of the full size."""
    for thumb, facts in record.pictures.items():
        if not (is_safe_file(facts.file) and "/" in facts.file and PICTURE.search(facts.file)):
            continue
        try:
            key = picture_path(thumb)
            yield (key if facts.file in _names(thumb, key, record) else picture_path(facts.full)), facts.file
        except ValueError:  # an address that is not of this site's making
            continue


def _names(url: str, key: str, record: Record) -> set[str]:
    """Return what the file of the picture at `url` may be called."""
    wanted = {wanted_file(url), wanted_file(url, record.lineage[0])}
    return wanted | {disambiguate(file, key) for file in wanted}
