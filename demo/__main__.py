"""The whole way, from a small Mikrotax to test.png: what `make demo` runs.

    python -m demo

It serves the demo site on a free port of 127.0.0.1 and runs the four scripts against it, each as a user would type it.
What they make lies in demo/work/, which is emptied first, so that nobody's own data/ and images/ are touched; only
test.png and logs/ lie where the scripts write them by default.
"""

import argparse
import csv
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from demo.site import DemoSite
from demo.taxa import MODULES

TOP = Path(__file__).resolve().parent.parent
WORK = "demo/work"


def commands(site: str) -> list[str]:
    """Return the four commands that a user would type at the top of the checkout, against `site`."""
    modules = " ".join(f"--module {name}" for name in MODULES["later"].values())
    return [
        f"python scrape_mikrotax.py --site {site} {modules} --delay 0 --data {WORK}/data --images {WORK}/images",
        f"python prepare_image_model.py --data {WORK}/data --images {WORK}/images --train {WORK} --depth 2",
        f"python train_classifier.py --directory {WORK} --use_model vgg11_adaptive --weights none --epochs 20 "
        f"--log --save_model {WORK}/model",
        f"python visualise_results.py --model {WORK}/model --validate {WORK}/validate --output test.png",
    ]


def run(command: str) -> None:
    """Print a command and run it at the top of the checkout. Raises CalledProcessError where it fails."""
    print(f"\n$ {command}", flush=True)
    _, script, *arguments = shlex.split(command)
    status = subprocess.run([sys.executable, script, *arguments], cwd=TOP).returncode
    if status == 1 and script == "scrape_mikrotax.py" and only_the_broken_picture_failed():
        print("(Status 1, as it must be: one picture of the demo is broken on purpose, so that you have seen it.)")
    elif status:
        raise subprocess.CalledProcessError(status, command)


def only_the_broken_picture_failed() -> bool:
    """Return whether the scraper's list of failures holds what the demo site spoils on purpose, and nothing else."""
    failures = TOP / WORK / "data" / "failures.csv"
    if not failures.is_file():
        return False
    with failures.open(encoding="utf-8", newline="") as file:
        urls = [row["url"] for row in csv.DictReader(file)]
    return bool(urls) and all("Demo%20broken" in url for url in urls)


def main(argv: list[str] | None = None) -> int:
    """Run the demo; return the exit status of the command that failed, or 0."""
    parser = argparse.ArgumentParser(
        prog="python -m demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(argv)
    start = time.monotonic()
    shutil.rmtree(TOP / WORK, ignore_errors=True)
    with DemoSite() as site:
        print(f"A small Mikrotax with drawn coccoliths answers at {site.url}. Four commands follow.")
        try:
            for command in commands(site.url):
                run(command)
        except subprocess.CalledProcessError as error:
            print(f"\nThe demo ends here: the last command failed with status {error.returncode}.", file=sys.stderr)
            return error.returncode
        except KeyboardInterrupt:
            print("\nInterrupted. `make demo` begins anew.", file=sys.stderr)
            return 130
    print(
        f"""
The demo took {(time.monotonic() - start) / 60:.1f} minutes. Look at:
  test.png                what the classifier says of twelve pictures that it did not learn from
  {WORK}/dataset.png   the classes and their pictures
  {WORK}/              data/, images/, train/, validate/ and model, as the scripts make them
  .venv/bin/tensorboard --logdir=./logs --port=6006, then http://localhost:6006: how the training went
Next: the same four commands on the real site; README.md has them."""
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
