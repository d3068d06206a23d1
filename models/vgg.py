"""VGG11 for small images: ImageNet knowledge with a folded head, and a variant that takes images of any size.

VGG11 is configuration A of Simonyan & Zisserman, "Very deep convolutional networks for large-scale image
recognition", ICLR 2015, https://arxiv.org/abs/1409.1556. ImageNet weights are torchvision's:

| weights                                      | parameters | file   | ImageNet top-1 | used by        |
|----------------------------------------------|------------|--------|----------------|----------------|
| torchvision VGG11_Weights.IMAGENET1K_V1      | 132.9 M    | 507 MB | 69.0 %         | vgg11          |
| torchvision VGG11_BN_Weights.IMAGENET1K_V1   | 132.9 M    | 507 MB | 70.4 %         | vgg11_adaptive |
"""

import logging
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torchvision.models import VGG, vgg

LOG = logging.getLogger(__name__)

# A number is a 3x3 convolution with that many channels, batch normalisation and ReLU; "M" is a 2x2 max pool.
# Adaptive average pooling takes the place of the last max pool, and comes before the first layer, where it brings an
# image of any size to INPUT_POOL pixels: 120-pixel thumbnails then cost a sixth of what they cost vgg11, and a laptop
# trains them from scratch in minutes.
ADAPTIVE_LAYERS: list[int | str] = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512]
INPUT_POOL = 48

# VGG11 halves its map five times, and its head expects 7x7.
STRIDE = 32
HEAD_MAP = 7


def vgg11(num_classes: int, image_size: int = 224) -> VGG:
    """Return torchvision's VGG11 for square images of `image_size` pixels, its head folded where that makes it smaller.

    It takes images (n, 3, image_size, image_size) and returns logits (n, num_classes). Its state dict is that of
    torchvision's vgg11 but for `classifier.0.weight`, for which see `fold_head`, and the last layer. Raises ValueError
    for images below 32 pixels, of which five halvings leave nothing.
    """
    if image_size < STRIDE:
        raise ValueError(f"vgg11 needs images of at least {STRIDE} pixels, not {image_size}")
    network = vgg.vgg11(weights=None, num_classes=num_classes)
    network.features = ConvLayers(*network.features)
    side = image_size // STRIDE
    if side <= HEAD_MAP:  # at 7x7, too, pooling does nothing, and its gradient has no deterministic form on GPUs
        network.avgpool = nn.Identity()
    if side < HEAD_MAP:
        network.classifier[0] = nn.Linear(512 * side * side, 4096)
        nn.init.normal_(network.classifier[0].weight, 0, 0.01)
        nn.init.zeros_(network.classifier[0].bias)
    return network


def vgg11_adaptive(num_classes: int) -> nn.Module:
    """Return VGG11 with batch normalisation and adaptive average pooling: images of any size, trainable from scratch.

    It takes images (n, 3, height, width) of any size and returns logits (n, num_classes). Its `features` have the state
    dict of torchvision's vgg11_bn, so that ImageNet weights fit; its head is one linear layer.
    """
    return AdaptiveVGG(make_layers(ADAPTIVE_LAYERS), num_classes)


class AdaptiveVGG(nn.Module):
    """Average pooling to INPUT_POOL pixels, convolutions, global average pooling, dropout and one linear layer."""

    def __init__(self, features: nn.Sequential, num_classes: int, dropout: float = 0.2):
        super().__init__()
        self.input_pool = nn.AdaptiveAvgPool2d(INPUT_POOL)
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(512, num_classes))
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, num_classes) for images (n, 3, height, width)."""
        return self.classifier(self.avgpool(self.features(self.input_pool(images))).flatten(1))


class ConvLayers(nn.Sequential):
    """Convolutions, norms, ReLUs and poolings in a row.

    While they learn on an NVIDIA GPU, bias, ReLU and pooling are one pass over the maps (`models.fused_pooling`).
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps of the last layer, for maps (n, channels, height, width) that enter the first."""
        pooled_relu = fused_pooling(maps.device) if self.training and maps.is_cuda else None
        layers, place = list(self), 0
        while place < len(layers):
            layer, after = layers[place], [type(each) for each in layers[place + 1 : place + 3]]
            if pooled_relu and isinstance(layer, nn.Conv2d) and after == [nn.ReLU, nn.MaxPool2d]:
                maps = pooled_relu(layer._conv_forward(maps, layer.weight, None), layer.bias)
                place += 3
            elif pooled_relu and isinstance(layer, nn.ReLU) and after[:1] == [nn.MaxPool2d]:
                maps = pooled_relu(maps)
                place += 2
            else:
                maps = layer(maps)
                place += 1
        return maps


@cache
def fused_pooling(device: torch.device) -> Callable[..., Tensor] | None:
    """Return `models.fused_pooling.pooled_relu`, None where Triton does not work on a GPU.

    torch brings Triton along on Linux; it needs a C compiler.
    """
    try:
        from models.fused_pooling import pooled_relu

        pooled_relu(torch.zeros(1, 1, 2, 2, device=device))
    except Exception as error:  # what it raises depends on what is missing
        LOG.info("Pooling is slower than it could be, since Triton does not work here (%s).", error)
        return None
    return pooled_relu


def make_layers(layers: list[int | str]) -> nn.Sequential:
    """Return the layers of a configuration such as ADAPTIVE_LAYERS, numbered as torchvision's vgg11_bn."""
    modules: list[nn.Module] = []
    channels = 3
    for layer in layers:
        if layer == "M":
            modules.append(nn.MaxPool2d(kernel_size=2, stride=2))
        else:
            width = int(layer)
            modules += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.BatchNorm2d(width), nn.ReLU(True)]
            channels = width
    return ConvLayers(*modules)


def fold_head(weight: Tensor, height: int, width: int) -> Tensor:
    """Fold the average pooling before VGG11's head into the head's first layer.

    Between the last map x (512, height, width) and the head is AdaptiveAvgPool2d(7), a fixed linear map: with
    P = `pooling_matrix(height)` (7, height) and Q = `pooling_matrix(width)` it gives P x Qᵀ for each channel. So the
    first layer's answer

        Σ_cij W[o,c,i,j] (P x_c Qᵀ)[i,j]  =  Σ_ckl (Pᵀ W[o,c] Q)[k,l] x_c[k,l]

    is that of the smaller layer W'[o,c] = Pᵀ W[o,c] Q on the map itself: the same output, and at 120 pixels (3x3)
    9 weights where there were 49. `weight` is (4096, 512·7·7), the result (4096, 512·height·width).
    """
    rows, columns = (pooling_matrix(side).to(weight) for side in (height, width))
    kernels = torch.unflatten(weight, 1, (-1, HEAD_MAP, HEAD_MAP))
    return (rows.T @ kernels @ columns).flatten(1)


def pooling_matrix(side: int) -> Tensor:
    """Return AdaptiveAvgPool2d(7) along one axis as a matrix (7, side), in float64; each row sums to 1."""
    return nn.functional.adaptive_avg_pool1d(torch.eye(side, dtype=torch.float64), HEAD_MAP).T
