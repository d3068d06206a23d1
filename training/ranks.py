"""Several processes that train one network, as torchrun starts them: each has a slice of every batch.

What comes out is what one process would have made of the whole batches, but for the order in which numbers are added
up. So random numbers are drawn for the whole batch and cut into slices, and statistics are summed over all ranks.
"""

import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

from common.command_line import null_stream
from training.errors import InterruptedRun

TIMEOUT = timedelta(minutes=30)  # that a rank waits for another: the main one may have to download weights meanwhile


@dataclass(frozen=True)
class Ranks:
    """The processes that train together, and which of them this is; all call the same methods in the same order."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes, prints and decides what depends on a clock or a disk."""
        return self.rank == 0

    def local_slice(self, count: int) -> slice:
        """Return this process's part of `count` rows; the parts follow each other and differ by one row at most."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def broadcast(self, value: Any) -> Any:
        """Return what the main rank holds."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all ranks; gradients are added up on their way back."""
        return tensor if self.size == 1 else all_reduce(tensor)

    def gather(self, local: Tensor, count: int) -> Tensor:
        """Return `count` rows (count, ...), of which each rank brings its `local_slice`, as `local` (slice, ...)."""
        if self.size == 1:
            return local
        whole = local.new_zeros(count, *local.shape[1:])
        whole[self.local_slice(count)] = local
        return self.sum(whole)  # adding zeros changes nothing

    def broadcast_parameters(self, network: nn.Module) -> nn.Module:
        """Copy the weights and buffers of the network in the main rank to all ranks."""
        for tensor in network.state_dict().values() if self.size > 1 else ():
            dist.broadcast(tensor, 0)
        return network

    def wrap_ddp(self, module: nn.Module) -> nn.Module:
        """Return what learns in place of a module: its gradients are the mean over all ranks."""
        return module if self.size == 1 else DistributedDataParallel(module, gradient_as_bucket_view=True)

    def whole_batch(self, count: int) -> AbstractContextManager[object]:
        """Return a context in which a network that learns from its slice of `count` rows acts as if it saw them all."""
        return nullcontext() if self.size == 1 else _WholeBatch(self, count)


ONE_RANK = Ranks()


@contextmanager
def process_group() -> Iterator[Ranks]:
    """Join the processes that torchrun started, if it did: an error in one ends all, and is reported once.

    Raises InterruptedRun where another process was killed.
    """
    if not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        yield ONE_RANK
        return
    warnings.filterwarnings("ignore", ".*all_reduce is deprecated", FutureWarning)  # its successor is not public yet
    store, rank, size = next(dist.rendezvous("env://", timeout=TIMEOUT))
    try:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
        yield Ranks(rank, size)
        dist.destroy_process_group()
    except BaseException as error:
        for number in (signal.SIGINT, signal.SIGTERM):  # torchrun sends them to processes that are ending already
            signal.signal(number, signal.SIG_IGN)
        sys.stderr = sys.__stderr__ if store.add("failures", 1) == 1 else null_stream()
        if isinstance(error, dist.DistError) or "gloo/" in str(error):
            raise InterruptedRun("another process was killed, or its machine does not answer any more") from error
        raise


class _WholeBatch(TorchFunctionMode):
    """Draws random numbers for the whole batch, of which a rank takes its slice, and normalises over all ranks."""

    def __init__(self, ranks: Ranks, count: int):
        super().__init__()
        self._ranks, self._count, self._own = ranks, count, ranks.local_slice(count)

    def __torch_function__(self, function: Any, _types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if function is F.batch_norm and kwargs["training"]:
            return self._batch_norm(*args, **kwargs)
        if function is F.dropout and kwargs["training"] and kwargs["p"] > 0:
            return args[0] * F.dropout(self._whole(args[0]).fill_(1), kwargs["p"])[self._own]
        if function is Tensor.bernoulli_:  # stochastic depth
            return args[0].copy_(self._whole(args[0]).bernoulli_(*args[1:], **kwargs)[self._own])
        return function(*args, **kwargs)

    def _whole(self, local: Tensor) -> Tensor:  # in the memory layout of `local`, by which random numbers are dealt out
        flat = local.ndim != 4 or local.is_contiguous()
        layout = torch.contiguous_format if flat else torch.channels_last
        return local.new_empty(self._count, *local.shape[1:]).contiguous(memory_format=layout)

    def _batch_norm(self, maps: Tensor, mean: Tensor, var: Tensor, **given: Any) -> Tensor:
        """Normalise maps (n, channels, ...) over all ranks; torch's SyncBatchNorm does so on GPUs only."""
        dims, shape = [0, *range(2, maps.ndim)], (1, -1, *[1] * (maps.ndim - 2))
        count, values = self._count * math.prod(maps.shape[2:]), maps.to(mean.dtype)
        batch_mean = self._ranks.sum(values.sum(dims)) / count
        centred = values - batch_mean.view(shape)
        batch_var = self._ranks.sum(centred.square().sum(dims)) / count
        with torch.no_grad():  # of the running statistics, the variance is the unbiased one
            mean.lerp_(batch_mean, given["momentum"])
            var.lerp_(batch_var * count / (count - 1), given["momentum"])
        scale = given["weight"] * (batch_var + given["eps"]).rsqrt()
        return (centred * scale.view(shape) + given["bias"].view(shape)).to(maps.dtype)
