"""Parameters and FLOPs compared with the paper and with a count by hand."""

import dataclasses

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from perceivers.core import layers, projection
from perceivers.modalities import (
    FusionConfig,
    ImageConfig,
    PointsConfig,
    TabularConfig,
    TextConfig,
)
from perceivers.models.build import build
from perceivers.models.config import ModelConfig
from perceivers.models.cost import cost
from perceivers.models.presets import PRESETS


@pytest.mark.parametrize(
    ("preset", "millions", "published_gflops"),
    [
        ("perceiver-imagenet", 44.91, (706, 707)),
        pytest.param("perceiver-imagenet-1x", 42.1, (403.5, 404.5), marks=pytest.mark.slow),
        pytest.param("perceiver-imagenet-unshared", 326.2, (706, 707), marks=pytest.mark.slow),
    ],
)
def test_published_parameters_and_flops(preset, millions, published_gflops):
    """arXiv 2103.03206v2, Tables 6 and 7."""
    counted = cost(PRESETS[preset]())
    assert counted.num_inputs == 224 * 224
    assert counted.num_parameters / 1e6 == pytest.approx(millions, abs=0.05)
    low, high = published_gflops
    assert low <= counted.flops_published / 1e9 <= high


SMALL = ModelConfig(
    num_classes=7,
    input=ImageConfig(image_size=16, patch_size=2, num_bands=4),
    num_latents=12,
    latent_dim=32,
    cross_order=(0, 1, None, 1),
    block_order=(0, None, 1, 0),
    num_layers_per_block=2,
    num_cross_heads=2,
    qk_dim=24,
    v_dim=40,
    widening_factor=3,
)


def test_flops_equal_a_count_by_hand():
    n, d, m, c = SMALL.num_latents, SMALL.latent_dim, 64, 2 * 2 * 3 + 2 * 9
    feed_forward = 4 * n * d * d * SMALL.widening_factor
    keys_values = 2 * m * c * (SMALL.qk_dim + SMALL.v_dim)
    cross_attend = 2 * n * (m + d) * (SMALL.qk_dim + SMALL.v_dim) + feed_forward
    self_attend = 8 * n * d * d + 4 * n * n * d + feed_forward
    counted = cost(SMALL)
    assert counted.cross_flops == 3 * cross_attend + 2 * keys_values
    assert counted.cross_flops_published == 3 * (cross_attend + keys_values)
    assert counted.latent_flops == 3 * 2 * self_attend
    assert counted.head_flops == 2 * d * SMALL.num_classes


def test_flops_are_linear_in_the_number_of_inputs():
    one, two, three = (cost(SMALL, m) for m in (1000, 2000, 3000))
    assert three.flops - two.flops == two.flops - one.flops > 0
    assert one.latent_flops == two.latent_flops


def test_error_for_no_inputs():
    with pytest.raises(ValueError, match="expected at least one element"):
        cost(SMALL, 0)


def test_large_inputs_are_counted():
    """Keys too large to keep in memory are counted once all the same."""
    small, large = cost(SMALL, 10**4), cost(SMALL, 10**7)
    assert large.cross_flops / small.cross_flops == pytest.approx(1000, rel=0.02)
    assert cost(dataclasses.replace(SMALL, cross_order=(None,) * 4)).cross_flops == 0


CONFIGS = {
    "grid": SMALL.input,
    "patches": ImageConfig(image_size=8, patch_size=2, num_bands=2),
    "learned positions": ImageConfig(
        image_size=8,
        patch_size=4,
        projection_dim=6,
        position="learned",
        position_dim=6,
        fusion="add",
    ),
    "points": PointsConfig(num_points=9, num_bands=3),
    "text": TextConfig(max_length=9, embedding_dim=6),
    "table": TabularConfig(numeric=("a", "b", "c"), embedding_dim=4),
    "fusion": FusionConfig(
        parts={"image": SMALL.input, "text": TextConfig(max_length=9, embedding_dim=6)}
    ),
}


def raw_batch(config):
    if isinstance(config, FusionConfig):
        return {name: raw_batch(part) for name, part in config.parts.items()}
    if isinstance(config, TextConfig):
        return torch.full((1, config.max_length), 70)
    if isinstance(config, TabularConfig):
        return torch.randn(1, 3)
    if isinstance(config, PointsConfig):
        return torch.randn(1, config.num_points, 3)
    return torch.rand(1, config.image_size, config.image_size, 3)


@pytest.mark.parametrize("attention", ["both", "content", "position"])
@pytest.mark.parametrize("name", CONFIGS)
def test_flops_are_those_of_the_model_as_it_runs(monkeypatch, name, attention):
    """Run the model on one example with keys in memory, and count what torch computes."""
    monkeypatch.setattr(layers, "SEPARABLE_MIN_ELEMENTS", 2**40)
    monkeypatch.setattr(layers, "UNPROJECTED_GAIN", float("inf"))
    monkeypatch.setattr(
        projection, "_axial_statistics", lambda p: projection._statistics(p.dense())
    )
    changes = {"input": CONFIGS[name], "attention": attention, "attention_dropout": 0.1}
    model = build(dataclasses.replace(SMALL, **changes)).eval()
    elements = model.adapter(raw_batch(model.config.input))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.classify(elements)
    assert cost(model.config).flops == counter.get_total_flops()


def test_attention_dropout_changes_no_cost():
    """Self-attends with wide heads take another way in training."""
    wide = dataclasses.replace(SMALL, latent_dim=4, self_qk_dim=32)
    assert cost(dataclasses.replace(wide, attention_dropout=0.5)) == cost(wide)


def test_positions_are_missing():
    config = dataclasses.replace(
        SMALL, attention="position", input=ImageConfig(image_size=8, position="none")
    )
    with pytest.raises(ValueError, match="the inputs carry no position; use 'content' or 'both'"):
        cost(config)
