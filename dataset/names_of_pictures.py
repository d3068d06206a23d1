"""The names by which a person may call a picture: its file, its address, or where it lies in a data set."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import unquote

from common.command_line import nearest
from common.folders import comparable
from dataset.layout import file_name
from dataset.pictures import Excluded, ListedPicture


class PictureNames:
    """Finds pictures, used or left out, by any of their names, in any Unicode form and with either kind of slashes."""

    def __init__(self, pictures: Iterable[ListedPicture], excluded: Iterable[Excluded] = ()):
        self._files: dict[str, str] = {}
        placed: dict[str, set[str]] = {}
        every: list[ListedPicture | Excluded] = [*pictures, *excluded]
        for picture in every:
            for name in (picture.file, picture.url):
                self._files.setdefault(comparable(name), picture.file)
            for name in (file_name(picture.file), PurePosixPath(picture.file).name):
                placed.setdefault(comparable(name), set()).add(picture.file)
        self._last = {name: files.pop() for name, files in placed.items() if len(files) == 1}

    def resolve(self, name: str) -> str | None:
        """Return the file of the picture that is called `name`; None where none is, or several are."""
        for form in (name, name.replace("\\", "/"), unquote(name)):
            form = comparable(form).removeprefix("./")
            if found := self._files.get(form) or self._last.get(form.rpartition("/")[2]):
                return found
        return None

    def unknown(self, name: str) -> str:
        """Return a sentence that says that no picture is called `name`, and which is called nearly so."""
        last = name.replace("\\", "/").rpartition("/")[2]
        near = nearest(name, self._files) or nearest(last, self._last)
        return f"there is no picture {name}{near}"
