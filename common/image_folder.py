"""train/, validate/ or test/: a directory with a sub-directory of images for each class, as torchvision has it."""

from dataclasses import dataclass, field
from pathlib import Path

from common.errors import ToolkitError
from common.files import in_one_line
from common.folders import LeftOut, comparable, ignores_case, list_images


@dataclass(frozen=True)
class ImageFolder:
    """The images of one split.

    samples: path and label index of each image; classes: their names, by label index; empty: directories of classes in
    which no image lies; left_out: all other files, by their names below the directory.
    """

    samples: list[tuple[Path, int]]
    classes: list[str]
    empty: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def list_image_folder(directory: Path, classes: list[str] | None = None) -> ImageFolder:
    """Return the images of a split such as train/.

    A class is a sub-directory, with all that lies below it, whatever the form in which its name's accents are written;
    control characters in its name are escaped.
    The labels count `classes` where they are given (validate/ must count as train/ did), else the directory's own
    classes in alphabetical order. Raises FileNotFoundError, with a sentence for the user, where the directory, its
    classes or their images are missing, and ToolkitError where it holds a class that `classes` lacks.
    """
    listing = list_images(directory)
    folded = ignores_case(directory)

    def key(name: str) -> str:
        return _class_name(name).casefold() if folded else _class_name(name)

    found = sorted({key(name): _class_name(name) for name in listing.directories if "/" not in name}.values())
    if not found:
        raise FileNotFoundError(f"{directory} holds no classes: one sub-directory with pictures is needed for each")
    classes = found if classes is None else classes
    label_of = {key(name): label for label, name in enumerate(classes)}
    if unknown := [name for name in found if key(name) not in label_of]:
        raise ToolkitError(f"{directory} has the class {unknown[0]}, which is not one of the {len(classes)} known")
    left_out = list(listing.left_out)
    samples = []
    for image in listing.images:
        name, below, _ = image.name.partition("/")
        if below:
            samples.append((image.path, label_of[key(name)]))
        else:
            left_out.append(LeftOut(image.name, "no class: it lies beside the directories of the classes"))
    if not samples:
        raise FileNotFoundError(f"the sub-directories of {directory} hold no pictures")
    filled = {label for _, label in samples}
    empty = [name for name in found if label_of[key(name)] not in filled]
    return ImageFolder(samples, classes, empty, left_out)


def _class_name(directory: str) -> str:
    return in_one_line(comparable(directory))
