"""The optimizers, and the rates at which the layers of a network learn."""

import math
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.9
MAX_GRADIENT_NORM = 5.0
SGD_DECAY, ADAMW_DECAY = 5e-4, 0.05

# In a pretrained network the first layers, which know edges and textures, learn at this share of the head's rate.
LOWEST_RATE = 0.1
RATE_STEPS = 4


def make_optimizer(module: nn.Module, adaptive: bool = False, lowest: float = 1.0) -> torch.optim.Optimizer:
    """Return AdamW for a pretrained network (`adaptive`), else stochastic gradient descent with Nesterov momentum.

    Norms and biases are not decayed. Each group of parameters has a `factor` for the schedule's rate, which rises from
    about `lowest`, in (0, 1], for the first layers to 1 for the last.
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups: dict[tuple[bool, float], list[Tensor]] = {}
    for number, parameter in enumerate(parameters, 1):
        step = math.ceil(number / len(parameters) * RATE_STEPS) / RATE_STEPS
        factor = lowest ** (1 - step)
        groups.setdefault((parameter.ndim > 1, factor), []).append(parameter)
    decay = ADAMW_DECAY if adaptive else SGD_DECAY
    device = parameters[0].device
    on_gpu = device.type == "cuda"  # where a step is a CUDA graph, whose numbers lie on the GPU
    options = [
        {
            "params": members,
            "weight_decay": decay if decayed else 0.0,
            "factor": factor,
            "lr": torch.zeros((), device=device) if on_gpu else 0.0,
        }
        for (decayed, factor), members in groups.items()
    ]
    if adaptive:
        return torch.optim.AdamW(options, fused=True, capturable=on_gpu)
    return torch.optim.SGD(options, momentum=MOMENTUM, nesterov=True, fused=on_gpu)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Let an optimizer go on from another one's `state_dict`, whatever device that was on."""
    own = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state["state"], "param_groups": own})


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let each group of parameters learn at its share of `rate`."""
    for group in optimizer.param_groups:
        share = rate * group["factor"]
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(share)
        else:
            group["lr"] = share
