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
import math
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.command_line import (
    make_parser,
    positive_float,
    share,
    share_or_none,
    silence_non_main_ranks,
    whole_number,
)

if TYPE_CHECKING:
    from models.device import Hardware
    from training.data import Data
    from training.distributed import World
    from training.log import TrainingLog
    from training.loop import Run
    from training.stages import CachedSource, PictureSource, Stage

# The highest learning rates that a batch of 32 pictures bears, by measurement (NOTES.md).
FROM_SCRATCH_RATE = 0.02
HEAD_RATE = 0.003
PRETRAINED_RATE = 0.0005

# The share of a label that is spread over all classes, and from how many classes on.
PRETRAINED_SMOOTHING, MANY_CLASSES = 0.1, 10

DEFAULT_EPOCHS = 16

# What is set aside of a time budget for reading and writing files.
WRITING_SECONDS = 5.0

HEAD = "Epoch  train loss  accuracy  validate loss  accuracy  pictures/s"


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--directory", type=Path, default=Path(), metavar="DIR", help="where train/ and validate/ lie (default: here)")
    add("--save_model", type=Path, default=Path("model"), metavar="FILE", help="the file to write (default: model)")
    add("--log", action="store_true", help="write TensorBoard logs to ./logs")
    add("--resume", action="store_true", help="go on with the run that FILE.last holds, with the same options")
    add(
        "--use_model",
        default="vgg11",
        metavar="NAME",
        help="vgg11 (default), vgg11_adaptive (pictures of any size, learns from scratch), or any classifier of "
        "torchvision, such as squeezenet1_1 or resnet50",
    )
    add(
        "--weights",
        default="imagenet",
        metavar="WHICH",
        help="where to start: imagenet (default, a download of up to 0.5 GB), none, or a file with a state dict of "
        "the same network",
    )
    add(
        "--freeze",
        choices=("features", "block", "none"),
        help="features: only the head learns, in seconds an epoch; block: the last block of convolutions and the head; "
        "none: everything (default: up to two epochs of the head, then everything; without weights everything at once)",
    )
    add(
        "--views",
        type=whole_number(1),
        default=4,
        metavar="N",
        help="ways in which frozen layers see each picture, the first as it stands, the others turned and lit anew "
        "(default: 4, but no more than epochs)",
    )
    add("--epochs", type=whole_number(1), metavar="N", help="times through the pictures (default: 16)")
    add(
        "--time_budget",
        type=positive_float,
        metavar="MINUTES",
        help="fit the schedule to the time there is, from start to saved model (--epochs may end it sooner)",
    )
    add(
        "--patience",
        type=whole_number(1),
        metavar="N",
        help="stop after N epochs without a better one (default: never)",
    )
    add("--batch_size", type=whole_number(1), default=32, metavar="N", help="pictures in one step (default: 32)")
    add(
        "--learning_rate",
        type=positive_float,
        metavar="X",
        help="the highest rate of the schedule, but for a first stage of the head alone (default: 0.02 from scratch; "
        "from pretrained weights 0.003 for the head alone, 0.0005 for more)",
    )
    add(
        "--balance",
        choices=("none", "weights", "sampler", "logit_adjusted"),
        default="none",
        help="for classes with few pictures: weigh them more, draw them more, or handicap the others (default: none)",
    )
    add(
        "--label_smoothing",
        type=share_or_none,
        metavar="X",
        help="share of each label that is spread over all classes (default: 0.1 from pretrained weights where there "
        "are ten classes or more, else 0)",
    )
    add(
        "--mix",
        choices=("none", "mixup", "cutmix"),
        default="none",
        help="blend pictures with each other, or pieces of them, while all layers learn (default: none)",
    )
    add(
        "--ema",
        type=share,
        metavar="X",
        help="validate and keep a moving average of the weights, of which each step leaves the share X (try 0.99)",
    )
    add(
        "--rotation",
        choices=("auto", "free", "slight"),
        default="auto",
        help="how pictures are turned while training: freely, or by up to 15 degrees where they have an up, which is "
        "looked for (default: auto); always mirrored, too",
    )
    add(
        "--tta",
        action="store_true",
        help="the model names a picture from eight sides (of an upright one from two), at eight (two) times the cost",
    )
    add("--deterministic", action="store_true", help="the same run again on a GPU too, if slower")
    add(
        "--image_size",
        type=whole_number(1),
        metavar="PIXELS",
        help="side of the square into which each picture is fitted whole (default: the pictures' own size, up "
        "to 224, or 160 with a time budget; with weights at least 120)",
    )
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same run on a CPU (default: 0)")
    add("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps … (default: the best there is)")
    add(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="arithmetic of the network; auto takes bf16 where the device is faster with it (default)",
    )
    return parser


def train(options: argparse.Namespace, world: "World") -> "Run":
    """Train a network stage by stage and epoch by epoch, keeping its best state and its last.

    Raises OSError, ValueError, CheckpointError, WeightsError or TrainingError, with a sentence for the user, where it
    cannot begin or go on.
    """
    import torch

    from models.device import choose_hardware, keep_freed_memory
    from training.data import read_data
    from training.distributed import check_shares
    from training.kept import check_same_data, finish, read_interrupted, saying_what_is_kept
    from training.log import TrainingLog
    from training.loop import Run, smallest_batch
    from training.stages import plan_stages
    from training.start import start_network

    began = time.monotonic()
    hardware = choose_hardware(world.device(options.device), options.precision)
    torch.use_deterministic_algorithms(options.deterministic)
    left = world.agree(read_interrupted(options) if options.resume and world.first else None)
    data = read_data(options.directory, options.image_size, *size_bounds(options), options.rotation)
    data = data.to(hardware.device)
    check_shares(world, data, smallest_batch(len(data.train), options.batch_size))
    torch.manual_seed(options.seed)
    weights = options.weights if world.first and not left else "none"
    network = hardware.place(start_network(options.use_model, len(data.classes), data.size, weights))
    run = Run(world.spread(network), began=began, world=world)
    keep_freed_memory()  # only now: what pretrained weights took is not needed again
    if left:
        check_same_data(left, data, options)
        run.restore(left["run"])
    stages = plan_stages(options.weights != "none", options.freeze, wanted_epochs(options))
    log_directory = left["log"] if left else time.strftime("logs/%Y-%m-%d_%H.%M.%S_") + options.use_model
    log = TrainingLog(Path(log_directory)) if options.log and world.first else None
    print(f"{describe(data)}\n{options.use_model} on {hardware}\n{HEAD}")

    with saying_what_is_kept(run, options):
        for number in range(run.stage, len(stages)):
            if number > run.stage:
                run.stage, run.stage_epoch, run.stage_start, left = number, len(run.history), run.seconds, None
            train_stage(run, stages[number], data, options, hardware, log, log_directory, left)
        finish(run, data, options, hardware, log)
    return run


def train_stage(
    run: "Run",
    stage: "Stage",
    data: "Data",
    options: argparse.Namespace,
    hardware: "Hardware",
    log: "TrainingLog | None",
    log_directory: str,
    left: dict[str, Any] | None,
) -> None:
    """Train through a stage, or through the rest of it that an interrupted run left."""
    from models.prediction import Prediction
    from training.average import averaged, make_average
    from training.kept import history_row, keep_best, keep_last, undivided
    from training.loop import LOWEST_RATE, Recipe, epoch_length, make_optimizer, score, train_epoch
    from training.progress import progress_bar, tick_of
    from training.stages import Timetable

    end = stage_end(run, stage, data, options, hardware)
    if end is not None and not left and not has_time(run, stage, data, hardware, end):
        return
    source = make_source(run, stage, data, options, hardware, end)
    pretrained = options.weights != "none"
    lowest = LOWEST_RATE if pretrained and stage.frozen == "none" else 1.0
    run.optimizer = make_optimizer(source.module, pretrained, lowest)
    run.average = make_average(source.module, options.ema) if options.ema else None
    if left:
        run.optimizer.load_state_dict(left["run"]["optimizer"])
        if run.average:
            run.average.load_state_dict(left["run"]["average"])
    else:
        run.learning_start = run.seconds
    rate = (options.learning_rate if stage.share == 1 else None) or default_rate(stage, pretrained)
    smoothing = label_smoothing(options, len(data.classes))
    recipe = Recipe(options.batch_size, rate, options.seed, pretrained, options.balance, smoothing)
    timetable = Timetable(run.stage_epoch, stage.epochs, run.learning_start, end)

    with progress_bar(run, stage, end, epoch_length(len(data.train), options.batch_size)) as bar:
        tick = tick_of(bar, run, end)
        while run.progress(timetable) < 1 and not is_stuck(run, options.patience):
            start = time.monotonic()
            learnt = train_epoch(run, source, data.train.labels, len(data.classes), recipe, timetable, hardware, tick)
            speed = learnt.pop("pictures") / (time.monotonic() - start)
            with averaged(source.module, run.average):
                logits = source.validation_logits()
                scores = run.world.agree(score(logits, data.validate.labels))
                run.history.append(history_row(run, time.monotonic() - start, speed, learnt, scores))
                bar.write(show(run.history[-1]), file=sys.stdout)
                keep_best(run, scores, data, options)
            with undivided():
                if run.world.first:
                    keep_last(run, data, options, log_directory)
                if log:
                    log.epoch(run, {"train": learnt | {"images_per_second": speed}, "validate": scores})
                    log.pictures(run, data, hardware)
                    log.answers(len(run.history), data.classes, data.validate, Prediction(logits, logits))


def wanted_epochs(options: argparse.Namespace) -> int | None:
    """Return the number of epochs, or None for as many as the time budget allows."""
    return options.epochs or (None if options.time_budget else DEFAULT_EPOCHS)


def size_bounds(options: argparse.Namespace) -> tuple[int, int, int]:
    """Return the bounds of the default picture size, and of what it is a multiple.

    That is what pretrained layers need, what can be learnt in the time, and what the network can take.
    """
    from models.networks import size_step

    return 32 if options.weights == "none" else 120, 160 if options.time_budget else 224, size_step(options.use_model)


def default_rate(stage: "Stage", pretrained: bool) -> float:
    """Return the highest learning rate of a stage; what was learnt before bears less than what was not."""
    if not pretrained:
        return FROM_SCRATCH_RATE
    return HEAD_RATE if stage.frozen == "features" else PRETRAINED_RATE


def label_smoothing(options: argparse.Namespace, classes: int) -> float:
    """Return the share of a label that is spread; sets of few classes are there to see the loss go to 0."""
    if options.label_smoothing is not None:
        return options.label_smoothing
    return PRETRAINED_SMOOTHING if options.weights != "none" and classes >= MANY_CLASSES else 0.0


def make_source(
    run: "Run", stage: "Stage", data: "Data", options: argparse.Namespace, hardware: "Hardware", end: float | None
) -> "PictureSource | CachedSource":
    """Return what a stage learns from: the pictures, or what the frozen front of the network says of them."""
    from tqdm import tqdm

    from training.stages import CachedSource, PictureSource

    if stage.frozen == "none":
        return PictureSource(run.network, data, hardware, options.weights != "none", options.mix, run.world)

    def enough() -> bool:  # half of a stage's time belongs to learning
        return end is not None and run.world.agree(run.seconds > (run.stage_start + end) / 2)

    views = min(options.views, stage.epochs or options.views)
    total = len(data.validate) + len(data.train) * views
    with tqdm(total=total, desc="Running the frozen layers", unit=" pictures", leave=False) as bar:
        return CachedSource(
            run.network, stage.frozen, data, hardware, views, options.seed, bar.update, enough, run.world
        )


def stage_end(
    run: "Run", stage: "Stage", data: "Data", options: argparse.Namespace, hardware: "Hardware"
) -> float | None:
    """Return the second of the run at which a stage ends (time is left to `finish`), or None where no time was set."""
    from training.final import pictures_looked_at, positions

    if options.time_budget is None:
        return None
    budget = 60 * options.time_budget
    if stage.share < 1:
        return stage.share * budget
    last_look = pictures_looked_at(data) * positions(data, options.tta)
    seconds = seconds_to_name(len(data.validate) + last_look, run, data, hardware)
    return run.world.agree(budget - WRITING_SECONDS - seconds)


def seconds_to_name(count: int, run: "Run", data: "Data", hardware: "Hardware") -> float:
    """Tell how long it takes all processes together to name so many pictures, from what naming a few takes now."""
    from models.prediction import Predictor
    from models.preprocessing import IMAGENET
    from training.stages import seconds_a_picture

    return count * seconds_a_picture(Predictor(run.network, IMAGENET, hardware), data.validate) / run.world.size


def has_time(run: "Run", stage: "Stage", data: "Data", hardware: "Hardware", end: float) -> bool:
    """Tell whether a stage can learn anything before it ends: what is frozen has to see all pictures first.

    Raises TrainingError where nothing has been learnt yet and this is the last stage.
    """
    from training.loop import TrainingError

    frozen_see = 0 if stage.frozen == "none" else len(data.train) + len(data.validate)
    needed = seconds_to_name(frozen_see, run, data, hardware) if frozen_see else 0.0
    latest = end if stage.share == 1 else (run.stage_start + end) / 2
    short = run.world.agree(run.seconds + needed - latest)
    if short > 0 and stage.share == 1 and not run.history:
        raise TrainingError(
            f"--time_budget is too short for these pictures: what must be done beside learning takes all of it; give "
            f"{math.ceil(short / 60) + 1} minutes more, or a smaller --image_size"
        )
    return short <= 0


def describe(data: "Data") -> str:
    """Say what there is to learn."""
    from training.orientation import FREELY

    turned = "turned freely" if data.turn == FREELY else "turned by up to 15 degrees"
    return (
        f"{len(data.train)} pictures to learn from and {len(data.validate)} to validate with, "
        f"{len(data.classes)} classes, {data.size}x{data.size} pixels, {turned}"
    )


def is_stuck(run: "Run", patience: int | None) -> bool:
    """Tell whether the last `patience` epochs, all of this stage, brought nothing better."""
    if patience is None or not run.best:
        return False
    return len(run.history) - max(run.best["epoch"], run.stage_epoch) >= patience


def show(row: dict[str, float]) -> str:
    """Show a row of the history as a line under HEAD."""
    return (
        f"{row['epoch']:5d} {row['train_loss']:11.4f} {row['train_accuracy']:9.1%} {row['validate_loss']:14.4f} "
        f"{row['validate_accuracy']:9.1%} {row['images_per_second']:11.1f}"
    )


def conclude(run: "Run", model: Path) -> str:
    """Say how good the best epoch is, and what to do next."""
    best = run.best
    return (
        f"The best epoch was {best['epoch']:.0f}: {best['accuracy']:.1%} of the validation pictures are right "
        f"(balanced accuracy {best['balanced_accuracy']:.1%}, macro-F1 {best['macro_f1']:.3f}; always answering with "
        f"the commonest class would reach {best['majority']:.1%}).\n"
        f"Wrote {model}. To look at what it does: python visualise_results.py --model {model}"
    )


def explain(error: RuntimeError) -> str:
    """Say what an error of torch means to the user; nothing where it is a fault of this program."""
    from models.device import is_out_of_memory

    if is_out_of_memory(error):
        return "there is not enough memory; give a smaller --batch_size or --image_size, or another --use_model"
    if "deterministic" in str(error):
        reason = str(error).split(",")[0]
        return f"the same run again is not to be had here ({reason}); leave out --deterministic, or try --device cpu"
    return ""


def main(argv: list[str] | None = None) -> int:
    """Train as the command line says; give the exit status."""
    silence_non_main_ranks()
    parser = build_parser()
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        # Only now, so that --help does not wait for torch.
        from models.checkpoint import CheckpointError
        from models.networks import WeightsError, network_names
        from training.distributed import joined
        from training.loop import TrainingError

        if options.use_model not in network_names():
            parser.error(f"there is no network {options.use_model}; there are: {', '.join(network_names())}")
        with joined() as world:
            run = train(options, world)
    except KeyboardInterrupt:
        print("\nInterrupted. The finished epochs are kept: --resume goes on after them.", file=sys.stderr)
        return 128 + signal.SIGINT
    except (OSError, ValueError, CheckpointError, WeightsError, TrainingError) as error:
        print(f"train_classifier.py: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if not (meaning := explain(error)):
            raise
        print(f"train_classifier.py: {meaning}", file=sys.stderr)
        return 1
    print(conclude(run, options.save_model))
    return 0


if __name__ == "__main__":
    sys.exit(main())
