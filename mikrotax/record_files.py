"""The records below data/: what earlier runs wrote there, and which file each taxon has."""

from collections.abc import Iterator
from pathlib import Path

from common.names import disambiguate, picture_file, picture_path, safe_part, strip_blanks
from common.records import Record, RecordError, read_record, write_record
from mikrotax.records import Files


class RecordFiles:
    """The records of all modules in a data directory; two taxa never share a file.

    Records that were written by hand, with `hierarchy` and `samples` alone, are never written over; broken ones are.
    """

    def __init__(self, data: Path):
        """Read what lies there, and remove the temporary files of a run that was killed."""
        self.data = data
        self._earlier: dict[str, dict[str, Record]] = {}  # by directory and file name
        self._files: dict[str, Files] = {}  # by directory
        remove_leftovers(data)
        for folder in sorted(path for path in data.glob("*") if path.is_dir()):
            records = dict(_read(folder))
            self._earlier[folder.name] = {file: record for file, record in records.items() if record.page}
            names = {record.taxon: file for file, record in self._earlier[folder.name].items()}
            by_hand = {f"written by hand: {file}": file for file, record in records.items() if not record.page}
            self._files[folder.name] = Files(names | by_hand)

    def path(self, record: Record) -> Path:
        """Return where the record of a taxon lies, or will."""
        folder = self._folder(record.lineage[0])
        files = self._files.setdefault(folder.name, Files())
        return folder / files.file(record.taxon, safe_part(strip_blanks(record.taxon) + ".json"))

    def write(self, record: Record) -> None:
        """Write a record, unless the same lies there already."""
        write_record(self.path(record), record)

    def earlier(self, module: str) -> list[Record]:
        """Return the records of a module that earlier runs have written."""
        return list(self._earlier.get(self._folder(module).name, {}).values())

    def picture_files(self) -> dict[str, str]:
        """Return the file below images/ of each picture in the records of earlier runs, by the picture's key."""
        return {
            key: file
            for records in self._earlier.values()
            for record in records.values()
            for key, file in _picture_files(record)
        }

    def put_aside(self, module: str, records: list[Record], whole: bool) -> None:
        """Rename to `….gone` the earlier records of taxa that are not among `records`, those of a module now.

        Where the `whole` module was not read, only taxa whose stable id goes by another name now are known to be gone.
        """
        folder = self._folder(module)
        files = {self.path(record).name for record in records}
        ids = {record.page.id for record in records if record.page} - {None}
        for file, record in self._earlier.get(folder.name, {}).items():
            if file not in files and (whole or (record.page and record.page.id in ids)):
                (folder / file).replace(folder / f"{file}.gone")

    def fetch_dates(self, records: dict[str, list[Record]]) -> dict[str, list[str]]:
        """Return when the page of each record was fetched, by module: of `records`, and of earlier ones still there."""
        dates: dict[str, dict[str, str]] = {}
        for folder, earlier in self._earlier.items():
            for file, record in earlier.items():
                if record.page and record.page.fetched and (self.data / folder / file).exists():
                    dates.setdefault(record.lineage[0], {})[file] = record.page.fetched
        for module, written in records.items():
            for record in written:
                if record.page:
                    dates.setdefault(module, {})[self.path(record).name] = record.page.fetched
        return {module: list(known.values()) for module, known in dates.items()}

    def _folder(self, module: str) -> Path:
        return self.data / safe_part(module)


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary files that a killed run of `common.files` has left below `directory`."""
    for path in directory.rglob(".*.????????.part"):
        path.unlink(missing_ok=True)


def _read(folder: Path) -> Iterator[tuple[str, Record]]:
    """Yield name and record of each file in a directory that is a record."""
    for path in sorted(folder.glob("*.json")):
        try:
            record = read_record(path)
        except RecordError:
            continue
        if record:
            yield path.name, record


def _picture_files(record: Record) -> Iterator[tuple[str, str]]:
    """Yield key and file of each picture in a record; the file may be that of the thumbnail or of the full size."""
    for thumb, facts in record.pictures.items():
        try:
            key = picture_path(thumb)
            small = facts.file in (picture_file(thumb), disambiguate(picture_file(thumb), key))
            yield (key if small else picture_path(facts.full)), facts.file
        except ValueError:  # an address that is not of this site's making
            continue
