"""The published configurations: their sizes, their docstrings and their symmetries."""

import dataclasses

import pytest
import torch

from perceivers.modalities import ConvImageConfig, FusionConfig, GridConfig, PointsConfig
from perceivers.models.build import build, build_on_meta
from perceivers.models.config import ModelConfig
from perceivers.models.cost import cost
from perceivers.models.presets import PRESETS

# Sizes of each kind of input that are small enough for a quick test.
SMALL = {
    "conv-image": {"image_size": 16},
    "image": {"image_size": 8},
    "array": {"shape": (12,)},
    "audio": {"num_samples": 1024},
    "video": {"num_frames": 4, "image_size": 16},
    "points": {"num_points": 16},
}


def small_input(config):
    if isinstance(config, FusionConfig):
        parts = {name: small_input(part) for name, part in config.parts.items()}
        return dataclasses.replace(config, parts=parts)
    small = dataclasses.replace(config, **SMALL[config.kind], num_bands=4)
    if getattr(config, "projection_dim", None):
        return dataclasses.replace(small, projection_dim=8)
    return small


def raw_batch(config, size=2):
    """Return a random batch for the adapter of a configuration."""
    if isinstance(config, FusionConfig):
        return {name: raw_batch(part, size) for name, part in config.parts.items()}
    shape = {
        "image": lambda c: (c.image_size, c.image_size),
        "conv-image": lambda c: (c.image_size, c.image_size),
        "array": lambda c: c.shape,
        "audio": lambda c: (c.num_samples,),
        "video": lambda c: (c.num_frames, c.image_size, c.image_size),
        "points": lambda c: (c.num_points,),
    }[config.kind](config)
    return torch.rand(size, *shape, config.channels) * 2 - 1


def small(name):
    """Return a preset with fewer, narrower layers and a head that does not start at zero."""
    torch.manual_seed(0)
    config = PRESETS[name]()
    model = build(
        dataclasses.replace(
            config,
            num_classes=5,
            num_latents=8,
            latent_dim=32,
            num_layers_per_block=1,
            input=small_input(config.input),
        )
    )
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter)
    return model.eval()


def has_fourier_positions(config):
    if isinstance(config, FusionConfig):
        return all(has_fourier_positions(part) for part in config.parts.values())
    return isinstance(config, PointsConfig | ConvImageConfig) or (
        isinstance(config, GridConfig) and config.position == "fourier"
    )


CLASSIFIERS = [name for name, make in PRESETS.items() if isinstance(make(), ModelConfig)]
FOURIER = [name for name in CLASSIFIERS if has_fourier_positions(PRESETS[name]().input)]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_preset_builds(name):
    config = PRESETS[name]()
    model = build_on_meta(config)
    assert model.adapter.num_inputs > 0
    logits = model.head(torch.empty(2, config.latent_dim, device="meta"))
    assert logits.shape == (2, config.num_classes)


@pytest.mark.parametrize(
    ("name", "inputs", "dim", "parameters"),
    [
        ("perceiver-modelnet40", 2_048, 3 + 3 * 129, 44_793_844),
        ("perceiver-audioset-audio", 480, 128 + 129, 107_419_677),
        ("perceiver-audioset-video", 12_544, 384 + 3 * 129, 111_643_729),
        ("perceiver-audioset-av", 13_024, 384 + 3 * 129 + 4, 111_685_411),
        ("perceiver-io-kinetics-encoder", 50_176 + 1_920, 704, 15_628_664),
    ],
)
def test_sizes_and_parameters_agree_with_the_docstrings(name, inputs, dim, parameters):
    """M is from arXiv 2103.03206v2, §4.2 and §4.3, and DeepMind's code; parameters as we count."""
    config = PRESETS[name]()
    counted = cost(config)
    assert counted.num_inputs == inputs
    assert build_on_meta(config).adapter.dim == dim
    assert counted.num_parameters == parameters
    assert f"{parameters / 1e6:.2f}M" in PRESETS[name].__doc__
    assert f"perceivers cost {name}" in " ".join(PRESETS[name].__doc__.split())


def test_parameters_equal_a_count_by_hand():
    """The AudioSet audio model as the paper describes it: nothing is shared."""
    n, d, c = 512, 1024, 128 + 129
    feed_forward = 2 * d + 2 * (d * d + d)
    cross = 2 * d + 2 * c + (d * c + c) + 2 * (c * c + c) + (c * d + d) + feed_forward
    self_attend = 2 * d + 4 * (d * d + d) + feed_forward
    head = 527 * d + 527
    expected = n * d + 2 * cross + 2 * 8 * self_attend + head
    assert cost(PRESETS["perceiver-audioset-audio"]()).num_parameters == expected


def test_kinetics_encoder_is_the_published_one_without_the_label():
    """Channels are those of a patch, its position and learned ones, as in DeepMind's code."""
    config = PRESETS["perceiver-io-kinetics-encoder"]()
    adapter = build_on_meta(config).adapter
    widths = {"audio": 16 + 2 * 192 + 1, "video": 3 * 4 * 4 + 3 * (2 * 32 + 1)}
    assert {name: part.dim for name, part in adapter.parts.items()} == widths
    learned = {name: len(embedding) for name, embedding in adapter.embeddings.items()}
    assert learned == {name: 700 + 4 - width for name, width in widths.items()}
    assert config.input.parts["audio"].num_samples == 16 * 48_000 // 25
    n, d, c = 784, 512, 704
    feed_forward = 2 * d + 2 * (d * d + d)
    cross = 2 * d + 2 * c + (d * c + c) + 2 * (c * c + c) + (c * d + d) + feed_forward
    self_attend = 2 * d + 4 * (d * d + d) + feed_forward
    expected = n * d + cross + 8 * self_attend + sum(learned.values())
    head = config.num_classes * (d + 1)
    assert cost(config).num_parameters == expected + head
    assert expected < 20.0e6  # parameters of the autoencoder, arXiv 2107.14795, Table 17


def test_size_of_the_flow_model_in_the_paper():
    """27.9M (arXiv 2107.14795, Table 16) leaves out the feed-forwards of all layers on latents."""
    model = build_on_meta(PRESETS["perceiver-io-flow"]())
    count = sum(p.numel() for p in model.parameters())
    layers = [*model.perceiver.cross_attends, *model.perceiver.blocks[0]]
    left_out = [sum(p.numel() for p in layer.feed_forward.parameters()) for layer in layers]
    assert left_out == [526_336] * 25
    assert (count, count - sum(left_out)) == (41_057_134, 27_898_734)
    layer = sum(p.numel() for p in model.perceiver.blocks[0][0].parameters())
    others = {n: round((count - (24 - n) * layer) / 1e6, 1) for n in (15, 16)}
    assert others == {15: 26.9, 16: 28.4}


def test_modelnet40_is_the_imagenet_model_with_two_steps():
    """arXiv 2103.03206v2, §4.3."""
    points, images = PRESETS["perceiver-modelnet40"](), PRESETS["perceiver-imagenet"]()
    changed = {"num_classes", "input", "cross_order", "block_order"}
    for field in dataclasses.fields(ModelConfig):
        same = getattr(points, field.name) == getattr(images, field.name)
        assert same == (field.name not in changed), field.name
    assert points.cross_order == images.cross_order[:2]
    assert points.block_order == images.block_order[:2]


def test_all_presets_without_learned_positions_are_permuted():
    assert set(CLASSIFIERS) - set(FOURIER) <= {"keras-cifar100", "perceiver-io-imagenet-learned"}


@pytest.mark.parametrize("name", FOURIER)
@pytest.mark.parametrize("shared", [True, False], ids=["same order", "different orders"])
@torch.no_grad()
def test_only_the_positions_of_elements_matter_not_their_order(name, shared):
    """arXiv 2103.03206v2, Table 2: permuting elements with their positions changes nothing."""
    model = small(name)
    inputs = model.adapter(raw_batch(model.config.input))
    elements = inputs.content.shape[1]
    orders = torch.stack([torch.randperm(elements) for _ in range(2)])
    order = orders[0] if shared else orders
    logits = model.classify(inputs)
    assert logits.std() > 1e-2
    torch.testing.assert_close(model.classify(inputs.permuted(order)), logits, atol=1e-5, rtol=1e-5)
    moved = dataclasses.replace(inputs, content=inputs.permuted(order).content)
    assert (model.classify(moved) - logits).abs().max() > 1e-3


@torch.no_grad()
def test_audioset_model_works_with_either_modality_alone():
    model = small("perceiver-audioset-av")
    batch = raw_batch(model.config.input)
    both = model(batch)
    for name in batch:
        alone = model({name: batch[name]})
        assert alone.shape == (2, 5)
        assert (alone - both).abs().max() > 1e-3
