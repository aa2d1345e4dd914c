"""The gradient of a gradient penalty, through whole models, against plain operators alone."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from test_presets import CLASSIFIERS, raw_batch, small_input
from torch.nn.attention import SDPBackend, sdpa_kernel

from perceivers.core import CrossAttend, FeedForward, MultiHeadAttention, layers, sources
from perceivers.core.separable import SeparableGrid
from perceivers.core.sources import ChunkedKeyValues, StoredKeyValues
from perceivers.core.unprojected import UnprojectedFeatures
from perceivers.modalities import MelConfig, TabularConfig, TextConfig
from perceivers.models.build import build
from perceivers.models.config import KerasExampleConfig, ModelConfig
from perceivers.models.presets import PRESETS

MEL = {"sample_rate": 8000, "n_fft": 40, "hop_length": 20, "n_mels": 3, "num_bands": 2}
CONFIGS = {
    **{name: PRESETS[name]() for name in CLASSIFIERS},
    "mel": ModelConfig(input=MelConfig(num_samples=160, patch_frames=1, **MEL)),
    "text": ModelConfig(input=TextConfig(max_length=9, embedding_dim=6, ngrams=(2,))),
    "table": ModelConfig(
        input=TabularConfig(numeric=("a", "b"), categorical=("c",), categories=(("x", "y"),))
    ),
    "heads": ModelConfig(num_cross_heads=2, v_dim=8, qk_dim=16, qkv_bias=False, final_norm=True),
    "content": ModelConfig(attention="content"),
    "position": ModelConfig(attention="position", activation="geglu"),
}


def tiny(config):
    """Return a float64 model of one layer a block whose head does not start at zero."""
    torch.manual_seed(0)
    inputs = config.input
    if not isinstance(inputs, MelConfig | TextConfig | TabularConfig):
        inputs = small_input(inputs)
    sizes = {"num_classes": 3, "num_latents": 20, "latent_dim": 8, "num_layers_per_block": 1}
    if isinstance(config, KerasExampleConfig):
        inputs = dataclasses.replace(inputs, projection_dim=8, position_dim=8)
        sizes |= {"head_dim": 8, "self_qk_dim": 64}
    model = build(dataclasses.replace(config, input=inputs, **sizes)).double().eval()
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter)
    return model


def batch_of(config):
    torch.manual_seed(1)
    if isinstance(config, MelConfig):
        return torch.randn(2, 160)
    if isinstance(config, TextConfig):
        return torch.tensor([[7, 8, 9, 200], [50, 60, 0, 0]])
    if isinstance(config, TabularConfig):
        return torch.tensor([[0.5, -1.0, 1.0], [float("nan"), 2.0, 0.0]], dtype=torch.float64)
    return raw_batch(config)


def as_double(batch, learned):
    """Return a batch whose floats are float64 and, if `learned`, get gradients; and these."""
    if isinstance(batch, dict):
        parts = {name: as_double(x, learned) for name, x in batch.items()}
        leaves = [leaf for _, leaves in parts.values() for leaf in leaves]
        return {name: x for name, (x, _) in parts.items()}, leaves
    if not batch.is_floating_point():
        return batch, []
    batch = batch.double().requires_grad_(learned)
    return batch, [batch] if learned else []


def penalty(model, batch, leaves):
    """Return the squared norm of the gradient of a loss, and its own gradient."""
    logits = model(batch)
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(9)).double()
    gradients = torch.autograd.grad(
        (logits.square() * weights).sum(), leaves, create_graph=True, materialize_grads=True
    )
    squared = torch.stack([gradient.square().sum() for gradient in gradients]).sum()
    return squared, torch.autograd.grad(squared, [*model.parameters()], materialize_grads=True)


def plain_attend(q, k, v, mask=None, *, dropout=0.0):
    logits = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        logits = logits.masked_fill(~mask[:, None, None], -1e9)
    return logits.softmax(-1) @ v


def with_plain_operators(patch):
    """Compute the published form: a norm, then linear maps, softmax, and a plain feed-forward."""

    def transform(self, x):
        hidden = self.expand(x)
        if not self.gated:
            return self.contract(F.gelu(hidden))
        values, gates = hidden.chunk(2, dim=-1)
        return self.contract(values * F.gelu(gates))

    def source(self, inputs, _=None, **options):
        x = self.norm_inputs(inputs.joined())
        channels = inputs.content.shape[-1]
        keys, values = self.attention.to_k(x), self.attention.to_v(x)
        if self.attends_to != "both":  # the bias is that of both, see `core.projection.project`
            bias = self.attention.to_k.bias + self.attention.to_k.weight @ self.norm_inputs.bias
            content = self.attends_to == "content"
            used = (torch.arange(inputs.dim) < channels) == content
            keys = (x - self.norm_inputs.bias) * used @ self.attention.to_k.weight.mT + bias
        split = self.attention.split_heads
        return StoredKeyValues(split(keys), split(values), inputs.mask)

    patch.setattr(FeedForward, "transform", transform)
    patch.setattr(MultiHeadAttention, "_wide_heads", lambda *_: False)
    patch.setattr(CrossAttend, "source", source)
    patch.setattr(sources, "attend", plain_attend)


def with_source(patch, kind):
    """Read the inputs in a given way if they allow it; return the kinds that were used."""
    if kind is SeparableGrid:
        patch.setattr(layers, "SEPARABLE_MIN_ELEMENTS", 0)
        patch.setattr(layers, "SEPARABLE_MIN_EXTRA_WIDTH", -(10**6))
    if kind is ChunkedKeyValues:
        patch.setattr(layers, "MAX_STORED_IN_CPU_TRAINING", 0)
        patch.setattr(layers, "CHUNK_ELEMENTS_ON_CPU", 1)
    gain = 0.0 if kind is UnprojectedFeatures else float("inf")
    patch.setattr(layers, "UNPROJECTED_GAIN", gain)
    used, original = [], CrossAttend.source

    def source(self, *arguments, **options):
        found = original(self, *arguments, **options)
        used.append(type(found))
        return found

    patch.setattr(CrossAttend, "source", source)
    return used


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (of, name)
        for of in ("inputs", "weights")
        for name, config in CONFIGS.items()
        if of == "weights" or not isinstance(config.input, TextConfig)  # bytes have no gradient
    ],
)
def test_penalties_and_their_gradients_are_those_of_plain_operators(monkeypatch, name, of):
    model = tiny(CONFIGS[name])
    batch, leaves = as_double(batch_of(model.config.input), of == "inputs")
    leaves = [*model.parameters()] if of == "weights" else leaves
    with monkeypatch.context() as patch, sdpa_kernel(SDPBackend.MATH):
        with_plain_operators(patch)
        expected, expected_gradients = penalty(model, batch, leaves)
    assert expected > 1e-6
    largest = max(gradient.abs().max().item() for gradient in expected_gradients)
    for kind in (StoredKeyValues, ChunkedKeyValues, SeparableGrid, UnprojectedFeatures):
        with monkeypatch.context() as patch, sdpa_kernel(SDPBackend.MATH):
            used = with_source(patch, kind)
            got, got_gradients = penalty(model, batch, leaves)
        assert kind in used or kind is SeparableGrid
        if kind is SeparableGrid and of == "weights" and name == "perceiver-imagenet":
            assert used == [SeparableGrid] * 2
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=0)
        for a, b in zip(got_gradients, expected_gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7 * largest)
