"""The network that a run starts from."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from common.errors import ToolkitError
from common.files import in_one_line
from common.fingerprints import BYTES
from models.checkpoint import FORMAT, CheckpointError, load_tensors
from models.device import is_out_of_memory
from models.network_names import TIMM
from models.networks import WeightsError, build_network, head_name, imagenet_weights, transfer

LOG = logging.getLogger(__name__)

# Under which names training programs save a state dict beside other things, and what DataParallel and torch.compile put
# before the names of its tensors.
WRAPPERS = ("state_dict", "model", "model_state_dict")
PREFIXES = ("module.", "_orig_mod.")


def build_pretrained(name: str, num_classes: int, size: int, weights: str) -> nn.Module:
    """Return the network `name` with `weights`: "imagenet", "none", or the path of a file with a state dict.

    Logs which tensors start at random. Raises WeightsError or CheckpointError where the weights cannot be fetched or do
    not fit; ToolkitError where the images are too small for the network.
    """
    network = build_fitting_network(name, num_classes, size)
    if weights == "none":
        return network
    if name.startswith(TIMM):
        return _timm_with_weights(name, num_classes, size, weights)
    pretrained = imagenet_weights(name) if weights == "imagenet" else file_weights(Path(weights))
    fresh = transfer(network, pretrained)
    LOG.info("Pretrained weights (%s); starting at random: %s", weights, ", ".join(fresh))
    return network


def build_fitting_network(name: str, num_classes: int, size: int) -> nn.Module:
    """Return the network `name`, tried on one image. Raises ToolkitError where it takes none of `size` pixels."""
    try:
        network = build_network(name, num_classes, size).eval()
        head_name(network)
        with torch.inference_mode():
            network(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).splitlines()[0]
        raise ToolkitError(f"{name} takes no pictures of {size} pixels ({reason})", "image_size") from error
    return network


def _timm_with_weights(name: str, num_classes: int, size: int, weights: str) -> nn.Module:
    """Build a network of timm with the weights that it downloads, or those of a file; its head is random."""
    from models.timm_networks import build_timm

    source = "hub" if weights == "imagenet" else file_weights(Path(weights))
    try:
        network = build_timm(name, num_classes, size, source)
    except (OSError, RuntimeError, ValueError, KeyError, ImportError) as error:
        if is_out_of_memory(error):
            raise
        reason = in_one_line(str(error))
        if weights != "imagenet":
            raise WeightsError(f"the weights do not fit {name} ({reason})", "weights") from error
        raise WeightsError(f"the weights of {name} could not be downloaded ({reason})", "weights") from error
    LOG.info("Pretrained weights (%s); starting at random: the head, %s", weights, head_name(network))
    return network


def image_size_of_weights(weights: str) -> int | None:
    """Return the side in pixels of the images that a model learnt from whose file serves as weights; None for others.

    weights: as of `build_pretrained`.
    """
    try:
        content = {} if weights in ("none", "imagenet") else load_tensors(Path(weights))
    except ToolkitError:  # `file_weights` says what is wrong with it
        return None
    return content["image_size"] if content.get("format") == FORMAT else None


def weights_fingerprints(weights: str, model: Path) -> np.ndarray:
    """Return the fingerprints of the images that weights were learnt from, uint8 (n, 16); none where none are known.

    weights: as of `build_pretrained`; model: what a run has saved already, which says it too where the file of a
    resumed run's weights has gone.
    """
    if weights in ("none", "imagenet"):
        return np.empty((0, BYTES), np.uint8)
    for path in (Path(weights), model):
        try:
            stored = load_tensors(path).get("fingerprints")
        except ToolkitError:
            continue
        if isinstance(stored, Tensor) and stored.dtype == torch.uint8 and stored.shape[1:] == (BYTES,):
            return stored.numpy()
        break
    return np.empty((0, BYTES), np.uint8)


def file_weights(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a file of torch.save or safetensors, or in a model that train_classifier.py wrote.

    What other programs wrap it in is taken off (WRAPPERS, PREFIXES), and half-precision tensors become float32. Raises
    CheckpointError where it is not a file of tensors.
    """
    content = _safetensors(path) if path.suffix == ".safetensors" else load_tensors(path)
    if content.get("format") == FORMAT:
        content = content["weights"]
    for _ in WRAPPERS:  # one may lie in another
        content = next((content[name] for name in WRAPPERS if isinstance(content.get(name), dict)), content)
    tensors = {name: tensor for name, tensor in content.items() if isinstance(name, str) and isinstance(tensor, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no weights")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors ({in_one_line(str(error))})") from error
