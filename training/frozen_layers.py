"""Networks split in two: the front, which is frozen and runs once for each image, and the back, which learns.

The back is the last block of convolutions and the head.

Works for every network that calls its children one after the other, which all classifiers of torchvision do but
those that `models.network_names` leaves out.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from common.errors import ToolkitError
from models.networks import head_name

# What torchvision calls the sequence of all convolutions, in the networks that have one.
SEQUENCES = ("features", "layers", "trunk_output")


class _Reached(Exception):
    """The front has done its part; what comes after it need not run."""


def split_network(network: nn.Module, images: Tensor) -> tuple[Callable[[Tensor], Tensor], nn.Module]:
    """Return a network split before its last block of convolutions.

    Returns the front, a function from images to maps or features, and the back, a module from those to logits, which
    shares its parameters with `network`. The last block is what comes after the last halving of the map; in VGG11 it
    begins after the fourth pooling. `images` (n, 3, h, w) serve to find that place. Raises ToolkitError where front and
    back together do not compute what the network does.
    """
    try:
        head = head_name(network).split(".")[0]
        first = _last_block(network, head, images)
        back = _without_front(network, head, first)
        with torch.inference_mode():
            features = _input_of(network, first, images)
            same = torch.allclose(back.eval()(features), network.eval()(images), rtol=1e-2, atol=1e-3)
    except (RuntimeError, LookupError, ValueError):
        same = False
    if not same:
        raise ToolkitError("this network cannot be split before its last block", "freeze")
    return lambda images: _input_of(network, first, images), back


def _without_front(network: nn.Module, head: str, block: str) -> nn.Module:
    """Return a network whose children before the last block pass on their input; the other children are shared."""
    back = _with_own_children(network)
    for name in _trunk(network, head):
        if name == block:
            break
        parent, _, child = name.rpartition(".")
        if parent and back._modules[parent] is network._modules[parent]:
            back._modules[parent] = _with_own_children(network.get_submodule(parent))
        back.get_submodule(parent)._modules[child] = nn.Identity()
    return back


def _with_own_children(module: nn.Module) -> nn.Module:
    """Return a module of the same class and children, some of which may then be exchanged."""
    other = copy.copy(module)
    other._modules = dict(module._modules)
    return other


def _trunk(network: nn.Module, head: str) -> list[str]:
    """Return what comes before the head, in order: the network's children, or the children of a sequence among them."""
    names = []
    for name, child in network.named_children():
        if name == head:
            break
        if isinstance(child, nn.Sequential) and name in SEQUENCES:
            names += [f"{name}.{part}" for part, _ in child.named_children()]
        else:
            names.append(name)
    return names


def _last_block(network: nn.Module, head: str, images: Tensor) -> str:
    """Return the name of the last block's first part: what follows the last halving that weights come after."""
    names = _trunk(network, head)
    sides: dict[str, list[int]] = {}
    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda _, inputs, output, name=name: sides.update({name: [inputs[0].shape[-1], output.shape[-1]]})
        )
        for name in names
    ]
    network.eval()
    with torch.inference_mode():
        network(images)
    for hook in hooks:
        hook.remove()
    has_weights = [any(True for _ in network.get_submodule(name).parameters()) for name in names]
    for index in reversed(range(len(names) - 1)):
        before, after = sides.get(names[index], [0, 0])
        if before > after and any(has_weights[index + 1 :]):
            return names[index + 1]
    raise ValueError("no part of this network comes after a halving of its map")


@torch.inference_mode()
def _input_of(network: nn.Module, name: str, images: Tensor) -> Tensor:
    """Return the input that the part `name` of a network gets when the network is shown images."""
    inputs: list[Tensor] = []

    def stop(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        inputs.append(given[0])
        raise _Reached

    hook = network.get_submodule(name).register_forward_pre_hook(stop)
    try:
        network.eval()(images)
    except _Reached:
        pass
    finally:
        hook.remove()
    return inputs[0]
