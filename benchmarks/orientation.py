"""Do the pictures of prepared data sets have an up, and is it seen that they have none once each is turned at random?

    python -m benchmarks.orientation DIR …      # directories with train/

The reason for `training.orientation`. Of each set the gains in standard errors, and how often it passes for upright
when every picture is turned by an angle of its own.
"""

import sys
from pathlib import Path

import torch
from torch import Generator

from models.images import Store, augment, draw_changes, list_pictures, read_store
from training.orientation import gains, stands_upright

SIZE, TRIALS = 64, 20
# A row of `models.images.CHANGES` that leaves a picture as it is.
UNCHANGED = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0])


def turned_at_random(store: Store, seed: int) -> Store:
    """Turn each picture by an angle of its own, and mirror half of them; they stay the same otherwise."""
    changes = UNCHANGED.repeat(len(store), 1)
    changes[:, :2] = draw_changes(len(store), Generator().manual_seed(seed))[:, :2]
    return Store(augment(store.pictures, changes).to(torch.uint8), store.labels, store.paths)


def main() -> None:
    """Measure and print."""
    for directory in map(Path, sys.argv[1:]):
        store = read_store(list_pictures(directory / "train")[0], SIZE)
        fooled = sum(stands_upright(turned_at_random(store, seed)) for seed in range(TRIALS))
        upside_down, sideways = gains(store).tolist()
        print(
            f"{directory.name}: better upright than upside down by {upside_down:.1f} standard errors, than sideways "
            f"by {sideways:.1f}; turned at random it passes for upright in {fooled} of {TRIALS} trials"
        )


if __name__ == "__main__":
    main()
