"""The documents say what the program does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import common
from docs.options import SCRIPTS, updated

TOP = Path(__file__).resolve().parent.parent
PAGES = sorted([TOP / "README.md", TOP / "NOTES.md", TOP / "CHANGELOG.md", *(TOP / "docs").glob("*.md")])


@pytest.mark.parametrize("script", SCRIPTS)
def test_option_tables_are_those_of_the_parsers(script):
    page, text = updated(script)
    assert page.read_text(encoding="utf-8") == text, "stale; run: make docs"
    assert "default: None" not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        linked = page.parent / file if file else page
        assert linked.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings]
            assert heading in slugs, target


def test_the_version_is_the_same_wherever_it_is_written():
    changes = re.search(r"^## (\S+)", (TOP / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    citation = re.search(r"^version: (\S+)", (TOP / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert changes[1] == citation[1] == common.__version__


@pytest.mark.parametrize("page, most", [("README.md", 120), ("NOTES.md", 400)])
def test_documents_stay_short_enough_to_be_read(page, most):
    assert len((TOP / page).read_text(encoding="utf-8").splitlines()) <= most


def test_every_option_that_a_document_names_exists():
    help_of = {
        script: subprocess.run(
            [sys.executable, TOP / f"{script}.py", "--help"],
            capture_output=True,
            text=True,
        ).stdout
        for script in SCRIPTS
    }
    known = set(re.findall(r"--[a-z_]+", "".join(help_of.values())))
    others = {"--port", "--logdir", "--nproc_per_node", "--nnodes", "--rdzv_backend", "--rdzv_endpoint"}
    for page in PAGES:
        if page.name in ("NOTES.md", "CHANGELOG.md"):  # which tell of benchmarks and of what was
            continue
        named = set(re.findall(r"(?<![\w-])--[a-z_]+\b", page.read_text(encoding="utf-8")))
        assert not named - known - others, page
