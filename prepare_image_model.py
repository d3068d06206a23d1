"""Turn records and pictures into a training set, in which nothing of train is in validate.

    python prepare_image_model.py                                    everything below ./data, classes = families
    python prepare_image_model.py --depth 2                          classes = orders
    python prepare_image_model.py --depth species --min_samples 10   ranks by name, where the site gives them
    python prepare_image_model.py --class_limit 20 --sample_limit 200
    python prepare_image_model.py --group_by source --test_share 0.2 the honest "new source" test
    python prepare_image_model.py --folder my_pictures               your own pictures, in a sub-folder for each class
    python prepare_image_model.py --data data --folder my_pictures   those and the records together

Reads the records that scrape_mikrotax.py wrote, or a folder of pictures, and writes below --train: train/ and
validate/ (and test/) with a directory for each class, dataset.json (what was done), manifest.csv (each picture used),
excluded.csv (each picture left out, and why) and dataset.png (all classes at a glance).
"""

import argparse
import sys
from pathlib import Path

from common.command_line import make_parser, page_number, quick_imports, run_script, share_or_none, whole_number
from dataset.settings import GROUPINGS, LINKS, RARE, RECORDS, TECHNIQUES, PrepareSettings


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this script's command line. Its defaults are those of PrepareSettings."""
    parser = make_parser(__doc__)
    add_places(parser.add_argument_group("where"))
    add_classes(parser.add_argument_group("classes"))
    add_pictures(parser.add_argument_group("pictures"))
    add_split(parser.add_argument_group("split"))
    parser.set_defaults(**{**vars(PrepareSettings()), "data": None})
    return parser


def add_places(group: argparse._ArgumentGroup) -> None:
    """Add the options that say what is read and written."""
    add = group.add_argument
    add("--data", type=Path, metavar="DIR", help="directory with the JSON files, at any depth (default: data)")
    add(
        "--images",
        type=Path,
        metavar="DIR",
        help="directory with the picture files of the records (default: %(default)s)",
    )
    add(
        "--folder",
        type=Path,
        metavar="DIR",
        help="your own pictures: each sub-folder is a class, nested ones are its lineage; records only with --data",
    )
    add("--train", type=Path, metavar="DIR", help="directory to lay out train/ and validate/ in (default: %(default)s)")
    add(
        "--link",
        choices=LINKS,
        help="how pictures get into the layout; hard links take no room; a copy where none can be (default: "
        "%(default)s)",
    )


def add_classes(group: argparse._ArgumentGroup) -> None:
    """Add the options that say what is a class."""
    add = group.add_argument
    add(
        "--depth",
        type=_depth,
        metavar="N|RANK",
        help="the entry of the lineage that is the class, counted from 1 = module, or its rank: order, family … "
        "(default: 3; of your own pictures the folder that they lie in)",
    )
    add("--class_limit", type=whole_number(1), metavar="N", help="only the N largest classes")
    add("--sample_limit", type=whole_number(2), metavar="N", help="at most N pictures a class")
    add("--min_samples", type=whole_number(1), metavar="N", help="fewer make a class rare (default: %(default)s)")
    add(
        "--rare",
        choices=RARE,
        help="drop rare classes, or pool them into 'other <parent>' (default: %(default)s)",
    )


def add_pictures(group: argparse._ArgumentGroup) -> None:
    """Add the options that say which pictures are used, and how they are read."""
    add = group.add_argument
    add("--technique", choices=TECHNIQUES, help="only electron (SEM) or light microscope (LM) pictures")
    add("--guess_technique", action="store_true", help="guess the technique of your own pictures, too")
    add(
        "--page",
        type=page_number,
        metavar="PAGE",
        help="which page of files with several: first, a number, or sharpest (default: first)",
    )
    add(
        "--corrections",
        type=Path,
        metavar="FILE",
        help="CSV table of file, label (a taxon, or drop) and note: what a person says of pictures",
    )
    add("--keep_drawings", action="store_true", help="use drawings, maps and plots too")
    add("--keep_unidentified", action="store_true", help="use pictures of 'sp.' too")


def add_split(group: argparse._ArgumentGroup) -> None:
    """Add the options that say how the pictures are split."""
    add = group.add_argument
    add("--validate_share", type=share_or_none, metavar="X", help="share to validate on (default: %(default)s)")
    add("--test_share", type=share_or_none, metavar="X", help="share to test on at the end (default: %(default)s)")
    add(
        "--group_by",
        choices=GROUPINGS,
        help="what stays in one split; near-duplicates always do; folder: of your own pictures those of one sub-folder "
        "(default: %(default)s)",
    )
    add("--groups", type=Path, metavar="FILE", help="CSV table of file and group: what stays in one split besides")
    add(
        "--like",
        type=Path,
        metavar="FILE",
        help="manifest.csv of a data set whose split is kept (default: that of the data set in place, if its seed is "
        "the same)",
    )
    add("--hold_out_types", action="store_true", help="keep type specimens out of train")
    add("--seed", type=whole_number(0), metavar="N", help="another number gives another split (default: %(default)s)")


def _depth(text: str) -> int | str:
    """Return the number or the name of a rank. Raises ArgumentTypeError."""
    if text.isdecimal() and int(text[:18]) > 0:
        return int(text[:18])
    rank = text.strip().casefold()
    if not rank[:1].isalpha():
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, or a rank such as family, not {text!r}")
    return rank


def main(argv: list[str] | None = None) -> int:
    """Run the script. Returns 0, 1 for work that could not be done, 2 for a wrong command line, 130 for Ctrl-C."""
    settings = read_settings(argv)
    return run_script("prepare_image_model.py", lambda: work(settings), "interrupted; no half-made data set is left")


def read_settings(argv: list[str] | None = None) -> PrepareSettings:
    """Return what a command line asks for; a mistake in it ends the script with a sentence and status 2."""
    parser = build_parser()
    options = vars(parser.parse_args(argv))
    if options["data"] is None and options["folder"] is None:
        options["data"] = RECORDS
    settings = PrepareSettings(**options)
    if settings.group_by == "folder" and settings.folder is None:
        parser.error("--group_by folder goes with --folder, the folder of your own pictures")
    if settings.data is None and isinstance(settings.depth, str):
        parser.error("--depth must be a number where there are only your own pictures, which have no ranks")
    if settings.validate_share <= 0 or settings.validate_share + settings.test_share >= 1:
        parser.error("--validate_share must be above 0, and --validate_share and --test_share together below 1")
    return settings


def work(settings: PrepareSettings) -> int:
    """Make the data set and print what was done."""
    settings.check_inputs()
    with quick_imports():  # only now: scipy and its like take their time
        from dataset.prepare import prepare

    print(*prepare(settings), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
