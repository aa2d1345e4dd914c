"""The paper's numbers, and the formula against torch's own counter."""

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from perceivers.models.build import build_on_meta
from perceivers.models.config import ImageConfig, ModelConfig
from perceivers.models.cost import cost
from perceivers.models.presets import PRESETS


@pytest.mark.parametrize(
    ("preset", "millions", "published_gflops"),
    [
        ("perceiver-imagenet", 44.91, (706, 707)),
        ("perceiver-imagenet-1x", 42.1, (403.5, 404.5)),
        ("perceiver-imagenet-unshared", 326.2, (706, 707)),
    ],
)
def test_the_papers_parameters_and_flops(preset, millions, published_gflops):
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


@pytest.mark.parametrize(
    "config", [SMALL, dataclasses.replace(SMALL, qk_dim=None, v_dim=None)], ids=["widths", "auto"]
)
def test_formula_equals_torchs_count(config):
    model = build_on_meta(config)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 16, 16, 3, device="meta"))
    assert cost(config).flops == counter.get_total_flops()


def test_grows_linearly_in_the_input():
    one, two, three = (cost(SMALL, m) for m in (1000, 2000, 3000))
    assert three.flops - two.flops == two.flops - one.flops > 0
    assert one.latent_flops == two.latent_flops


def test_no_inputs():
    with pytest.raises(ValueError, match="expected at least one element"):
        cost(SMALL, 0)
