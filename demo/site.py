"""A small Mikrotax on 127.0.0.1: it answers as the real site does, with drawn coccoliths.

    python -m demo.site                                    # on a free port, which it prints
    python -m demo.site --port 8000 --wording 2018         # the pages as they were in 2018
    python -m demo.site --log requests.csv                 # at the end, write down who asked for what

In a test:

    with DemoSite(wording="2018") as site:
        requests.get(f"{site.url}/Nannotax3/index.php?id=1000")
    assert [request.path for request in site.requests] == [...]
"""

import argparse
import contextlib
import io
import math
import re
import signal
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote

from common.files import write_csv
from demo import pages
from demo.pictures import modules
from demo.taxa import MODULES
from demo.tree import Picture, Taxon

THUMBNAIL, FULL_SIZE = 120, 480  # widths in pixels
HOMES = ("", "index.html", "Nannotax3", "Nannotax3/index.php", "system", "system/index.php")
STYLE = """
body {font-family: sans-serif; margin: 1em} .notice {background: #fe9; padding: .5em} ul.gallery {list-style: none}
.gallery li {display: inline-block; margin: 4px; vertical-align: top; width: 130px; overflow-wrap: anywhere}
.inrange a {color: #00c} .unsetrange a {color: #777}
"""
PAGE_HEADERS = {  # what a PHP session sends; a polite client keeps no cookie, and a copy of its own all the same
    "Set-Cookie": "PHPSESSID=demo; path=/",
    "Cache-Control": "no-store, no-cache, must-revalidate",
}
ROBOTS = "User-agent: *\nDisallow: /Nannotax3/catalog/\nDisallow: /comments/\n"


@dataclass(frozen=True)
class Answer:
    """What goes back for a request."""

    body: bytes
    status: int = 200
    type: str = "text/html; charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
    sent: float = 1.0  # share of the body that leaves before the connection breaks; below 0: not even a head


@dataclass
class Request:
    """One line of the site's log: who asked for what, when, and how it was answered."""

    time: float  # seconds since the epoch, when the request had been read
    method: str
    path: str  # with the query, as sent
    headers: dict[str, str]
    client: int  # the client's port: the same for all requests of one connection
    status: int = 0
    fault: str = ""  # what went wrong with the answer on purpose; nothing does unless a subclass sees to it


class DemoSite:
    """The site, served from a thread between `with` and its end.

    wording: "later" or "2018". revised: after a taxonomic revision (`demo.pictures.revise`). port: 0 for a free one.
    `url` is the address, `away` one of a host that is not this one but ends here too, so that the log shows who follows
    links to it; `requests` is the log. Call `change` to change the site while it runs. A subclass that overrides the
    public methods is a site that goes wrong. Raises OSError where the port is taken, KeyError for an unknown wording.
    """

    def __init__(self, wording: str = "later", revised: bool = False, port: int = 0):
        self.requests: list[Request] = []
        self.wording = wording
        self.revised = revised
        self.change()
        self._server = _Server(("127.0.0.1", port), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.away = f"http://localhost:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._server.shutdown()
        self._server.server_close()

    def change(self, wording: str | None = None, revised: bool | None = None) -> None:
        """Make the site another one from the next request on; what is not given stays. Arguments as for the class."""
        self.wording = wording or self.wording
        self.revised = self.revised if revised is None else revised
        self.modules = self.grow_modules()
        taxa = [taxon for root in self.modules.values() for taxon in root.walk()]
        self._by_id = {taxon.id: taxon for taxon in taxa}
        self._by_name = {(taxon.module, taxon.name): taxon for taxon in taxa}
        self._by_folder = {"/".join(taxon.lineage): taxon for taxon in taxa}
        self._pictures = {}
        for taxon in taxa:
            for picture in taxon.pictures:
                self._pictures[f"{taxon.module}/thumbs/{picture.file}"] = picture, THUMBNAIL
                self._pictures[f"{'/'.join(taxon.lineage)}/{picture.file}"] = picture, FULL_SIZE

    def grow_modules(self) -> dict[str, Taxon]:
        """Return the root taxon of each module by its name, with all that the site shows below it."""
        return modules(self.wording, self.revised)

    def respond(self, request: Request) -> Answer:
        """Return what goes back for `request`, and note in it how it went."""
        answer = self.answer(request.path)
        request.status = answer.status
        return answer

    def answer(self, target: str) -> Answer:
        """Return what a sound site answers to a request for `target`, a path with or without a query."""
        path, _, query = target.partition("?")
        path = unquote(path).strip("/")
        if path == "robots.txt":
            return self.robots_txt()
        if path.startswith("images/"):
            return self._picture(path.removeprefix("images/"))
        if path == "css/basic_style.css":
            return Answer(STYLE.encode(), type="text/css")
        if path in HOMES and not query:
            return Answer(pages.home(self.modules).encode())
        if path.startswith(("Nannotax3/", "system/")):
            taxon, asked = self._taxon(path, query)
            return self.page(taxon) if taxon else Answer(pages.wrong_page(asked).encode(), headers=PAGE_HEADERS)
        return Answer(b"<html><body>Not found</body></html>", 404)

    def robots_txt(self) -> Answer:
        """Return the site's robots.txt."""
        return Answer(ROBOTS.encode(), type="text/plain")

    def page(self, taxon: Taxon) -> Answer:
        """Return the page of a taxon."""
        return Answer(pages.page(taxon, self.wording).encode(), headers=PAGE_HEADERS)

    def find(self, module: str, name: str) -> Taxon | None:
        """Return the taxon of that name in a module, if there is one."""
        return self._by_name.get((module, name))

    def _taxon(self, path: str, query: str) -> tuple[Taxon | None, str]:
        """Return the taxon that an address means, if there is one, and the name or number asked for, in any form."""
        asked = {key: values[-1] for key, values in parse_qs(query).items()}
        if "id" in asked:
            return self._by_id.get(int(asked["id"]) if asked["id"].isdecimal() else -1), asked["id"]
        if "dir" in asked:
            return self._by_folder.get(asked["dir"].strip("/")), asked["dir"]
        pretty = re.fullmatch(r"Nannotax3/(cenozoic|mesozoic)(?:/(.+))?", path)
        if "module" in asked:
            module, name = self._renamed(asked["module"]), self._renamed(asked.get("taxon", asked["module"]))
        elif pretty:
            module = MODULES[self.wording][pretty[1]]
            name = pretty[2].replace("_", " ") if pretty[2] else module
        else:
            return None, path
        return self.find(module, name), name

    def _renamed(self, name: str) -> str:
        """Return the present name of a module that is asked for by its old one; any other name as it is."""
        old = {MODULES["2018"][key]: new for key, new in MODULES[self.wording].items()}
        return old.get(name, name)

    def _picture(self, path: str) -> Answer:
        """Return a thumbnail or full-size picture, drawn when it is asked for the first time."""
        if path not in self._pictures:
            return Answer(b"<html><body>No such picture</body></html>", 404)
        picture, size = self._pictures[path]
        body = jpeg(picture, size)
        return Answer(body[: len(body) // 2] if picture.corrupt else body, type="image/jpeg")


@lru_cache(maxsize=4096)
def jpeg(picture: Picture, size: int) -> bytes:
    """Return `picture`, drawn `size` pixels wide, as a JPEG file."""
    from demo.coccoliths import draw  # numpy and Pillow: not before they are needed

    file = io.BytesIO()
    image = draw(picture.species, picture.specimen, picture.shot, picture.technique, size, picture.scene)
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


class _Server(ThreadingHTTPServer):
    """Serves one DemoSite, and closes the connections that clients keep open when it ends."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address, site: DemoSite):
        self.site = site
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """Let a client hang up when it likes; anything else is a mistake of ours and is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self):
        super().server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for a DemoSite: logs the request, sends the answer."""

    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True

    def do_GET(self):
        """Answer, as well or as badly as the site is to answer."""
        site = self.server.site
        request = Request(time.time(), self.command, self.path, dict(self.headers), self.client_address[1])
        site.requests.append(request)
        answer = site.respond(request)
        self.close_connection |= answer.sent < 1
        if answer.sent < 0:
            return
        self.send_response(answer.status)
        size = len(answer.body)
        for name, value in {"Content-Type": answer.type, "Content-Length": str(size), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: math.ceil(size * answer.sent)])

    do_HEAD = do_GET

    def log_message(self, *args):
        """Say nothing on the terminal: the log is in `requests`."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this command line."""
    parser = argparse.ArgumentParser(prog="python -m demo.site", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--wording", choices=list(pages.WORDS), default="later", help="how pages are worded")
    parser.add_argument("--revised", action="store_true", help="show the site after a taxonomic revision")
    parser.add_argument("--log", metavar="FILE", help="write all requests to a CSV file at the end")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Serve until Ctrl-C, which gives status 130."""
    options = build_parser().parse_args(argv)
    try:
        site = DemoSite(options.wording, options.revised, options.port)
    except (OSError, OverflowError) as error:
        print(f"Cannot serve on port {options.port} ({error}). Try another --port, or leave it out.", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with site:
        print(f"The small Mikrotax answers at {site.url}/ until you press Ctrl-C.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(60)
    try:
        if options.log:
            write_csv(options.log, [one.name for one in fields(Request)], map(asdict, site.requests))
    except OSError as error:
        print(f"Cannot write the log to {options.log} ({error}).", file=sys.stderr)
        return 1
    return 130


if __name__ == "__main__":
    sys.exit(main())
