"""Train a classifier of microfossils on the pictures that prepare_image_model.py laid out.

    python train_classifier.py                        # VGG11 with ImageNet weights, on ./train and ./validate
    python train_classifier.py --log                  # the same, and: tensorboard --logdir=./logs --port=6006
    python train_classifier.py --use_model vgg11_adaptive --weights none      # from scratch, without a download
    python train_classifier.py --time_budget 10       # the best that ten minutes allow
    python train_classifier.py --resume               # go on where an interrupted run was left
    torchrun --nproc_per_node 2 -- train_classifier.py --log                  # on two GPUs, with any of these options

Reads train/<class>/ and validate/<class>/ below --directory. Writes `model` (what visualise_results.py reads: the
best state by validation accuracy), `model.history.csv` (a row for each epoch) and `model.last` (what --resume needs).
"""

import argparse
import signal
import sys
from pathlib import Path

from common.command_line import (
    device_name,
    explain,
    is_main_rank,
    make_parser,
    nearest,
    page_number,
    positive_float,
    quick_imports,
    run_script,
    share_or_none,
    silence_non_main_ranks,
    whole_number,
)
from models.network_names import is_network, network_names
from training.settings import Settings

SCRIPT = "train_classifier.py"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this script's command line."""
    parser = make_parser(__doc__)
    add_files(parser.add_argument_group("files"))
    add_network(parser.add_argument_group("network"))
    add_schedule(parser.add_argument_group("schedule"))
    add_images(parser.add_argument_group("pictures and classes"))
    add_machine(parser.add_argument_group("machine"))
    return parser


def add_files(group: argparse._ArgumentGroup) -> None:
    """Add the options that say what is read and written."""
    add = group.add_argument
    where = "where train/ and validate/ lie (default: %(default)s)"
    add("--directory", type=Path, default=Path(), metavar="DIR", help=where)
    file = "the file to write (default: %(default)s)"
    add("--save_model", type=Path, default=Path("model"), metavar="FILE", help=file)
    add("--log", action="store_true", help="write TensorBoard logs to ./logs")
    add(
        "--resume",
        action="store_true",
        help="go on with the interrupted run of --save_model, with its options; with more --epochs, also with a "
        "finished one",
    )


def add_network(group: argparse._ArgumentGroup) -> None:
    """Add the options that say which network learns, from what, and which part of it."""
    add = group.add_argument
    add(
        "--use_model",
        default="vgg11",
        metavar="NAME",
        help="vgg11; vgg11_adaptive, which takes pictures of any size and learns from scratch on a laptop; or any "
        "classifier of torchvision, such as squeezenet1_1, mobilenet_v2 or resnet50; or timm/NAME, any of timm, such "
        "as timm/vit_small_patch14_dinov2 (default: %(default)s)",
    )
    add(
        "--weights",
        default="imagenet",
        metavar="WHICH",
        help="imagenet: pretrained weights (of a network of timm, its own), a download of mostly up to 0.5 GB; none: "
        "from scratch; or a file: a state dict of the same network, or a model of this toolkit (default: %(default)s)",
    )
    add(
        "--freeze",
        choices=("features", "block", "none"),
        default="none",
        help="what is not trained: features, all but the head; block, all but the last block of convolutions and the "
        "head; none, nothing. With weights, the head is always solved first, which counts as an epoch (default: "
        "%(default)s)",
    )
    add(
        "--augmented_copies",
        type=whole_number(1),
        default=4,
        metavar="N",
        help="versions in which frozen layers see each picture: as it is, then augmented (default: %(default)s)",
    )
    add(
        "--tta",
        action="store_true",
        help="test-time augmentation: the model predicts each picture from eight sides (where all are the same way up, "
        "from two), at eight (two) times the cost",
    )


def add_schedule(group: argparse._ArgumentGroup) -> None:
    """Add the options that say how long and in what steps."""
    add = group.add_argument
    add("--epochs", type=whole_number(1), metavar="N", help="times through the pictures (default: 16)")
    add(
        "--time_budget",
        type=positive_float,
        metavar="MINUTES",
        help="fit the schedule to the time there is, from start to saved model; --epochs may end it sooner",
    )
    add(
        "--folds",
        type=whole_number(2),
        metavar="K",
        help="cross-validation: predict each picture of train/ and validate/ by one of K networks that have seen "
        "neither it nor its group, write model.folds.csv, and let the model learn from all of them",
    )
    add(
        "--patience",
        type=whole_number(1),
        metavar="N",
        help="stop after N epochs without a better one (default: never)",
    )
    add(
        "--batch_size",
        type=whole_number(1),
        default=32,
        metavar="N",
        help="pictures in one step (default: %(default)s)",
    )
    add(
        "--learning_rate",
        type=positive_float,
        metavar="X",
        help="highest rate of the schedule: warm-up, then a cosine down to nothing (default: 0.02 from scratch; with "
        "weights "
        "0.0005; a solved head needs none)",
    )


def add_images(group: argparse._ArgumentGroup) -> None:
    """Add the options that say how images and labels are treated."""
    add = group.add_argument
    add(
        "--image_size",
        type=whole_number(1),
        metavar="PIXELS",
        help="side of the square into which each picture is fitted, whole and undistorted (default: the pictures' own, "
        "up to 224, in a time budget 160 or 128; from weights at least 120; for a head alone 224, or less in a budget)",
    )
    add(
        "--page",
        type=page_number,
        metavar="PAGE",
        help="which page of files with several: first, a number, or sharpest (default: that which the data set was "
        "made from)",
    )
    add(
        "--rotation",
        choices=("auto", "free", "slight"),
        default="auto",
        help="how pictures are rotated while training: freely, or by up to 15 degrees where they are all the same way "
        "up, which auto finds out (default: %(default)s)",
    )
    add(
        "--balance",
        choices=("none", "weights", "sampler", "logit_adjusted"),
        default="none",
        help="for classes with few pictures: class-weighted loss, class-balanced sampling or logit adjustment "
        "(default: %(default)s)",
    )
    add(
        "--label_smoothing",
        type=share_or_none,
        metavar="X",
        help="share of each label that is spread over all classes (default: with weights and ten classes or more 0.1, "
        "else 0; a solved head tries both)",
    )


def add_machine(group: argparse._ArgumentGroup) -> None:
    """Add the options that say where and how numbers are computed."""
    add = group.add_argument
    add("--device", type=device_name, metavar="NAME", help="cpu, cuda, cuda:1, mps … (default: the best there is)")
    add(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="arithmetic of the network; auto: bf16 where the device is faster with it (default: %(default)s)",
    )
    same = "the same seed gives the same run on a CPU (default: %(default)s)"
    add("--seed", type=whole_number(0), default=0, metavar="N", help=same)
    add("--deterministic", action="store_true", help="the same run again on a GPU too, if slower")


def read_settings(argv: list[str] | None = None) -> Settings:
    """Return what a command line asks for; a mistake in it ends the script with a sentence and status 2."""
    parser = build_parser()
    options = vars(parser.parse_args(argv))
    # What has a value already gets no default.
    given = vars(parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(options))))
    settings = Settings.resolve(options, [name for name, value in given.items() if value is not None])
    if settings.folds and settings.patience:
        parser.error("--patience looks at the pictures that --folds holds out; give one of them")
    if not is_network(settings.use_model):
        near = nearest(settings.use_model, network_names())
        parser.error(f"--use_model: there is no network {settings.use_model}{near}")
    return settings


def work(settings: Settings) -> int:
    """Train and print how good the model is; return the exit status."""
    if is_main_rank():
        settings.check_inputs()
    # Only now, so that neither --help nor a mistake waits for torch.
    with quick_imports():
        from training.console import conclusion
        from training.errors import InterruptedRun, torch_errors
        from training.ranks import process_group
        from training.train import train

    try:
        with torch_errors(), process_group() as ranks:
            checkpoint = train(settings, ranks)
    except InterruptedRun as error:
        print(f"{SCRIPT}: {explain(error)}; --resume goes on after the epochs that are saved", file=sys.stderr)
        return 1
    print(conclusion(checkpoint.scores, settings.save_model))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the script. Returns 0, 1 for work that could not be done, 2 for a wrong command line, 130 for Ctrl-C."""
    silence_non_main_ranks()
    settings = read_settings(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return run_script(SCRIPT, lambda: work(settings), "interrupted before anything was learnt")


if __name__ == "__main__":
    sys.exit(main())
