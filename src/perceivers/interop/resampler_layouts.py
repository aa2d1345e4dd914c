"""The resamplers of other libraries: names of their weights, and what their shapes do not tell.

A table has a line "theirs = ours" for each weight. {a,b} stands for a line with a and one with b;
(a+b) for the rows of a and of b, concatenated; # for the index of a layer. A line that begins with
? is there in some versions only, and the weights of one whose side of theirs ends in ' are
transposed. Weights of ours that no line names are biases, which are zero.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Line:
    """A line of a table: the rows of `theirs` together are the rows of `ours` together."""

    theirs: tuple[str, ...]
    ours: tuple[str, ...]
    optional: bool
    transposed: bool

    def at(self, layer: int) -> "Line":
        """Return the line of one layer."""
        theirs, ours = (
            tuple(name.replace("#", str(layer)) for name in names)
            for names in (self.theirs, self.ours)
        )
        return Line(theirs, ours, self.optional, self.transposed)


@dataclass(frozen=True)
class Layout:
    """The resampler of another library."""

    name: str
    """Name of the library or model."""
    table: str
    """The lines, in the notation of this module."""
    options: Mapping[str, Any]
    """Options of `Resampler` that the shapes do not determine."""
    head_dim: int | None = 64
    """Channels of a head in the published models, if the number of heads is not fixed."""
    num_heads: int | None = None
    """Number of heads, where it is fixed instead."""
    prepare: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None
    """What is computed from the weights before the table applies."""
    extra_axes: Mapping[str, int] = field(default_factory=dict)
    """Axes of length 1 of their weights that ours do not have, by name."""
    needs: tuple[str, ...] = ()
    """Names that the weights must have, beside half of the others, to be recognised."""
    lacks: tuple[str, ...] = ()
    """Names that they must not have."""
    note: str = ""
    """What the user has to know of the converted model."""

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The lines of the table, with # for the index of a layer."""
        return tuple(line for text in self.table.strip().splitlines() for line in _lines(text))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the names of their weights at the end of a longer name."""
        names = sorted({name for line in self.lines for name in line.theirs}, key=len, reverse=True)
        alternatives = (re.escape(name).replace(r"\#", r"\d+") for name in names)
        return re.compile(rf"(?:^|\.)({'|'.join(alternatives)})$")


def _lines(text: str) -> list[Line]:
    theirs, _, ours = text.strip().partition(" = ")
    optional, transposed = theirs.startswith("?"), theirs.rstrip().endswith("'")
    both = zip(_braces(theirs.strip("?' ")), _braces(ours.strip()), strict=True)
    return [Line(_sum(left), _sum(right), optional, transposed) for left, right in both]


def _braces(text: str) -> list[str]:
    match = re.fullmatch(r"(.*)\{(.*)\}(.*)", text)
    return [match[1] + name + match[3] for name in match[2].split(",")] if match else [text]


def _sum(text: str) -> tuple[str, ...]:
    match = re.fullmatch(r"(.*)\((.*)\)(.*)", text)
    return tuple(match[1] + n + match[3] for n in match[2].split("+")) if match else (text,)


def _with_positions(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the positions of the queries, which come after their norm, to the normalised queries."""
    weight, bias = (state.pop(f"ln_q.{name}").double() for name in ("weight", "bias"))
    position, query = state.pop("pos_embed"), state["query"]
    normed = F.layer_norm(query.double(), query.shape[-1:], weight, bias, eps=1e-6)
    return {**state, "query": (normed + position).to(query.dtype)}


FLAMINGO = Layout(
    "OpenFlamingo or flamingo-pytorch",
    """
    latents = latents
    norm.{weight,bias} = output_norm.{weight,bias}
    ? media_pos_emb = positions
    ? media_time_embs = positions
    ? frame_embs = positions
    layers.#.0.norm_media.{weight,bias} = layers.#.norm_inputs.{weight,bias}
    layers.#.0.norm_latents.{weight,bias} = layers.#.norm_latents.{weight,bias}
    layers.#.0.to_q.weight = layers.#.attention.to_q.weight
    layers.#.0.to_kv.weight = layers.#.attention.(to_k+to_v).weight
    layers.#.0.to_out.weight = layers.#.attention.to_out.weight
    layers.#.1.0.{weight,bias} = layers.#.feed_forward.norm.{weight,bias}
    layers.#.1.{1,3}.weight = layers.#.feed_forward.{expand,contract}.weight
    """,
    {"activation": "gelu"},
    extra_axes={"media_pos_emb": 1, "media_time_embs": 1},
    note="its table of positions has a row for each medium or frame: give the row of each feature "
    "as position",
)
IDEFICS = Layout(
    "Idefics (transformers)",
    """
    latents = latents
    layer_norm.{weight,bias} = output_norm.{weight,bias}
    blocks.#.0.context_layer_norm.{weight,bias} = layers.#.norm_inputs.{weight,bias}
    blocks.#.0.latents_layer_norm.{weight,bias} = layers.#.norm_latents.{weight,bias}
    blocks.#.0.{q_proj,k_proj}.weight = layers.#.attention.{to_q,to_k}.weight
    blocks.#.0.{v_proj,output_proj}.weight = layers.#.attention.{to_v,to_out}.weight
    blocks.#.1.ln.{weight,bias} = layers.#.feed_forward.norm.{weight,bias}
    blocks.#.1.{fc,c_proj}.weight = layers.#.feed_forward.{expand,contract}.weight
    """,
    {"activation": "relu"},
    head_dim=96,
)
IDEFICS_2 = Layout(
    "Idefics 2 (transformers)",
    """
    latents = latents
    norm.weight = output_norm.weight
    layers.#.input_context_norm.weight = layers.#.norm_inputs.weight
    layers.#.input_latents_norm.weight = layers.#.norm_latents.weight
    layers.#.self_attn.{q_proj,k_proj}.weight = layers.#.attention.{to_q,to_k}.weight
    layers.#.self_attn.{v_proj,o_proj}.weight = layers.#.attention.{to_v,to_out}.weight
    layers.#.post_attention_layernorm.weight = layers.#.feed_forward.norm.weight
    layers.#.mlp.(up_proj+gate_proj).weight = layers.#.feed_forward.expand.weight
    layers.#.mlp.down_proj.weight = layers.#.feed_forward.contract.weight
    """,
    {"activation": "swiglu", "norm": "rms", "output_norm": "rms", "eps": 1e-6},
    head_dim=96,
)
IP_ADAPTER = Layout(
    "IP-Adapter Plus",
    """
    latents = latents
    proj_in.{weight,bias} = project_in.{weight,bias}
    proj_out.{weight,bias} = project_out.{weight,bias}
    norm_out.{weight,bias} = output_norm.{weight,bias}
    ? pos_emb.weight = positions
    layers.#.0.norm1.{weight,bias} = layers.#.norm_inputs.{weight,bias}
    layers.#.0.norm2.{weight,bias} = layers.#.norm_latents.{weight,bias}
    layers.#.0.to_q.weight = layers.#.attention.to_q.weight
    layers.#.0.to_kv.weight = layers.#.attention.(to_k+to_v).weight
    layers.#.0.to_out.weight = layers.#.attention.to_out.weight
    layers.#.1.0.{weight,bias} = layers.#.feed_forward.norm.{weight,bias}
    layers.#.1.{1,3}.weight = layers.#.feed_forward.{expand,contract}.weight
    """,
    {"activation": "gelu"},
    extra_axes={"latents": 0},
)
IP_ADAPTER_DIFFUSERS = Layout(
    "IP-Adapter Plus (diffusers)",
    """
    latents = latents
    proj_in.{weight,bias} = project_in.{weight,bias}
    proj_out.{weight,bias} = project_out.{weight,bias}
    norm_out.{weight,bias} = output_norm.{weight,bias}
    layers.#.ln0.{weight,bias} = layers.#.norm_inputs.{weight,bias}
    layers.#.ln1.{weight,bias} = layers.#.norm_latents.{weight,bias}
    layers.#.attn.{to_q,to_k}.weight = layers.#.attention.{to_q,to_k}.weight
    layers.#.attn.{to_v,to_out.0}.weight = layers.#.attention.{to_v,to_out}.weight
    layers.#.ff.0.{weight,bias} = layers.#.feed_forward.norm.{weight,bias}
    layers.#.ff.1.net.{0.proj,2}.weight = layers.#.feed_forward.{expand,contract}.weight
    """,
    {"activation": "gelu"},
    extra_axes={"latents": 0},
)
XTTS = Layout(
    "XTTS, IndexTTS or NaturalSpeech 2",
    """
    latents = latents
    norm.gamma = output_norm.weight
    ? proj_context.{weight,bias} = project_in.{weight,bias}
    layers.#.0.to_q.weight = layers.#.attention.to_q.weight
    layers.#.0.to_kv.weight = layers.#.attention.(to_k+to_v).weight
    layers.#.0.to_out.weight = layers.#.attention.to_out.weight
    layers.#.1.0.{weight,bias} = layers.#.feed_forward.expand.{weight,bias}
    layers.#.1.2.{weight,bias} = layers.#.feed_forward.contract.{weight,bias}
    """,
    # Its last norm divides by the norm of the vector, at least 1e-12.
    {"activation": "geglu", "norm": "none", "output_norm": "rms", "eps": 1e-24},
    note="the mask is of the features alone, without the latents that the library's begins with",
)
MINICPM = Layout(
    "MiniCPM-V 2.5 to 4.5",
    """
    query = latents
    ? kv_proj.weight = project_in.weight
    ln_kv.{weight,bias} = layers.0.norm_inputs.{weight,bias}
    ln_q.{weight,bias} = layers.0.norm_latents.{weight,bias}
    attn.{in_proj_weight,in_proj_bias} = layers.0.attention.(to_q+to_k+to_v).{weight,bias}
    attn.out_proj.{weight,bias} = layers.0.attention.to_out.{weight,bias}
    ln_post.{weight,bias} = output_norm.{weight,bias}
    proj' = project_out.weight
    """,
    {
        "activation": None,
        "eps": 1e-6,
        "self_attention": "none",
        "residual": False,
        "norm_before_output": True,
    },
    head_dim=128,
    lacks=("pos_embed",),
    note="give interop.minicpm_positions(rows, columns, dim) as key_position, and True in the mask "
    "where theirs marks no padding",
)
_AFTER_NORM = {"norm": "none", "input_norm": "layer"}
_NO_QUERY_NORM = "    ln_q.{weight,bias} = layers.0.norm_latents.{weight,bias}\n"
MINICPM_2 = Layout(
    "MiniCPM-V 2.0",
    MINICPM.table.replace(_NO_QUERY_NORM, ""),
    {**MINICPM.options, **_AFTER_NORM},
    head_dim=128,
    prepare=_with_positions,
    needs=("pos_embed", "ln_post.weight"),
    note="give its pos_embed, resized to the image, as key_position",
)
QWEN = Layout(
    "Qwen-VL",
    re.sub(r" *(ln_post|proj').*\n", "", MINICPM_2.table),
    {**MINICPM_2.options, "norm_before_output": False, "output_norm": "none"},
    head_dim=128,
    prepare=_with_positions,
    needs=("pos_embed",),
    lacks=("ln_post.weight",),
    note=MINICPM_2.note,
)
CHATTERBOX = Layout(
    "Chatterbox",
    """
    pre_attention_query = latents
    attn.norm.{weight,bias} = layers.0.norm_inputs.{weight,bias}
    attn.norm.{weight,bias} = layers.0.norm_latents.{weight,bias}
    attn.norm.{weight,bias} = layers.1.norm_latents.{weight,bias}
    attn.to_q.{weight,bias} = layers.0.attention.to_q.{weight,bias}
    attn.to_k.{weight,bias} = layers.0.attention.to_k.{weight,bias}
    attn.to_v.{weight,bias} = layers.0.attention.to_v.{weight,bias}
    attn.proj_out.{weight,bias} = layers.0.attention.to_out.{weight,bias}
    attn.to_q.{weight,bias} = layers.1.attention.to_q.{weight,bias}
    attn.to_k.{weight,bias} = layers.1.attention.to_k.{weight,bias}
    attn.to_v.{weight,bias} = layers.1.attention.to_v.{weight,bias}
    attn.proj_out.{weight,bias} = layers.1.attention.to_out.{weight,bias}
    """,
    {"activation": None, "self_attention": "separate", "output_norm": "none"},
    head_dim=None,
    num_heads=4,
    extra_axes={"pre_attention_query": 0},
)
LAYOUTS = {
    "flamingo": FLAMINGO,
    "idefics": IDEFICS,
    "idefics2": IDEFICS_2,
    "ip-adapter": IP_ADAPTER,
    "ip-adapter-diffusers": IP_ADAPTER_DIFFUSERS,
    "xtts": XTTS,
    "minicpm-v": MINICPM,
    "minicpm-v-2": MINICPM_2,
    "qwen-vl": QWEN,
    "chatterbox": CHATTERBOX,
}
