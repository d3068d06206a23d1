"""How long prepare_image_model.py takes for 20,000 thumbnails, and how much memory: the target is 60 s and 1 GB.

    python benchmarks/prepare_speed.py                 about two minutes, most of it to draw the thumbnails
    python benchmarks/prepare_speed.py --pictures 2000

The thumbnails are drawn: soft shapes with a grain, about 120x120 pixels, JPEG, a tenth of them copies of another, in 40
classes. They lie in a temporary directory. Prints one line; ends with status 1 where a target is missed. On a machine
that has other work to do, compare the processor time. Linux only.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SCRIPT = Path(__file__).resolve().parent.parent / "prepare_image_model.py"
CLASSES = 40
SECONDS, MEGABYTES = 60, 1000


def draw(number: int) -> Image.Image:
    """Draw a thumbnail; every tenth is the one before it, rotated."""
    if number % 10 == 9:
        return draw(number - 1).transpose(Image.Transpose.ROTATE_90)
    chance = np.random.default_rng(number)
    size = (120, int(chance.integers(80, 160)))
    shapes = Image.fromarray(chance.integers(0, 256, (10, 10), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = chance.integers(-20, 20, (size[1], size[0]))
    return Image.fromarray(np.clip(np.asarray(shapes, int) + grain, 0, 255).astype(np.uint8))


def lay_out(top: Path, pictures: int) -> None:
    """Draw the pictures below top/images and list them in a record for each class below top/data."""
    (top / "images" / "M").mkdir(parents=True)
    (top / "data").mkdir()
    for label in range(CLASSES):
        numbers = range(label * pictures // CLASSES, (label + 1) * pictures // CLASSES)
        for number in numbers:
            draw(number).save(top / "images" / "M" / f"{number}.jpg", quality=85)
        thumbs = [f"M/{number}.jpg" for number in numbers]
        content = {"hierarchy": ["M", "O", f"Class{label}"], "samples": [{"taxon": f"Class{label}", "thumbs": thumbs}]}
        (top / "data" / f"{label}.json").write_text(json.dumps(content))


def memory_of(process: int) -> int:
    """Return the memory of a process and its children in bytes, shared pages counted once by each's share (Linux)."""
    total, waiting = 0, [process]
    while waiting:
        one = waiting.pop()
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            waiting += [int(child) for child in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        except (OSError, ValueError):
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    return total


def main() -> int:
    """Run the benchmark. Returns 0, or 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=20_000, metavar="N", help="how many thumbnails (20000)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory)
        lay_out(top, args.pictures)
        options = [part for name in ("data", "images", "train") for part in (f"--{name}", str(top / name))]
        start, most = time.perf_counter(), 0
        child = subprocess.Popen([sys.executable, str(SCRIPT), *options], stdout=subprocess.DEVNULL)
        while child.poll() is None:
            most = max(most, memory_of(child.pid))
            time.sleep(0.2)
        seconds = time.perf_counter() - start
        if child.returncode:
            return 1
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{args.pictures} thumbnails in {seconds:.1f} s ({used.ru_utime + used.ru_stime:.1f} s of processor time), "
        f"{most / 1e6:.0f} MB, on {os.cpu_count()} cores"
    )
    return int(seconds > SECONDS or most > MEGABYTES * 1e6)


if __name__ == "__main__":
    sys.exit(main())
