"""Do the pictures of prepared data sets have an up, and is it seen that they have none once each is turned at random?

    python -m benchmarks.orientation DIR …      # directories with train/

The reason for `training.orientation`. Of each set the gains in standard errors, and how often it passes for upright
when every picture is turned by an angle of its own.
"""

import math
import sys
from pathlib import Path

import torch
from torch import Generator
from torch.nn import functional as F

from models.images import Store, list_pictures, read_store
from training.orientation import gains, stands_upright

SIZE, TRIALS = 64, 20


def turned_at_random(store: Store, seed: int) -> Store:
    """Turn each picture by an angle of its own; what comes in from outside has the colour of a corner."""
    angles = torch.rand(len(store), generator=Generator().manual_seed(seed)) * 2 * math.pi
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros(len(store))
    rows = torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)
    pictures = store.pictures.float()
    corner = pictures[:, :, :1, :1]
    grid = F.affine_grid(rows, list(pictures.shape), align_corners=False)
    turned = F.grid_sample(pictures - corner, grid, align_corners=False) + corner
    return Store(turned.to(torch.uint8), store.labels, store.paths)


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
