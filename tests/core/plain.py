"""The layers in plain operators, from weights by name."""

import torch
from torch.nn import functional as F


def plain_attention(weights, prefix, queries, x, heads, mask=None):
    def project(name, t):
        return t @ weights[f"{prefix}.{name}.weight"].T + weights[f"{prefix}.{name}.bias"]

    q, k, v = project("to_q", queries), project("to_k", x), project("to_v", x)
    outputs = []
    for q_h, k_h, v_h in zip(*(t.chunk(heads, -1) for t in (q, k, v)), strict=True):
        logits = q_h @ k_h.mT / q_h.shape[-1] ** 0.5
        if mask is not None:
            logits = logits.masked_fill(~mask[:, None], -torch.inf)
        outputs.append(logits.softmax(-1).nan_to_num(0.0) @ v_h)
    return project("to_out", torch.cat(outputs, -1))


def norm(weights, prefix, x):
    return F.layer_norm(
        x, x.shape[-1:], weights[f"{prefix}.weight"], weights[f"{prefix}.bias"], 1e-5
    )


def plain_mlp(weights, prefix, x):
    y = norm(weights, f"{prefix}.norm", x)
    y = y @ weights[f"{prefix}.expand.weight"].T + weights[f"{prefix}.expand.bias"]
    y = F.gelu(y)
    return y @ weights[f"{prefix}.contract.weight"].T + weights[f"{prefix}.contract.bias"]
