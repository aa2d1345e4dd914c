"""Perceiver IO: the decoder against plain operators in float64, queries and chunks."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import norm, plain_attention, plain_mlp
from tests.core.decoders import KINDS, D, F, N, draw, make_decoder, make_encoder, make_queries
from torch.autograd import gradgradcheck
from torch.nn.attention import SDPBackend, sdpa_kernel

from perceivers import (
    Decoder,
    Inputs,
    LearnedQueries,
    PerceiverIO,
    Queries,
)
from perceivers.core import CrossAttend


def reference(decoder, latents, queries, heads, residual):
    """Decode in float64 with plain operators."""
    w = {name: t.double() for name, t in decoder.state_dict().items()}
    q, z = queries.joined(torch.float64).expand(len(latents), -1, -1), latents.double()
    p = "cross_attend"
    y = plain_attention(
        w,
        f"{p}.attention",
        norm(w, f"{p}.norm_latents", q),
        norm(w, f"{p}.norm_inputs", z),
        heads,
    )
    y = q + y if residual else y
    y = y + plain_mlp(w, f"{p}.feed_forward", y)
    if "output.weight" in w:
        y = y @ w["output.weight"].T + w["output.bias"]
    return y if queries.mask is None else y * queries.mask[..., None]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"num_heads": 2, "qk_dim": 4, "v_dim": 10, "widening_factor": 3}]
)
def test_decoder_matches_plain_operators_in_float64(kind, residual, options):
    decoder, queries = make_decoder(residual=residual, **options), make_queries(kind)
    latents = draw(2, N, D, seed=4)
    expected = reference(decoder, latents, queries, options.get("num_heads", 1), residual)
    torch.testing.assert_close(decoder(latents, queries).double(), expected, atol=1e-5, rtol=1e-5)


def test_keys_are_as_wide_as_the_latents_unless_said_otherwise():
    """As published: the flow decoder has 322 channels of queries and keys of 512."""
    assert make_decoder().cross_attend.attention.to_q.out_features == D
    assert make_decoder(qk_dim=4).cross_attend.attention.to_q.out_features == 4


def test_without_an_output_width_there_is_no_linear_map():
    decoder, queries, latents = make_decoder(output_dim=None), make_queries("own"), draw(2, N, D)
    expected = reference(decoder, latents, queries, 1, True)
    torch.testing.assert_close(decoder(latents, queries).double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("residual", [True, False])
def test_the_encoder_may_replace_its_latents(residual):
    encoder, z, x = make_encoder(use_query_residual=residual), draw(2, N, D), draw(2, 9, 7, seed=2)
    cross = encoder.cross_attends[0]
    w = {name: t.double() for name, t in cross.state_dict().items()}
    y = plain_attention(
        w, "attention", norm(w, "norm_latents", z.double()), norm(w, "norm_inputs", x.double()), 1
    )
    y = z + y if residual else y
    expected = y + plain_mlp(w, "feed_forward", y)
    got = cross(z, cross.source(Inputs(x))).double()
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_encoding_once_and_decoding_twice_is_the_whole_model():
    model = PerceiverIO(make_encoder(), make_decoder())
    inputs, first, second = Inputs(draw(2, 9, 7)), make_queries("own"), make_queries("shared")
    latents = model.encode(inputs)
    assert latents.shape == (2, N, D)
    assert torch.equal(latents, model.encoder(inputs))
    assert torch.equal(model.decode(latents, first), model(inputs, first))
    assert torch.equal(model.decode(latents, second), model(inputs, second))


def gradients(decoder, latents, queries, size):
    """Return the outputs and the gradients of weights, latents and queries."""
    leaves = [latents.detach().requires_grad_()]
    parts = {}
    for name in ("content", "position"):
        part = getattr(queries, name)
        if isinstance(part, torch.Tensor):
            leaves.append(part.detach().requires_grad_())
            parts[name] = leaves[-1]
    out = decoder(leaves[0], replace(queries, **parts), chunk_size=size)
    weights = draw(*out.shape, seed=9).to(out)
    return out, torch.autograd.grad((out * weights).sum(), [*decoder.parameters(), *leaves])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 9),
    st.integers(1, 3),
    st.integers(1, 10),
    st.booleans(),
)
def test_chunks_equal_the_whole(kind, outputs, batch, size, residual):
    decoder, queries = make_decoder(residual=residual), make_queries(kind, outputs, batch=batch)
    latents = draw(batch, N, D, seed=4)
    out, expected = gradients(decoder, latents, queries, None)
    got, got_gradients = gradients(decoder, latents, queries, size)
    torch.testing.assert_close(got, out, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got_gradients, expected, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        got = decoder(latents, queries, chunk_size=size)
    torch.testing.assert_close(got, out, atol=1e-5, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), st.lists(st.integers(0, 6), max_size=9), st.booleans())
def test_some_queries_give_what_all_queries_give_there(kind, index, own):
    decoder, queries, latents = make_decoder(), make_queries(kind), draw(2, N, D, seed=4)
    index = torch.tensor(index, dtype=torch.long)
    whole = decoder(latents, queries)
    if own:
        index = torch.stack([index, 6 - index])
        expected = torch.stack([whole[0, index[0]], whole[1, index[1]]])
    else:
        expected = whole[:, index]
    got = decoder(latents, queries.at(index))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [None, 3])
def test_masked_outputs_are_zero_and_give_no_gradient(size):
    decoder, latents = make_decoder(), draw(2, N, D, seed=4)
    content = draw(2, 7, F).requires_grad_()
    mask = torch.tensor([[True] * 4 + [False] * 3, [False] * 7])
    out = decoder(latents, Queries(content, mask=mask), chunk_size=size)
    assert torch.equal(out[~mask], torch.zeros(10, 3))
    (gradient,) = torch.autograd.grad(out.sum(), content)
    assert not gradient[~mask].any()
    assert gradient[mask].all()
    torch.testing.assert_close(out[mask], decoder(latents, Queries(content))[mask])


def test_keys_and_values_are_computed_once_for_all_chunks_and_sets(monkeypatch):
    calls = []
    original = CrossAttend.source
    monkeypatch.setattr(
        CrossAttend, "source", lambda self, x: (calls.append(self), original(self, x))[1]
    )
    decoder, queries = make_decoder(), make_queries("own")
    out = decoder(draw(2, N, D), {"a": queries, "b": make_queries("shared")}, chunk_size=2)
    out["a"].sum().backward()
    assert calls == [decoder.cross_attend]
    assert torch.equal(out["a"], decoder(draw(2, N, D), queries, chunk_size=2))


def test_several_decoders_by_name():
    decoders = {"flow": make_decoder(), "label": make_decoder(4, 10, residual=False)}
    model, inputs = PerceiverIO(make_encoder(), decoders), Inputs(draw(2, 9, 7))
    queries = {"flow": make_queries("own"), "label": LearnedQueries(1, 4)()}
    out = model(inputs, queries, chunk_size=4)
    assert {name: t.shape for name, t in out.items()} == {"flow": (2, 7, 3), "label": (2, 1, 10)}
    latents = model.encode(inputs)
    torch.testing.assert_close(out["label"], decoders["label"](latents, queries["label"]))
    assert set(model.decode(latents, {"flow": queries["flow"]})) == {"flow"}


def test_inputs_can_be_the_queries():
    inputs = Inputs(draw(2, 9, 4), draw(1, 9, 3), draw(2, 9, seed=5) < 0.5)
    queries = Queries.of(inputs)
    assert (queries.batch, queries.num_outputs, queries.dim) == (2, 9, 7)
    assert torch.equal(queries.joined(torch.float32), inputs.joined())
    assert queries.mask is inputs.mask


def test_learned_queries_learn():
    queries, decoder = LearnedQueries(4, F, init_std=1.0), make_decoder()
    assert queries().joined(torch.float32).shape == (1, 4, F)
    decoder(draw(2, N, D), queries()).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in queries.parameters())
    assert LearnedQueries(200, 200)().position.abs().max() <= 0.04


@pytest.mark.parametrize("size", [None, 2])
@pytest.mark.parametrize("kind", ["shared", "both", "masked"])
def test_second_derivatives(kind, size):
    decoder = make_decoder(dtype=torch.float64, residual=False)
    queries = make_queries(kind, 5, torch.float64)
    leaves = [draw(2, N, D, seed=4, dtype=torch.float64), decoder.output.weight.detach()]
    leaves += [part for part in (queries.content, queries.position) if part is not None]
    names = [n for n in ("content", "position") if getattr(queries, n) is not None]
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]

    def decode(latents, _, *parts):
        some = replace(queries, **dict(zip(names, parts, strict=True)))
        return decoder(latents, some, chunk_size=size)

    with sdpa_kernel(SDPBackend.MATH):
        assert gradgradcheck(decode, leaves, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("size", [None, 3])
def test_dtype_of_the_latents_is_that_of_the_outputs(dtype, size):
    """Positions are float32 whatever the model's dtype."""
    queries, latents = make_queries("grid"), draw(2, N, D, seed=4)
    expected = make_decoder()(latents, queries)
    out = make_decoder(dtype=dtype)(latents.to(dtype), queries, chunk_size=size)
    assert out.dtype == dtype
    tolerance = 0.1 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(out.float(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("size", [None, 3])
def test_autocast(size):
    decoder, queries, latents = make_decoder(), make_queries("both"), draw(2, N, D, seed=4)
    out, expected = gradients(decoder, latents, queries, None)
    with torch.autocast("cpu", torch.bfloat16):
        got, got_gradients = gradients(decoder, latents, queries, size)
    torch.testing.assert_close(got.float(), out, atol=0.1, rtol=0.05)
    for a, b in zip(got_gradients, expected, strict=True):
        assert (a - b).norm() < 0.1 * max(b.norm(), 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Queries(), "neither content nor position"),
        (lambda: Queries(torch.zeros(2, 3)), "content of the queries has shape .2, 3."),
        (lambda: Queries(torch.zeros(2, 3, 0)), "at least one channel"),
        (lambda: Queries(torch.zeros(2, 3, 1), torch.zeros(1, 4, 1)), "as many outputs in all"),
        (lambda: Queries(torch.zeros(2, 3, 1), torch.zeros(3, 3, 1)), "same batch or 1"),
        (lambda: Queries(torch.zeros(2, 3, 1), mask=torch.ones(2, 3)), "expected torch.bool"),
        (
            lambda: Queries(torch.zeros(2, 3, 1), torch.zeros(2, 3, 2), fusion="add"),
            "expected equally many with fusion='add'",
        ),
        (
            lambda: Queries(torch.zeros(2, 3, 1)).at(torch.zeros(3, 1, dtype=torch.long)),
            r"index has shape \(3, 1\); expected \(K,\) or \(2, K\)",
        ),
        (
            lambda: make_decoder()(draw(2, N, D), Queries(draw(2, 3, 4))),
            "queries have 4 channels .* query_dim=6",
        ),
        (
            lambda: make_decoder()(draw(2, N, D), {"a": Queries(draw(3, 3, F))}),
            "queries 'a' are for 3 examples; expected 2",
        ),
        (
            lambda: make_decoder()(draw(2, N, 7), make_queries("own")),
            r"latents have shape \(2, 5, 7\).*latents, 8\)",
        ),
        (
            lambda: make_decoder()(draw(2, N, D), make_queries("own"), chunk_size=0),
            "chunk_size=0; expected at least 1",
        ),
        (lambda: PerceiverIO(make_encoder(), {}), "there are no decoders"),
        (
            lambda: PerceiverIO(make_encoder(), {"a": Decoder(9, F)}),
            "the decoder 'a' was built for latent_dim=9; the latents have 8",
        ),
        (
            lambda: PerceiverIO(make_encoder(), {"a": make_decoder()}).decode(
                draw(2, N, D), make_queries("own")
            ),
            r"decoders \['a'\], but the queries have no name; give \{'a': queries\}",
        ),
        (
            lambda: PerceiverIO(make_encoder(), {"a": make_decoder()}).decode(
                draw(2, N, D), {"b": make_queries("own")}
            ),
            r"no decoders \['b'\]; expected some of \['a'\]",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
