"""What prepare_image_model.py was asked for. Light to import: the command line is built from it."""

from dataclasses import dataclass
from pathlib import Path

from common.dataset_info import SPLITS

GROUPINGS = ("specimen", "sample", "source", "none")
LINKS = ("hard", "copy", "symbolic")
RARE = ("drop", "pool")
TECHNIQUES = ("SEM", "LM")


@dataclass(frozen=True)
class PrepareSettings:
    """All settings of a run, with the defaults of the command line."""

    # Where: records, image files, and the directory that train/ and validate/ are laid out in.
    data: Path = Path("data")
    images: Path = Path("images")
    train: Path = Path()
    link: str = "hard"  # how pictures get there, one of LINKS

    # Classes.
    depth: int | str = 3  # the entry of the lineage that is the class, counted from 1 = module, or its rank
    class_limit: int = 0  # 0: no limit
    sample_limit: int = 0  # pictures of a class; 0: no limit
    min_samples: int = 2  # a class with fewer pictures is rare
    rare: str = "drop"  # what becomes of rare classes, one of RARE

    # Pictures.
    technique: str | None = None  # one of TECHNIQUES; None: all
    keep_drawings: bool = False
    keep_unidentified: bool = False

    # Split.
    validate_share: float = 0.2  # of the pictures, above 0
    test_share: float = 0.0  # with validate_share below 1
    group_by: str = "specimen"  # what stays in one split, one of GROUPINGS
    hold_out_types: bool = False  # whether type specimens stay out of train
    seed: int = 0

    @property
    def shares(self) -> dict[str, float]:
        """The share of each split that is wanted, above 0; together 1."""
        train = 1 - self.validate_share - self.test_share
        shares = dict(zip(SPLITS, (train, self.validate_share, self.test_share), strict=True))
        return {split: share for split, share in shares.items() if share > 0}
