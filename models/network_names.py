"""The names of all networks, without importing torch: a mistake in the command line is reported at once."""

import importlib.util
import re
from functools import cache
from pathlib import Path

# Torchvision's Inception networks answer with more than one tensor while they train.
UNSUITABLE = {"googlenet", "inception_v3"}
OWN = {"vgg11_adaptive"}
TIMM = "timm/"

_REGISTERED = re.compile(r"^@register_model(?:\(\))?\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
_TAGGED = re.compile(r"""^\s+['"](\w+\.\w+)['"]: """, re.MULTILINE)


@cache
def network_names() -> list[str]:
    """Return the names that `models.networks.build_network` knows: ours, and all classifiers of torchvision and timm.

    Theirs are read from their source, as their `list_models` would list them; raises ImportError without it.
    """
    torchvision = set(_REGISTERED.findall(_source("torchvision")))
    timm = _source("timm")
    plain = set(_REGISTERED.findall(timm))
    tagged = {name for name in _TAGGED.findall(timm) if name.partition(".")[0] in plain}
    return sorted(torchvision - UNSUITABLE | OWN | {TIMM + name for name in plain | tagged})


def is_network(name: str) -> bool:
    """Return whether there is a network of that name; some tags of timm's weights are not listed one by one."""
    names = network_names()
    plain, _, tag = name.partition(".")
    return name in names or (plain in names and any(each.endswith(f".{tag}") for each in names))


def _source(library: str) -> str:
    """Return the source of all modules of a library that define its networks."""
    package = importlib.util.find_spec(library)
    if package is None or not package.submodule_search_locations:
        raise ImportError(f"{library} is not installed: python -m pip install -r requirements.txt")
    modules = Path(package.submodule_search_locations[0], "models").glob("*.py")
    return "\n".join(module.read_text(encoding="utf-8") for module in modules)
