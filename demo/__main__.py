"""The whole way, from a small Mikrotax to test.png: what `make demo` runs.

    python -m demo

It serves the demo site on a free port of 127.0.0.1 and runs the four scripts against it, each as a user would type it.
What they make lies in demo/work/, which is emptied first, so that nobody's own data/ and images/ are touched; only
test.png and logs/ stand where the scripts write them by default.
"""

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
    """Give the four commands that a user would type at the top of the checkout, against `site`."""
    modules = " ".join(f"--module {name}" for name in MODULES["later"].values())
    return [
        f"python scrape_mikrotax.py --site {site} {modules} --delay 0 --data {WORK}/data --images {WORK}/images",
        f"python prepare_image_model.py --data {WORK}/data --images {WORK}/images --train {WORK} --depth 2",
        f"python train_classifier.py --directory {WORK} --use_model vgg11_adaptive --weights none --log "
        f"--save_model {WORK}/model",
        f"python visualise_results.py --model {WORK}/model --validate {WORK}/validate --output test.png",
    ]


def run(command: str) -> None:
    """Print a command and run it at the top of the checkout. Raises CalledProcessError where it fails."""
    print(f"\n$ {command}", flush=True)
    program, *arguments = shlex.split(command)
    subprocess.run([sys.executable if program == "python" else program, *arguments], cwd=TOP, check=True)


def main() -> int:
    """Run the demo; give the exit status of the command that failed, or 0."""
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
