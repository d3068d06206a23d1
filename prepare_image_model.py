"""Turn records and pictures into a data set to learn from, in which nothing of train is in validate.

    python prepare_image_model.py                                    everything below ./data, classes = families
    python prepare_image_model.py --depth 2                          classes = orders
    python prepare_image_model.py --depth species --min_samples 10   ranks by name, where the site gives them
    python prepare_image_model.py --class_limit 20 --sample_limit 200
    python prepare_image_model.py --group_by source --test_share 0.2 the honest "new source" test
    python prepare_image_model.py --data my/data --images my/images --train my/set

Reads the records that scrape_mikrotax.py wrote (or that were written by hand) and writes below --train: train/ and
validate/ (and test/) with a directory for each class, dataset.json (what was done), manifest.csv (each picture used),
excluded.csv (each picture left out, and why) and dataset.png (all classes at a glance).
"""

import argparse
import sys
from pathlib import Path

from common.command_line import make_parser, run_script, share_or_none, whole_number
from dataset.settings import GROUPINGS, LINKS, RARE, TECHNIQUES, PrepareSettings


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line. Its defaults are those of PrepareSettings."""
    parser = make_parser(__doc__)
    where = parser.add_argument_group("where")
    where.add_argument("--data", type=Path, metavar="DIR", help="directory with the JSON files, at any depth (data)")
    where.add_argument("--images", type=Path, metavar="DIR", help="directory with the picture files (images)")
    where.add_argument("--train", type=Path, metavar="DIR", help="directory to lay out train/ and validate/ in (.)")
    where.add_argument(
        "--link",
        choices=LINKS,
        help="how pictures get into the layout; hard links take no room; a copy where none can be (hard)",
    )
    classes = parser.add_argument_group("classes")
    classes.add_argument(
        "--depth",
        type=_depth,
        metavar="N|RANK",
        help="the entry of the lineage that is the class, counted from 1 = module, or its rank: order, family … (3)",
    )
    classes.add_argument("--class_limit", type=whole_number(1), metavar="N", help="only the N largest classes")
    classes.add_argument("--sample_limit", type=whole_number(2), metavar="N", help="at most N pictures a class")
    classes.add_argument("--min_samples", type=whole_number(1), metavar="N", help="fewer make a class rare (2)")
    classes.add_argument(
        "--rare",
        choices=RARE,
        help="what becomes of rare classes: left out, or pooled into 'other <parent>' (drop)",
    )
    pictures = parser.add_argument_group("pictures")
    pictures.add_argument(
        "--technique", choices=TECHNIQUES, help="only electron (SEM) or light microscope (LM) pictures"
    )
    pictures.add_argument("--keep_drawings", action="store_true", help="use drawings, maps and plots too")
    pictures.add_argument("--keep_unidentified", action="store_true", help="use pictures of 'sp.' too")
    split = parser.add_argument_group("split")
    split.add_argument("--validate_share", type=share_or_none, metavar="X", help="share to validate on (0.2)")
    split.add_argument("--test_share", type=share_or_none, metavar="X", help="share to test on at the end (0)")
    split.add_argument(
        "--group_by",
        choices=GROUPINGS,
        help="what stays in one split; near-duplicates always do (specimen)",
    )
    split.add_argument("--hold_out_types", action="store_true", help="keep type specimens out of train")
    split.add_argument("--seed", type=int, metavar="N", help="another number gives another split (0)")
    parser.set_defaults(**vars(PrepareSettings()))
    return parser


def _depth(text: str) -> int | str:
    return whole_number(1)(text) if text.lstrip("-").isdigit() else text.strip().casefold()


def main(argv: list[str] | None = None) -> int:
    """Run the script. Returns 0, 1 for work that could not be done, 2 for a wrong command line, 130 for Ctrl-C."""
    parser = build_parser()
    settings = PrepareSettings(**vars(parser.parse_args(argv)))
    if settings.validate_share <= 0 or settings.validate_share + settings.test_share >= 1:
        parser.error("--validate_share must be above 0, and --validate_share and --test_share together below 1")
    return run_script("prepare_image_model.py", lambda: work(settings), "interrupted; no half-made data set is left")


def work(settings: PrepareSettings) -> int:
    """Make the data set and print what was done."""
    from dataset.prepare import prepare  # only now: scipy and its like take their time

    print(*prepare(settings), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
