"""The moving average of a network's weights, which is steadier than any one state of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def make_average(module: nn.Module, decay: float) -> AveragedModel:
    """Return the exponential moving average of all that `module` learns, as it is now; `decay` in (0, 1).

    After each step `update_parameters(module)` adds a share of 1 - decay of the new weights, more at the beginning,
    where the old are worth nothing (Polyak & Juditsky 1992; the warm-up is that of TensorFlow's
    ExponentialMovingAverage).
    """

    def blend(averaged, current, count):
        steps = float(count)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averaged, current, count)

    return AveragedModel(module, multi_avg_fn=blend, use_buffers=True)


@contextmanager
def averaged(module: nn.Module, average: AveragedModel | None) -> Iterator[None]:
    """Let `module` have the averaged weights meanwhile; without an average it stays as it is."""
    if average is None:
        yield
        return
    live = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.load_state_dict(average.module.state_dict())
    try:
        yield
    finally:
        module.load_state_dict(live)
