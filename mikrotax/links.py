"""Addresses on the site: what a link on a page means, and how it is asked for."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote, urljoin, urlsplit

from common.errors import ToolkitError
from common.names import picture_path, same_name

# The directory of a module's pages, by the beginning of its name; one that is not listed lies below /system/.
DIRECTORIES = {"ntax_": "Nannotax3", "coccolithophores": "Nannotax3", "mesozoic": "Nannotax3", "pf_": "pforams"}
DIRECTORIES |= {"rads_": "radiolaria"}

# What one module has been called over the years. The page itself says what it is called now.
ALIASES = (("ntax_cenozoic", "Coccolithophores", "ntax_main"), ("ntax_mesozoic", "Mesozoic"))

# Modules that the site is known to have, or to have had.
MODULES = (
    *("ntax_cenozoic", "Coccolithophores", "ntax_main", "ntax_mesozoic", "Mesozoic", "ntax_non_cocco", "pf_cenozoic"),
    *("pf_mesozoic", "rads_cenozoic", "rads_mesozoic", "bf_main", "ct_main", "dtax_dflgs", "diatoms", "Acritax_JWIP"),
    "Acritax_Camb",
)

# Scans of original descriptions, which are no pages of taxa, and the modules that hold them.
CATALOGUE = re.compile(r"/catalog|/farinacci|_cat\b|module=ntax_farinacci|\.pdf\b", re.IGNORECASE)
CATALOGUE_MODULE = re.compile(r"_cat$|catalog|farinacci", re.IGNORECASE)
# What pictures on the web are called, and what else Pillow reads (`common.images`); icons are no pictures of taxa.
ENDING = r"\.(?:jpe?g|jpe|jfif|mpo|a?png|gif|tiff?|bmp|dib|webp|avifs?|jp2|jpx|jpf|j2[ck]|p[bgpn]m|tga|qoi|pcx|psd|sgi)"
PICTURE = re.compile(rf"{ENDING}$", re.IGNORECASE)
PICTURE_IN_QUERY = re.compile(rf"(?:^|[=/])(images/.+?{ENDING})(?=$|[&#])", re.IGNORECASE)
PLAIN_PATH = re.compile(r"/(?!/)[^#;\\]*")  # one that begins at the root of the site
# A parameter begins the query, or follows a `&` without a blank; a `&` with one belongs to a name.
PARAMETER = re.compile(r"(?:^|[&;](?:amp;)?)([A-Za-z_][\w.-]*)=")
FLAG = re.compile(r"&[A-Za-z_][\w.-]*$")  # a parameter without a value, or the end of a name


NO_TAXON = "it names no taxon"


class LinkError(ToolkitError):
    """A link that is not followed; the message says why."""


@dataclass(frozen=True)
class Link:
    """An address of a page: absolute and percent-encoded, with what it says of the page ("" where it says nothing)."""

    url: str
    taxon: str = ""
    module: str = ""


def page_url(root: str, taxon: str, module: str) -> str:
    """Return the address of a taxon's page below `root`, a directory of the site such as `https://…/Nannotax3`."""
    return f"{root.rstrip('/')}/index.php?taxon={quote(taxon)}&module={quote(module)}"


def site_directory(module: str) -> str:
    """Return the directory in which the pages of `module` lie: `Nannotax3`, `pforams`, `radiolaria` or `system`."""
    name = module.casefold()
    return next((place for start, place in DIRECTORIES.items() if name.startswith(start)), "system")


def other_names(module: str) -> list[str]:
    """Return the names that `module` had or has besides this one."""
    group = next((names for names in ALIASES if any(same_name(module, name) for name in names)), ())
    return [name for name in group if not same_name(name, module)]


def host(url: str) -> str:
    """Return the host of `url` in the form in which hosts are compared: no `www.`, no scheme, no default port."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{parts.port}"
    return (parts.hostname or "").removeprefix("www.") + port


def is_loopback(url: str) -> bool:
    """Return whether `url` is on this machine: 127.0.0.0/8, ::1 or localhost."""
    name = urlsplit(url).hostname or ""
    return name in ("localhost", "::1") or (name.startswith("127.") and name.replace(".", "").isdigit())


def is_page(url: str) -> bool:
    """Return whether `url` is the address of one page, in any of the four forms, and not of a directory."""
    parts = urlsplit(url)
    folders = [part for part in parts.path.split("/") if part]
    return bool(parts.query) or (len(folders) > 1 and folders[-1] != "index.php" and not parts.path.endswith("/"))


def page_link(base: str, href: str, text: str = "") -> Link:
    """Return what the link `href` on the page at `base` means; `text` is what it shows, which may tell its blanks.

    The site writes names raw, so a `+` is a plus and a `&` may belong to a name. Parameters other than taxon, module,
    id and dir, and the fragment, are dropped: they change how a page looks, not which one it is. Raises LinkError for a
    link that leads off the host, to a catalogue, or to no taxon.
    """
    # A `#` may be in a name; what begins a fragment has no further parameter behind it.
    path, _, query = _on_this_host(base, re.sub(r"#[^#&]*\Z", "", href)).partition("?")
    if CATALOGUE.search(href):
        raise LinkError("it leads to a catalogue of original descriptions")
    spans = [*PARAMETER.finditer(query)]
    ends = [span.start() for span in spans[1:]] + [len(query)]
    values = {span.group(1): query[span.end() : end] for span, end in zip(spans, ends, strict=False)}
    taxon, module = _plain(values.get("taxon", ""), text), _plain(values.get("module", "").partition("&")[0])
    if taxon.strip():
        more = f"&module={quote(module)}" if module else ""
        return Link(f"{path}?taxon={quote(taxon)}{more}", _readable(taxon), _readable(module))
    if number := re.fullmatch(r"(\d{1,12})(?:&.*)?", values.get("id", "")):
        return Link(f"{path}?id={number.group(1)}")
    if values.get("dir"):
        folders = _plain(values["dir"]).strip("/")
        taxon, module = folders.rpartition("/")[2], folders.partition("/")[0]
        return Link(f"{path}?dir={quote(folders)}", _readable(taxon), _readable(module))
    last = path.rpartition("/")[2]
    if not query and last and not re.search(r"\.(php|html?)$", last):
        return Link(path, _readable(unquote(last).replace("_", " ")))
    raise LinkError(NO_TAXON)


def picture_url(base: str, src: str) -> str:
    """Return the absolute, percent-encoded address of the picture `src` on the page at `base`.

    Raises LinkError for what is no picture of a taxon: on another host, not below `/images/`, not a picture's name.
    """
    path, _, query = src.partition("?")
    if "/images/" not in f"/{unquote(path)}" and (found := PICTURE_IN_QUERY.search(unquote(query))):
        # A script that makes or shows a picture, which its query names: thumb.php?file=/images/…
        _on_this_host(base, path)
        src = f"/{found.group(1)}"
    # A question mark may belong to a name; it begins a query only if no extension of a picture follows it.
    src = src if PICTURE.search(src) else re.split(r"[?#]", src, maxsplit=1)[0]
    url = _on_this_host(base, re.sub(r"[?#]", lambda found: quote(found.group()), src))
    try:
        key = picture_path(url)
    except ValueError:
        raise LinkError("it does not lie below /images/<module>/") from None
    if "/graphics/" in url or "/" not in key:
        raise LinkError("it does not lie below /images/<module>/")
    if not PICTURE.search(key):
        raise LinkError("its name is not that of a picture")
    return url


def is_catalogue(module: str) -> bool:
    """Return whether a module holds scans of original descriptions, such as `pf_cat` or `ntax_Farinacci`."""
    return CATALOGUE_MODULE.search(module) is not None


def link_id(url: str) -> int | None:
    """Return the stable id in an address (`index.php?id=1118`), None where it has none."""
    found = re.search(r"[?&]id=(\d{1,12})(?!\d)", url)
    return int(found.group(1)) if found else None


def picture_lineage(url: str) -> list[str]:
    """Return the lineage that the folder of a full-size picture tells: `/images/<module>/<order>/…/<taxon>/<file>`."""
    parts = picture_path(url).split("/")[:-1] if url else []
    return [] if "thumbs" in parts else parts


def _on_this_host(base: str, href: str) -> str:
    """Return `href` as an absolute address with an encoded path and a raw query; LinkError if it leaves the host."""
    # As browsers do: line breaks in an address and blanks at its ends do not count, blanks within it do.
    raw, question, query = re.sub(r"[\t\r\n]", "", href).strip(" ").partition("?")
    if PLAIN_PATH.fullmatch(raw):
        path = raw
    else:
        try:
            url = urljoin(base.partition("?")[0], raw.replace(" ", "%20"))
            parts = urlsplit(url)
            elsewhere = parts.scheme not in ("http", "https") or host(url) != host(base) or parts.username is not None
        except ValueError:
            raise LinkError("it is not an address") from None
        if elsewhere:
            raise LinkError("it leads off the host")
        path = parts.path
    # Not urljoin's doing: an encoded `..` would be a way out as well.
    path = unquote(path)
    if ".." in path.split("/"):
        raise LinkError("it leads out of its directory")
    return f"{_place(base)}{quote(path)}{question}{query}"


@lru_cache
def _place(base: str) -> str:
    """Return scheme and host of an address."""
    here = urlsplit(base)
    return f"{here.scheme}://{here.netloc}"


def _plain(value: str, text: str = "") -> str:
    """Return a raw parameter with percent-escapes undone; `+` is a blank only if the text that is shown says so."""
    plain = unquote(value)
    if (flag := FLAG.search(plain)) and same_name(plain[: flag.start()], text):
        plain = plain[: flag.start()]
    if "+" in plain and " " not in plain and same_name(plain.replace("+", " "), text):
        plain = plain.replace("+", " ")
    return plain


def _readable(name: str) -> str:
    """Return a name as it is compared and written down: printable, single blanks."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())
