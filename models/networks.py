"""Networks by name: our VGG11s, all classifiers of torchvision, and timm's, each with a head for our classes.

timm is imported only for a network of its own: that takes seconds.
"""

from collections import OrderedDict
from typing import Any

import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

from common.errors import ToolkitError
from models import vgg
from models.network_names import TIMM, is_network
from models.preprocessing import IMAGENET, Normalisation

# The network of torchvision whose ImageNet weights fit ours.
SAME_FEATURES = {"vgg11_adaptive": "vgg11_bn"}


class WeightsError(ToolkitError):
    """Weights that cannot be fetched or do not fit; the text says why."""


def build_network(name: str, num_classes: int, image_size: int) -> nn.Module:
    """Return a network with random weights: images (n, 3, image_size, image_size) to logits (n, num_classes).

    Raises ValueError for an unknown name or an image too small for it.
    """
    if name == "vgg11":
        return vgg.vgg11(num_classes, image_size)
    if name == "vgg11_adaptive":
        return vgg.vgg11_adaptive(num_classes)
    if not is_network(name):
        raise ValueError(f"there is no network {name}")
    if name.startswith(TIMM):
        from models.timm_networks import build_timm

        return build_timm(name, num_classes, image_size)
    options: dict[str, Any] = {"image_size": image_size} if name.startswith("vit_") else {}
    return torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)


def size_step(name: str) -> int:
    """Return the number of pixels of which an image's side should be a multiple: the patch size of a ViT, else 8."""
    return int(name.rsplit("_", 1)[1]) if name.startswith("vit_") else 8


def own_image_size(name: str) -> int | None:
    """Return the side in pixels that a network prefers, None where it is that of the images."""
    if not name.startswith(TIMM):
        return None
    from models.timm_networks import timm_image_size

    return timm_image_size(name)


def normalisation(name: str) -> Normalisation:
    """Return the normalisation of the images that a network takes."""
    if not name.startswith(TIMM):
        return IMAGENET
    from models.timm_networks import timm_normalisation

    return timm_normalisation(name)


def imagenet_weights(name: str) -> dict[str, Tensor]:
    """Return the state dict that torchvision offers for a network, downloading it into torch's cache where necessary.

    Raises WeightsError where it cannot be fetched.
    """
    weights = torchvision.models.get_model_weights(SAME_FEATURES.get(name, name))
    try:
        return weights.DEFAULT.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise WeightsError(f"the ImageNet weights of {name} could not be downloaded ({error})", "weights") from error


def transfer(network: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Load pretrained weights into a network that has another number of classes, all but its last layer.

    VGG11's first head layer is folded to the network's image size (`models.vgg.fold_head`), and a ViT's position
    embeddings are interpolated to it. Tensors of the head that are missing or of another shape stay random: their names
    are returned. Raises WeightsError where any tensor before the head does not fit.
    """
    own = network.state_dict()
    head = head_name(network)
    fitting = {}
    if isinstance(network, VisionTransformer) and "encoder.pos_embedding" in weights:
        weights = interpolate_embeddings(network.image_size, network.patch_size, OrderedDict(weights))
    for name, tensor in weights.items():
        if name == "classifier.0.weight" and name in own and tensor.shape != own[name].shape:
            tensor = _fold(tensor, own[name])
        if name in own and own[name].shape == tensor.shape:
            fitting[name] = tensor
    classifier = head.split(".")[0] + "."
    missing = [name for name in own if name not in fitting and not name.startswith(classifier)]
    if missing:
        raise WeightsError(
            f"the weights do not fit: {len(missing)} of {len(own)} tensors are missing or of another shape, the first "
            f"is {missing[0]}",
            "weights",
        )
    network.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]


def _fold(weight: Tensor, target: Tensor) -> Tensor:
    """Return the first layer of a whole VGG11's head, folded to the shape of `target`, or as it is if it cannot be."""
    whole = 512 * vgg.HEAD_MAP**2
    if weight.ndim != 2 or weight.shape[1] != whole or target.shape[1] >= whole:
        return weight
    side = round((target.shape[1] // 512) ** 0.5)
    return vgg.fold_head(weight, side, side)


def head_name(network: nn.Module) -> str:
    """Return the name of the last layer with weights: the one whose output is the logits.

    Raises ValueError for a network of timm that has several.
    """
    if hasattr(network, "get_classifier"):
        from models.timm_networks import head_of_timm

        return head_of_timm(network)
    return [name for name, module in network.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))][-1]
