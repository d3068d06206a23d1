"""Show what a trained classifier is worth, and let it name other pictures.

    python visualise_results.py                              # model, validate/ -> test.png
    python visualise_results.py --select worst --num_images 30 --output worst.png
    python visualise_results.py --report report              # -> report/report.html, tables and figures beside it
    python visualise_results.py --images my_pictures         # name the pictures of any folder

Reads the model file of train_classifier.py and an ImageFolder (validate/<class>/). Writes a grid of pictures, each with
its actual and its predicted class and the confidence, and prints the share that is right, in all and by class.
"""

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from common.command_line import make_parser, positive_float, share, whole_number

if TYPE_CHECKING:
    from evaluation.cross_fit import Split
    from evaluation.predictions import Answers
    from models.checkpoint import Checkpoint
    from models.device import Hardware
    from models.prediction import Predictor

# Training pictures of a class that a report looks at, for what is like them: enough to know a class by.
TRAIN_LIMIT = 50


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--model", type=Path, default=Path("model"), metavar="FILE", help="the model to show (default: model)")
    add("--validate", type=Path, default=Path("validate"), metavar="DIR", help="its pictures (default: validate)")
    add("--output", type=Path, default=Path("test.png"), metavar="FILE", help="the grid to draw (default: test.png)")
    add("--num_images", type=whole_number(1), default=12, metavar="N", help="pictures in the grid (default: 12)")
    add(
        "--select",
        choices=("random", "worst", "best", "uncertain"),
        default="random",
        help="which pictures to draw (default: random)",
    )
    add("--seed", type=int, default=0, metavar="N", help="another seed picks other pictures (default: 0)")
    add(
        "--report",
        type=Path,
        metavar="DIR",
        help="write report.html with tables and figures into this directory; with --images, where the answers go "
        "(default: own_pictures)",
    )
    add("--data", type=Path, default=Path("data"), metavar="DIR", help="what the site says of the taxa (default: data)")
    add("--confidence", type=share, default=0.9, metavar="P", help="level of the answers given (default: 0.9)")
    add("--images", type=Path, metavar="FOLDER", help="name the pictures of this folder instead")
    add("--age", type=positive_float, metavar="MA", help="with --images: the samples' age in millions of years")
    add("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps … (default: the best there is)")
    return parser


def classify(checkpoint: "Checkpoint", predictor: "Predictor", directory: Path, limit: int | None = None) -> "Split":
    """Let the model name the pictures of a directory, at most `limit` of a class, evenly spread over its files.

    Raises OSError or ValueError, with a sentence for the user.
    """
    from tqdm import tqdm

    from evaluation.cross_fit import Split, read_manifest, thin_out
    from models.prediction import predict
    from models.preprocessing import list_pictures, read_store

    samples, _ = list_pictures(directory, checkpoint.classes)
    samples = thin_out(samples, limit)
    name = directory.resolve().name
    with tqdm(total=len(samples), desc=f"Reading {name}/", unit=" pictures", leave=False) as bar:
        store = read_store(samples, checkpoint.image_size, bar.update)
    with tqdm(total=len(samples), desc=f"Classifying {name}/", unit=" pictures", leave=False) as bar:
        prediction = predict(predictor, store, bar.update)
    manifest = read_manifest(directory)
    return Split(name, store.paths, store.labels, prediction, [manifest.get(path, {}) for path in store.paths])


def table(answers: "Answers") -> str:
    """Say how many pictures are right, in all and in each class."""
    from evaluation.metrics import by_class, summary

    scores = summary(answers.actual, answers.predicted)
    scored = by_class(answers.actual, answers.predicted, answers.names)
    rows = [scored[label] for label in answers.taxonomy.order if scored[label]["support"]]
    width = max(len("class"), *(len(row["class"]) for row in rows))
    lines = [f"{'class':{width}}  pictures  right  precision"]
    for row in rows:
        lines.append(f"{row['class']:{width}}  {row['support']:8d}  {row['recall']:5.0%}  {row['precision']:9.0%}")
    right = answers.right.sum()
    lines.append(
        f"\n{right} of {len(answers)} pictures are right: accuracy {scores['accuracy']:.1%} (balanced accuracy "
        f"{scores['balanced_accuracy']:.1%}, macro-F1 {scores['macro_f1']:.3f}; always answering with the commonest "
        f"class would reach {scores['majority']:.1%})"
    )
    return "\n".join(lines)


def report(options: argparse.Namespace, checkpoint: "Checkpoint", predictor: "Predictor", validate: "Split") -> None:
    """Write the report, with what stands beside the pictures shown: training pictures, and test/ where it exists."""
    from reports.report import write_report

    beside = {name: options.validate.resolve().parent / name for name in ("train", "test")}
    there = {name: path for name, path in beside.items() if path.is_dir() and path != options.validate.resolve()}
    train = classify(checkpoint, predictor, there["train"], TRAIN_LIMIT) if "train" in there else None
    splits = [validate, *(classify(checkpoint, predictor, there[name]) for name in ("test",) if name in there)]
    summary = write_report(options.report, checkpoint, predictor, splits, train, options.confidence, options.data)
    coverage = summary["splits"][validate.name]["coverage"]
    print(
        f"Wrote {options.report / 'report.html'}, with tables and figures beside it. At a confidence of "
        f"{options.confidence:g}, the classes that stay possible hold the truth for {coverage['value']:.1%} of the "
        f"pictures ({coverage['low']:.1%} to {coverage['high']:.1%})"
    )


def show(options: argparse.Namespace, checkpoint: "Checkpoint", predictor: "Predictor") -> None:
    """Draw the grid, print the table, and write the report if one is asked for."""
    import torch

    from evaluation.predictions import Answers
    from evaluation.taxonomy import Taxonomy
    from reports.grid import choose, draw_grid

    validate = classify(checkpoint, predictor, options.validate)
    probabilities = torch.softmax(validate.prediction.logits.double(), dim=1).numpy()
    taxonomy = Taxonomy.of(checkpoint.classes, checkpoint.lineages)
    answers = Answers(validate.paths, taxonomy, validate.labels.numpy(), probabilities)
    chosen = choose(answers, options.num_images, options.select, options.seed)
    draw_grid(options.output, answers, chosen)
    print(table(answers))
    print(f"Wrote {options.output}: {len(chosen)} pictures with predicted and actual class")
    if options.report:
        report(options, checkpoint, predictor, validate)


def name_own(options: argparse.Namespace, checkpoint: "Checkpoint", hardware: "Hardware") -> int:
    """Name the pictures of the user's own folder; give the exit status."""
    from reports.own_pictures import classify_folder
    from reports.ranges import read_ranges

    if not options.images.is_dir():
        raise FileNotFoundError(f"there is no directory {options.images}")
    if options.age is not None and not options.data.is_dir():
        raise FileNotFoundError(
            f"there is no directory {options.data}, where --age looks up when taxa lived; see --data"
        )
    ranges = read_ranges(options.data)
    output = options.report or Path("own_pictures")
    return classify_folder(options.images, output, checkpoint, hardware, options.confidence, options.age, ranges)


def main(argv: list[str] | None = None) -> int:
    """Show what the model is worth as the command line says; give the exit status."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.age is not None and options.images is None:
        parser.error("--age goes with --images, the folder with the pictures of that age")
    try:
        # Only now, so that --help does not wait for torch.
        from models.checkpoint import CheckpointError, load_checkpoint
        from models.device import choose_hardware

        hardware = choose_hardware(options.device)
        checkpoint = load_checkpoint(options.model)
        if options.images:
            return name_own(options, checkpoint, hardware)
        show(options, checkpoint, checkpoint.predictor(hardware))
    except KeyboardInterrupt:
        print("\nInterrupted; no file is left half written.", file=sys.stderr)
        return 128 + signal.SIGINT
    except (OSError, ValueError, CheckpointError) as error:
        print(f"visualise_results.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
