"""The demo site gone wrong: each fault is off until a test switches it on.

A fault that is a share strikes that part of all addresses (0.2: every fifth, 1: every one). Which ones depends on
`seed` and on the address alone, so that a test can ask beforehand (`Faults.strikes`), and a client that comes again
meets the same.
"""

import io
import math
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache

from PIL import Image

from demo import pages
from demo.site import ROBOTS, Answer, DemoSite, Request
from demo.tree import Picture, Taxon

PASSING = ("busy", "unavailable", "error", "cut_off", "hang_up")
LASTING = (
    "error_always", "cut_off_always", "gone", "redirect_within", "redirect_away", "redirect_circle",
    "html_pictures", "tiny", "bombs", "wrong_type", "wrong_encoding",
)  # fmt: skip
REFUSALS = {"busy": 429, "unavailable": 503, "error": 500, "error_always": 500, "gone": 404}


@dataclass(frozen=True)
class Faults:
    """The faults of a site. Shares run from 0 to 1; the first that strikes an address is the one it gets."""

    # how often and where
    seed: int = 0  # another choice of addresses
    times: int = 1  # how many first requests for an address a passing fault spoils
    only: str = ""  # spoil only addresses that hold this text, as /images/
    # passing: asking again helps
    busy: float = 0.0  # share answered 429 at first
    unavailable: float = 0.0  # share answered 503 at first
    error: float = 0.0  # share answered 500 at first
    cut_off: float = 0.0  # share whose body breaks off at first
    hang_up: float = 0.0  # share whose connection is closed without an answer at first
    # lasting
    error_always: float = 0.0  # share answered 500 for ever
    cut_off_always: float = 0.0  # share whose body breaks off every time
    gone: float = 0.0  # share answered 404
    redirect_within: float = 0.0  # share of pages that redirect to another address of the same page
    redirect_away: float = 0.0  # share that redirect to another host
    redirect_circle: float = 0.0  # share that redirect in circles
    html_pictures: float = 0.0  # share of pictures answered by a page and status 200
    tiny: float = 0.0  # share of pictures that are 1x1
    bombs: float = 0.0  # share of pictures that unpack to 20,000x20,000
    wrong_type: float = 0.0  # share sent under a wrong content type
    wrong_encoding: float = 0.0  # share of pages in Latin-1 that say they are UTF-8
    # of the whole site
    slow: float = 0.0  # seconds before each answer
    retry_after: int = 0  # seconds that 429 and 503 ask to wait; 0: they do not say
    retry_date: bool = False  # say retry_after as a date
    huge: int = 0  # megabytes added to the page of Discoaster
    cyclic: bool = False  # taxa that are daughters of their own daughters
    endless: bool = False  # a taxonomy that goes down for ever, below Discoaster
    hostile: bool = False  # taxa and pictures with dangerous names, and links that lead elsewhere, on each root
    robots: int = 200  # status of robots.txt
    crawl_delay: float = 0.0  # Crawl-delay in robots.txt
    disallow: str = ""  # one more path that robots.txt forbids

    def strikes(self, name: str, target: str) -> bool:
        """Return whether the fault `name`, a share, spoils the address `target` (path and query, as they are sent)."""
        chance = zlib.crc32(f"{self.seed} {name} {target}".encode()) / 2**32
        return chance < getattr(self, name) and self.only in target and target != "/robots.txt"

    def spoil(self, answer: Answer, target: str, before: int, away: str) -> tuple[Answer, str]:
        """Return what a sound `answer` becomes, and the name of the fault that struck, or "".

        before: how often `target` was asked for before. away: address of the host that is not this one.
        """
        if target.startswith("/circle/"):
            return self._spoiled("redirect_circle", answer, target, away), "redirect_circle"
        for name in PASSING + LASTING:
            if self.strikes(name, target) and (name in LASTING or before < self.times):
                spoiled = self._spoiled(name, answer, target, away)
                if spoiled != answer:
                    return spoiled, name
        return answer, ""

    def _spoiled(self, name: str, answer: Answer, target: str, away: str) -> Answer:
        """Return what the fault `name` makes of `answer`; the same answer where it does not apply."""
        picture = answer.type.startswith("image/")
        match name:
            case "busy" | "unavailable" | "error" | "error_always" | "gone":
                return self._refusal(REFUSALS[name])
            case "cut_off" | "cut_off_always":
                return replace(answer, sent=0.5)
            case "hang_up":
                return replace(answer, sent=-1.0)
            case "redirect_within" if "taxon=" in target and "dpage" not in target:
                return _redirect(f"{target}&dpage=0")
            case "redirect_away":
                return _redirect(away + target)
            case "redirect_circle":
                return _redirect("/circle/b" if target == "/circle/a" else "/circle/a")
            case "html_pictures" if picture:
                return Answer(b"<html><body>This picture is not here</body></html>")
            case "tiny" if picture:
                return replace(answer, body=_black(1, "PNG"))
            case "bombs" if picture:
                return replace(answer, body=_black(20_000, "PNG"))
            case "wrong_type":
                return replace(answer, type="text/html" if picture else "application/octet-stream")
            case "wrong_encoding" if not picture:
                return replace(answer, body=answer.body.decode().encode("latin-1", errors="replace"))
        return answer

    def _refusal(self, status: int) -> Answer:
        """Return an answer without the thing asked for, and when to come again if the site says so."""
        headers = {}
        if self.retry_after and status in (429, 503):
            until = formatdate(math.ceil(time.time() + self.retry_after), usegmt=True)
            headers["Retry-After"] = until if self.retry_date else str(self.retry_after)
        return Answer(f"<html><body>Error {status}</body></html>".encode(), status, headers=headers)

    def robots_txt(self) -> Answer:
        """Return the site's robots.txt."""
        lines = [f"Disallow: {self.disallow}"] if self.disallow else []
        lines += [f"Crawl-delay: {self.crawl_delay:g}"] if self.crawl_delay else []
        return Answer((ROBOTS + "\n".join([*lines, ""])).encode(), self.robots, "text/plain")


SOUND = Faults()


class FaultySite(DemoSite):
    """A demo site with faults. Arguments and `change` are those of DemoSite, and `faults`."""

    def __init__(self, wording: str = "later", faults: Faults = SOUND, revised: bool = False, port: int = 0):
        self.faults = faults
        self._asked: Counter[str] = Counter()
        super().__init__(wording, revised, port)

    def change(self, wording: str | None = None, revised: bool | None = None, faults: Faults | None = None) -> None:
        """Make the site another one from the next request on; what is not given stays."""
        self.faults = faults or self.faults
        self._asked.clear()
        super().change(wording, revised)

    def grow_modules(self) -> dict[str, Taxon]:
        """Return the modules, with taxa of the faults `hostile` and `endless`."""
        roots = super().grow_modules()
        for root in roots.values():
            spoil_tree(root, self.faults)
        return roots

    def respond(self, request: Request) -> Answer:
        """Return what goes back for `request`, faults included, and note in it how it went."""
        time.sleep(self.faults.slow)
        before = self._asked[request.path]
        self._asked[request.path] += 1
        answer, request.fault = self.faults.spoil(super().respond(request), request.path, before, self.away)
        request.status = answer.status if answer.sent >= 0 else 0
        return answer

    def robots_txt(self) -> Answer:
        """Return the site's robots.txt."""
        return self.faults.robots_txt()

    def page(self, taxon: Taxon) -> Answer:
        """Return the page of a taxon, with the faults that a taxonomy can have."""
        answer = super().page(taxon)
        if rows := extra_rows(taxon, self.faults, self.away):
            answer = replace(answer, body=answer.body.replace(b"</table>", f"{rows}</table>".encode(), 1))
        padding = self.faults.huge * 2**20 if taxon.name == "Discoaster" else 0
        return replace(answer, body=answer.body + b" " * padding)

    def find(self, module: str, name: str) -> Taxon | None:
        """Return the taxon of that name, which may lie at any depth below Discoaster."""
        parent = super().find(module, "Discoaster")
        if self.faults.endless and parent and (level := re.fullmatch(r"Endless (\d{1,9})", name)):
            return endless_taxon(parent, int(level[1]))
        return super().find(module, name)


def _redirect(where: str) -> Answer:
    return Answer(b"", 302, headers={"Location": where})


@lru_cache
def _black(size: int, kind: str) -> bytes:
    """Return a black picture of `size` x `size`, as a file of `kind`."""
    file = io.BytesIO()
    Image.new("1", (size, size)).save(file, kind, compress_level=1)
    return file.getvalue()


# Names that lead out of a directory, that some system cannot store or that two systems read differently.
HOSTILE_NAMES = (
    "../../x", "..", ".", "/etc/passwd", "..\\..\\x", "C:\\x", "%2e%2e%2fx", "CON", "aux.", "NUL.txt", "nul\x00byte",
    "L" * 300, "<b>bold</b>", "two\nlines", "\u202egpj.exe", "-rf ~", "$HOME", 'a:b|c*"<>', "what? 1+1 #2", "end. ",
    "caf\u00e9", "cafe\u0301", "CAFE\u0301", "\U0001f995",
)  # fmt: skip
HOSTILE_LINKS = (
    "{away}/Nannotax3/index.php?taxon=Alienaceae&module={module}",
    "//elsewhere.invalid/Nannotax3/index.php?taxon=Alienaceae&module={module}",
    "file:///etc/passwd?taxon=Passwordaceae&module={module}",
    "javascript:open(\"/Nannotax3/index.php?taxon=Scriptaceae&module={module}\")",
    "data:text/html,?taxon=Dataceae&module={module}",
)  # fmt: skip
HOSTILE_PICTURES = ("{away}/images/{module}/", "//elsewhere.invalid/images/{module}/", "file:///images/{module}/")


def spoil_tree(root: Taxon, faults: Faults) -> None:
    """Hang the taxa of the faults `hostile` and `endless` into a module; `hidden` stays its last row."""
    if faults.hostile:
        hidden = root.children.pop()
        for number, name in enumerate(HOSTILE_NAMES):
            taxon = Taxon(name, "Species", root.id + 90_000 + number)
            taxon.pictures = [Picture(f"{name}.jpg", "Demo", species="Emiliania huxleyi", specimen=300 + number)]
            root.adopt(taxon)
        root.children.append(hidden)
    if faults.endless:
        for taxon in [taxon for taxon in root.walk() if taxon.name == "Discoaster"]:
            taxon.children.append(endless_taxon(taxon, 1))


def endless_taxon(parent: Taxon, number: int) -> Taxon:
    """Return the taxon `Endless <number>`, that many levels below `parent` (a hundred at most), and one more."""
    for level in range(max(1, number - 100), number + 1):
        taxon = Taxon(f"Endless {level}", "Informal group", 100_000 + level, parent=parent)
        parent = taxon
    taxon.children = [Taxon(f"Endless {number + 1}", "Informal group", 100_001 + number, parent=taxon)]
    return taxon


def extra_rows(taxon: Taxon, faults: Faults, away: str) -> str:
    """Return rows of the faults `cyclic` and `hostile` for the daughters' table of `taxon`."""
    rows = []
    if faults.cyclic and taxon.name in ("Coccolithus", "Nannoconus"):
        above = taxon.parent
        while above:
            rows.append(pages.row(above, above_genus=False, known=False))
            above = above.parent
        rows.append(pages.row(taxon, above_genus=False, known=False))
    if faults.hostile and taxon.parent is None:
        rows += _hostile_rows(taxon.name, away)
    return "".join(rows)


def _hostile_rows(module: str, away: str) -> Iterator[str]:
    """Yield rows whose links and pictures lead to other hosts, to the visitor's own disk, or to a script."""
    for number, link in enumerate(HOSTILE_LINKS):
        base = HOSTILE_PICTURES[number % len(HOSTILE_PICTURES)].format(away=away, module=module)
        yield (
            f"<tr><td><a href='{base}Alienaceae/alien{number}.jpg' rel='lightbox[daughters 800 800]' title=''>"
            f"<img src='{base}thumbs/alien{number}.jpg' ></a></td>{pages.NO_PICTURE * 3}<td><div class=\"inrange\">"
            f"<a href='{link.format(away=away, module=module)}'><span class = 'smallcaps_m'>Alienaceae</span></a></div>"
            " leads elsewhere<br></div></td></tr>"
        )
