"""Resamplers against those of other libraries: outputs, all gradients, and weights back.

transformers' (and, where they are installed, diffusers' and flamingo-pytorch's) are the libraries'
own modules. The others cannot be installed without many packages; they are compared with a plain
rewriting of their formula in float64, from the state dict alone.
"""

import random

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import IdeficsConfig
from transformers.models.idefics.perceiver import IdeficsPerceiverResampler
from transformers.models.idefics2.configuration_idefics2 import Idefics2PerceiverConfig
from transformers.models.idefics2.modeling_idefics2 import Idefics2PerceiverResampler

from perceivers.interop import from_resampler, minicpm_positions, to_resampler
from perceivers.interop.resampler import _lines
from perceivers.interop.resampler_layouts import LAYOUTS

SEEDS = range(8)


def sizes(seed):
    """Return random sizes: batch, features, latents, layers, heads, channels of a head, factor."""
    draw = random.Random(seed)
    return (
        draw.randint(1, 3), draw.randint(1, 20), draw.randint(1, 9), draw.randint(1, 3),
        draw.choice((1, 2, 4)), draw.choice((4, 8)), draw.choice((8, 12, 20)),
    )  # fmt: skip


def fill(module):
    """Fill all weights from a normal distribution: initial ones and zeros hide errors."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.eval()


def idefics(depth, latents, heads, width, dim, **_):
    config = IdeficsConfig()
    config.vision_config.embed_dim = dim
    return IdeficsPerceiverResampler(config, dim, depth, heads, width, latents), dim


def idefics_2(depth, latents, heads, width, dim, **_):
    config = Idefics2PerceiverConfig(
        hidden_size=dim,
        resampler_n_latents=latents,
        resampler_depth=depth,
        resampler_n_heads=heads,
        resampler_head_dim=width,
        num_key_value_heads=max(1, heads // 2),
    )
    config._attn_implementation = "sdpa"
    return Idefics2PerceiverResampler(config), dim


def diffusers_plus(depth, latents, heads, width, dim, **_):
    embeddings = pytest.importorskip("diffusers.models.embeddings")
    plus = embeddings.IPAdapterPlusImageProjection
    return plus(dim + 2, dim + 3, dim, depth, width, heads, latents), dim + 2


def flamingo(depth, latents, heads, width, dim, **_):
    peer = pytest.importorskip("flamingo_pytorch").PerceiverResampler
    return peer(dim=dim, depth=depth, dim_head=width, heads=heads, num_latents=latents), dim


PEERS = {  # library → its module and input_dim, how it is called, and its options of ours
    "idefics": (idefics, lambda m, x, mask: m(x)),
    "idefics2": (idefics_2, lambda m, x, mask: m(x, mask.long())),
    "ip-adapter-diffusers": (diffusers_plus, lambda m, x, mask: m(x)),
    "flamingo": (flamingo, lambda m, x, mask: m(torch.stack([x, x], dim=1))[:, 1]),
}
SECOND_ROW = {"flamingo": {"position": torch.ones(1, 1, dtype=torch.long)}}


def gradients_by_their_names(library, model, names):
    """Return the gradients of our weights by their names; of several of ours the sum."""
    ours, theirs = dict(model.named_parameters()), {}
    layout = LAYOUTS[library]
    for line in _lines(layout, model.options["depth"]):
        if not all(name in names for name in line.theirs):
            continue
        value = torch.cat([ours[name].grad for name in line.ours])
        value = value.mT if line.transposed else value
        for name, part in zip(line.theirs, value.chunk(len(line.theirs)), strict=True):
            axis = layout.extra_axes.get(name)
            theirs[name] = theirs.get(name, 0) + (part if axis is None else part.unsqueeze(axis))
    return theirs


def compare(library, model, x, call, parameters, **options):
    """Compare outputs and all gradients with those of `call(x)`."""
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, expected = model(ours, **options), call(theirs)
    torch.testing.assert_close(out, expected.to(out), rtol=1e-5, atol=1e-5)
    direction = torch.randn_like(out)
    (out * direction).sum().backward()
    (expected * direction).sum().backward()
    found = {"x": ours.grad, **gradients_by_their_names(library, model, parameters)}
    wanted = {"x": theirs.grad, **{name: p.grad for name, p in parameters.items()}}
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        most = max(1.0, gradient.abs().max().item())
        torch.testing.assert_close(
            found[name], gradient.to(out), rtol=1e-4, atol=1e-4 * most, msg=name
        )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("library", PEERS)
def test_outputs_gradients_and_weights_equal_the_library(library, seed):
    torch.manual_seed(seed)
    build, call = PEERS[library]
    batch, features, latents, depth, heads, width, dim = sizes(seed)
    module, input_dim = build(depth=depth, latents=latents, heads=heads, width=width, dim=dim)
    fill(module)
    model = from_resampler(module)
    x = torch.randn(batch, features, input_dim)
    mask = torch.ones(batch, features, dtype=torch.bool)
    if library == "idefics2":
        mask = torch.rand(batch, features) > 0.3
    options = SECOND_ROW.get(library, {})
    parameters = dict(module.named_parameters())
    compare(library, model, x, lambda x: call(module, x, mask), parameters, mask=mask, **options)
    back, _ = build(depth=depth, latents=latents, heads=heads, width=width, dim=dim)
    back.load_state_dict(to_resampler(model, library))
    for name, tensor in module.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name


def attention(q, k, v, heads, mask=None):
    """Compute softmax(q kᵀ / √d) v in its plainest form, (B, N, I) → (B, N, I)."""
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    logits = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        logits = logits.masked_fill(~mask[:, None, None], -torch.inf)
    return (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)


def norm(s, name, x, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], s[f"{name}.weight"], s[f"{name}.bias"], eps)


def linear(s, name, x):
    return F.linear(x, s[f"{name}.weight"], s.get(f"{name}.bias"))


def ip_adapter(s, x, heads, depth, mask):
    """The original file of IP-Adapter (resampler.py of the PyPI package ip-adapter 0.1.0)."""
    x, z = linear(s, "proj_in", x + s["pos_emb.weight"][: x.shape[1]]), s["latents"]
    z = z.expand(len(x), -1, -1)
    for i in range(depth):
        a = f"layers.{i}.0"
        features, latents = norm(s, f"{a}.norm1", x), norm(s, f"{a}.norm2", z)
        k, v = linear(s, f"{a}.to_kv", torch.cat([features, latents], dim=1)).chunk(2, dim=-1)
        z = z + linear(s, f"{a}.to_out", attention(linear(s, f"{a}.to_q", latents), k, v, heads))
        hidden = linear(s, f"layers.{i}.1.1", norm(s, f"layers.{i}.1.0", z))
        z = z + linear(s, f"layers.{i}.1.3", F.gelu(hidden))
    return norm(s, "norm_out", linear(s, "proj_out", z))


def xtts(s, x, heads, depth, mask):
    """coqui-tts 0.28.0, xtts/perceiver_encoder.py; its mask begins with ones for the latents."""
    x = linear(s, "proj_context", x)
    z = s["latents"].expand(len(x), -1, -1)
    seen = torch.cat([torch.ones(z.shape[:2], dtype=torch.bool), mask], dim=1)
    for i in range(depth):
        a = f"layers.{i}.0"
        k, v = linear(s, f"{a}.to_kv", torch.cat([z, x], dim=1)).chunk(2, dim=-1)
        read = attention(linear(s, f"{a}.to_q", z), k, v, heads, seen)
        z = z + linear(s, f"{a}.to_out", read)
        values, gates = linear(s, f"layers.{i}.1.0", z).chunk(2, dim=-1)
        z = z + linear(s, f"layers.{i}.1.2", F.gelu(gates) * values)
    return F.normalize(z, dim=-1) * z.shape[-1] ** 0.5 * s["norm.gamma"]


def chatterbox(s, x, heads, depth, mask):
    """chatterbox-tts 0.1.7, t3/modules/perceiver.py, without its dropout."""

    def block(a, b):
        normed = norm(s, "attn.norm", b)
        k, v = linear(s, "attn.to_k", normed), linear(s, "attn.to_v", normed)
        q = linear(s, "attn.to_q", norm(s, "attn.norm", a))
        return a + linear(s, "attn.proj_out", attention(q, k, v, heads))

    z = block(s["pre_attention_query"].expand(len(x), -1, -1), x)
    return block(z, z)


def minicpm(s, x, heads, depth, mask):
    """OpenBMB's Resampler of MiniCPM-V 2.5; with `pos_embed` that of 2.0, or Qwen-VL's."""
    features = norm(s, "ln_kv", linear(s, "kv_proj", x), 1e-6)
    dim = features.shape[-1]
    query = norm(s, "ln_q", s["query"], 1e-6) + s.get("pos_embed", 0)
    key_position = minicpm_positions(1, x.shape[1], dim).double()
    both = zip(
        (query.expand(len(x), -1, -1), features + key_position, features),
        s["attn.in_proj_weight"].chunk(3),
        s["attn.in_proj_bias"].chunk(3),
        strict=True,
    )
    read = attention(*(F.linear(t, weight, bias) for t, weight, bias in both), heads, mask)
    out = linear(s, "attn.out_proj", read)
    return norm(s, "ln_post", out, 1e-6) @ s["proj"] if "proj" in s else out


def shapes(library, depth, latents, heads, width, dim):
    """Return shapes of weights of a library, and input_dim."""
    inner, hidden, c = heads * width, 3 * dim + 1, dim + 2
    found = {}

    def add(name, rows, columns=None, bias=True):
        """Add a linear map, or a norm if it has no columns."""
        found[f"{name}.weight"] = (rows,) if columns is None else (rows, columns)
        if bias:
            found[f"{name}.bias"] = (rows,)

    if library == "chatterbox":
        found["pre_attention_query"] = (1, latents, dim)
        add("attn.norm", dim)
        for name in ("to_q", "to_k", "to_v", "proj_out"):
            add(f"attn.{name}", dim, dim)
        return found, dim
    if FORMULAS[library] is minicpm:
        found |= {"query": (latents, dim), "attn.in_proj_weight": (3 * dim, dim)}
        found["attn.in_proj_bias"] = (3 * dim,)
        add("kv_proj", dim, c, bias=False)
        add("attn.out_proj", dim, dim)
        for name in ("ln_q", "ln_kv", *(() if library == "qwen-vl" else ("ln_post",))):
            add(name, dim)
        found |= {} if library == "qwen-vl" else {"proj": (dim, dim)}
        found |= {} if library == "minicpm-v" else {"pos_embed": (latents, dim)}
        return found, c
    gated = library == "xtts"
    for i in range(depth):
        add(f"layers.{i}.0.to_q", inner, dim, bias=False)
        add(f"layers.{i}.0.to_kv", 2 * inner, dim, bias=False)
        add(f"layers.{i}.0.to_out", dim, inner, bias=False)
        add(f"layers.{i}.1.{0 if gated else 1}", hidden * (1 + gated), dim, bias=gated)
        add(f"layers.{i}.1.{2 if gated else 3}", dim, hidden, bias=gated)
        for name in () if gated else ("0.norm1", "0.norm2", "1.0"):
            add(f"layers.{i}.{name}", dim)
    if gated:
        add("proj_context", dim, c)
        return found | {"latents": (latents, dim), "norm.gamma": (dim,)}, c
    add("proj_in", dim, c)
    add("proj_out", 7, dim)
    add("norm_out", 7)
    return found | {"latents": (1, latents, dim), "pos_emb.weight": (20, c)}, c


FORMULAS = {
    "ip-adapter": ip_adapter,
    "xtts": xtts,
    "chatterbox": chatterbox,
    "minicpm-v": minicpm,
    "minicpm-v-2": minicpm,
    "qwen-vl": minicpm,
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("library", FORMULAS)
def test_outputs_and_gradients_equal_the_formula_in_float64(library, seed):
    torch.manual_seed(seed)
    batch, features, latents, depth, heads, width, dim = sizes(seed)
    wanted, input_dim = shapes(library, depth, latents, heads, width, dim)
    state = {name: 0.3 * torch.randn(shape) for name, shape in wanted.items()}
    model = from_resampler(state, num_heads=heads)
    x = torch.randn(batch, features, input_dim)
    mask = torch.rand(batch, features) > (0.3 if library in ("xtts", "minicpm-v") else -1)
    mask[:, 0] = True
    options = {}
    if library == "ip-adapter":
        options["position"] = torch.arange(features)[None]
    if FORMULAS[library] is minicpm:
        options["key_position"] = minicpm_positions(1, features, dim)
    leaves = {name: tensor.double().requires_grad_() for name, tensor in state.items()}

    def call(x):
        return FORMULAS[library](leaves, x.double(), heads, depth, mask)

    if LAYOUTS[library].prepare is None:
        compare(library, model, x, call, leaves, mask=mask, **options)
        back = to_resampler(model, library)
        assert back.keys() == state.keys()
        for name, tensor in state.items():
            assert torch.equal(back[name], tensor), name
    else:  # a norm of theirs is part of the latents
        torch.testing.assert_close(
            model(x, mask, **options).double(), call(x), rtol=1e-5, atol=1e-5
        )
