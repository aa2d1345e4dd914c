"""The Keras example against Keras itself: logits, gradients, dropout and export."""

import dataclasses

import keras
import pytest
import torch
import torch.nn.functional as F
from keras_small import SMALL, images, random_keras, theirs

import perceivers
from perceivers.interop import from_keras, to_keras
from perceivers.interop.keras import difference
from perceivers.interop.keras_reference import build_keras_example
from perceivers.models.presets import PRESETS

TOLERANCE = 1e-4  # of logits


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_logits_equal_keras(iterations):
    orders = (0,) * iterations
    config = dataclasses.replace(SMALL, cross_order=orders, block_order=orders)
    reference = random_keras(config)
    ours = from_keras(reference)
    assert ours.config == dataclasses.replace(config, latent_std=0.05)
    assert not ours.training
    torch.testing.assert_close(
        ours(images(config)), theirs(reference, images(config)), atol=TOLERANCE, rtol=0
    )


@pytest.mark.slow
def test_the_example_in_its_own_size():
    """Compare the number of parameters, their initial distributions, and logits."""
    config = PRESETS["keras-cifar100"]()
    keras.utils.set_random_seed(0)
    reference = build_keras_example(config)
    assert reference.count_params() == 9_697_637
    ours = from_keras(reference)
    assert ours.config == config
    assert sum(p.numel() for p in ours.parameters()) == 9_697_637
    fresh = perceivers.create("keras-cifar100").state_dict()
    for name, weight in ours.state_dict().items():
        got = fresh[name]
        assert got.shape == weight.shape
        if weight.ndim == 2:
            std = weight.std().item()
            assert got.std().item() == pytest.approx(std, rel=0.03), name
            assert got.mean().item() == pytest.approx(0, abs=0.05 * std), name
            assert got.abs().max().item() == pytest.approx(weight.abs().max().item(), rel=0.2), name
        else:
            assert torch.equal(got, weight), name
    x = images(config, count=2)
    torch.testing.assert_close(ours(x), theirs(reference, x), atol=TOLERANCE, rtol=0)


def test_gradients_equal_keras(small):
    """Convert Keras' gradients as if they were weights, and compare them with ours."""
    ours, x, labels = from_keras(small), images(SMALL), torch.tensor([0, 4, 2])
    F.cross_entropy(ours(x), labels).backward()
    small.zero_grad()
    F.cross_entropy(small(x, training=False), labels).backward()
    gradients = build_keras_example(SMALL)
    for to, weight in zip(gradients.weights, small.weights, strict=True):
        to.assign(weight.value.grad)
    for name, gradient in from_keras(gradients).named_parameters():
        got = ours.get_parameter(name).grad
        assert got.abs().max() > 0, name
        torch.testing.assert_close(got, gradient.data, atol=1e-5, rtol=1e-3, msg=name)


def test_export_to_keras(small, tmp_path):
    to_keras(from_keras(small), tmp_path / "export.weights.h5")
    again = build_keras_example(SMALL)
    again.load_weights(tmp_path / "export.weights.h5")
    for ours, weight in zip(again.weights, small.weights, strict=True):
        assert torch.equal(ours.value, weight.value), weight.path
    assert [path.name for path in tmp_path.iterdir()] == ["export.weights.h5"]


@pytest.mark.parametrize("rates", [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0)], ids=str)
def test_dropouts_are_in_the_same_places_as_in_keras(rates):
    """Rates of 0 and 1 (feed-forward, attention) make training deterministic."""
    dropout, attention_dropout = rates
    config = dataclasses.replace(SMALL, dropout=dropout, attention_dropout=attention_dropout)
    reference = random_keras(config)
    ours = from_keras(reference, attention_dropout=attention_dropout).train()
    x, zeros = images(config), torch.zeros(3, 5)
    if dropout:
        assert torch.equal(ours(x), zeros)
        assert torch.equal(theirs(reference, x, training=True), zeros)
    ours.head[-1].p = 0.0
    reference.classification_head.layers[-1].rate = 0.0
    got = ours(x)
    assert (got - ours.eval()(x)).abs().max() > 0.01
    torch.testing.assert_close(got, theirs(reference, x, training=True), atol=TOLERANCE, rtol=0)


def test_logits_are_dropped(small):
    ours = from_keras(small, dropout=0.5, attention_dropout=0.0).train()
    for layer in (*ours.perceiver.cross_attends, *ours.perceiver.blocks[0]):
        layer.feed_forward.dropout.p = 0.0
    torch.manual_seed(0)
    x = images(SMALL)
    got = torch.stack([ours(x) for _ in range(40)])
    nonzero = got != 0
    assert 0.4 < nonzero.float().mean() < 0.6
    expected = 2 * ours.eval()(x).expand_as(got)
    torch.testing.assert_close(got[nonzero], expected[nonzero])


def test_difference(small, small_file):
    ours = from_keras(small_file).train()
    assert difference(ours, small_file) < TOLERANCE
    assert difference(ours, small, seed=1) < TOLERANCE
    assert ours.training
    with torch.no_grad():
        ours.perceiver.cross_attends[0].attention.scale += 0.5
    assert difference(ours, small_file) > 0.01
