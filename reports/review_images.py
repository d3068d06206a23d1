"""The pictures of review.html: JPEG files small enough that all of them together stay within a size."""

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from common.images import ImageError, read_image
from common.pages import Page

# Side in pixels and quality of JPEG, tried in this order until a picture is small enough; the last one always is.
FORMS = ((480, 85), (360, 80), (280, 78), (220, 72), (170, 66), (128, 55), (96, 40), (64, 30))
MOST_BYTES = 40_000  # of one picture
BASE64 = 4 / 3  # letters that a byte takes


def encode_images(paths: Sequence[Path], page: Page, letters: float) -> list[str]:
    """Return pictures as JPEG in base64, of about `letters` in all; "" for one that cannot be read any more.

    page: which one of files with several is shown.
    """
    budget = min(MOST_BYTES, letters / BASE64 / max(len(paths), 1))
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda path: _encode(path, page, budget), paths))


def _encode(path: Path, page: Page, budget: float) -> str:
    try:
        image = read_image(path, page)
    except ImageError:
        return ""
    content = b""
    for side, quality in FORMS:
        image.thumbnail((side, side), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        content = file.getvalue()
        if len(content) <= budget:
            break
    return base64.b64encode(content).decode()
