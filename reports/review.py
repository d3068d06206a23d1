"""review.html: a page on which a person checks names of pictures, without a network and without a server."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from common.files import write_text
from common.manifest import ARROW
from common.pages import Page
from evaluation.taxonomy import Node, Taxonomy
from reports.assemblage import RULE
from reports.image_files import escape_name
from reports.review_images import encode_images
from reports.taxon_facts import TaxonFacts

NAME = "review.html"
MOST = 2000  # pictures on the page
SIZE, TRAINING_SIZE = 18e6, 4e6  # letters of all pictures, and of all training pictures
CANDIDATES, NEAREST = 5, 2  # likeliest classes, and training pictures shown of each
HERE = Path(__file__).parent

# Why a picture is to be looked at first; the page says it in words.
VERIFY, SUSPECT, UNSURE, UNKNOWN, OUT_OF_RANGE = "verify", "suspect", "unsure", "unknown", "range"
DIFFERS = "differs"
LOW = 0.5  # the probability of the likeliest class below which a picture is doubtful


@dataclass(frozen=True)
class Candidate:
    """A likely class of a picture: its label index, its probability, and training pictures of it by index."""

    label: int
    probability: float
    nearest: list[int]


@dataclass(frozen=True)
class ReviewPicture:
    """A picture on the page.

    file: its name in corrections.csv; path: where it lies; answer: what the model, or its label, says, for people;
    label: the same as corrections.csv names it; flags: why it is doubtful; sample: "" where there are none; done:
    what a person has said of it before, None where nobody has.
    """

    file: str
    path: Path
    answer: str
    label: str
    candidates: list[Candidate]
    flags: list[str] = field(default_factory=list)
    sample: str = ""
    done: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Review:
    """What the page shows.

    pictures: in their order; training: training pictures that candidates name; facts: ranks and distinguishing features
    of taxa; in_all: how many pictures there are, of which the page shows those in `pictures`; of_samples: whether the
    pictures were in no data set, so that prepare takes those only that a person has named; page: which one of files
    with several.
    """

    taxonomy: Taxonomy
    names: Sequence[str]
    pictures: Sequence[ReviewPicture]
    training: Sequence[Path]
    facts: TaxonFacts
    in_all: int
    of_samples: bool
    page: Page = 1


def write_review(path: Path, review: Review) -> Path:
    """Write the page, whole or not at all."""
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    content = json.dumps(_content(review), ensure_ascii=False, separators=(",", ":"))
    # No text can end the element that holds it, nor begin a comment.
    content = content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    content = content.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    parts = {name: (HERE / f"review.{name}").read_text(encoding="utf-8") for name in ("css", "js")}
    page = environment.get_template("review.html.jinja").render(parts, content=content, review=review, rule=RULE)
    return write_text(path, page)


def _content(review: Review) -> dict[str, Any]:
    """Return what the page's program reads, as JSON takes it."""
    nodes = {node: position for position, node in enumerate(sorted(review.taxonomy.nodes))}
    used = sorted({index for each in review.pictures for one in each.candidates for index in one.nearest})
    place = {index: position for position, index in enumerate(used)}
    images = encode_images([each.path for each in review.pictures], review.page, SIZE)
    training = encode_images([review.training[index] for index in used], review.page, TRAINING_SIZE)
    pictures = []
    for each, image in zip(review.pictures, images, strict=True):
        candidates = [
            [one.label, round(one.probability, 4), [place[index] for index in one.nearest]] for one in each.candidates
        ]
        cells = {name: value for name, value in asdict(each).items() if name not in ("path", "candidates")}
        pictures.append(cells | {"candidates": candidates, "image": image})
    return {
        "key": _key(review),
        "of_samples": review.of_samples,
        "in_all": review.in_all,
        "classes": [nodes[lineage] for lineage in review.taxonomy.lineages],
        "taxa": _taxa(review),
        "pictures": pictures,
        "training": [
            {"image": image, "file": escape_name(review.training[index].name)}
            for index, image in zip(used, training, strict=True)
        ],
    }


def _taxa(review: Review) -> list[dict[str, str]]:
    """Return all taxa that a picture may be given, of all ranks: a class under its own name."""
    labels = taxon_labels(review.taxonomy, review.names)
    return [
        {
            "label": labels[node],
            "title": review.taxonomy.title(node),
            "lineage": ARROW.join(node),
            "rank": review.facts.ranks.get(node, f"level {len(node)}"),
            "features": review.facts.features.get(node, ""),
        }
        for node in sorted(review.taxonomy.nodes)
    ]


def taxon_labels(taxonomy: Taxonomy, names: Sequence[str]) -> dict[Node, str]:
    """Return what corrections.csv calls each taxon: a class by its name in `names`, any other by its own name."""
    return {node: node[-1] for node in taxonomy.nodes} | dict(zip(taxonomy.lineages, names, strict=True))


def _key(review: Review) -> str:
    """Return what tells the data of one page from those of others: under it a browser keeps what was done."""
    digest = hashlib.sha256()
    for each in review.pictures:
        digest.update(f"{each.file}\n{each.answer}\n".encode(errors="replace"))
    digest.update("\n".join(review.names).encode(errors="replace"))
    return digest.hexdigest()[:16]
