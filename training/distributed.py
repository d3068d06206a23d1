"""Several processes that train one network, as torchrun starts them: each has a share of every batch.

What comes out is what one process would have made of the whole batches, but for the order in which numbers are added
up. So all that is drawn by chance is drawn by each process for the whole batch, of which it takes its own rows; what
depends on all rows of a batch is summed over all processes; and what depends on a clock or a disk is decided by the
first process alone.
"""

import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

from common.command_line import nowhere
from models.prediction import Prediction, Predictor, predict
from models.preprocessing import Store
from training.data import Data

# How long a process waits for another: the first one may have to download weights meanwhile.
PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True)
class World:
    """The processes that train together, and which of them this is: `rank` of `size`.

    All methods but `rows` are meeting points: each process must come to the same ones in the same order.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, prints and decides."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """Return this process's share of `count` rows; the shares follow each other and differ by one row at most."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def agree(self, value: Any) -> Any:
        """Return what the first process holds."""
        if self.size == 1:
            return value
        values = [value if self.first else None]
        dist.broadcast_object_list(values)
        return values[0]

    def sum(self, tensor: Tensor) -> Tensor:
        """Add up a tensor over all processes; gradients are added up on their way back."""
        return tensor if self.size == 1 else _Sum.apply(tensor)

    def gather(self, share: Tensor, count: int) -> Tensor:
        """Return `count` rows, of which each process brings its `share` (`rows`)."""
        if self.size == 1:
            return share
        whole = share.new_zeros(count, *share.shape[1:])
        whole[self.rows(count)] = share
        return self.sum(whole)  # adding zeros changes nothing

    def spread(self, network: nn.Module) -> nn.Module:
        """Return all processes the weights and buffers that the network has in the first."""
        if self.size > 1:
            for tensor in network.state_dict().values():
                dist.broadcast(tensor, 0)
        return network

    def learner(self, module: nn.Module) -> nn.Module:
        """Return what learns in place of a module: its gradients are the mean over all processes.

        The loss of each must be its part of the whole batch's, times `size`.
        """
        if self.size == 1:
            return module
        return DistributedDataParallel(module, gradient_as_bucket_view=True)

    def whole_batch(self, count: int) -> AbstractContextManager:
        """Return a context in which a network that learns from this share of `count` rows acts as if it saw them all."""
        return nullcontext() if self.size == 1 else _WholeBatch(self, count)

    def device(self, wanted: str | None) -> str | None:
        """Name the device of this process: each takes an NVIDIA GPU of its own, or a processor.

        Raises ValueError where there are too few, or where one is wanted that not all processes can have.
        """
        if self.size == 1:
            return wanted
        if wanted not in (None, "cpu", "cuda"):
            raise ValueError(f"{self.size} processes cannot all have {wanted}; leave --device out, or use --device cpu")
        if wanted == "cpu" or not (torch.cuda.is_available() or wanted):
            return "cpu"
        place, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= count:
            raise ValueError(
                f"this machine has {count} NVIDIA GPUs, and each process needs one of its own; "
                f"use torchrun --nproc_per_node {max(count, 1)}, or --device cpu"
            )
        torch.cuda.set_device(place)
        return f"cuda:{place}"


@contextmanager
def joined() -> Iterator[World]:
    """Join the processes that torchrun started, if it did, until the block ends.

    If it ends with an error in one of them, the others lose their connection and end as well; what was wrong is told
    once, by the one that came upon it first. Raises ConnectionError where another process was killed.
    """
    if not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        yield World()
        return
    store, rank, size = next(dist.rendezvous("env://", timeout=PATIENCE))
    try:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
        yield World(rank, size)
        dist.destroy_process_group()
    except BaseException as error:
        for number in (signal.SIGINT, signal.SIGTERM):  # torchrun sends them to processes that are ending already
            signal.signal(number, signal.SIG_IGN)
        is_first = store.add("failures", 1) == 1
        sys.stderr = sys.__stderr__ if is_first else nowhere()
        if isinstance(error, dist.DistError) or "gloo/" in str(error):
            raise ConnectionError(
                "another process of this run was killed, or its machine does not answer any more; the finished epochs "
                "are kept: --resume goes on after them"
            ) from error
        raise


# A run in one process.
ALONE = World()


def check_shares(world: World, data: Data, smallest: int) -> None:
    """Raise ValueError where processes have other pictures than the first, or are too many for the smallest batch."""
    if world.size > smallest:
        raise ValueError(
            f"{world.size} processes cannot share a batch of {smallest}; start fewer "
            f"(torchrun --nproc_per_node {smallest})"
        )
    facts = (data.classes, data.digest, data.size, len(data.train), len(data.validate), data.turn)
    if world.agree(facts) != facts:
        raise ValueError("not all processes of this run find the same pictures; copy one data set to all machines")


def predict_together(world: World, predictor: Predictor, store: Store) -> Prediction:
    """Name a store's pictures, in its order, each process its share."""
    own = predict(predictor, store[world.rows(len(store))])
    return Prediction(*(world.gather(part, len(store)) for part in own))


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes, and of its gradient."""

    @staticmethod
    def forward(_context: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)


class _WholeBatch(TorchFunctionMode):
    """What a network does to a share of a batch is what it would do to those rows of the whole batch.

    Dropout and stochastic depth draw for all rows; batch normalisation takes the mean and variance of all rows
    (torch's SyncBatchNorm does so on GPUs only). The rest of a classifier treats each row on its own.
    """

    def __init__(self, world: World, count: int):
        super().__init__()
        self._world, self._count = world, count

    def __torch_function__(self, function: Any, _types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if function is F.batch_norm and kwargs["training"]:
            return self._normalise(*args, **kwargs)
        if function is F.dropout and kwargs["training"] and kwargs["p"] > 0:
            return args[0] * F.dropout(self._whole(args[0]).fill_(1), kwargs["p"])[self._world.rows(self._count)]
        if function is Tensor.bernoulli_:
            return args[0].copy_(self._whole(args[0]).bernoulli_(*args[1:], **kwargs)[self._world.rows(self._count)])
        return function(*args, **kwargs)

    def _whole(self, share: Tensor) -> Tensor:
        """Return an empty tensor with all rows, in the memory layout of a share of them, which decides who gets what."""
        flat = share.ndim != 4 or share.is_contiguous()
        layout = torch.contiguous_format if flat else torch.channels_last
        shape = (self._count, *share.shape[1:])
        return torch.empty(shape, dtype=share.dtype, device=share.device, memory_format=layout)

    def _normalise(
        self,
        maps: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor,
        bias: Tensor,
        momentum: float,
        eps: float,
        **_: Any,
    ) -> Tensor:
        """Normalise maps (n, channels, ...) as torch.nn.functional.batch_norm does while training."""
        dims = [0, *range(2, maps.ndim)]
        shape = (1, -1, *[1] * (maps.ndim - 2))
        count = self._count * math.prod(maps.shape[2:])
        values = maps.to(running_mean.dtype)
        mean = self._world.sum(values.sum(dims)) / count
        centred = values - mean.view(shape)
        variance = self._world.sum(centred.square().sum(dims)) / count
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * count / (count - 1), momentum)
        scale = weight * (variance + eps).rsqrt()
        return (centred * scale.view(shape) + bias.view(shape)).to(maps.dtype)
