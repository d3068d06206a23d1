"""What the processes of `tests.processes` find imported."""

# ruff: noqa: F401
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
