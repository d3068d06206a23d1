"""Networks of timm (https://github.com/huggingface/pytorch-image-models), by the name "timm/NAME" or "timm/NAME.TAG".

With their own image sizes and normalisation; a tag says which of several pretrained weights is meant.
"""

import re
from typing import Any

import requests
import timm
import torch
from huggingface_hub import constants
from torch import Tensor, nn

from models.network_names import TIMM
from models.preprocessing import Normalisation

# A vision transformer that was trained on larger images still takes smaller ones, in less time.
LARGEST_BY_DEFAULT = 224
SECONDS_TO_REACH = 10


def build_timm(name: str, num_classes: int, image_size: int, weights: dict[str, Tensor] | str = "none") -> nn.Module:
    """Build a network: images (n, 3, image_size, image_size) to logits (n, num_classes), its head random.

    weights: "none", "hub" for those that timm downloads, or a state dict. Raises ValueError for an unknown name or
    weights that do not fit, OSError or RuntimeError where they cannot be fetched.
    """
    if weights == "none":
        return _create(name, num_classes, image_size)
    if isinstance(weights, str):
        _go_offline_where_the_hub_is_not_reached()
    # Of a head for another number of classes nothing is loaded: -1 makes timm see that the numbers differ.
    overlay = {"num_classes": -1} | ({} if isinstance(weights, str) else {"state_dict": weights})
    torch.manual_seed(0)
    random = _create(name, num_classes, image_size)
    torch.manual_seed(0)
    network = _create(name, num_classes, image_size, pretrained=True, pretrained_cfg_overlay=overlay)
    if missing := _same_matrices(random, network):
        raise ValueError(f"{len(missing)} tensors are missing, the first is {missing[0]}")
    return network


def _go_offline_where_the_hub_is_not_reached() -> None:
    """Let huggingface_hub take from its cache what is there, or fail at once; it would try again for a minute."""
    try:
        requests.head(constants.ENDPOINT, timeout=SECONDS_TO_REACH)
    except requests.RequestException:
        constants.HF_HUB_OFFLINE = True


def timm_normalisation(name: str) -> Normalisation:
    """Return the normalisation that a network's pretrained weights were trained with."""
    config = _config(name)
    return Normalisation(tuple(config.mean), tuple(config.std))


def timm_image_size(name: str) -> int:
    """Return the side in pixels at which a network is trained by default: its own, or less where it takes any size."""
    own: int = _config(name).input_size[1]
    step = patch_size(name)
    return own if own <= LARGEST_BY_DEFAULT or not step else LARGEST_BY_DEFAULT // step * step


def patch_size(name: str) -> int:
    """Return the side of a vision transformer's patches in pixels as its name gives it, 0 for other networks."""
    found = re.match(r"timm/(?:\w*_)?(?:vit|eva\w*|deit\w*|beit\w*)_\w*patch(\d+)", name)
    return int(found[1]) if found else 0


def _config(name: str) -> Any:
    """Return what timm knows of a network's weights. Raises ValueError where there are none by its tag."""
    config = timm.get_pretrained_cfg(_own_name(name))
    if config is None:
        raise ValueError(f"timm has no weights {name}")
    return config


def _own_name(name: str) -> str:
    return name.removeprefix(TIMM)


def _create(name: str, num_classes: int, image_size: int, **options: Any) -> nn.Module:
    options |= {"num_classes": num_classes}
    try:  # those that need to know the size in advance take it, all others do not
        return timm.create_model(_own_name(name), img_size=image_size, **options)
    except TypeError:
        return timm.create_model(_own_name(name), **options)


def _same_matrices(random: nn.Module, network: nn.Module) -> list[str]:
    """Name the weights before the head that are as random as those of another network of the same seed.

    timm loads what fits and is silent about the rest.
    """
    others = dict(random.named_parameters())
    head = head_of_timm(network)
    return [
        name
        for name, parameter in network.named_parameters()
        if parameter.ndim > 1 and not name.startswith(head) and torch.equal(parameter, others[name])
    ]


def head_of_timm(network: nn.Module) -> str:
    """Return the name of a network's last layer. Raises ValueError where it has several, or none."""
    head = network.get_classifier()  # type: ignore[operator]
    names = [name for name, module in network.named_modules() if module is head]
    if len(names) != 1 or not isinstance(head, nn.Linear | nn.Conv2d):
        raise ValueError("its head is not a single layer")
    return names[0]
