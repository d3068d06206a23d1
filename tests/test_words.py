"""The code speaks its field's language: none of the names that were once coined here comes back."""

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent

# Names that cannot be ordinary words, and phrases; what the field says instead stands behind them.
COINED = {
    r"\bWorld\b|\bALONE\b": "Ranks",
    r"hush_all_but_first": "silence_non_main_ranks",
    r"\bjoined\(": "process_group",
    r"\bGuest\b": "PoliteSession",
    r"\bWishes\b": "SelectionOptions",
    r"\bsqueeze\(|\bfolded\(|\bapart\(": "strip_blanks, comparison_key, disambiguate",
    r"\btake_up\b": "resume_table",
    r"\bDOOR\b|\bdoor\b": "input_pool",
    r"[Ff]amiliar(ity)?\b": "out-of-distribution detector",
    r"\bstrangeness\b|\bstrangers?\b": "ood_score, unseen taxa",
    r"\bmisfits?\b|\bdoubts\b|\bchoose_places\b": "nonconformity, rank limits",
    r"\bdefen[ds]i?ble\b|can be defended": "the lowest supported taxon",
    r"\bLook\(|\blook_at\b|\blook_at_all\b|\balike_pairs\b": "Descriptor, describe, near_duplicate_pairs",
    r"\bRecipe\b|\bTimetable\b|\bplan_stages\b": "Settings, PhaseClock, Phase, plan_phases",
    r"\bdraw_changes\b|\blargest_turn\b|\bturned_pictures\b|\bstands_upright\b": "max_rotation, tta_views",
    r"\bkeep_best\b|\bkeep_last\b|\bread_interrupted\b|\bundivided\b": "RunFolder",
    r"\btick\b|\btick_of\b": "on_progress",
    r"learn(ed|t)? by heart|know(s)? .{0,20}by heart": "overfit",
    r"handicap": "logit adjustment",
    r"have an up\b|with an up\b|has an up\b|without an up\b|has no up\b": "oriented",
    r"could not be had|\bwants a (whole )?number|wants an e-mail": "could not be fetched, must be a number",
    r'"""Gives? ': "Return …",
    r"\blast look\b|worth a look\b|\*\*4\. \[Look": "finalising, worth checking, Visualise",
    r"quarter turns?\b|scale, rng, turn\b": "rotation, multiples of 90°",
    r"directories apart\b|captions stand apart\b": "except hidden directories, not beside",
    r"\bASIDE\b|\bLITTER|\bAGAIN\b|\bQUICK\b|\bput_aside\b": "NOT_RECORDED, SYSTEM_FILES, …, retire",
    r"\b(is|are)_told\b|_that_is_none\b|\bis told at once\b|\bis said once\b": "is reported",
    r"\ball stand on\b|\bscripts stand on\b|\bstands? in `?(data/|notices|failures)": "share, is listed in",
    r"\bepoch came to\b|\bwhat becomes of rare\b": "the result of an epoch, drop or pool",
    r"\battic\b|not a fossil\b|speaks the language\b|user's business\b|want_of_links": "plain words",
    r"make(s)? no sense\b|once that is mended|stay away from it": "not valid, fixed, disallows",
}
# What tells of the past: renamed things, and what older model files call theirs.
PAST = {"CHANGELOG.md", "tests/test_words.py", "tests/test_checkpoint.py", "tests/test_calibration.py"}
PAST |= {"models/checkpoint.py"}


def texts():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if name.endswith((".py", ".md", ".jinja", ".toml", ".cff", ".txt", "Makefile")) and name not in PAST:
            path = TOP / name
            if path.is_file():
                yield name, path.read_text(encoding="utf-8")


@pytest.mark.parametrize("coined, instead", COINED.items(), ids=COINED.values())
def test_no_coined_name_is_left(coined, instead):
    found = [f"{name}: {match.group()!r}" for name, text in texts() for match in re.finditer(coined, text)]
    assert not found, f"say {instead}"
