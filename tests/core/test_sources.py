"""All sources give the same output: stored, not projected, chunk by chunk, and streamed."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import assert_near_in_bfloat16, gradients, inputs, perceiver

from perceivers import Inputs
from perceivers.core import ChunkedKeyValues, CrossAttend, LayerOptions, StoredKeyValues, layers
from perceivers.core.attention import merge, partial_attend
from perceivers.core.unprojected import UnprojectedFeatures


def chunked(monkeypatch, size):
    monkeypatch.setattr(layers, "MAX_STORED", 0)
    monkeypatch.setattr(layers, "MAX_STORED_IN_CPU_TRAINING", 0)
    monkeypatch.setattr(layers, "CHUNK_ELEMENTS_ON_CPU", size)


def unprojected(monkeypatch, always):
    """Let inputs never be projected to keys and values, or always."""
    monkeypatch.setattr(layers, "UNPROJECTED_GAIN", 0.0 if always else float("inf"))


def without_keys(monkeypatch, _):
    """Let inputs never be projected; the arguments are those of `chunked`."""
    unprojected(monkeypatch, always=True)


OPTIONS = pytest.mark.parametrize("options", [
    {},
    {"qk_dim": 4, "v_dim": 12},
    {"num_cross_heads": 4},
    {"num_cross_heads": 2, "v_dim": 4, "qkv_bias": False},
    {"attention": "content"},
    {"attention": "position"},
], ids=str)  # fmt: skip


@OPTIONS
@pytest.mark.parametrize("fusion", ["concatenate", "add"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("learned", [False, True])
def test_inputs_without_keys_equal_those_with_keys(monkeypatch, options, fusion, masked, learned):
    read = inputs(23, fusion=fusion, masked=masked, learned=learned, shared=not masked)
    model = perceiver(read.dim, **options)
    unprojected(monkeypatch, always=False)
    assert isinstance(model.cross_attends[0].source(read, num_queries=5), StoredKeyValues)
    expected, expected_gradients = gradients(model, read)
    unprojected(monkeypatch, always=True)
    assert isinstance(model.cross_attends[0].source(read, num_queries=5), UnprojectedFeatures)
    got, got_gradients = gradients(model, read)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 30), st.booleans(), st.booleans(), st.integers(0, 999))
def test_any_inputs_without_keys(elements, masked, shared, seed):
    read = inputs(elements, masked=masked, shared=shared, seed=seed)
    read = Inputs(read.content.double(), read.position.double(), read.mask)
    model = perceiver(read.dim, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        unprojected(patch, always=False)
        expected = model(read)
        unprojected(patch, always=True)
        torch.testing.assert_close(model(read), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("content", "position", "num_queries", "expected"),
    [
        (200, 60, 32, UnprojectedFeatures),  # wide inputs and few queries
        (200, 60, 4_000, StoredKeyValues),  # many queries
        (3, 60, 32, StoredKeyValues),  # the positions, which are shared, are projected once
        (200, 60, None, StoredKeyValues),  # queries of unknown number
    ],
)
def test_keys_are_left_out_if_that_is_less_work(content, position, num_queries, expected):
    cross = CrossAttend(96, content + position)
    read = Inputs(torch.randn(8, 100, content), torch.randn(1, 100, position))
    assert isinstance(cross.source(read, num_queries=num_queries), expected)


def test_keys_are_left_out_only_on_cpu_and_if_few_logits_are_stored(monkeypatch):
    cross, read = CrossAttend(96, 260), Inputs(torch.randn(2, 100, 260))
    assert isinstance(cross.source(read, num_queries=32), UnprojectedFeatures)
    on_meta = Inputs(read.content.to("meta"))
    assert isinstance(
        CrossAttend(96, 260).to("meta").source(on_meta, num_queries=32), StoredKeyValues
    )
    monkeypatch.setattr(layers, "MAX_STORED_IN_CPU_TRAINING", 2 * 100 * 32 - 1)
    assert not isinstance(cross.source(read, num_queries=32), UnprojectedFeatures)


@OPTIONS
@pytest.mark.parametrize("fusion", ["concatenate", "add"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("learned", [False, True])
def test_chunks_equal_the_whole(monkeypatch, options, fusion, masked, learned):
    read = inputs(23, fusion=fusion, masked=masked, learned=learned, shared=not masked)
    model = perceiver(read.dim, **options)
    assert isinstance(model.cross_attends[0].source(read), StoredKeyValues)
    expected, expected_gradients = gradients(model, read)
    chunked(monkeypatch, 7)
    assert isinstance(model.cross_attends[0].source(read), ChunkedKeyValues)
    got, got_gradients = gradients(model, read)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 31), st.booleans(), st.integers(0, 999))
def test_any_chunk_size(elements, size, masked, seed):
    read = inputs(elements, masked=masked, seed=seed)
    read = Inputs(read.content.double(), read.position.double(), read.mask)
    model = perceiver(read.dim, dtype=torch.float64)
    expected = model(read)
    with pytest.MonkeyPatch.context() as patch:
        chunked(patch, size)
        torch.testing.assert_close(model(read), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("read_in", [chunked, without_keys])
@pytest.mark.parametrize("masked", [False, True])
def test_bfloat16(monkeypatch, masked, read_in):
    read = inputs(40, masked=masked)
    model = perceiver(read.dim)
    unprojected(monkeypatch, always=False)
    expected, expected_gradients = gradients(model, read)
    read_in(monkeypatch, 16)
    assert_near_in_bfloat16(model, read, expected, expected_gradients)


@pytest.mark.parametrize("read_in", [chunked, without_keys])
def test_gradients_equal_finite_differences(monkeypatch, read_in):
    read_in(monkeypatch, 3)
    read = inputs(7, masked=True, learned=True)
    model = perceiver(read.dim, dtype=torch.float64, cross_order=(0,), block_order=(None,))

    def latents(content, position):
        return model(Inputs(content, position, read.mask))

    leaves = [t.detach().double().requires_grad_() for t in (read.content, read.position)]
    assert torch.autograd.gradcheck(latents, leaves, atol=1e-5, rtol=1e-3)


class Latents(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, content, position):
        return self.model(Inputs(content, position))


@pytest.mark.filterwarnings("default")  # dynamo warns while it traces
def test_chunks_are_exported(monkeypatch):
    chunked(monkeypatch, 12)
    read = inputs(20)
    model = perceiver(read.dim, cross_order=(0,), block_order=(None,))
    with torch.no_grad():
        exported = torch.export.export(Latents(model), (read.content, read.position))
        got = exported.module()(read.content, read.position)
        torch.testing.assert_close(got, model(read), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # dynamo warns while it traces
def test_chunks_compile(monkeypatch):
    chunked(monkeypatch, 8)
    read = inputs(20)
    model = perceiver(read.dim, cross_order=(0, 0), block_order=(None, None))
    expected, expected_gradients = gradients(model, read)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(9))
    z = torch.compile(Latents(model), backend="aot_eager")(read.content, read.position)
    torch.testing.assert_close(z, expected, rtol=0, atol=1e-5)
    got_gradients = torch.autograd.grad((z * weights).sum(), [*model.parameters()])
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("elements", "width", "grad", "kind"),
    [
        (2**13, 2**10, True, StoredKeyValues),
        (2**13 + 1, 2**10, True, ChunkedKeyValues),
        (2**13 + 1, 2**10, False, StoredKeyValues),
        (2**12, 2**12, True, StoredKeyValues),  # few inputs: a chunk would be half of them
    ],
)
def test_size_decides_whether_keys_are_stored(elements, width, grad, kind):
    cross = CrossAttend(8, 2, LayerOptions(qk_dim=width - 8, v_dim=8))
    with torch.set_grad_enabled(grad):
        source = cross.source(Inputs(torch.rand(1, 1, 2).expand(1, elements, 2)))
    assert type(source) is kind


def test_attention_dropout_needs_stored_keys(monkeypatch):
    chunked(monkeypatch, 8)
    read = inputs(20)
    model = perceiver(read.dim, attention_dropout=0.1)
    assert isinstance(model.cross_attends[0].source(read), StoredKeyValues)
    assert isinstance(model.eval().cross_attends[0].source(read), ChunkedKeyValues)


class Reopened:
    """Chunks of an input, computed anew in each iteration."""

    def __init__(self, whole, sizes):
        self.whole, self.sizes, self.opened = whole, sizes, 0

    def __iter__(self):
        self.opened += 1
        starts = itertools.accumulate([0, *self.sizes])
        for start, size in zip(starts, self.sizes, strict=False):
            part = slice(start, start + size)
            w = self.whole
            mask = None if w.mask is None else w.mask[:, part]
            yield Inputs(w.content[:, part], w.position[:, part], mask, w.fusion)


@pytest.mark.parametrize("fusion", ["concatenate", "add"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_stream_equals_the_whole(fusion, masked):
    read = inputs(23, fusion=fusion, masked=masked)
    model = perceiver(read.dim, num_cross_heads=2)
    chunks = Reopened(read, [5, 1, 10, 7])
    got = model.encode_stream(chunks)
    assert chunks.opened == 3
    torch.testing.assert_close(got, model(read), rtol=0, atol=1e-5)
    assert not got.requires_grad


def test_the_order_of_chunks_does_not_matter():
    read = inputs(12)
    chunks = list(Reopened(read, [4, 4, 4]))
    model = perceiver(read.dim)
    torch.testing.assert_close(model.encode_stream(chunks[::-1]), model(read), rtol=0, atol=1e-5)


def test_a_generator_can_be_read_once():
    read = inputs(12)
    chunks = list(Reopened(read, [4, 8]))
    once = perceiver(read.dim, cross_order=(0,), block_order=(0,))
    torch.testing.assert_close(once.encode_stream(iter(chunks)), once(read), rtol=0, atol=1e-5)
    with pytest.raises(
        ValueError, match="reads its input 3 times, but an iterator can be read only once"
    ):
        perceiver(read.dim).encode_stream(iter(chunks))


def test_bad_streams():
    read = inputs(8)
    model = perceiver(read.dim)
    with pytest.raises(ValueError, match="the stream is empty"):
        model.encode_stream([])
    other = Inputs(torch.rand(3, 4, 5), torch.rand(3, 4, 4))
    with pytest.raises(ValueError, match="inputs have 9 channels"):
        model.encode_stream([read, other])
    fewer = Inputs(torch.rand(2, 4, 4), torch.rand(2, 4, 4))
    with pytest.raises(ValueError, match="a chunk has 2 examples, the first had 3"):
        model.encode_stream([read, fewer])
    dropping = perceiver(read.dim, attention_dropout=0.5).train()
    with pytest.raises(ValueError, match=r"without attention dropout; call model.eval\(\) first"):
        dropping.encode_stream([read])


def test_no_inputs_equal_inputs_that_are_all_masked(monkeypatch):
    read = inputs(6)
    model = perceiver(read.dim)
    masked = Inputs(read.content, read.position, torch.zeros(3, 6, dtype=torch.bool))
    empty = Inputs(read.content[:, :0], read.position[:, :0])
    expected = model(masked)
    assert expected.isfinite().all()
    torch.testing.assert_close(model(empty), expected)
    torch.testing.assert_close(model.encode_stream([empty, masked]), expected)
    chunked(monkeypatch, 4)
    torch.testing.assert_close(model(masked), expected)


@pytest.mark.parametrize("v_dim", [4, 6])
def test_parts_merge_exactly(v_dim):
    """Both forms of partial attention: the fused kernel, and the plain one (v_dim ≠ qk_dim)."""
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 9, 4), torch.randn(2, 3, 9, v_dim)
    out, lse = partial_attend(q, k, v, None)
    merged = merge(
        *partial_attend(q, k[:, :, :2], v[:, :, :2], None),
        *partial_attend(q, k[:, :, 2:], v[:, :, 2:], None),
    )
    torch.testing.assert_close(merged[0], out)
    torch.testing.assert_close(merged[1], lse)


def test_chunks_under_activation_checkpointing(monkeypatch):
    read = inputs(23, masked=True)
    model = perceiver(read.dim)
    chunked(monkeypatch, 7)
    expected, expected_gradients = gradients(model, read)
    model.activation_checkpointing = True
    got, got_gradients = gradients(model, read)
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("masked", [False, True])
def test_nan_is_not_taken_for_an_example_without_elements(monkeypatch, masked):
    read = inputs(23, masked=masked)
    read.content[0, 3] = torch.nan
    if masked:
        read.mask[0, 3] = True
    model = perceiver(read.dim)
    for latents in (model(read), model.encode_stream([read])):
        assert latents[0].isnan().all()
        assert latents[1:].isfinite().all()
    chunked(monkeypatch, 7)
    assert model(read)[0].isnan().all()


def test_content_without_channels():
    with pytest.raises(ValueError, match="content has no channels; expected at least one"):
        Inputs(torch.zeros(2, 3, 0), torch.zeros(1, 3, 4))
