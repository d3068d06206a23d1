"""Show what a trained classifier is worth, and let it name other pictures.

    python visualise_results.py                              # model, validate/ -> test.png
    python visualise_results.py --select worst --num_images 30 --output worst.png
    python visualise_results.py --report report              # -> report/report.html, tables and figures beside it
    python visualise_results.py --report report --pdf        # the same, and printed to report/report.pdf
    python visualise_results.py --images my_pictures         # name the pictures of any folder
    python visualise_results.py --export exported            # the model for ParticleTrieur, MISO and other programs

Reads the model file of train_classifier.py and an ImageFolder (validate/<class>/). Writes a grid of pictures, each with
its actual and its predicted class and the confidence, and prints the share that is right, in all and by class.
"""

import argparse
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from common.command_line import (
    device_name,
    make_parser,
    page_number,
    positive_float,
    quick_imports,
    run_script,
    share,
    whole_number,
)
from reports.settings import GRID_FORMATS, OWN_PICTURES, PAPERS, REPORT_PAGE, SELECTIONS, VisualiseSettings

if TYPE_CHECKING:
    from reports.model import LoadedModel


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this script's command line. Its defaults are those of VisualiseSettings."""
    parser = make_parser(__doc__)
    add, usual = parser.add_argument, VisualiseSettings()
    add("--model", type=Path, metavar="FILE", help=f"the model to show (default: {usual.model})")
    add("--validate", type=Path, metavar="DIR", help=f"its pictures (default: {usual.validate})")
    add("--output", type=Path, metavar="FILE", help=f"the grid to draw (default: {usual.output})")
    add("--num_images", type=whole_number(1), metavar="N", help=f"pictures in the grid (default: {usual.num_images})")
    add("--select", choices=SELECTIONS, help=f"which pictures to draw (default: {usual.select})")
    add("--seed", type=whole_number(0), metavar="N", help=f"another seed picks other pictures (default: {usual.seed})")
    add(
        "--report",
        type=Path,
        metavar="DIR",
        help="write report.html with tables and figures into this directory (default: no report); with --images, where "
        f"the answers go (default: {OWN_PICTURES})",
    )
    add(
        "--pdf",
        nargs="?",
        const=PAPERS[0],
        choices=PAPERS,
        help="with --report: print it to report.pdf, too, on this paper (A4), by Chromium, Chrome or Edge",
    )
    add(
        "--export",
        type=Path,
        metavar="DIR",
        help="write the model into this directory as ONNX, with network_info.xml, for ParticleTrieur, MISO and other "
        "programs",
    )
    add("--data", type=Path, metavar="DIR", help=f"what the site says of the taxa (default: {usual.data})")
    add(
        "--confidence",
        type=share,
        metavar="P",
        help="how often the sets of classes, and so the lowest supported taxa, hold the truth (default: "
        f"{usual.confidence})",
    )
    add(
        "--page",
        type=page_number,
        metavar="PAGE",
        help="which page of files with several: first, a number, or sharpest (default: as in training)",
    )
    add("--device", type=device_name, metavar="NAME", help="cpu, cuda, cuda:1, mps … (default: the best there is)")
    add_own_pictures(parser)
    return parser


def add_own_pictures(parser: argparse.ArgumentParser) -> None:
    """Add the options of own pictures, which are named."""
    add = parser.add_argument
    add("--images", type=Path, metavar="FOLDER", help="name the pictures of this folder, or this one picture, instead")
    add(
        "--corrections",
        type=Path,
        metavar="FILE",
        help="with --images: what a person says of the pictures, as review.html saves it; it wins over the model",
    )
    add(
        "--verify",
        type=whole_number(1),
        metavar="N",
        help="with --images: put N pictures of each sample, drawn by chance, first in review.html; once they are "
        "checked, the shares get intervals that hold however wrong the model is",
    )
    add(
        "--sort_into",
        type=Path,
        metavar="DIR",
        help="with --images: lay the pictures out in this directory, a sub-directory for each answer",
    )
    add("--age", type=positive_float, metavar="MA", help="with --images: the samples' age in millions of years")


def main(argv: list[str] | None = None) -> int:
    """Run the script. Returns 0, 1 for work that could not be done, 2 for a wrong command line, 130 for Ctrl-C."""
    parser = build_parser()
    typed = {name: value for name, value in vars(parser.parse_args(argv)).items() if value is not None}
    settings = VisualiseSettings(**typed)
    _check_company(parser, typed)
    if settings.pdf and settings.report is None:
        parser.error("--pdf goes with --report DIR, the directory of the report that is printed")
    if settings.grid_format not in GRID_FORMATS:
        parser.error(f"--output must end in one of .{', .'.join(GRID_FORMATS)}, not in .{settings.grid_format}")
    return run_script("visualise_results.py", lambda: work(settings), "interrupted; no file is left half written")


def _check_company(parser: argparse.ArgumentParser, typed: Collection[str]) -> None:
    """Refuse options that go with --images where it is missing, and those of the grid where it is there."""
    if "images" in typed:
        if "pdf" in typed:
            parser.error("--pdf prints the report on labelled pictures, and --images writes none")
        for name in ("output", "num_images", "select"):
            if name in typed:
                parser.error(
                    f"--{name} is of the grid of labelled pictures, and --images draws none: it shows its answers in "
                    "contact_sheet.png and review.html"
                )
        return
    for name, of in (
        *(("age", "the folder with the pictures of that age"), ("corrections", "the folder that was corrected")),
        *(("verify", "the folder with the samples"), ("sort_into", "the folder that is sorted")),
    ):
        if name in typed:
            parser.error(f"--{name} goes with --images, {of}")


def work(settings: VisualiseSettings) -> int:
    """Show what the model is worth, or name own pictures, and print what was done."""
    settings.check_inputs()
    # Only now, here and below, so that nobody waits for libraries that take seconds and are not needed.
    with quick_imports():
        from reports.model import LoadedModel

    model = LoadedModel.load(settings.model, settings.device)
    if settings.export:
        with quick_imports():
            from reports.export import write_export

        print(write_export(settings, model))
    if settings.only_exports:
        return 0
    return name_own(settings.images, settings, model) if settings.images else show(settings, model)


def show(settings: VisualiseSettings, model: "LoadedModel") -> int:
    """Draw the grid, print the table, and write the report if one is asked for."""
    with quick_imports():
        from reports.folds import predict_folds
        from reports.overview import write_overview
        from reports.splits import predict_split

    validate = predict_folds(settings, model) or predict_split(model, settings.validate, page=settings.page)
    print(write_overview(settings, model, validate))
    if settings.report:
        with quick_imports():
            from reports.report import write_report

        print(write_report(settings.report, settings, model, validate))
        if settings.pdf:
            from reports.pdf import print_page

            print(f"Wrote {print_page(settings.report / REPORT_PAGE, settings.pdf)}")
    return 0


def name_own(folder: Path, settings: VisualiseSettings, model: "LoadedModel") -> int:
    """Name the pictures of the user's own folder. Returns 1 where some could not be read."""
    with quick_imports():
        from reports.own_pictures import name_own_pictures

    named = name_own_pictures(folder, settings, model)
    print(*named.sentences, sep="\n")
    return 1 if named.unreadable else 0


if __name__ == "__main__":
    sys.exit(main())
