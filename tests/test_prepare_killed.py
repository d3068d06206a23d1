"""Whatever kills the script, and whenever: the old data set stands, or the new one, and never a mixture."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from drawn import small_set

import prepare_image_model as script
from dataset import audit, layout

TOP = Path(__file__).resolve().parent.parent


def prepare(*options: str) -> int:
    return script.main(list(options))


def listed(top: Path) -> set[str]:
    with (top / "manifest.csv").open(encoding="utf-8", newline="") as table:
        return {row["path"] for row in csv.DictReader(table)}


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


def state(top: Path) -> str:
    """Say which seed's layout stands whole at `top`, or 'none'. Fails for a mixture."""
    found = {path.relative_to(top).as_posix() for split in layout.SPLITS for path in (top / split).rglob("*.png")}
    if (top / "dataset.json").exists():
        assert found == listed(top)
        assert not audit.leaks(audit.audit(top))
        return str(json.loads((top / "dataset.json").read_text())["seed"])
    places = {path.split("/", 1)[1]: path for path in found}
    assert len(places) == len(found), "one picture stands in two splits: two layouts are mixed"
    return "none"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_at_each_step_of_the_swap_leaves_the_old_or_the_new(tmp_path, monkeypatch):
    options = small_set(tmp_path, families=2)
    top = tmp_path / "set"
    seen = Counter()
    for step in range(100):
        assert prepare(*options, "--seed", "1", "--test_share", "0.2") == 0

        def die_at(step=step):
            rename, count = Path.rename, iter(range(1000))

            def counted(self, target):
                if next(count) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return rename(self, target)

            Path.rename = counted
            prepare(*options, "--seed", "2")

        ended = in_child(die_at)
        if ended == 0:
            assert state(top) == "2"
            break
        assert ended == -signal.SIGKILL
        between = state(top)
        layout.recover(top)
        assert state(top) in {"1", "2"}
        assert between in {"none", state(top)}
        assert not [path.name for path in top.iterdir() if path.name.startswith(".")]
        seen[between, state(top)] += 1
    assert step >= 16  # names that move, and the states between
    assert seen["none", "1"] and seen["none", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_at_random_moments_leaves_the_old(tmp_path):
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


def test_ctrl_c_leaves_the_old(tmp_path, monkeypatch):
    options = small_set(tmp_path, families=2)
    assert prepare(*options, "--seed", "1") == 0

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(audit, "audit", interrupted)
    assert prepare(*options, "--seed", "2") == 130
    monkeypatch.undo()
    assert state(tmp_path / "set") == "1"
    assert not list((tmp_path / "set").glob(".dataset*"))
