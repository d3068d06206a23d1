"""Networks cut in two: the front, which may be frozen and run once, and the back, which learns from what it gave.

Works for every network that calls its children one after the other, which all classifiers of torchvision do but
those that `models.networks` leaves out.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.networks import head_name

# What torchvision calls the sequence of all convolutions, in the networks that have one.
SEQUENCES = ("features", "layers", "trunk_output")


class _Reached(Exception):
    """The front has given its answer; what comes after it need not run."""


def split_network(network: nn.Module, frozen: str, pictures: Tensor) -> tuple[Callable[[Tensor], Tensor], nn.Module]:
    """Cut a network before its head (frozen="features") or before its last block of convolutions ("block").

    Returns the front, a function from pictures to maps or features, and the back, a module from those to logits, which
    shares its parameters with `network`. The last block is what comes after the last halving of the map; of VGG11 it
    begins after the fourth pooling. `pictures` (n, 3, h, w) serve to find the place. Raises ValueError where front
    and back together do not answer as the network does.
    """
    try:
        head = head_name(network).split(".")[0]
        first = head if frozen == "features" else _last_block(network, head, pictures)
        back = _Head(network.get_submodule(head)) if first == head else _without_front(network, head, first)
        with torch.inference_mode():
            given = _input_of(network, first, pictures)
            fits = torch.allclose(back.eval()(given), network.eval()(pictures), rtol=1e-2, atol=1e-3)
    except (RuntimeError, LookupError, ValueError):
        fits = False
    if not fits:
        raise ValueError(f"this network cannot be cut in two for --freeze {frozen}; use --freeze none")
    return lambda pictures: _input_of(network, first, pictures), back


class _Head(nn.Module):
    """A network's head alone, its answer flattened as some networks do after it."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        return self.head(features).flatten(1)


def _without_front(network: nn.Module, head: str, block: str) -> nn.Module:
    """Return a network whose children before the last block hand on what they are given; the others are shared."""
    back = copy.copy(network)
    back._modules = dict(network._modules)
    for name in _trunk(network, head):
        if name == block:
            break
        parent, _, child = name.rpartition(".")
        if parent and back._modules[parent] is network._modules[parent]:
            back._modules[parent] = nn.Sequential(OrderedDict(network._modules[parent]._modules))
        (back._modules[parent] if parent else back)._modules[child] = nn.Identity()
    return back


def _trunk(network: nn.Module, head: str) -> list[str]:
    """List what comes before the head, in order: the network's children, and in their place those of a sequence."""
    names = []
    for name, child in network.named_children():
        if name == head:
            break
        if isinstance(child, nn.Sequential) and name in SEQUENCES:
            names += [f"{name}.{part}" for part, _ in child.named_children()]
        else:
            names.append(name)
    return names


def _last_block(network: nn.Module, head: str, pictures: Tensor) -> str:
    """Name the first part of the trunk's last block: what follows the last halving that weights come after."""
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
        network(pictures)
    for hook in hooks:
        hook.remove()
    weighty = [any(True for _ in network.get_submodule(name).parameters()) for name in names]
    for place in reversed(range(len(names) - 1)):
        before, after = sides.get(names[place], [0, 0])
        if before > after and any(weighty[place + 1 :]):
            return names[place + 1]
    raise ValueError("no part of this network comes after a halving of its map")


@torch.inference_mode()
def _input_of(network: nn.Module, name: str, pictures: Tensor) -> Tensor:
    """Return what the part `name` of a network is given when the network is shown pictures."""
    given: list[Tensor] = []

    def stop(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        given.append(inputs[0])
        raise _Reached

    hook = network.get_submodule(name).register_forward_pre_hook(stop)
    try:
        network.eval()(pictures)
    except _Reached:
        pass
    finally:
        hook.remove()
    return given[0]
