"""Whatever kills the script, and whenever: the old data set is there, or the new one, and never a mixture."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import prepare_image_model as script
from common.dataset_info import SPLITS, read_dataset_info
from common.locks import LOCK
from common.manifest import read_manifest
from dataset import layout
from dataset import prepare as work
from dataset.audit import audit
from tests.drawn import small_set

TOP = Path(__file__).resolve().parent.parent
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def prepare(*options: str) -> int:
    return script.main(list(options))


def in_child(work) -> int:
    """Run `work` in a forked process and return how it ended: its status, or minus the signal."""
    child = os.fork()
    if not child:
        try:
            sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 (the process ends here)
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def found(top: Path) -> dict[str, bytes]:
    """Return the pictures below `top`, by path."""
    paths = [path for split in SPLITS for path in (top / split).rglob("*.png")]
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in paths}


def state(top: Path) -> str:
    """Say which seed's data set lies complete at `top`, or 'none'. Fails for a mixture."""
    pictures = found(top)
    if (top / "dataset.json").exists():
        assert pictures.keys() == {row.path for row in read_manifest(top / "manifest.csv")}
        return str(read_dataset_info(top / "dataset.json").seed)
    names = {path.split("/", 1)[1] for path in pictures}
    assert len(names) == len(pictures), "one picture is in two splits: two data sets are mixed"
    return "none"


@needs_fork
@pytest.mark.slow
def test_killed_at_each_step_of_the_swap_leaves_the_old_or_the_new(tmp_path):
    options = small_set(tmp_path, families=2)
    top, expected = tmp_path / "set", {}
    for seed in ("2", "1"):
        assert prepare(*options, "--seed", seed, *(["--test_share", "0.2"] if seed == "1" else [])) == 0
        assert not audit(top).leaks
        expected[seed] = found(top)
    top.rename(tmp_path / "first")
    outcomes = Counter()
    for step in range(100):
        shutil.copytree(tmp_path / "first", top)

        def die_at(step=step):
            rename, count = Path.rename, iter(range(1000))

            def counted(self, target):
                if next(count) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return rename(self, target)

            Path.rename = counted
            prepare(*options, "--seed", "2")

        ended = in_child(die_at)
        between = state(top)
        if ended == 0:
            assert between == "2"
            break
        assert ended == -signal.SIGKILL
        layout.recover(top)
        after = state(top)
        assert found(top) == expected[after]
        assert between in {"none", after}
        assert {path.name for path in top.iterdir() if path.name.startswith(".")} <= {LOCK}
        outcomes[between, after] += 1
        shutil.rmtree(top)
    assert step >= 16  # names that move, and the states between
    assert outcomes["none", "1"] and outcomes["none", "2"]


@pytest.mark.slow
def test_killed_at_random_moments_leaves_the_old_or_the_new(tmp_path):
    options = small_set(tmp_path, families=2)
    assert prepare(*options, "--seed", "1") == 0
    command = [sys.executable, str(TOP / "prepare_image_model.py"), *options, "--seed", "2"]
    for moment in (0.3, 0.6, 0.8, 1.0):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            child.wait(moment)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        assert state(tmp_path / "set") in {"1", "2", "none"}
    assert prepare(*options, "--seed", "3") == 0
    assert state(tmp_path / "set") == "3"
    assert not audit(tmp_path / "set").leaks


def test_ctrl_c_leaves_the_old(tmp_path, monkeypatch, capsys):
    options = small_set(tmp_path, families=2)
    assert prepare(*options, "--seed", "1") == 0

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "audit", interrupted)
    assert prepare(*options, "--seed", "2") == 130
    assert "interrupted; no half-made data set is left" in capsys.readouterr().err
    assert state(tmp_path / "set") == "1"
    assert not list((tmp_path / "set").glob(".dataset*"))


def test_a_leak_changes_nothing(tmp_path, monkeypatch, capsys):
    options = small_set(tmp_path, families=2)
    assert prepare(*options, "--seed", "1") == 0
    monkeypatch.setattr(work, "audit", lambda new, page: replace(audit(new, page), near_duplicates_across_splits=1))
    assert prepare(*options, "--seed", "2") == 1
    assert "please report it" in capsys.readouterr().err
    assert state(tmp_path / "set") == "1"
