"""What prepare_image_model.py was asked for. Light to import: the command line is built from it."""

from dataclasses import dataclass
from pathlib import Path

from common import manifest
from common.dataset_info import FROM_A_FOLDER, SPLITS
from common.errors import ToolkitError
from common.files import check_directory, check_file

GROUPINGS = ("specimen", "sample", "source", "folder", "none")
RECORDS_DEPTH = 3  # the family, on Nannotax
RECORDS = Path("data")
LINKS = ("hard", "copy", "symbolic")
RARE = ("drop", "pool")
TECHNIQUES = ("SEM", "LM")
NO_RECORDS = f"scrape_mikrotax.py fetches them; from your own pictures, {FROM_A_FOLDER}"


@dataclass(frozen=True)
class PrepareSettings:
    """All settings of a run, with the defaults of the command line."""

    # Where: records and their image files, a folder of own pictures (with or in place of records; data is then None),
    # and the directory that train/ and validate/ are laid out in.
    data: Path | None = RECORDS
    images: Path = Path("images")
    folder: Path | None = None
    train: Path = Path()
    link: str = "hard"  # how pictures get there, one of LINKS

    # Classes.
    depth: int | str | None = None  # the entry of the lineage that is the class, counted from 1 = module, or its rank;
    # None: RECORDS_DEPTH, and of own pictures the folder that they lie in
    class_limit: int = 0  # 0: no limit
    sample_limit: int = 0  # pictures of a class; 0: no limit
    min_samples: int = 2  # a class with fewer pictures is rare
    rare: str = "drop"  # drop rare classes or pool them, one of RARE

    # Pictures.
    page: int | str = 1  # which one of files with several: from 1, or common.command_line.SHARPEST
    corrections: Path | None = None  # what a person says of labels
    technique: str | None = None  # one of TECHNIQUES; None: all
    guess_technique: bool = False  # that of own pictures, too; that of records always is
    keep_drawings: bool = False
    keep_unidentified: bool = False

    # Split.
    validate_share: float = 0.2  # of the pictures, above 0
    test_share: float = 0.0  # with validate_share below 1
    group_by: str = "specimen"  # what stays in one split, one of GROUPINGS
    hold_out_types: bool = False  # whether type specimens stay out of train
    groups: Path | None = None  # a table of files and groups
    like: Path | None = None  # the manifest of a split whose sides are kept; None: that of the data set in place
    seed: int = 0

    def check_inputs(self) -> None:
        """Raise ToolkitError where a file or directory that is to be read is not there."""
        if self.data is not None:
            check_directory(self.data, "data", f" with records (JSON); {NO_RECORDS}")
            check_directory(self.images, "images", " with picture files; scrape_mikrotax.py fetches them")
        if self.folder is not None:
            check_directory(self.folder, "folder", " with pictures")
        if self.corrections is not None:
            check_file(self.corrections, "corrections")
        if self.groups is not None:
            check_file(self.groups, "groups")
        if self.like is not None and not manifest.manifest_path(self.like).is_file():
            raise ToolkitError(f"there is no {manifest.NAME} to split alike at {self.like}", "like")

    @property
    def records_depth(self) -> int | str:
        """What the class of a picture that records list is."""
        return RECORDS_DEPTH if self.depth is None else self.depth

    @property
    def shares(self) -> dict[str, float]:
        """The share of each split that is wanted, above 0; together 1."""
        train = 1 - self.validate_share - self.test_share
        shares = dict(zip(SPLITS, (train, self.validate_share, self.test_share), strict=True))
        return {split: share for split, share in shares.items() if share > 0}
