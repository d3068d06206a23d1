"""What the processes of `tests.processes` find imported; no garbage is looked for in it, then or later."""

# ruff: noqa: F401
import gc

from common.command_line import quick_imports

with quick_imports():
    import tensorboard.backend.event_processing.event_accumulator
    import torch.distributed.nn

    import mikrotax.scrape
    import reports.own_pictures
    import tests.scraping
    import tests.training_runs
    import training.console
    import training.train

gc.freeze()
