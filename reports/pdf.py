"""report.pdf: the page printed by a browser that is there, since browsers know best how their pages print."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from common.errors import ToolkitError
from common.files import write_bytes, write_text

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
# Where they lie on macOS and Windows, whose search paths do not hold them.
APPLICATIONS = ("Google Chrome", "Chromium", "Microsoft Edge")
PROGRAMS = ("Google/Chrome/Application/chrome.exe", "Microsoft/Edge/Application/msedge.exe")
# Nothing but printing: no sandbox, which needs rights that containers lack, since the page runs no code; no network.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--no-pdf-header-footer"),
)
SECONDS = 300


def find_browser() -> str | None:
    """Return the path of Chromium, Chrome or Edge, None where there is none of them."""
    found = (shutil.which(name) for name in BROWSERS)
    applications = (Path("/Applications") / f"{name}.app/Contents/MacOS/{name}" for name in APPLICATIONS)
    roots = (os.environ.get(name) for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"))
    programs = (Path(root) / program for root in roots if root for program in PROGRAMS)
    return next((str(path) for path in (*found, *applications, *programs) if path and Path(path).is_file()), None)


def print_page(page: Path, paper: str) -> Path:
    """Print a page of ours to a PDF file beside it, on A4 or Letter; return the file.

    Raises ToolkitError where there is no browser, or it does not print.
    """
    browser = find_browser()
    if browser is None:
        raise ToolkitError(
            f"there is no Chromium, Chrome or Edge to print with; open {page} in a browser and print it to a file"
        )
    copy = page.with_name(f".{page.stem}.print.html")  # beside the page, so that its links hold
    try:
        text = page.read_text(encoding="utf-8")
        write_text(copy, text.replace("@page {", f"@page {{ size: {paper};", 1))
        with tempfile.TemporaryDirectory() as scratch:
            printed = Path(scratch) / "page.pdf"
            profile = f"--user-data-dir={scratch}/profile"
            command = [browser, *FLAGS, profile, f"--print-to-pdf={printed}", copy.resolve().as_uri()]
            try:
                subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise ToolkitError(f"{browser} does not print {page} ({type(error).__name__})") from error
            if not printed.is_file() or not printed.stat().st_size:
                raise ToolkitError(f"{browser} does not print {page}; open it in a browser and print it to a file")
            return write_bytes(page.with_suffix(".pdf"), printed.read_bytes())
    finally:
        copy.unlink(missing_ok=True)
