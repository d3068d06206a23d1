"""The network that a run starts from."""

from pathlib import Path

import torch
from torch import Tensor, nn

from models.checkpoint import FORMAT, load_tensors
from models.device import is_out_of_memory
from models.networks import WeightsError, build_network, imagenet_weights, transfer

HOW_ELSE = "Give a file of them with --weights FILE, or start without them with --weights none."


def start_network(name: str, num_classes: int, size: int, weights: str) -> nn.Module:
    """Build the network `name` with `weights`: "imagenet", "none", or the path of a file with a state dict.

    Says on the way which tensors start at random. Raises WeightsError or CheckpointError, with a sentence for the
    user, where the weights cannot be had or do not fit; ValueError where the pictures are too small for the network.
    """
    network = build_fitting_network(name, num_classes, size)
    if weights == "none":
        return network
    try:
        pretrained = imagenet_weights(name) if weights == "imagenet" else file_weights(Path(weights))
        fresh = transfer(network, pretrained)
    except WeightsError as error:
        raise WeightsError(f"{error}. {HOW_ELSE}") from error
    print(f"Pretrained weights ({weights}); starting at random: {', '.join(fresh)}")
    return network


def build_fitting_network(name: str, num_classes: int, size: int) -> nn.Module:
    """Build the network `name` and show it one picture. Raises ValueError where it takes none of `size` pixels."""
    try:
        network = build_network(name, num_classes, size).eval()
        with torch.inference_mode():
            network(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).splitlines()[0]
        raise ValueError(f"{name} takes no pictures of {size} pixels ({reason}); try another --image_size") from error
    return network


def file_weights(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a file of torch.save, or in a model that train_classifier.py wrote.

    Half-precision tensors become float32. Raises CheckpointError where it is no file of tensors.
    """
    content = load_tensors(path)
    if content.get("format") == FORMAT:
        content = content["weights"]
    tensors = {name: tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
