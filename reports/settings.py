"""What visualise_results.py was asked for. Light to import: the command line is built from it."""

from dataclasses import dataclass
from pathlib import Path

from common.errors import ToolkitError

PAPERS = ("A4", "Letter")
SELECTIONS = ("random", "worst", "best", "uncertain")
OWN_PICTURES = Path("own_pictures")
# By these files a directory is known to hold a report on labelled pictures, or answers on own ones.
REPORT_PAGE, ASSEMBLAGE = "report.html", "assemblage.csv"

# What matplotlib writes, and other programs open.
GRID_FORMATS = ("png", "jpg", "jpeg", "tif", "tiff", "webp", "pdf", "svg", "svgz", "eps", "ps")


@dataclass(frozen=True)
class VisualiseSettings:
    """All settings of a run, with the defaults of the command line."""

    # What is shown.
    model: Path = Path("model")
    validate: Path = Path("validate")  # an ImageFolder; train/ and test/ are looked for beside it
    images: Path | None = None  # a folder of the user's own pictures, or one picture, to be named instead
    corrections: Path | None = None  # what a person says of own pictures
    verify: int = 0  # pictures of each sample that are drawn by chance to be checked
    sort_into: Path | None = None  # where own pictures are laid out by answer; None: nowhere
    data: Path = Path("data")  # the records of the scraper
    page: int | str | None = None  # of files with several pages; None: that which the data set or model was made from
    age: float | None = None  # of the own pictures' samples, in Ma

    # The grid of pictures: its file, how many are drawn, and which of them, one of SELECTIONS.
    output: Path = Path("test.png")
    num_images: int = 12
    select: str = "random"
    seed: int = 0

    report: Path | None = (
        None  # directory; None: no report. Of own pictures: where the answers go, OWN_PICTURES if None
    )
    pdf: str | None = None  # one of PAPERS: on which the report is printed to report.pdf; None: not at all
    export: Path | None = None  # directory of the model for other programs; None: no export
    confidence: float = 0.9  # of conformal sets and lowest supported taxa, in (0, 1)
    device: str | None = None  # by torch's name; None: the best there is

    @property
    def own_output(self) -> Path:
        """The directory of what is said of own pictures."""
        return self.report or OWN_PICTURES

    @property
    def grid_format(self) -> str:
        """The format of the grid, by the ending of its file's name."""
        return self.output.suffix.lstrip(".").lower() or "png"

    @property
    def only_exports(self) -> bool:
        """Whether there is nothing to show: the model is exported, and no pictures lie beside it."""
        nothing_else = self.images is None and self.report is None
        return self.export is not None and nothing_else and not self.validate.exists()

    def check_inputs(self) -> None:
        """Raise ToolkitError where what is to be read is not there, or what is written would replace something else."""
        if self.images is None and self.report is not None and (self.report / ASSEMBLAGE).exists():
            raise ToolkitError(f"{self.report} holds answers on own pictures, and the report needs its own", "report")
        if self.images is not None and (self.own_output / REPORT_PAGE).exists():
            raise ToolkitError(f"{self.own_output} holds a report, and the answers need their own directory", "report")
        if not self.model.is_file():
            raise ToolkitError(f"there is no model file {self.model}: run train_classifier.py first", "model")
        if self.only_exports:
            return
        if self.images is None:
            _check_directory(self.validate, "validate", "; prepare_image_model.py makes it")
        else:
            if not self.images.is_file():
                _check_directory(self.images, "images")
            if self.corrections is not None and not self.corrections.is_file():
                raise ToolkitError(f"there is no file {self.corrections}", "corrections")
            if self.age is not None:
                _check_directory(self.data, "data", ", where the ages of taxa are looked up")


def _check_directory(path: Path, setting: str, purpose: str = "") -> None:
    if not path.is_dir():
        raise ToolkitError(f"there is no directory {path}{purpose}", setting)
