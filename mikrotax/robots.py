"""What a site asks of programs, in its robots.txt (RFC 9309)."""

import re
from collections.abc import Iterator

from protego import Protego
from requests import Response

from mikrotax.markup import decode

PROGRAM = "scrape_mikrotax"  # the name by which robots.txt may call this program
MAX_ROBOTS = 512_000  # bytes that are read: RFC 9309 asks for 500 KiB at least

# Content-Signal: search=yes, ai-train=no (contentsignals.org); Content-Usage: train-ai=n (IETF, aipref).
SIGNAL = re.compile(r"content[-_ ]?(?:signals?|usage)\s*:\s*(.*)", re.IGNORECASE)
NO_TRAINING = re.compile(
    r"(?:ai[-_ ]?train(?:ing)?|train[-_]ai|train[-_]genai|genai|ai)\s*[=:]\s*\"?(?:no|none|n|\?0|false|disallow)\b",
    re.IGNORECASE,
)
# A version is no part of the name of a program.
VERSION = re.compile(r"^(\s*user-agent\s*:\s*[A-Za-z_-]+)/[^\s#]*", re.IGNORECASE | re.MULTILINE)

SAYS_NO_TRAINING = "The site's robots.txt says %r: what is fetched may not be used to train models without its leave."


class Robots:
    """The rules of a robots.txt, given as its bytes, of which the first MAX_ROBOTS count.

    `no_training`: the line by which it says that content may not be used to train models, "" where there is none.
    """

    def __init__(self, content: bytes = b""):
        text = decode(content[:MAX_ROBOTS]).lstrip("\ufeff")
        if len(content) > MAX_ROBOTS:  # the last line may be cut
            text = text[: max(text.rfind("\r"), text.rfind("\n")) + 1]
        text = VERSION.sub(r"\1", text)
        self._rules = Protego.parse(text)
        self.delay = self._rules.crawl_delay(PROGRAM) or 0.0
        self.no_training = next((line for line in _signals(text) if NO_TRAINING.search(line)), "")

    def allows(self, url: str) -> bool:
        """Return whether this program may ask for `url`."""
        return self._rules.can_fetch(url, PROGRAM)


def read_robots(response: Response) -> Robots:
    """Return the rules in an answer to a request for robots.txt; one that is not there allows all."""
    return Robots(response.content if response.status_code == 200 else b"")


def _signals(text: str) -> Iterator[str]:
    """Yield the lines about the use of content that are meant for this program, or for all."""
    agents: list[str] = ["*"]
    in_rules = True
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        name, colon, value = line.partition(":")
        if not colon:
            continue
        if name.strip().casefold() == "user-agent":
            agents = [value.strip().casefold()] if in_rules else [*agents, value.strip().casefold()]
            in_rules = False
            continue
        in_rules = True
        if SIGNAL.fullmatch(line) and not {"*", PROGRAM}.isdisjoint(agents):
            yield line
