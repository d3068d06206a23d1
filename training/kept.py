"""What a run writes, so that nothing is lost: the best model, its history, and what --resume goes on from."""

import argparse
import hashlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from common.files import write_csv
from models.checkpoint import Checkpoint, load_checkpoint, load_tensors, save_checkpoint, save_tensors
from models.device import Hardware
from training.data import Data
from training.final import calibrated, positions
from training.log import TrainingLog
from training.loop import PLACES, Run

HISTORY = [
    "epoch",
    "seconds",
    "images_per_second",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validate_loss",
    "validate_accuracy",
    "validate_macro_f1",
]


def read_interrupted(options: argparse.Namespace) -> dict[str, Any]:
    """Read what a run with the same options left behind. Raises CheckpointError or ValueError where it did not."""
    left = load_tensors(last_file(options))
    for name, value in option_values(options).items():
        if left.get("options", {}).get(name) != value:
            raise ValueError(
                f"{last_file(options)} was left by a run with --{name} {left.get('options', {}).get(name)}, "
                f"not {value}; --resume goes on with the options that the run was begun with"
            )
    if missing := set(PLACES) - left.get("run", {}).keys():
        raise ValueError(
            f"{last_file(options)} was left by an older version of this program (it lacks {', '.join(missing)}); "
            f"begin a new run without --resume"
        )
    return left


def check_same_data(left: dict[str, Any], data: Data, options: argparse.Namespace) -> None:
    """Raise ValueError where an interrupted run learnt from other pictures than those that lie there now."""
    if any(left.get(name) != fact for name, fact in data_facts(data).items()):
        raise ValueError(
            f"{last_file(options)} was left by a run on other pictures than those in {options.directory / 'train'}; "
            f"begin a new run without --resume"
        )


def data_facts(data: Data) -> dict[str, Any]:
    """Return what tells one data set from another, as plain values: files that were moved about by hand, too."""
    files = [[(path.parent.name, path.name) for path in split.paths] for split in (data.train, data.validate)]
    listed = hashlib.sha256(repr(files).encode("utf-8", "surrogateescape")).hexdigest()
    return {"classes": data.classes, "dataset": data.digest, "image_size": data.size, "files": listed}


def history_row(run: Run, seconds: float, speed: float, learnt: dict, scores: dict) -> dict[str, float]:
    """Return the epoch's row of model.history.csv."""
    values = [len(run.history) + 1, round(seconds, 2), round(speed, 1), learnt["learning_rate"]]
    values += [learnt["loss"], learnt["accuracy"], scores["loss"], scores["accuracy"], scores["macro_f1"]]
    return dict(zip(HISTORY, values, strict=True))


def keep_best(run: Run, scores: dict, data: Data, options: argparse.Namespace) -> None:
    """Save the model if it is the best yet."""
    merit = (scores["accuracy"], -scores["loss"])
    if not run.best or merit > (run.best["accuracy"], -run.best["loss"]):
        run.best = {"epoch": len(run.history), **scores}
        if run.world.first:
            save_checkpoint(options.save_model, make_checkpoint(run, data, options))


def keep_last(run: Run, data: Data, options: argparse.Namespace, log_directory: str) -> None:
    """Save what --resume needs, then the history."""
    facts = {**data_facts(data), "log": log_directory}
    save_tensors(last_file(options), {"run": run.state(), "options": option_values(options), **facts})
    keep_history(run, options)


def keep_history(run: Run, options: argparse.Namespace) -> None:
    """Write the epochs' rows beside the model."""
    write_csv(options.save_model.with_name(options.save_model.name + ".history.csv"), HISTORY, run.history)


@contextmanager
def undivided() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait: what is kept of an epoch and what the log shows of it belong together."""
    came: list[int] = []
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in former:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


@contextmanager
def saying_what_is_kept(run: Run, options: argparse.Namespace) -> Iterator[None]:
    """Let an OSError that ends a run, such as that of a full disk, also say what is left of it."""
    try:
        yield
    except OSError as error:
        if not last_file(options).is_file() or len(run.history) < 2:
            raise
        raise OSError(
            f"{error}. The epochs before are kept: once that is mended, --resume goes on after them"
        ) from error


def make_checkpoint(run: Run, data: Data, options: argparse.Namespace) -> Checkpoint:
    """Return the network as it is now, with all that a prediction needs."""
    return Checkpoint(
        architecture=options.use_model,
        image_size=data.size,
        classes=data.classes,
        weights={name: tensor.cpu() for name, tensor in run.network.state_dict().items()},
        lineages=data.lineages,
        scores=run.best,
        options=option_values(options),
        dataset=data.digest,
        versions={library: version(library) for library in ("torch", "torchvision")},
    )


def finish(run: Run, data: Data, options: argparse.Namespace, hardware: Hardware, log: TrainingLog | None) -> None:
    """Let the best state name the validation pictures once more, and keep in the model how far it may be trusted."""
    run.optimizer = run.average = None  # room for the model that is read now
    run.network.zero_grad()
    checkpoint = run.world.agree(load_checkpoint(options.save_model) if run.world.first else None)
    checkpoint.turns = positions(data, options.tta)
    checkpoint, prediction = calibrated(checkpoint, data, hardware, run.world)
    run.best = checkpoint.scores
    if run.world.first:
        save_checkpoint(options.save_model, checkpoint)
        keep_history(run, options)  # a run that was killed after its last epoch's state has not written it
    if log:
        log.finish(option_values(options), run.best, data.classes, data.validate, prediction)
        log.close()


def option_values(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options that decide what comes out of a run, as plain values."""
    apart = ("resume", "log", "directory", "save_model")
    return {name: value for name, value in vars(options).items() if name not in apart}


def last_file(options: argparse.Namespace) -> Path:
    """Name the file that --resume needs."""
    return options.save_model.with_name(options.save_model.name + ".last")
