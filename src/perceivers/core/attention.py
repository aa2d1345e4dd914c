"""Scaled dot-product attention over torch's fused kernels, to all inputs or to parts of them."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .dropout import dropout as drop

# B batch · N queries (latents) · M keys (inputs) · H heads · K qk_dim / H · V v_dim / H

MAX_PLAIN_LOGITS = 2**18  # N·M per head, for the products on CPU in bfloat16
# N·M per head that an exported program computes at once: 256 MB. It has no fused kernel.
MAX_EXPORTED_LOGITS = 2**26
MASKED_LOGIT = -1e30  # finite, so that a fully masked part of the inputs gives no NaN


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, dropout: float = 0.0
) -> Tensor:
    """Compute scaled dot-product attention.

    Args:
        q: queries, (B, H, N, K).
        k: keys, (B, H, M, K).
        v: values, (B, H, M, V).
        mask: boolean (B, M), True where a key is attended to. None: everywhere.
        dropout: probability with which an attention weight is dropped.

    Returns:
        (B, H, N, V). It is zero for an example whose mask is all False, as in DeepMind's code, and
        for all examples if M = 0.
    """
    if not k.shape[-2]:
        return v.new_zeros(*q.shape[:-1], v.shape[-1])
    if mask is None:
        return _kernel(q, k, v, None, dropout)
    nonempty = mask.any(dim=-1)
    # An example without any unmasked key attends to all keys in the kernel, which avoids NaN in the
    # output and in the gradients. Its output is set to zero afterwards.
    kernel_mask = (mask | ~nonempty[:, None])[:, None, None, :]
    out = _kernel(q, k, v, kernel_mask, dropout)
    return torch.where(nonempty[:, None, None, None], out, out.new_zeros(()))


def _kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """Use torch's fused attention, except where two matrix products are measurably faster."""
    if torch.compiler.is_exporting() and mask is None and _is_large(q, k):
        rows = max(1, MAX_EXPORTED_LOGITS // k.shape[-2])
        parts = [F.scaled_dot_product_attention(part, k, v) for part in q.split(rows, dim=-2)]
        return torch.cat(parts, dim=-2)
    if not _products_are_faster(q, k, v, dropout):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    scale = q.shape[-1] ** -0.5
    if q.shape[-2] <= k.shape[-2]:  # scale those of which there are fewer
        q = q * scale
    else:
        k = k * scale
    logits = q @ k.transpose(-1, -2)
    if mask is not None:
        logits = logits.masked_fill(~mask, -math.inf)
    return drop(logits.softmax(dim=-1), dropout) @ v


def _products_are_faster(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> bool:
    """Return whether a softmax between two matrix products is faster than torch's kernel.

    On CPU that kernel has no fused form for values that are wider or narrower than keys, nor for
    dropout, whose random numbers it draws slowly: it also stores the logits, and looks for rows
    without keys, of which there are none here. In half precision its backward pass is 2 to 5 times
    slower (docs/log.md, 2026-11-21), as long as the N×M logits of a head stay small.
    """
    if q.device.type != "cpu":
        return False
    unequal = q.shape[-1] != v.shape[-1] and not torch.compiler.is_exporting()
    small = q.shape[-2] * k.shape[-2] <= MAX_PLAIN_LOGITS
    return unequal or bool(dropout) or (q.dtype == torch.bfloat16 and small)


def _is_large(q: Tensor, k: Tensor) -> bool:
    """Return whether an exported program needs the logits in parts, as far as that is fixed."""
    rows, columns = q.shape[-2], k.shape[-2]
    fixed = isinstance(rows, int) and isinstance(columns, int)
    return fixed and rows * columns > MAX_EXPORTED_LOGITS


def partial_attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Compute attention to a part of the inputs, to be merged with other parts.

    Masked logits are `MASKED_LOGIT` instead of -inf. A part that is fully masked or has no inputs
    therefore gets the weight 0 in the merge, and nothing becomes NaN.

    Args:
        q: queries, (B, H, N, K).
        k: keys of the part, (B, H, M, K).
        v: values of the part, (B, H, M, V).
        mask: boolean (B, M), True where a key is attended to. None: everywhere.

    Returns:
        The output (B, H, N, V) and the logsumexp of the logits (B, H, N).
    """
    if not k.shape[-2]:
        return v.new_zeros(*q.shape[:-1], v.shape[-1]), q.new_full(q.shape[:-1], MASKED_LOGIT)
    if _flash_on_cpu(q, v):
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, attn_mask=_penalty(mask, q)
        )
    return plain_partial_attend(q, k, v, mask)


def plain_partial_attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Compute `partial_attend` with operators that can be differentiated any number of times.

    Args:
        q: queries, (B, H, N, K).
        k: keys of the part, (B, H, M, K), at least one.
        v: values of the part, (B, H, M, V).
        mask: boolean (B, M), True where a key is attended to. None: everywhere.
    """
    logits = _logits(q, k, mask)
    lse = logits.logsumexp(dim=-1)
    return (logits - lse[..., None]).exp().to(v.dtype) @ v, lse


def partial_attend_backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients of the queries, keys and values of one part.

    Args:
        grad: gradient of the merged output, (B, H, N, V).
        q: queries, (B, H, N, K).
        k: keys of the part, (B, H, M, K).
        v: values of the part, (B, H, M, V).
        out: output of all parts merged, (B, H, N, V).
        lse: logsumexp of all parts merged, (B, H, N).
        mask: boolean (B, M) of the part, True where a key is attended to. None: everywhere.

    Returns:
        Gradients of q (from this part alone), k and v.
    """
    if not k.shape[-2]:
        return torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    if _flash_on_cpu(q, v):
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            grad, q, k, v, out, lse, 0.0, False, attn_mask=_penalty(mask, q)
        )
    weights = (_logits(q, k, mask) - lse[..., None]).exp().to(v.dtype)
    grad_weights = grad @ v.transpose(-1, -2) - (grad * out).sum(dim=-1, keepdim=True)
    grad_logits = weights * grad_weights * q.shape[-1] ** -0.5
    return grad_logits @ k, grad_logits.transpose(-1, -2) @ q, weights.transpose(-1, -2) @ grad


def merge(out: Tensor, lse: Tensor, more: Tensor, more_lse: Tensor) -> tuple[Tensor, Tensor]:
    """Merge attention to two parts of the inputs exactly; the order does not matter.

    Args:
        out: output of the first part, (B, H, N, V).
        lse: logsumexp of the logits of the first part, (B, H, N).
        more: output of the second part.
        more_lse: logsumexp of the logits of the second part.

    Returns:
        The output and the logsumexp of both parts together.
    """
    both = torch.logaddexp(lse, more_lse)
    weight, more_weight = (lse - both).exp()[..., None], (more_lse - both).exp()[..., None]
    return (weight * out + more_weight * more).to(out.dtype), both


def merge_all(parts: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor] | None:
    """Merge attention to any number of parts, accumulating in float32 or float64.

    Args:
        parts: (output, logsumexp) of each part, as `partial_attend` returns them.

    Returns:
        The output, in the parts' dtype, and the logsumexp; None if there is no part.
    """
    merged = None
    dtype = torch.float32
    for out, lse in parts:
        dtype = out.dtype
        wide = out if dtype == torch.float64 else out.float()
        merged = (wide, lse) if merged is None else merge(*merged, wide, lse)
    return None if merged is None else (merged[0].to(dtype), merged[1])


def second_order() -> bool:
    """Return whether a backward pass is to be differentiated again (`create_graph=True`).

    A compiler may trace backward passes with gradients enabled, but it supports first derivatives
    only.
    """
    return torch.is_grad_enabled() and not torch.compiler.is_compiling()


def plain_gradients(
    function: Callable[..., Any], inputs: Sequence[Any], grads: Any
) -> list[Tensor | None]:
    """Compute gradients that can be differentiated again, for a backward pass in `second_order`.

    Backward passes that are written by hand compute numbers alone: their derivative would lack
    every term through tensors that they compute again or detach. Here autograd goes through
    `function`, which computes the forward pass with plain operators and stores what they store.

    Args:
        function: computes the outputs from the inputs.
        inputs: its arguments; those that are no tensors get no gradient.
        grads: gradients of the outputs.

    Returns:
        The gradient of each input; None for those that need none.
    """
    # As views, an input and another one that was computed from it get a gradient each.
    views = [x.view_as(x) if isinstance(x, Tensor) else x for x in inputs]
    needed = [i for i, x in enumerate(views) if isinstance(x, Tensor) and x.requires_grad]
    found: list[Tensor | None] = [None] * len(views)
    gradients = torch.autograd.grad(
        function(*views),
        [views[i] for i in needed],
        grads,
        create_graph=True,
        materialize_grads=True,
    )
    for i, gradient in zip(needed, gradients, strict=True):
        found[i] = gradient
    return found


def _flash_on_cpu(q: Tensor, v: Tensor) -> bool:
    """Return whether torch's fused CPU kernel, which also returns the logsumexp, applies."""
    return q.device.type == "cpu" and q.shape[-1] == v.shape[-1]


def _logits(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    """Return scaled and masked logits, (B, H, N, M), in float32 or float64."""
    logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return logits if mask is None else logits.masked_fill(~mask[:, None, None, :], MASKED_LOGIT)


def _penalty(mask: Tensor | None, q: Tensor) -> Tensor | None:
    """Return the mask as numbers to add to the logits, (B, 1, 1, M), in float32 or float64.

    float16 has no number as low as `MASKED_LOGIT`; the kernel takes float32 with it.
    """
    if mask is None:
        return None
    dtype = torch.float64 if q.dtype == torch.float64 else torch.float32
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, MASKED_LOGIT)[:, None, None, :]
