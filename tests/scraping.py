"""What the tests of the scraper share: to run it in this process, to read what it wrote, and small sites of our own."""

import csv
import io
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

import scrape_mikrotax

GENUS = "Coccolithus"  # with a group and species below it: 5 pages of the demo, some 45 pictures


def quick_first(*cases, quick=1):
    """Return cases for `parametrize`, of which all but the first few are marked as slow."""
    values = [case if isinstance(case, tuple) else (case,) for case in cases]
    marks = [()] * quick + [pytest.mark.slow] * len(values)
    return [pytest.param(*case, marks=mark) for case, mark in zip(values, marks, strict=False)]


def scrape(site, folder, *options):
    """Run the scraper in this process; return its status."""
    url = site if isinstance(site, str) else site.url
    places = ["--data", str(folder / "data"), "--images", str(folder / "images")]
    return scrape_mikrotax.main(["--site", url, "--delay", "0", *places, *options])


def records(folder):
    """Return all records below `folder` by path."""
    found = sorted((folder / "data").glob("*/*.json"))
    return {str(path.relative_to(folder / "data")): json.loads(path.read_text("utf-8")) for path in found}


def tree(folder):
    """Return the bytes of every file below `folder` by path, dates aside, but for the store of raw pages."""
    date = re.compile(rb"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")
    files = [path for path in folder.rglob("*") if path.is_file() and ".pages" not in path.parts]
    return {str(path.relative_to(folder)): date.sub(b"DATE", path.read_bytes()) for path in files}


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def asked(site):
    return [request.path for request in site.requests]


class LoopbackSite:
    """Serves on 127.0.0.1 what `answer` of a subclass returns; `paths` is what was asked for."""

    def __init__(self):
        self.paths = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.paths.append(self.path)
                status, head, body = site.answer(self.path)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | head).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()


class OwnSite(LoopbackSite):
    """Serves pages and pictures by the taxon, id or path asked for; 404 for all else, robots.txt too."""

    def __init__(self, pages, pictures=None):
        super().__init__()
        self.pages, self.pictures = pages, pictures or {}

    def answer(self, target):
        """Return status, head and body for a request."""
        query = parse_qs(urlsplit(target).query)
        body = self.pages.get(query.get("taxon", [None])[0]) or self.pictures.get(target) or b""
        return 200 if body else 404, {}, body.encode() if isinstance(body, str) else body


def picture(size=(20, 20), kind="PNG"):
    file = io.BytesIO()
    Image.new("L", size).save(file, kind)
    return file.getvalue()
