"""A real browser for tests, without a screen: what a page looks like, and what comes out where it is printed."""

import html
import json
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from reports.pdf import FLAGS, find_browser

needs_browser = pytest.mark.skipif(find_browser() is None, reason="there is no Chromium, Chrome or Edge here")

MEASURE = """
const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
const shown = (each) => page.defaultView.getComputedStyle(each);
const boxes = [...page.querySelectorAll("*")].filter((each) => !each.closest("head"));
document.getElementById("result").textContent = JSON.stringify({
  width: root.scrollWidth,
  inner: boxes.filter((each) => /auto|scroll/.test(shown(each).overflowY) && each.scrollHeight > each.clientHeight + 1)
    .map((each) => each.className),
  cut: boxes.filter((each) => each.scrollWidth > each.clientWidth + 1 && shown(each).overflowX === "hidden").length,
  tables: [...page.querySelectorAll("table")].map((each) => ({
    reach: each.parentElement.scrollWidth >= each.offsetWidth,
    wide: each.parentElement.scrollWidth > each.parentElement.clientWidth,
    hint: shown(each.parentElement.querySelector(".hint")).display !== "none",
  })),
});
"""


def measure(page: Path, width: int) -> dict:
    """Lay a page out in a window of some width, and tell what its boxes are like."""
    text = html.escape(page.read_text(encoding="utf-8"), quote=True)
    frame = f'<iframe style="width:{width}px;height:800px;border:0" srcdoc="{text}"></iframe><pre id="result"></pre>'
    with tempfile.TemporaryDirectory() as scratch:
        wrapper = Path(scratch) / "wrapper.html"
        wrapper.write_text(
            f"<!DOCTYPE html><meta charset=utf-8><body>{frame}<script>"
            f"window.onload = () => setTimeout(() => {{ {MEASURE} }}, 1000);</script>",  # once it has been drawn
            encoding="utf-8",
        )
        command = [find_browser(), *FLAGS, f"--user-data-dir={scratch}/profile", "--virtual-time-budget=20000"]
        command += ["--dump-dom", wrapper.as_uri()]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True, encoding="utf-8")
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(html.unescape(found.group(1)))
