"""Generation by our Perceiver AR, and by those of other libraries with the same weights."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from perceivers import PerceiverAR

from ..case import ARConfig, Case
from .ours import Step

LAYER = {  # part of a layer: ours → perceiver-io's
    "norm_prefix": "0.module.kv_norm",
    "norm": "0.module.norm",
    "attention.to_out": "0.module.attention.o_proj",
    "attention.to_q": "0.module.attention.q_proj",
    "attention.to_k": "0.module.attention.k_proj",
    "attention.to_v": "0.module.attention.v_proj",
    "feed_forward.norm": "1.module.0",
    "feed_forward.expand": "1.module.1",
    "feed_forward.contract": "1.module.3",
}
WHOLE = {  # what is in no layer: ours → perceiver-io's
    "tokens.weight": "input_adapter.txt_embedding.weight",
    "positions": "input_adapter.pos_embedding.weight",
    "to_logits.bias": "output_adapter.bias",
    "norm.weight": "out_norm.weight",
    "norm.bias": "out_norm.bias",
}


def build(case: Case) -> Step:
    """Return a step that generates with our model and its cache."""
    model = seeded(_config(case))

    def logits(tokens: Tensor) -> Iterator[Tensor]:
        out, cache = model.read(tokens, _config(case).prefix)
        while True:
            token = yield out[:, -1]
            out, cache = model.read(token, cache=cache)

    return _step(case, logits)


def build_perceiver_io(case: Case) -> Step:
    """Return a step that generates with perceiver-io and its cache."""
    from perceiver.model.core import CausalSequenceModel, CausalSequenceModelConfig

    config, ours = _config(case), seeded(_config(case))
    model = CausalSequenceModel(
        CausalSequenceModelConfig(
            vocab_size=config.options["num_tokens"],
            max_seq_len=ours.max_length,
            max_latents=ours.max_length - config.prefix,
            num_channels=config.options["dim"],
            num_heads=config.options["num_heads"],
            num_self_attention_layers=config.options["num_layers"],
            num_self_attention_rotary_layers=-1,
            cross_attention_dropout=0.0,
        )
    ).eval()
    known = model.state_dict()
    state = {name: x for name, x in perceiver_io_weights(ours).items() if name in known}
    model.load_state_dict({**known, **state})

    def logits(tokens: Tensor) -> Iterator[Tensor]:
        out = model(tokens, config.prefix, kv_cache=[])
        while True:
            token = yield out.logits[:, -1]
            out = model(token, config.prefix, kv_cache=out.kv_cache)

    return _step(case, logits)


def build_no_cache(case: Case) -> Step:
    """Return a step that generates with perceiver-ar-pytorch, which has no cache."""
    from perceiver_ar_pytorch import PerceiverAR as Peer

    config, ours = _config(case), seeded(_config(case))
    model = Peer(
        num_tokens=config.options["num_tokens"],
        dim=config.options["dim"],
        depth=config.options["num_layers"],
        dim_head=config.options["head_dim"],
        heads=config.options["num_heads"],
        max_seq_len=ours.max_length,
        cross_attn_seq_len=config.prefix,
    ).eval()
    known = model.state_dict()
    model.load_state_dict({**known, **perceiver_ar_pytorch_weights(ours)})

    def logits(tokens: Tensor) -> Iterator[Tensor]:
        while True:
            token = yield model(tokens)[:, -1]
            tokens = torch.cat([tokens, token], dim=1)

    return _step(case, logits)


def seeded(config: ARConfig) -> PerceiverAR:
    """Return the case's model with random weights, as far as all libraries have them."""
    torch.manual_seed(0)
    model = PerceiverAR(**config.options).eval()
    nn.init.normal_(model.tokens.weight)
    for name, parameter in model.named_parameters():
        if name.endswith("bias") and "norm" not in name:
            nn.init.zeros_(parameter)
    model.to_logits.weight = model.tokens.weight
    return model


def perceiver_io_weights(ours: PerceiverAR) -> dict[str, Tensor]:
    """Return our weights by the names of perceiver-io, biases that it lacks included."""
    state = {}
    for name, tensor in ours.state_dict().items():
        if not name.startswith("layers."):
            if name in WHOLE:
                state[WHOLE[name]] = tensor
            continue
        _, index, rest = name.split(".", 2)
        part, _, kind = rest.rpartition(".")
        place = f"self_attention.{int(index) - 1}"
        theirs = LAYER[part]
        if index == "0":
            place = "cross_attention"
            theirs = "0.module.q_norm" if part == "norm" else theirs
        if part in ("attention.to_q", "attention.to_k"):
            tensor = _neighbours(tensor, ours)
        state[f"{place}.{theirs}.{kind}"] = tensor
    return state


def _neighbours(rows: Tensor, ours: PerceiverAR) -> Tensor:
    """Reorder the channels of each head: the two that are rotated together become neighbours."""
    heads = ours.get_submodule("layers.0.attention").num_heads
    pairs = torch.arange(ours.rotated).view(2, -1).T.flatten()
    order = torch.cat([pairs, torch.arange(ours.rotated, len(rows) // heads)])
    return rows.unflatten(0, (heads, -1))[:, order].flatten(0, 1)


def perceiver_ar_pytorch_weights(ours: PerceiverAR) -> dict[str, Tensor]:
    """Return our weights by the names of perceiver-ar-pytorch, which has hardly any biases."""
    own = ours.state_dict()
    state = {
        "token_emb.weight": own["tokens.weight"],
        "pos_emb.weight": own["positions"],
        "to_logits.weight": own["to_logits.weight"],
        "perceive_layers.0.0.context_norm.weight": own["layers.0.norm_prefix.weight"],
        "perceive_layers.0.0.context_norm.bias": own["layers.0.norm_prefix.bias"],
        "perceive_layers.0.0.to_out.bias": own["layers.0.attention.to_out.bias"],
    }
    for i in range(len(ours.layers)):
        place = f"layers.{i - 1}" if i else "perceive_layers.0"
        layer = {
            name.removeprefix(f"layers.{i}."): x
            for name, x in own.items()
            if name.startswith(f"layers.{i}.")
        }
        for kind in ("weight", "bias"):
            state[f"{place}.0.norm.{kind}"] = layer[f"norm.{kind}"]
            state[f"{place}.1.0.{kind}"] = layer[f"feed_forward.norm.{kind}"]
        state[f"{place}.0.to_out.weight"] = layer["attention.to_out.weight"]
        state[f"{place}.1.1.weight"] = layer["feed_forward.expand.weight"]
        state[f"{place}.1.4.weight"] = layer["feed_forward.contract.weight"]
        query, *key_value = (layer[f"attention.to_{part}.weight"] for part in "qkv")
        if i:
            state[f"{place}.0.to_qkv.weight"] = torch.cat([query, *key_value])
        else:
            state[f"{place}.0.to_q.weight"] = query
            state[f"{place}.0.to_kv.weight"] = torch.cat(key_value)
    return state


def _config(case: Case) -> ARConfig:
    assert isinstance(case.config, ARConfig)
    return case.config


def _step(case: Case, logits: Callable[[Tensor], Iterator[Tensor]]) -> Step:
    """Return a step that generates the most probable byte each time.

    Args:
        case: the case.
        logits: function from the prompt to a generator, which yields the logits of the next token
            (1, tokens) and is sent that token (1, 1).
    """
    config = _config(case)
    generator = torch.Generator().manual_seed(1)
    shape = (case.batch, config.prefix + 1)
    prompt = torch.randint(config.options["num_tokens"], shape, generator=generator)

    def generate() -> dict[str, np.ndarray]:
        with torch.inference_mode():
            steps = logits(prompt)
            found = [next(steps)]
            for _ in range(config.length - 1):
                token = found[-1].argmax(dim=-1, keepdim=True)
                found.append(steps.send(token))  # type: ignore[attr-defined]
            return {"logits": torch.stack(found).numpy()}

    return generate
