"""Attention to a grid by rows, columns and channels equals attention with keys and values."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import assert_near_in_bfloat16, gradients, perceiver

from perceivers import Inputs
from perceivers.core import AxialPosition, FourierPosition, StoredKeyValues, layers, separable
from perceivers.core.separable import SeparableGrid


@pytest.fixture(autouse=True)
def always_separable(monkeypatch):
    """Read every grid as a `SeparableGrid`, in blocks of a few logits."""
    monkeypatch.setattr(layers, "SEPARABLE_MIN_ELEMENTS", 0)
    monkeypatch.setattr(layers, "SEPARABLE_MIN_ELEMENTS_IN_HALF", 0)
    monkeypatch.setattr(layers, "SEPARABLE_MIN_EXTRA_WIDTH", -(10**6))
    monkeypatch.setattr(separable, "BLOCK_LOGITS", 40 // torch.get_num_threads())


def grids(*sizes, batch=3, masked=False, dtype=torch.float32, seed=0):
    """Return the same inputs twice: with positions by axis, and with one position per element."""
    generator = torch.Generator().manual_seed(seed)
    position = FourierPosition([8.0] * len(sizes), num_bands=2).on_grid(*sizes)
    position = AxialPosition(tuple(table.to(dtype) for table in position.tables))
    elements = position.shape[1]
    content = torch.randn(batch, elements, 3, generator=generator, dtype=dtype)
    mask = torch.rand(batch, elements, generator=generator) < 0.6 if masked else None
    if masked:
        mask[1 % batch] = False  # an example without any unmasked element
    return Inputs(content, position, mask), Inputs(content, position.dense(), mask)


@pytest.mark.parametrize("options", [
    {},
    {"qk_dim": 4, "v_dim": 12},
    {"num_cross_heads": 4},
    {"num_cross_heads": 2, "v_dim": 4, "qkv_bias": False},
    {"attention": "content"},
    {"attention": "position"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("sizes", [(5, 7), (17,), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_equals_keys_and_values(options, sizes, masked):
    by_axis, dense = grids(*sizes, masked=masked)
    model = perceiver(dense.dim, **options)
    assert isinstance(model.cross_attends[0].source(by_axis), SeparableGrid)
    assert isinstance(model.cross_attends[0].source(dense), StoredKeyValues)
    expected, expected_gradients = gradients(model, dense)
    got, got_gradients = gradients(model, by_axis)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    batch=st.integers(1, 4),
    block=st.integers(1, 2000),
    masked=st.booleans(),
    seed=st.integers(0, 999),
)
def test_any_size_of_grid_and_block(rows, columns, batch, block, masked, seed):
    by_axis, dense = grids(
        rows, columns, batch=batch, masked=masked, dtype=torch.float64, seed=seed
    )
    model = perceiver(dense.dim, dtype=torch.float64)
    expected, expected_gradients = gradients(model, dense)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "SEPARABLE_MIN_ELEMENTS", 0)
        patch.setattr(layers, "SEPARABLE_MIN_EXTRA_WIDTH", -(10**6))
        patch.setattr(separable, "BLOCK_LOGITS", block)
        got, got_gradients = gradients(model, by_axis)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


def test_learned_content_or_positions_get_their_whole_gradient():
    """The gradient includes the part through σ, which `SeparableGrid` treats as a constant."""
    by_axis, _ = grids(4, 5, dtype=torch.float64)
    model = perceiver(by_axis.dim, dtype=torch.float64)
    rows, columns = (table.requires_grad_() for table in by_axis.position.tables)
    learned = Inputs(by_axis.content, AxialPosition((rows, columns)))
    dense = Inputs(learned.content, learned.dense_position)
    assert isinstance(model.cross_attends[0].source(learned), StoredKeyValues)
    with torch.no_grad():
        assert isinstance(model.cross_attends[0].source(learned), SeparableGrid)
    got, expected = (
        torch.autograd.grad(model(read).square().sum(), [rows, columns])
        for read in (learned, dense)
    )
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("factor", [1.0, 30.0, 1000.0])
def test_logits_of_any_size(factor):
    """The number subtracted before the exponential follows the largest logit across blocks."""
    by_axis, dense = grids(12, 12, dtype=torch.float64)
    model = perceiver(dense.dim, dtype=torch.float64)
    with torch.no_grad():
        for cross in model.cross_attends:
            cross.attention.to_k.weight.mul_(factor)
    expected = model(dense)
    torch.testing.assert_close(model(by_axis), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("masked", [False, True])
def test_bfloat16(masked):
    by_axis, dense = grids(6, 7, masked=masked)
    model = perceiver(dense.dim)
    expected, expected_gradients = gradients(model, dense)
    assert_near_in_bfloat16(model, by_axis, expected, expected_gradients)


@pytest.mark.filterwarnings("default")  # dynamo warns while it traces
class Latents(torch.nn.Module):
    def __init__(self, model, position):
        super().__init__()
        self.model, self.position = model, position

    def forward(self, content):
        return self.model(Inputs(content, self.position))


def test_is_exported_with_torch_operators_alone():
    by_axis, dense = grids(4, 5)
    model = perceiver(dense.dim, cross_order=(0,), block_order=(None,))
    with torch.no_grad():
        exported = torch.export.export(Latents(model, by_axis.position), (by_axis.content,))
        got = exported.module()(by_axis.content)
        torch.testing.assert_close(got, model(dense), rtol=0, atol=1e-5)
    assert "read_grid" not in str(exported.graph)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # dynamo warns while it traces
def test_compiles():
    by_axis, dense = grids(4, 5)
    model = perceiver(dense.dim, cross_order=(0, 0), block_order=(None, None))
    expected, expected_gradients = gradients(model, dense)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(9))
    latents = torch.compile(Latents(model, by_axis.position), backend="aot_eager", fullgraph=True)
    z = latents(by_axis.content)
    torch.testing.assert_close(z, expected, rtol=0, atol=1e-5)
    got_gradients = torch.autograd.grad((z * weights).sum(), [*model.parameters()])
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_a_stream_of_bands_equals_the_whole():
    by_axis, dense = grids(6, 5, masked=True)
    model = perceiver(dense.dim)
    rows, columns = by_axis.position.tables

    def band(first, last):
        part = slice(first * 5, last * 5)
        position = AxialPosition((rows[first:last], columns))
        return Inputs(by_axis.content[:, part], position, by_axis.mask[:, part])

    expected = model(dense)
    got = model.encode_stream([band(0, 1), band(1, 4), band(4, 6)])
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, SeparableGrid),
        ({"num_cross_heads": 8}, StoredKeyValues),  # with heads this narrow keys cost less
        ({"attention_dropout": 0.1}, StoredKeyValues),
        ({"sizes": (4, 5)}, StoredKeyValues),
        ({"learned": True}, StoredKeyValues),
        ({"half": True}, StoredKeyValues),
        ({"half": True, "sizes": (64, 32)}, SeparableGrid),
    ],
)
def test_separable_grids_are_used_where_they_are_faster(monkeypatch, changes, kind):
    monkeypatch.undo()
    changes = dict(changes)
    half = changes.pop("half", False)
    by_axis, _ = grids(*changes.pop("sizes", (32, 32)))
    if changes.pop("learned", False):
        by_axis.content.requires_grad_()
    model = perceiver(by_axis.dim, qk_dim=64, **changes)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        assert type(model.cross_attends[0].source(by_axis)) is kind


def test_gradients_equal_finite_differences():
    by_axis, _ = grids(3, 4, batch=2, masked=True, dtype=torch.float64)
    by_axis.mask[1, 3:] = True  # `read_grid` itself does not handle an example without elements
    model = perceiver(by_axis.dim, dtype=torch.float64)
    source = model.cross_attends[0].source(by_axis)
    shapes = [(2, 3, 3), (2, 3, 4), (2, 3, 3)]
    terms = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]

    def read(*terms):
        return separable.read_grid(*terms, source.features)[:3]

    assert torch.autograd.gradcheck(read, terms)


def test_operators_pass_opcheck():
    by_axis, _ = grids(3, 4, batch=2)
    source = perceiver(by_axis.dim).cross_attends[0].source(by_axis)
    terms = [torch.randn(2, 3, size, requires_grad=True) for size in (3, 4, 3)]
    torch.library.opcheck(separable.read_grid, (*terms, source.features))


def test_under_activation_checkpointing():
    by_axis, _ = grids(4, 5, masked=True)
    model = perceiver(by_axis.dim)
    expected, expected_gradients = gradients(model, by_axis)
    model.activation_checkpointing = True
    got, got_gradients = gradients(model, by_axis)
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    for a, b in zip(got_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("masked", [False, True])
def test_nan_is_not_taken_for_an_example_without_elements(masked):
    by_axis, _ = grids(4, 5, masked=masked)
    by_axis.content[0, 3] = torch.nan
    if masked:
        by_axis.mask[0, 3] = True
    latents = perceiver(by_axis.dim)(by_axis)
    assert latents[0].isnan().all()
    assert latents[1:].isfinite().all()
