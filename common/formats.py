"""Which kinds of image files are read, which are known and not read, and how bytes and names distinguish them."""

from functools import cache
from pathlib import PurePath

from PIL import Image

# Pillow knows no more than the names of these formats, lets another program draw them, or opens what is inside them
# with every plug-in that it has: PostScript (EPS) would start Ghostscript.
NOT_READ = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"})
COMMON_FORMATS = ("JPEG", "PNG", "TIFF")  # tried first, which saves a tenth of the time that a thumbnail takes
TIFF_ENDINGS = frozenset({".lsm", ".stk", ".btf", ".tf2", ".tf8", ".svs", ".scn", ".ndpi", ".qptiff"})

_FIJI = "open it in Fiji and save it as TIFF"
_EXPORT = "export it as TIFF or PNG from the program that wrote it"

# Files that hold pictures and are not read: by their endings, what they are, and how to convert them.
CONVERTIBLE = {
    **dict.fromkeys((".heic", ".heif", ".hif"), ("a HEIC picture of a phone", "save it as JPEG or PNG")),
    ".jxl": ("a JPEG XL picture", "save it as JPEG or PNG"),
    ".czi": ("a Zeiss file (CZI)", "export it as TIFF in ZEN, or " + _FIJI),
    ".zvi": ("a Zeiss file (ZVI)", _FIJI),
    **dict.fromkeys((".lif", ".lof", ".xlef"), ("a Leica file (LIF)", "export it as TIFF in LAS X, or " + _FIJI)),
    ".nd2": ("a Nikon file (ND2)", "export it as TIFF in NIS-Elements, or " + _FIJI),
    **dict.fromkeys((".oib", ".oif", ".oir", ".vsi"), ("an Olympus file", _FIJI)),
    **dict.fromkeys((".dm3", ".dm4"), ("a Gatan file (DM)", _FIJI)),
    **dict.fromkeys((".ser", ".emd", ".mrc"), ("an electron microscope's file", _FIJI)),
    **dict.fromkeys((".ims", ".h5", ".hdf5", ".ics", ".ids"), ("a microscope's file", _FIJI)),
    **dict.fromkeys((".dcm", ".dicom"), ("a DICOM file", _FIJI)),
    **dict.fromkeys(
        (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef"),
        ("a camera's raw file", "develop it and save it as TIFF or JPEG"),
    ),
    **dict.fromkeys((".eps", ".epsf", ".epsi", ".ps", ".ai"), ("PostScript, which is never opened", _EXPORT)),
    **dict.fromkeys((".wmf", ".emf", ".wmz", ".emz"), ("a Windows metafile, which is never opened", _EXPORT)),
    ".svg": ("a drawing in SVG", _EXPORT),
    **dict.fromkeys((".psb", ".xcf", ".kra", ".afphoto"), ("a file of a drawing program", _EXPORT)),
}

# What the first bytes of a file say: (offset, bytes, the format's name with Pillow or the ending in CONVERTIBLE).
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    *((0, magic, "TIFF") for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WEBP"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (0, b"BM", "BMP"),
    (0, b"8BPS", "PSD"),
    (0, b"qoif", "QOI"),
    (0, b"SIMPLE  =", "FITS"),
    *((4, b"ftyp" + brand, ".heic") for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")),
    (0, b"ZISRAWFILE", ".czi"),
    (0, b"\xda\xce\xbe\x0a", ".nd2"),
    (0, b"\x70\0\0\0", ".lif"),
    (0, b"\xff\x0a", ".jxl"),
    (0, b"\0\0\0\x0cJXL ", ".jxl"),
    (128, b"DICM", ".dcm"),
    (0, b"\xc5\xd0\xd3\xc6", ".eps"),
    (0, b"\xd7\xcd\xc6\x9a", ".wmf"),
    (40, b" EMF", ".emf"),
    (0, b"\x89HDF", ".h5"),
)
HEAD = 140  # bytes of a file that are enough to tell


@cache
def readable_formats() -> tuple[str, ...]:
    """Return the names of the formats that are read, as Pillow calls them, in the order in which they are tried."""
    Image.init()
    return tuple(dict.fromkeys([*COMMON_FORMATS, *sorted(set(Image.OPEN) - NOT_READ)]))


@cache
def readable_endings() -> frozenset[str]:
    """Return the endings of file names that promise an image that is read, in lower case, with their dot."""
    Image.init()
    known = {end for end, kind in Image.registered_extensions().items() if kind in readable_formats()}
    return frozenset(known | TIFF_ENDINGS)


def format_of(head: bytes) -> str:
    """Return what the first HEAD bytes of a file say it is: a readable format, a key of CONVERTIBLE, or ""."""
    if head.lstrip(b"\xef\xbb\xbf\r\n\t \x04").startswith(b"%!"):  # printers' drivers write something before it
        return ".eps"
    for offset, magic, kind in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic and (magic != b"BM" or head[6:10] == bytes(4)):
            return kind
    return ""


def ending(name: str) -> str:
    """Return the ending of a file's name in lower case, with its dot; "" where it has none."""
    return PurePath(name).suffix.lower()


def advice(kind: str) -> str:
    """Return what a kind of CONVERTIBLE is and how to convert it, as a part of a sentence; "" for another."""
    what = CONVERTIBLE.get(kind)
    return f"{what[0]}: {what[1]}" if what else ""
