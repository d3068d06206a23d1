"""Show what a trained classifier says of the pictures in validate/.

    python visualise_results.py                              # model, validate/ -> test.png
    python visualise_results.py --num_images 30 --output grid.png

Reads the model file of train_classifier.py and an ImageFolder (validate/<class>/). Writes a grid of pictures, each with
its actual and its predicted class and the confidence, and prints the share that is right, in all and by class.
"""

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from models.command_line import make_parser, whole_number

if TYPE_CHECKING:
    from reports.answers import Answers


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--model", type=Path, default=Path("model"), metavar="FILE", help="the model to show (default: model)")
    add("--validate", type=Path, default=Path("validate"), metavar="DIR", help="its pictures (default: validate)")
    add("--output", type=Path, default=Path("test.png"), metavar="FILE", help="the grid to draw (default: test.png)")
    add("--num_images", type=whole_number(1), default=12, metavar="N", help="pictures in the grid (default: 12)")
    add("--seed", type=int, default=0, metavar="N", help="another seed picks other pictures (default: 0)")
    add("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps … (default: the best there is)")
    return parser


def classify(options: argparse.Namespace) -> "Answers":
    """Let the model name each picture. Raises OSError, ValueError or CheckpointError, with a sentence for the user."""
    import torch
    from tqdm import tqdm

    from models.checkpoint import load_checkpoint
    from models.hardware import choose_hardware
    from models.images import list_pictures, read_store
    from models.predict import predict
    from reports.answers import Answers

    hardware = choose_hardware(options.device)
    checkpoint = load_checkpoint(options.model)
    predictor = checkpoint.predictor(hardware)
    samples, classes = list_pictures(options.validate, checkpoint.classes)
    with tqdm(total=len(samples), desc="Reading pictures", unit=" pictures", leave=False) as bar:
        store = read_store(samples, checkpoint.image_size, bar.update)
    with tqdm(total=len(samples), desc="Classifying", unit=" pictures", leave=False) as bar:
        logits, _ = predict(predictor, store, bar.update)
    names = [checkpoint.lineages.get(name, [name])[-1] for name in classes]
    return Answers(store.paths, names, store.labels.numpy(), torch.softmax(logits.double(), dim=1).numpy())


def table(answers: "Answers") -> str:
    """Say how many pictures are right, in all and in each class."""
    from models.scores import by_class, summary

    scores = summary(answers.actual, answers.predicted)
    rows = [row for row in by_class(answers.actual, answers.predicted, answers.names) if row["support"]]
    width = max(len("class"), *(len(row["class"]) for row in rows))
    lines = [f"{'class':{width}}  pictures  right  precision"]
    for row in rows:
        lines.append(f"{row['class']:{width}}  {row['support']:8d}  {row['recall']:5.0%}  {row['precision']:9.0%}")
    right = (answers.actual == answers.predicted).sum()
    lines.append(
        f"\n{right} of {len(answers)} pictures are right: accuracy {scores['accuracy']:.1%} (balanced accuracy "
        f"{scores['balanced_accuracy']:.1%}, macro-F1 {scores['macro_f1']:.3f}; always answering with the commonest "
        f"class would reach {scores['majority']:.1%})"
    )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Show what the model is worth as the command line says; give the exit status."""
    options = build_parser().parse_args(argv)
    try:
        # Only now, so that --help does not wait for torch.
        from models.checkpoint import CheckpointError
        from reports.grid import choose, draw_grid

        answers = classify(options)
        chosen = choose(len(answers), options.num_images, options.seed)
        draw_grid(options.output, answers, chosen)
    except KeyboardInterrupt:
        print("\nInterrupted; nothing was written.", file=sys.stderr)
        return 128 + signal.SIGINT
    except (OSError, ValueError, CheckpointError) as error:
        print(f"visualise_results.py: {error}", file=sys.stderr)
        return 1
    print(table(answers))
    print(f"Wrote {options.output}: {len(chosen)} pictures with predicted and actual class")
    return 0


if __name__ == "__main__":
    sys.exit(main())
