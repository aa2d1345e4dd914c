"""Scaled dot-product attention over torch's fused kernels, whole and in parts."""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

# B batch · N queries (latents) · M keys (inputs) · H heads · K qk_dim / H · V v_dim / H

MAX_PLAIN_LOGITS = 2**18  # N·M up to which a head's logits are held, on CPU in bfloat16
MASKED_LOGIT = -1e30  # the logit of a masked input in a part


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, dropout: float = 0.0
) -> Tensor:
    """Scaled dot-product attention: q (B, H, N, K), k (B, H, M, K), v (B, H, M, V) → (B, H, N, V).

    `mask` is boolean (B, M), True = attend. An example whose mask is all False gets zeros: there
    was nothing to read, so nothing is read, as in DeepMind's own code; so do all where M = 0.
    `dropout` is the probability with which an attention weight is dropped.
    """
    if not k.shape[-2]:
        return v.new_zeros(*q.shape[:-1], v.shape[-1])
    if mask is None:
        return _kernel(q, k, v, None, dropout)
    seen = mask.any(dim=-1)
    # In the kernel an empty row attends everywhere (no NaN, no NaN gradient); then it is zeroed.
    kernel_mask = (mask | ~seen[:, None])[:, None, None, :]
    out = _kernel(q, k, v, kernel_mask, dropout)
    return torch.where(seen[:, None, None, None], out, out.new_zeros(()))


def _kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """torch's fused attention, except where the plain form is measurably faster.

    On CPU in half precision torch's fused backward pass is 2 to 5 times slower than two batched
    matrix products (docs/log.md, 2026-11-21), as long as the N×M logits of a head stay small.
    """
    small = q.shape[-2] * k.shape[-2] <= MAX_PLAIN_LOGITS
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and small:
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        if mask is not None:
            logits = logits.masked_fill(~mask, -math.inf)
        return F.dropout(logits.softmax(dim=-1), dropout) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)


def partial_attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Attention to some of the inputs, and the logsumexp of its logits, (B, H, N), to merge it by.

    Masked logits count as `MASKED_LOGIT`, not as -inf: of a part that is masked whole the weight comes out
    as 0, and nothing as NaN. The same holds of a part without inputs.
    """
    if not k.shape[-2]:
        return v.new_zeros(*q.shape[:-1], v.shape[-1]), q.new_full(q.shape[:-1], MASKED_LOGIT)
    if _flash_on_cpu(q, v):
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, attn_mask=_penalty(mask, q)
        )
    logits = _logits(q, k, mask)
    lse = logits.logsumexp(dim=-1)
    return (logits - lse[..., None]).exp().to(v.dtype) @ v, lse


def partial_attend_backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v of one part; `out` and `lse` are those of all parts merged."""
    if not k.shape[-2]:
        return torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    if _flash_on_cpu(q, v):
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            grad, q, k, v, out, lse, 0.0, False, attn_mask=_penalty(mask, q)
        )
    weights = (_logits(q, k, mask) - lse[..., None]).exp().to(v.dtype)
    of_weights = grad @ v.transpose(-1, -2) - (grad * out).sum(dim=-1, keepdim=True)
    of_logits = weights * of_weights * q.shape[-1] ** -0.5
    return of_logits @ k, of_logits.transpose(-1, -2) @ q, weights.transpose(-1, -2) @ grad


def merge(out: Tensor, lse: Tensor, more: Tensor, more_lse: Tensor) -> tuple[Tensor, Tensor]:
    """Attention to two parts of the inputs from attention to each: exact, in any order."""
    both = torch.logaddexp(lse, more_lse)
    kept, added = (lse - both).exp()[..., None], (more_lse - both).exp()[..., None]
    return (kept * out + added * more).to(out.dtype), both


def merge_all(parts: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor] | None:
    """Attention to all parts, summed up in float32 at least; None if there is no part."""
    whole = None
    dtype = torch.float32
    for out, lse in parts:
        dtype = out.dtype
        wide = out if dtype == torch.float64 else out.float()
        whole = (wide, lse) if whole is None else merge(*whole, wide, lse)
    return None if whole is None else (whole[0].to(dtype), whole[1])


def _flash_on_cpu(q: Tensor, v: Tensor) -> bool:
    return q.device.type == "cpu" and q.shape[-1] == v.shape[-1]


def _logits(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return logits if mask is None else logits.masked_fill(~mask[:, None, None, :], MASKED_LOGIT)


def _penalty(mask: Tensor | None, q: Tensor) -> Tensor | None:
    if mask is None:
        return None
    return torch.zeros(mask.shape, dtype=q.dtype).masked_fill(~mask, MASKED_LOGIT)[:, None, None, :]
