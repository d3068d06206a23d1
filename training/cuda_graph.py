"""Training steps as CUDA graphs: recorded once and launched as a whole.

A step of a small network is a few hundred kernels of a few microseconds each; launched one by one, the GPU waits for
them most of the time.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

LOG = logging.getLogger(__name__)

WARM_UP = 3  # steps that are launched as they are before one is recorded: libraries set themselves up in them
AHEAD = 4  # steps that are launched before they are computed, so that a clock may still end an epoch in time


class Recording(NamedTuple):
    """A step as a graph, with the tensors that it reads a batch from, and those that it leaves the gradients in."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    gradients: list[Tensor | None]


class GraphedStep:
    """A step, recorded as a CUDA graph for each size of batch, and replayed from then on.

    step: computes on the GPU from a batch's size and its tensors, changes tensors in place, and never asks for a
    number; parameters: what learns, of which the last step's gradients can be read afterwards. A step that cannot be
    recorded, or not in the memory that is left, goes on as it is; the log says so.
    """

    def __init__(self, step: Callable[..., None], parameters: Iterable[Tensor], device: torch.device):
        self._step, self._parameters, self._device = step, list(parameters), device
        self._stream, self._pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()
        self._graphs: dict[int, Recording] = {}
        self._last = 0  # size of the last batch
        self._seen: Counter[int] = Counter()
        self._can_be_recorded = True
        self._launched: deque[torch.cuda.Event] = deque()

    def __call__(self, count: int, *batch: Tensor) -> None:
        """Take the step with a batch of `count` images, whose tensors may lie on the CPU."""
        if self._can_be_recorded and self._seen[count] == WARM_UP and count not in self._graphs:
            self._record(count, batch)
        if count in self._graphs:
            recording = self._graphs[count]
            for place, values in zip(recording.inputs, batch, strict=True):
                place.copy_(values, non_blocking=True)
            recording.graph.replay()
            if count != self._last:
                for parameter, gradient in zip(self._parameters, recording.gradients, strict=True):
                    parameter.grad = gradient
        else:
            self._seen[count] += 1
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._step(count, *(values.to(self._device, non_blocking=True) for values in batch))
            torch.cuda.current_stream().wait_stream(self._stream)
        self._last = count
        self._wait_for_an_earlier_one()

    def _record(self, count: int, batch: tuple[Tensor, ...]) -> None:
        graph, inputs = torch.cuda.CUDAGraph(), [values.to(self._device) for values in batch]
        try:
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                self._step(count, *inputs)
        except RuntimeError as error:
            reason = error.__context__ or error  # what ended the recording, where its end has failed, too
            LOG.info("The steps of this network run without a CUDA graph (%s).", str(reason).splitlines()[0])
            self._can_be_recorded = False
            random = torch.cuda.default_generators[self._stream.device_index]
            random.graphsafe_set_state(random.clone_state())  # or it would still wait for the recording's end
        else:
            self._graphs[count] = Recording(graph, inputs, [parameter.grad for parameter in self._parameters])

    def _wait_for_an_earlier_one(self) -> None:
        event = torch.cuda.Event()
        event.record()
        self._launched.append(event)
        if len(self._launched) > AHEAD:
            self._launched.popleft().synchronize()
