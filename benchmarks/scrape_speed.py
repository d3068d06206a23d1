"""How fast the scraper reads pages, and how soon a crawl that is resumed comes to its summary, and in how much memory.

    python -m benchmarks.scrape_speed                     # 3,000 pages, 10,000 pictures: about two minutes
    python -m benchmarks.scrape_speed --pages 300 --pictures 1000
    python -m benchmarks.scrape_speed --page PAGE.html    # the speed of reading a page of your own, too

A small site on 127.0.0.1 serves a made-up module. It is crawled once, to fill the store; then the same command runs
again in a process of its own, whose time and memory are measured.
"""

import argparse
import io
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from demo.pages import page
from demo.tree import Picture, Taxon
from mikrotax.markup import decode
from mikrotax.pages import parse_page

RANKS = {"Order": 6, "Family": 6, "Genus": 10, "Species": 1_000}  # how many at the most in the taxon above
MODULE = "ntax_cenozoic"


def grow_module(pages: int, pictures: int) -> Taxon:
    """Return a tree of `pages` taxa in four ranks below the root, with `pictures` pictures spread over the lowest."""
    root = Taxon(MODULE, "Module", 1)
    level, number = [root], 1
    for rank, most in RANKS.items():
        below = []
        for place, parent in enumerate(level):
            # What is left is spread evenly over the taxa of this level.
            for _ in range(min(most, -(-(pages - number) // (len(level) - place)))):
                number += 1
                name = f"Genus{parent.id} species{number}" if rank == "Species" else f"{rank} {number}"
                below.append(Taxon(name, rank, number, diagnosis="Rim of two cycles, central area with a cross"))
                parent.adopt(below[-1])
        level = below or level
    for place in range(pictures):
        taxon = level[place % len(level)]
        taxon.pictures.append(Picture(f"JRYSEM-{taxon.id}-{place}.jpg", "A collection", "A caption", "Notes " * 5))
    return root


class Site(ThreadingHTTPServer):
    """Serves the pages of one module, and one and the same picture at all other addresses."""

    daemon_threads = True

    def __init__(self, root: Taxon):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.taxa = {taxon.name: taxon for taxon in root.walk()}
        file = io.BytesIO()
        Image.effect_noise((120, 100), 60).save(file, "JPEG")
        self.picture = file.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: "Site"
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece

    def do_GET(self):
        """Answer with the page of a taxon, with no robots.txt, or with the picture."""
        taxon = self.server.taxa.get(parse_qs(urlsplit(self.path).query).get("taxon", [""])[0])
        body = page(taxon, "later").encode() if taxon else self.server.picture
        self.send_response(404 if self.path == "/robots.txt" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Keep quiet."""


def pages_per_second(text: str, seconds: float = 3) -> float:
    """Return how many times in a second `text` is parsed, measured for about `seconds`."""
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        parse_page(text, f"https://www.mikrotax.org/Nannotax3/index.php?taxon=x&module={MODULE}")
        count += 1
    return count / (time.perf_counter() - begun)


def crawl(site: str, folder: Path) -> float:
    """Run the scraper on all of the module; return the seconds it took. Raises CalledProcessError if it fails."""
    command = [sys.executable, "scrape_mikrotax.py", "--site", site, "--delay", "0"]
    command += ["--data", str(folder / "data"), "--images", str(folder / "images")]
    begun = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    print(re.sub(r"(?m)^", "    ", done.stdout.rstrip()))
    return time.perf_counter() - begun


def main(argv: list[str] | None = None) -> int:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=3_000)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--page", type=Path, help="an HTML file to parse as well")
    args = parser.parse_args(argv)

    root = grow_module(args.pages, args.pictures)
    texts = {"the made-up root page": page(root, "later")}
    if args.page:
        texts[args.page.name] = decode(args.page.read_bytes())
    for name, text in texts.items():
        print(f"parsing {name} ({len(text):,} characters): {pages_per_second(text):.0f} pages a second", flush=True)

    site = Site(root)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        print(f"first crawl: {crawl(site.url, Path(folder)):.1f} s", flush=True)
        print(f"resumed: {crawl(site.url, Path(folder)):.1f} s")
    # The children's peak is that of the larger of the two crawls.
    print(f"memory of a crawl at its peak: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")
    site.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
