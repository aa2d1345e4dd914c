"""In half precision the folded norm is as exact as a norm computed before the projections."""

import copy

import pytest
import torch
from test_sources import Reopened
from torch.nn import functional as F

from perceivers import Inputs
from perceivers.core import (
    AxialPosition,
    ChunkedKeyValues,
    CrossAttend,
    FourierPosition,
    LayerOptions,
    StoredKeyValues,
    StreamedKeyValues,
    layers,
)
from perceivers.core.separable import SeparableGrid

MODES = {
    "autocast to bfloat16": (torch.bfloat16, True),
    "autocast to float16": (torch.float16, True),
    "bfloat16 model": (torch.bfloat16, False),
    "float16 model": (torch.float16, False),
}
SIZES = (6, 8)


def elements(mean, *, fusion="concatenate", position="grid", channels=6, masked=False):
    """Return elements whose content has this mean and a standard deviation of 1."""
    generator = torch.Generator().manual_seed(0)
    fourier = FourierPosition((8.0, 8.0), num_bands=5)
    channels = fourier.dim if fusion == "add" else channels
    content = torch.randn(2, 48, channels, generator=generator) + mean
    mask = torch.rand(2, 48, generator=generator) < 0.7 if masked else None
    on_grid = fourier.on_grid(*SIZES)
    positions = {
        "grid": on_grid,
        "shared": on_grid.dense(),
        "own": on_grid.dense() + torch.tensor([0.0, 3.0])[:, None, None],
        "none": None,
    }
    return Inputs(content, positions[position], mask, fusion)


def rounded(inputs, dtype):
    """Return the inputs as a model of this dtype gets them; its positions are float32."""
    return Inputs(inputs.content.to(dtype), inputs.position, inputs.mask, inputs.fusion)


def cross_attend(input_dim, **options):
    torch.manual_seed(0)
    cross = CrossAttend(16, input_dim, LayerOptions(qk_dim=32, v_dim=24), **options)
    for parameter in cross.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return cross


def unfolded(cross, inputs):
    """Return keys and values by a norm and then linear maps."""
    x = cross.norm_inputs(inputs.joined())
    return cross.attention.split_keys_values(
        torch.cat([cross.attention.to_k(x), cross.attention.to_v(x)], dim=-1)
    )


def error(got, exact):
    return float(((got.double() - exact).norm() / exact.norm()).detach())


def errors(mode, inputs, read):
    """Return the relative errors of `read(cross, inputs)`, folded and unfolded."""
    dtype, autocast = MODES[mode]
    cross = cross_attend(inputs.dim)
    if not autocast:
        cross, inputs = cross.to(dtype), rounded(inputs, dtype)
    exact = read(*unfolded(copy.deepcopy(cross).double(), rounded(inputs, torch.float64)))
    with torch.no_grad(), torch.autocast("cpu", dtype, enabled=autocast):
        folded = read(*cross.attention.split_keys_values(cross.project(inputs)()))
        plain = read(*unfolded(cross, inputs))
    return error(folded, exact), error(plain, exact)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fusion", ["concatenate", "add"])
@pytest.mark.parametrize("position", ["grid", "shared", "own", "none"])
@pytest.mark.parametrize("channels", [3, 64], ids=["few channels", "mostly content"])
def test_keys_and_values(mode, fusion, position, channels):
    for mean in (0.0, 10.0, 100.0):
        inputs = elements(mean, fusion=fusion, position=position, channels=channels)
        folded, plain = errors(mode, inputs, lambda k, v: torch.cat([k, v], dim=-1))
        assert folded < 2.0 * plain, (mean, folded, plain)


@pytest.mark.parametrize("mode", ["autocast to bfloat16", "bfloat16 model"])
@pytest.mark.parametrize("attention", ["content", "position"])
@pytest.mark.parametrize("fusion", ["concatenate", "add"])
def test_keys_of_a_single_term(mode, attention, fusion):
    """The error does not grow with the mean of the content."""
    dtype, autocast = MODES[mode]
    found = []
    for mean in (0.0, 100.0):
        inputs = elements(mean, fusion=fusion, channels=64)
        cross = cross_attend(inputs.dim, attention=attention)
        if not autocast:
            cross, inputs = cross.to(dtype), rounded(inputs, dtype)
        exact_cross = copy.deepcopy(cross).double()
        exact = exact_cross.project(rounded(inputs, torch.float64))()
        with torch.no_grad(), torch.autocast("cpu", dtype, enabled=autocast):
            found.append(error(cross.project(inputs)(), exact))
    assert found[1] < 1.5 * found[0] + 1e-3


def is_separable(monkeypatch):
    monkeypatch.setattr(layers, "SEPARABLE_MIN_ELEMENTS_IN_HALF", 0)
    monkeypatch.setattr(layers, "SEPARABLE_MIN_EXTRA_WIDTH", -(10**6))


def is_chunked(monkeypatch):
    monkeypatch.setattr(layers, "MAX_STORED", 0)
    monkeypatch.setattr(layers, "CHUNK_ELEMENTS_ON_CPU", 7)


SOURCES = {
    StoredKeyValues: lambda patch: None,
    SeparableGrid: is_separable,
    ChunkedKeyValues: is_chunked,
    StreamedKeyValues: lambda patch: None,
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fusion", ["concatenate", "add"])
@pytest.mark.parametrize("masked", [False, True])
def test_every_source(monkeypatch, kind, mode, fusion, masked):
    """The error of what queries read does not grow with the mean, whatever the source."""
    SOURCES[kind](monkeypatch)
    dtype, autocast = MODES[mode]
    for mean in (0.0, 10.0, 100.0):
        inputs = elements(mean, fusion=fusion, channels=16, masked=masked)
        cross = cross_attend(inputs.dim)
        queries = torch.randn(1, 1, 5, 32, generator=torch.Generator().manual_seed(1))
        if not autocast:
            cross, inputs, queries = cross.to(dtype), rounded(inputs, dtype), queries.to(dtype)
        exact_cross, exact_inputs = copy.deepcopy(cross).double(), rounded(inputs, torch.float64)
        exact = StoredKeyValues(*unfolded(exact_cross, exact_inputs), inputs.mask)
        exact = exact.read(queries.double())
        with torch.no_grad(), torch.autocast("cpu", dtype, enabled=autocast):
            if kind is StreamedKeyValues:
                whole = Inputs(inputs.content, inputs.dense_position, inputs.mask, inputs.fusion)
                source = cross.streamed_source(lambda w=whole: Reopened(w, [20, 1, 27]))
            else:
                source = cross.source(inputs)
            queries = queries.to(dtype)
            plain = StoredKeyValues(*unfolded(cross, inputs), inputs.mask).read(queries)
            got = source.read(queries)
        separable = kind is SeparableGrid and fusion == "concatenate"
        assert type(source) is kind or (kind is SeparableGrid and not separable)
        assert got.isfinite().all()
        floor = float(torch.finfo(dtype).eps)
        assert error(got, exact) < 2.5 * error(plain, exact) + floor


def test_float32_and_float64_are_left_as_they_are():
    """There, the mean is removed by the weights alone, without another array of the inputs."""
    for dtype in (torch.float32, torch.float64):
        inputs = rounded(elements(100.0), dtype)
        projection = cross_attend(inputs.dim).to(dtype).project(inputs)
        assert projection.content is inputs.content
        assert projection.position is inputs.position
        source = inputs.content.double(), inputs.position.to(torch.float64)
        exact = unfolded(cross_attend(inputs.dim).double(), Inputs(*source))
        got = cross_attend(inputs.dim).to(dtype).source(inputs)
        for a, b in zip((got.keys, got.values), exact, strict=True):
            assert error(a, b) < {torch.float32: 1e-6, torch.float64: 1e-14}[dtype]


def test_gradients_of_weights_in_bfloat16():
    """The gradients of the weights are as exact as those of the unfolded norm, at any mean."""
    inputs = elements(100.0, channels=64)
    weights = torch.randn(2, 1, 48, 56, generator=torch.Generator().manual_seed(3))

    def gradients(cross, inputs, keys_values):
        keys_values = torch.cat(keys_values(cross, inputs), dim=-1)
        leaves = [cross.attention.to_k.weight, cross.attention.to_v.weight]
        return torch.autograd.grad((keys_values * weights).sum(), leaves)

    def folded(cross, inputs):
        return cross.attention.split_keys_values(cross.project(inputs)())

    exact = gradients(cross_attend(inputs.dim).double(), rounded(inputs, torch.float64), unfolded)
    with torch.autocast("cpu", torch.bfloat16):
        got = gradients(cross_attend(inputs.dim), inputs, folded)
        plain = gradients(cross_attend(inputs.dim), inputs, unfolded)
    for a, b, c in zip(got, plain, exact, strict=True):
        assert error(a, c) < 1.7 * error(b, c)


def test_axial_position_keeps_its_grid_when_centred():
    position = elements(0.0).position
    assert isinstance(position, AxialPosition)
    inputs = rounded(elements(5.0), torch.bfloat16)
    projection = cross_attend(inputs.dim).bfloat16().project(inputs)
    assert isinstance(projection.position, AxialPosition)
    centred = position.dense() - position.dense().mean(-1, keepdim=True)
    torch.testing.assert_close(projection.dense_position(), centred, rtol=0, atol=1e-5)
    assert F.cosine_similarity(projection.content[..., -1], inputs.content.mean(-1)).min() > 0.9


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("v_dim", [32, 24], ids=["fused kernel", "plain kernel"])
def test_masks_and_their_gradients_in_half_precision(monkeypatch, kind, mode, v_dim):
    """Also of an example without any unmasked element, whose output is zero."""
    SOURCES[kind](monkeypatch)
    dtype, autocast = MODES[mode]
    inputs = elements(1.0, masked=True)
    inputs.mask[1] = False
    torch.manual_seed(0)
    cross = CrossAttend(16, inputs.dim, LayerOptions(qk_dim=32, v_dim=v_dim))
    queries = torch.randn(1, 1, 5, 32)
    exact = cross.source(inputs).read(queries)
    if not autocast:
        cross, inputs = cross.to(dtype), rounded(inputs, dtype)
    with torch.autocast("cpu", dtype, enabled=autocast):
        if kind is StreamedKeyValues:
            got = cross.streamed_source(lambda: [inputs]).read(queries.to(dtype))
        else:
            got = cross.source(inputs).read(queries.to(dtype))
    assert not got[1].any()
    assert (got[0].float() - exact[0]).abs().max() < 0.02
    if kind is not StreamedKeyValues:
        got.float().square().sum().backward()
        assert all(p.grad.isfinite().all() for p in cross.attention.to_k.parameters())
