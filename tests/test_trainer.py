"""The parts of a step: loss, sampling, optimizer, loaders, and the networks that are split in two."""

import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from common.errors import ToolkitError
from models.networks import build_network
from models.prediction import Predictor
from models.preprocessing import IMAGENET
from tests.training_runs import CPU, drawn_data, settings
from training import finalise, sampling
from training.dataset import TrainingData
from training.finalise import images_predicted, reference_features
from training.frozen_layers import split_network
from training.images import InMemoryImages
from training.loaders import FeatureLoader
from training.loss import make_loss
from training.optimizer import make_optimizer
from training.ranks import ONE_RANK
from training.sampling import epoch_batches, epoch_length, sample_order
from training.trainer import Trainer


@pytest.mark.parametrize("name", ["vgg11_adaptive", "squeezenet1_1", "mobilenet_v3_small", "resnet18"])
def test_front_and_back_compute_what_the_whole_network_does(name):
    network = build_network(name, 3, 64)
    images = torch.rand(2, 3, 64, 64)
    front, back = split_network(network, images)
    with torch.inference_mode():
        assert torch.allclose(back.eval()(front(images)), network.eval()(images), atol=1e-5)
    trainable, all_of_it = {id(p) for p in back.parameters()}, {id(p) for p in network.parameters()}
    assert trainable < all_of_it  # the back learns in place, and not everything does
    assert network.state_dict().keys() == build_network(name, 3, 64).state_dict().keys()


@pytest.mark.slow
def test_the_block_of_vgg11_begins_after_the_fourth_pooling():
    front, _ = split_network(build_network("vgg11", 3, 120), torch.rand(1, 3, 120, 120))
    assert front(torch.rand(1, 3, 120, 120)).shape == (1, 512, 7, 7)


@pytest.mark.slow
def test_a_network_without_a_last_block_is_refused_with_a_sentence():
    with pytest.raises(ToolkitError, match="cannot be split before its last block") as refusal:
        split_network(build_network("vit_b_16", 3, 64), torch.rand(1, 3, 64, 64))
    assert refusal.value.settings == ("freeze",)


def test_earlier_layers_of_a_pretrained_network_learn_at_lower_rates():
    network = build_network("squeezenet1_1", 3, 64)
    optimizer = make_optimizer(network, adaptive=True, lowest=0.1)
    factors = {id(p): group["factor"] for group in optimizer.param_groups for p in group["params"]}
    ordered = [factors[id(parameter)] for parameter in network.parameters()]
    assert ordered == sorted(ordered) and ordered[-1] == 1 and 0.1 <= ordered[0] < 0.2


def test_norms_and_biases_are_not_decayed():
    decayed, others = make_optimizer(build_network("vgg11_adaptive", 2, 40)).param_groups
    assert decayed["weight_decay"] > 0 and others["weight_decay"] == 0
    assert {parameter.ndim for parameter in others["params"]} == {1}
    assert all(parameter.ndim > 1 for parameter in decayed["params"])


def test_losses_by_hand():
    labels = torch.tensor([0, 0, 0, 1])
    logits = torch.tensor([[1.0, 2.0], [0.0, 0.5], [3.0, -1.0], [0.2, 0.1]])
    plain = F.cross_entropy(logits, labels, reduction="none")
    assert torch.allclose(make_loss("none", labels, 2, 0.0)(logits, labels), plain)
    weighted = make_loss("weights", labels, 2, 0.0)(logits, labels)
    assert torch.allclose(weighted, plain * torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0]))
    adjusted = make_loss("logit_adjusted", labels, 2, 0.0)(logits, labels)
    shares = torch.tensor([0.75, 0.25])
    assert torch.allclose(adjusted, F.cross_entropy(logits + shares.log(), labels, reduction="none"))


def test_the_sampler_draws_each_class_equally_often():
    labels = torch.tensor([0] * 990 + [1] * 10)
    drawn = labels[sample_order("sampler", labels, 4, Generator().manual_seed(0))]
    assert len(drawn) == 4000 and 0.46 < drawn.double().mean() < 0.54


@pytest.mark.parametrize("count, batch_size", [(1, 32), (3, 2), (33, 32), (639, 32), (1000, 32), (7, 7)])
def test_an_epoch_deals_out_each_image_equally_often(count, batch_size):
    dealt = epoch_batches(torch.zeros(count, dtype=torch.int64), batch_size, torch.Generator().manual_seed(0))
    times = torch.bincount(torch.cat(dealt), minlength=count)
    assert times.min() == times.max() and times.sum() == epoch_length(count, batch_size)
    sizes = [len(batch) for batch in dealt]
    assert max(sizes) - min(sizes) <= 1 and max(sizes) <= 2 * batch_size
    assert len(dealt) >= sampling.STEPS_PER_EPOCH - 1


def test_batch_normalisation_of_a_frozen_network_keeps_what_it_knows():
    network = build_network("resnet18", 2, 64)
    trainer = Trainer(network, settings("--freeze", "block"), drawn_data(4, 4, side=64), CPU)
    loader = FeatureLoader(trainer, copies=1)
    loader.train_mode()
    norms = [part for part in loader.trainable.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert norms and not any(norm.training for norm in norms)
    assert loader.trainable.training


@pytest.mark.parametrize(
    "limits, views", [((2000, 4, 4000), 28), ((2000, 3, 4000), 21), ((2000, 4, 15), 14), ((3, 4, 9), 9)]
)
def test_references_are_training_images_as_they_are_and_augmented(monkeypatch, limits, views):
    for name, limit in zip(("MAX_REFERENCES", "VIEWS", "MAX_VIEWS"), limits, strict=True):
        monkeypatch.setattr(finalise, name, limit)
    pixels = torch.randint(0, 256, (7, 3, 64, 64), dtype=torch.uint8, generator=Generator().manual_seed(0))
    images = InMemoryImages(pixels, torch.arange(7) % 2, [None] * 7)
    data = TrainingData(images, images[:2], ["dark", "light"], 64, list("abcdefg"))
    predictor = Predictor(build_network("squeezenet1_1", 2, 64).eval(), IMAGENET, CPU)
    features = reference_features(predictor, data, ONE_RANK)
    references = pixels[:: 3 if limits[0] == 3 else 1]
    assert features.shape[:2] == (views // len(references), len(references))
    assert images_predicted(data, tta=False) == views + 2 and images_predicted(data, tta=True) == 8 * (views + 2)
    assert torch.allclose(features[0], predictor(references).features, atol=1e-5)
    assert len(torch.unique(features.flatten(0, 1), dim=0)) == views
    assert torch.equal(features, reference_features(predictor, data, ONE_RANK))
