"""What torchrun runs for tests/test_ranks.py: two processes compare with one what they learn. Prints "all the same"."""

from pathlib import Path

import torch
from torch.nn import functional as F

from models.device import Device
from models.networks import build_network
from models.prediction import Predictor, predict
from models.preprocessing import IMAGENET
from models.vgg import AdaptiveVGG, make_layers
from tests.training_runs import settings
from training.dataset import list_dataset, read_dataset
from training.images import InMemoryImages
from training.loaders import make_loader, predict_by_rank
from training.ranks import ONE_RANK, Ranks, process_group
from training.trainer import Trainer

COUNT = 7
CPU = Device(torch.device("cpu"), torch.float32)
IMAGES = torch.rand(COUNT, 3, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
IMAGES = IMAGES.contiguous(memory_format=torch.channels_last)
LABELS = torch.arange(COUNT) % 3


class Exact(Device):
    """Computes in float64, in which no rounding turns a rectifier on or off."""

    def place_images(self, images):
        return super().place_images(images).double()


def learn(network, ranks, whole):
    """Take one step of training, with all rows of the batch or with this rank's slice of them."""
    torch.manual_seed(1)
    rows = slice(None) if whole else ranks.local_slice(COUNT)
    learner = network if whole else ranks.wrap_ddp(network)
    with torch.enable_grad() if whole else ranks.whole_batch(COUNT):
        logits = learner(IMAGES[rows])
    loss = F.cross_entropy(logits, LABELS[rows], reduction="sum") / COUNT
    (loss if whole else loss * ranks.size).backward()
    return logits.detach(), torch.rand(1)


def compare_a_step(name: str, ranks: Ranks):
    """Compare logits, gradients, buffers and random numbers of a step; return the network that the ranks share."""
    torch.manual_seed(0)
    alone = CPU.place(build_network(name, 3, 40)).double().train()
    torch.manual_seed(ranks.rank)
    shared = ranks.broadcast_parameters(CPU.place(build_network(name, 3, 40)).double()).train()
    logits, drawn = learn(alone, ranks, whole=True)
    local, drawn_here = learn(shared, ranks, whole=False)
    assert torch.allclose(ranks.gather(local, COUNT), logits, atol=1e-9), name
    assert torch.equal(drawn, drawn_here), name  # random numbers go on in step
    for (place, one), other in zip(alone.named_parameters(), shared.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-9), (name, place)
    for (place, one), other in zip(alone.state_dict().items(), shared.state_dict().values(), strict=True):
        assert torch.allclose(one, other, atol=1e-9), (name, place)
    return shared


def epoch(ranks: Ranks):
    """Train an epoch of twenty steps from scratch, with batches of five; return its metrics and the weights."""
    chosen = settings("--weights", "none", "--batch_size", "5", "--epochs", "1", "--balance", "weights")
    torch.manual_seed(0)
    network = CPU.place(AdaptiveVGG(make_layers([8, "M", 16, "M", 512]), 3)).double()
    data = read_dataset(chosen, list_dataset(chosen.directory), 40)
    trainer = Trainer(network, chosen, data, Exact(CPU.device, torch.float32), ranks)
    trainer.begin(make_loader(trainer))
    result = trainer.train_epoch()
    return result.train | {"images_per_second": 0.0}, network.state_dict()


def compare_an_epoch(ranks: Ranks) -> None:
    (metrics, alone), (metrics_here, shared) = epoch(ONE_RANK), epoch(ranks)
    assert metrics_here.keys() == metrics.keys()
    assert all(abs(metrics_here[name] - metrics[name]) < 1e-5 for name in metrics), (metrics, metrics_here)
    for place, tensor in alone.items():
        assert torch.allclose(shared[place].float(), tensor.float(), atol=1e-5), place


def compare_predictions(network, ranks: Ranks) -> None:
    for count in (7, 1):  # of one image, one rank has none
        images = InMemoryImages((IMAGES[:count] * 255).byte(), LABELS[:count], [Path("a.png")] * count)
        predictor = Predictor(network.float(), IMAGENET, CPU)
        one, other = predict(predictor, images.pixels), predict_by_rank(ranks, predictor, images)
        assert torch.allclose(one.logits, other.logits, atol=1e-5)
        assert torch.allclose(one.features, other.features, atol=1e-5)


with process_group() as ranks:
    assert ranks.size == 2
    for name in ("squeezenet1_1", "vgg11_adaptive", "efficientnet_b0"):
        shared = compare_a_step(name, ranks)
    compare_an_epoch(ranks)
    compare_predictions(shared, ranks)
    assert ranks.broadcast({"rank": ranks.rank}) == {"rank": 0}
    print("all the same")
