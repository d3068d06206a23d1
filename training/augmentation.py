"""Random changes of training images, by which a few of them do for many."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

# From where to where the parameters are drawn, in the order in which `augment` takes them.
RANGES = torch.tensor(
    [
        (-1.0, 1.0),  # rotation, as a share of the largest
        (-1.0, 1.0),  # mirrored where negative
        (math.log(0.9), math.log(1.1)),  # scale, as a logarithm
        (-0.08, 0.08),  # shift to the right and downwards, in halves of the image
        (-0.08, 0.08),
        (0.9, 1.1),  # gamma
        (0.9, 1.1),  # contrast
        (-0.05, 0.05),  # brightness, as a share of full white
    ],
)


@dataclass(frozen=True)
class Augmentation:
    """How training images are changed at random: rotated by up to `max_rotation` radians, and as RANGES says."""

    max_rotation: float = math.pi

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Return random parameters for each of `count` images, for `augment`: float32 (count, 8).

        `generator` is a CPU generator, so that a run can be repeated on any device.
        """
        low, high = RANGES.T[..., None]
        parameters = torch.rand(len(RANGES), count, generator=generator).mul_(high - low).add_(low)
        parameters[0] *= self.max_rotation
        return parameters.T


def augment(images: Tensor, parameters: Tensor) -> Tensor:
    """Return images rotated, mirrored, scaled, shifted and relit, each by its row of `parameters` (`Augmentation`).

    Takes uint8 (n, 3, s, s), returns float32 of that shape in [0, 255]. Mirroring suits most microfossils, which are
    photographed from either side. What comes in from outside the image has the colour of its border.
    """
    if not len(images):  # a rank's slice of a batch may be empty
        return images.float()
    angle, mirror, scale, right, down, gamma, contrast, brightness = parameters.to(images.device).T
    mirror, scale = mirror.sign(), scale.exp()
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = torch.stack([cos * mirror, -sin, right, sin * mirror, cos, down], dim=1)
    grid = F.affine_grid(rows.view(-1, 2, 3), list(images.shape), align_corners=False)
    values = images.float()
    # grid_sample fills with zeros: with the border's colour as zero, it fills with the border's colour.
    border = _border_mean(values)
    values = F.grid_sample(values - border, grid, align_corners=False).add_(border)
    return _relight(values, gamma, contrast, brightness)


def _border_mean(images: Tensor) -> Tensor:
    """Return the mean colour of the outermost pixels of images (n, 3, h, w) as (n, 3, 1, 1)."""
    edges = [images[..., 0, :], images[..., -1, :], images[..., :, 0], images[..., :, -1]]
    return torch.cat(edges, dim=-1).mean(dim=-1)[..., None, None]


def _relight(images: Tensor, gamma: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Change gamma, contrast (factors) and brightness (share of full white) of images in [0, 255], each (n,)."""
    gamma, contrast, brightness = (factor.view(-1, 1, 1, 1) for factor in (gamma, contrast, brightness))
    values = images.div_(255).clamp_(0, 1).pow_(gamma)
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    return ((values - mean) * contrast + mean + brightness).clamp_(0, 1).mul_(255)
