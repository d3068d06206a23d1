"""How fast networks compute the features on which a head is solved, on this machine: which one can it bear?

    python -m benchmarks.backbones
    python -m benchmarks.backbones timm/vit_base_patch14_dinov2 --device cuda

The weights are random, which changes no speed. "minutes": for 2,000 pictures, seen as they are and in three augmented
copies, which is what `--freeze features` does by default.
"""

import argparse
import time

import torch

from models.device import Device, keep_freed_memory
from models.networks import build_network, normalisation, own_image_size
from models.prediction import Predictor
from training.image_size import LEARNT_FROM

NAMES = (
    *("squeezenet1_1", "mobilenet_v2", "resnet18", "resnet50", "convnext_tiny", "vgg11"),
    *("timm/vit_small_patch14_dinov2", "timm/vit_small_patch16_dinov3", "timm/convnextv2_tiny"),
)
BATCH, SECONDS, SEEN = 32, 5, 8_000


def pictures_per_second(name: str, size: int, device: Device) -> float:
    """Return how many images of `size` pixels a network of random weights predicts in a second."""
    network = device.place(build_network(name, 100, size))
    predictor = Predictor(network, normalisation(name), device)
    images = torch.randint(0, 255, (BATCH, 3, size, size), dtype=torch.uint8)
    predictor(images)  # warms up
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        predictor(images)
        count += BATCH
    return count / (time.perf_counter() - begun)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, help=f"default: {' '.join(NAMES)}")
    parser.add_argument("--device")
    options = parser.parse_args()
    device = Device.choose(options.device)
    keep_freed_memory()  # as training does
    print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'network':34} {'pixels':>6} {'pictures/s':>10} {'minutes':>8}")
    for name in options.names:
        size = own_image_size(name) or LEARNT_FROM
        speed = pictures_per_second(name, size, device)
        print(f"{name:34} {size:6d} {speed:10.1f} {SEEN / speed / 60:8.1f}", flush=True)


if __name__ == "__main__":
    main()
