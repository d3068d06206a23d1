"""The names of all networks, without importing torch: a mistake in the command line is reported at once."""

import importlib.util
import re
from functools import cache
from pathlib import Path

# Torchvision's Inception networks answer with more than one tensor while they train.
UNSUITABLE = {"googlenet", "inception_v3"}
OWN = {"vgg11_adaptive"}

_REGISTERED = re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)


@cache
def network_names() -> list[str]:
    """Return the names that `models.networks.build_network` knows: ours, and all classifiers of torchvision.

    Torchvision's are read from its source, as its `list_models` would list them; raises ImportError without it.
    """
    package = importlib.util.find_spec("torchvision")
    if package is None or not package.submodule_search_locations:
        raise ImportError("torchvision is not installed: python -m pip install -r requirements.txt")
    sources = Path(package.submodule_search_locations[0], "models").glob("*.py")
    found = {name for source in sources for name in _REGISTERED.findall(source.read_text(encoding="utf-8"))}
    return sorted(found - UNSUITABLE | OWN)
