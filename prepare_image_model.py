"""Turn records and pictures into a data set to learn from, in which nothing of train stands in validate.

    python prepare_image_model.py                                    everything below ./data, classes = families
    python prepare_image_model.py --depth 2                          classes = orders
    python prepare_image_model.py --depth species --min_samples 10   ranks by name, where the site gives them
    python prepare_image_model.py --class_limit 20 --sample_limit 200
    python prepare_image_model.py --group_by source --test_share 0.2 the honest "new source" test
    python prepare_image_model.py --data my/data --images my/images --train my/set

Reads the records that scrape_mikrotax.py wrote (or that were written by hand) and writes below --train: train/ and
validate/ (and test/) with a directory for each class, dataset.json (what was done), manifest.csv (each picture used),
excluded.csv (each picture left out, and why) and dataset.png (a look at all classes).
"""

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from common.command_line import make_parser, share_or_none, whole_number

GROUPINGS = ("specimen", "sample", "source", "none")


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = make_parser(__doc__)
    where = parser.add_argument_group("where")
    where.add_argument(
        "--data", type=Path, default=Path("data"), help="directory with the JSON files, at any depth (data)"
    )
    where.add_argument("--images", type=Path, default=Path("images"), help="directory with the picture files (images)")
    where.add_argument("--train", type=Path, default=Path(), help="directory to lay out train/ and validate/ in (.)")
    where.add_argument(
        *("--link",),
        choices=("hard", "copy", "symbolic"),
        default="hard",
        help="how pictures get into the layout; hard links take no room; a copy where none can be (hard)",
    )
    classes = parser.add_argument_group("classes")
    classes.add_argument(
        *("--depth",),
        type=_depth,
        default=3,
        metavar="N|RANK",
        help="the entry of the lineage that is the class, counted from 1 = module, or its rank: order, family … (3)",
    )
    classes.add_argument(
        "--class_limit", type=whole_number(1), default=0, metavar="N", help="only the N largest classes"
    )
    classes.add_argument(
        "--sample_limit", type=whole_number(2), default=0, metavar="N", help="at most N pictures a class"
    )
    classes.add_argument(
        "--min_samples", type=whole_number(1), default=2, metavar="N", help="fewer make a class rare (2)"
    )
    classes.add_argument(
        *("--rare",),
        choices=("drop", "pool"),
        default="drop",
        help="what becomes of rare classes: left out, or pooled into 'other <parent>' (drop)",
    )
    pictures = parser.add_argument_group("pictures")
    pictures.add_argument(
        "--technique", choices=("SEM", "LM"), help="only electron (SEM) or light microscope (LM) pictures"
    )
    pictures.add_argument("--keep_drawings", action="store_true", help="use drawings, maps and plots too")
    pictures.add_argument("--keep_unidentified", action="store_true", help="use pictures of 'sp.' too")
    split = parser.add_argument_group("split")
    split.add_argument(
        "--validate_share", type=share_or_none, default=0.2, metavar="X", help="share to validate on (0.2)"
    )
    split.add_argument(
        "--test_share", type=share_or_none, default=0.0, metavar="X", help="share to test on at the end (0)"
    )
    split.add_argument(
        *("--group_by",),
        choices=GROUPINGS,
        default="specimen",
        help="what stays on one side; pictures that look alike always do (specimen)",
    )
    split.add_argument("--hold_out_types", action="store_true", help="keep type specimens out of train")
    split.add_argument("--seed", type=int, default=0, help="another number gives another split (0)")
    return parser


def _depth(text: str) -> int | str:
    return whole_number(1)(text) if text.lstrip("-").isdigit() else text.strip().casefold()


def find_files(images: Path, pictures: Iterable) -> tuple[Path, list, list]:
    """Look for the file of each picture. Returns the directory they lie in, the pictures found and those left out.

    `images` may be the directory of all modules or of one.
    """
    from dataset.records import exclude

    pictures = list(pictures)
    modules = {picture.file.split("/")[0] for picture in pictures}
    if images.name in modules and not (images / images.name).is_dir():
        images = images.resolve().parent
    found, excluded = [], []
    for picture in pictures:
        if (images / picture.file).is_file():
            found.append(picture)
        else:
            excluded.append(exclude(picture, "missing file"))
    return images, found, excluded


def look(images: Path, pictures: Iterable) -> tuple[list, list]:
    """Read each picture's file. Returns the pictures, which now have their look, and those that cannot be used."""
    from dataset.descriptors import Look, look_at_all
    from dataset.records import exclude

    pictures, excluded = list(pictures), []
    looks = _progress("reading pictures")(look_at_all([images / picture.file for picture in pictures]), len(pictures))
    for picture, seen in zip(pictures, looks, strict=True):
        if isinstance(seen, Look):
            picture.look = seen
        else:
            excluded.append(exclude(picture, str(seen)))
    return [picture for picture in pictures if picture.look], excluded


def _progress(what: str):
    from tqdm import tqdm

    return lambda things, total: tqdm(things, total=total, desc=what, unit="picture", disable=None)


def gather(args: argparse.Namespace) -> tuple[Path, list, list, list[str]]:
    """Read records and pictures. Returns where the files lie, pictures with label and look, exclusions, remarks."""
    from dataset import DataSetError, labels, records

    read, remarks = records.read_records(args.data)
    listed, excluded = records.list_pictures(read)
    if not args.images.is_dir():
        raise DataSetError(f"There is no directory {args.images}: give the one with the picture files as --images.")
    ranks = records.known_ranks(read)
    pictures, out = labels.give_labels(listed, args.depth, ranks)
    excluded += out
    if not pictures:
        raise DataSetError(_no_class(args.depth, labels.classes_by_depth(listed), sorted(set(ranks.values()))))
    pictures, out = labels.leave_out_by_name(pictures, args.keep_drawings, args.keep_unidentified)
    excluded += out
    images, pictures, out = find_files(args.images, pictures)
    excluded += out
    if out:
        remarks.append(f"No file below {images} for {len(out)} listed, such as {out[0].file}: {_MISSING}")
    pictures, out = look(images, pictures)
    return images, pictures, excluded + out, remarks


def _no_class(depth: int | str, depths: dict[int, int], ranks: list[str]) -> str:
    """Say what --depth could be instead."""
    if not depths:
        return "The records list no picture: run scrape_mikrotax.py again, or give another directory as --data."
    offered = ", ".join(f"{number} ({count} classes)" for number, count in depths.items())
    return f"No picture has an entry at depth {depth}. Depths that --depth can be: {offered}" + (
        f"; ranks: {', '.join(ranks)}." if ranks else "; no ranks are known."
    )


_MISSING = "run scrape_mikrotax.py again to fetch what is missing, or give another directory as --images."


def choose(args: argparse.Namespace, pictures: list) -> tuple[list, list]:
    """Group the pictures and split them. Returns those used, which now have their split, and those left out."""
    from dataset import groups, labels, selection
    from dataset.descriptors import alike_pairs

    labels.find_techniques(pictures)
    excluded = []
    if args.technique:
        pictures, excluded = labels.only_technique(pictures, args.technique)
    pictures, out = groups.drop_identical(pictures)
    excluded += out
    pairs = alike_pairs([picture.look for picture in pictures])
    pictures, out, pairs = groups.drop_conflicts(pictures, pairs)
    excluded += out
    pictures, out = groups.give_groups(pictures, pairs, args.group_by)
    excluded += out
    shares = {
        "train": 1 - args.validate_share - args.test_share,
        "validate": args.validate_share,
        "test": args.test_share,
    }
    options = selection.SelectionOptions(
        shares={split: share for split, share in shares.items() if share > 0},
        min_samples=args.min_samples,
        rare=args.rare,
        class_limit=args.class_limit,
        sample_limit=args.sample_limit,
        hold_out_types=args.hold_out_types,
        seed=args.seed,
    )
    used, out = selection.select(pictures, options)
    return used, excluded + out


def _none_left(reasons: dict[str, int]) -> str:
    counts = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
    return f"No class is left to learn from. Pictures were left out for: {counts}."


def build(args: argparse.Namespace, images: Path, used: list, excluded: list) -> dict:
    """Write the layout, audit it and swap it in. Returns what dataset.json says."""
    from common.files import write_json
    from dataset import DataSetError, audit, contact_sheet, layout, summary

    new, copied = layout.place_pictures(args.train, images, used, args.link)
    manifest = layout.write_manifest(new, used)
    layout.write_excluded(new, excluded)
    result = audit.audit(new, _progress("audit"))
    if audit.leaks(result):
        raise DataSetError(f"The audit found a leak, so nothing was changed; please report it: {result}")
    classes = summary.describe_classes(used)
    options = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
    described = {
        "made_by": layout.MADE_BY,
        "hash": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "depth": args.depth,
        "seed": args.seed,
        "options": options,
        "counts": {
            "used": len(used),
            "excluded": len(excluded),
            "listed": len(used) + len(excluded),
            "copied_for_want_of_links": copied,
            **Counter(picture.split for picture in used),
            "reasons": summary.count_reasons(excluded),
        },
        "majority_share": round(summary.majority_share(classes), 4),
        "classes": classes,
        "audit": result,
    }
    contact_sheet.draw_sheet(new, classes, used)
    write_json(new / "dataset.json", described)
    layout.swap_in(args.train)
    return described


def report(args: argparse.Namespace, described: dict, used: list, excluded: list, remarks: list[str]) -> None:
    """Print what was done."""
    from dataset import summary

    counts, audited = described["counts"], described["audit"]
    left_out = Counter(left.label for left in excluded)
    print(*summary.table(described["classes"], left_out), sep="\n")
    print(f"\n{counts['listed']} pictures are listed, {counts['used']} are used, {counts['excluded']} are left out:")
    for reason, count in counts["reasons"].items():
        print(f"  {count:6} {reason}")
    print(
        f"Audit of the finished directories: {audited['identical_bytes_across_splits']} identical files, "
        f"{audited['near_duplicates_across_splits']} near-duplicates and {audited['groups_across_splits']} groups "
        "stand in two splits."
    )
    print(f"Always naming the largest class is right for {described['majority_share']:.1%}: what a model must beat.")
    for remark in [*summary.warnings(described["classes"], used, args.validate_share), *remarks]:
        print(f"Note: {remark}")
    places = ", ".join(str(args.train / name) for name in ("train", "validate", "test") if counts.get(name))
    print(f"Wrote {places}, and beside them dataset.json, dataset.png, manifest.csv and excluded.csv.")


def main(argv: list[str] | None = None) -> int:
    """Run the script. Returns 0, 1 for work that could not be done, 2 for a wrong command line, 130 for Ctrl-C."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.validate_share <= 0 or args.validate_share + args.test_share >= 1:
        parser.error("--validate_share must be above 0, and --validate_share and --test_share together below 1")
    from dataset import DataSetError, layout, summary

    try:
        layout.check_place(args.train)
        images, pictures, excluded, remarks = gather(args)
        used, out = choose(args, pictures)
        excluded += out
        if not used:
            raise DataSetError(" ".join([_none_left(summary.count_reasons(excluded)), *remarks]))
        described = build(args, images, used, excluded)
        report(args, described, used, excluded, remarks)
    except KeyboardInterrupt:
        print("Stopped. Nothing of a half-made data set is left.", file=sys.stderr)
        return 130
    except (DataSetError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        layout.recover(args.train)
    return 0


if __name__ == "__main__":
    sys.exit(main())
