"""LayerNorm and linear maps of the inputs in one step, without copying shared positions.

A linear map of a LayerNorm, W(γ·(x - μ)/σ + β) + b, is linear in x up to the factor 1/σ. It equals
(W̃x)/σ + b̃, where W̃ is Wγ minus the mean of each row, and b̃ = b + Wβ. With x = (content, position)
the two parts are mapped separately, and positions that all examples share are mapped once; σ comes
from sums over the parts. This is exact. Of the norm only the small W̃ and b̃ take part in the
backward pass.

In half precision the products need numbers near zero: the mean of x, which W̃ removes, would take
its digits along. There the mean of each part is subtracted first, in float32, and the difference of
the means becomes another channel of the content.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .inputs import Inputs
from .linear import linear
from .positions import AxialPosition

# B batch · M inputs · C content channels · P position channels · O output width of all maps


CACHE_NUMBERS = 2**19  # numbers of an array that fits into the second-level cache
ALIGNMENT = 8  # of the widths of matrices in half precision on accelerators


class Projection(NamedTuple):
    """The arguments of `linear(norm(inputs))` for several concatenated linear maps.

    Calling it computes the result.
    """

    content: Tensor
    """Content of the inputs, (B, M, C); in half precision it may have more channels."""
    position: Tensor | AxialPosition | None
    """Position of the inputs, (1 or B, M, P). None: there is none, or it is part of `content`."""
    scale: Tensor
    """1/σ of each input, (B, M, 1)."""
    content_weight: Tensor
    """The columns of W̃ for the content, (O, C)."""
    position_weight: Tensor | None
    """The columns of W̃ for the position, (O, P)."""
    bias: Tensor
    """b̃, (O,)."""

    def __call__(self) -> Tensor:
        """Compute the projection, (B, M, O)."""
        position = self.dense_position()
        if position is None or self.position_weight is None:
            y = linear(self.content, self.content_weight)
        else:
            batch = self.content.shape[0]
            base = linear(position.to(self.content.dtype), self.position_weight)
            weight = self.content_weight.mT.expand(batch, -1, -1)
            y = torch.baddbmm(base.expand(batch, -1, -1), self.content, weight)
        # In place, because on CPU allocating another array of this size costs more than the
        # arithmetic.
        return y.mul_(self.scale.to(y.dtype)).add_(self.bias.to(y.dtype))

    def dense_position(self) -> Tensor | None:
        """Return the position as one vector per input, (1 or B, M, P), or None."""
        return self.position.dense() if isinstance(self.position, AxialPosition) else self.position

    def joined(self) -> "Projection":
        """Return an equal projection whose position is part of the content."""
        position = self.dense_position()
        if position is None or self.position_weight is None:
            return self
        position = position.to(self.content.dtype).expand(len(self.content), -1, -1)
        return self._replace(
            content=torch.cat([self.content, position], dim=-1),
            position=None,
            content_weight=torch.cat([self.content_weight, self.position_weight], dim=1),
            position_weight=None,
        )

    def chunks(self, size: int) -> Iterator["Projection"]:
        """Yield the projections of at most `size` inputs at a time."""
        position = self.dense_position()
        for start in range(0, max(1, self.content.shape[1]), size):
            part = slice(start, start + size)
            yield self._replace(
                content=self.content[:, part],
                position=None if position is None else position[:, part],
                scale=self.scale[:, part],
            )


def project(
    inputs: Inputs,
    norm: nn.LayerNorm,
    linears: Sequence[nn.Linear],
    terms: Sequence[str],
    variance: Tensor,
) -> Projection:
    """Prepare concatenated linear maps of the normalised inputs.

    Args:
        inputs: M elements.
        norm: LayerNorm over the channels of content and position together.
        linears: the linear maps.
        terms: for each map the part of the normalised inputs that it applies to: "content",
            "position" or "both". The maps of content and position add up to the map of both, except
            that all three include the bias.
        variance: `element_variance(inputs)`.

    Raises:
        ValueError: a term is "position", but the inputs have no position.
    """
    if inputs.position is None and "position" in terms:
        raise ValueError(
            "attention='position', but the inputs carry no position; use 'content' or 'both', or "
            "an adapter with positions"
        )
    separate = inputs.position is not None and (
        inputs.fusion == "concatenate" or any(term != "both" for term in terms)
    )
    half = in_half_precision(inputs.content)
    with without_autocast(inputs.content) if half else nullcontext():
        weights = [
            _weight(_wide(linear.weight) * _wide(norm.weight), term, inputs)
            for linear, term in zip(linears, terms, strict=True)
        ]
        biases = [_bias(linear, norm) for linear in linears]
    projection = Projection(
        content=inputs.content if separate else _joined(inputs),
        position=inputs.position if separate else None,
        scale=(variance + norm.eps).rsqrt(),
        content_weight=torch.cat([content for content, _ in weights]),
        position_weight=torch.cat([position for _, position in weights]) if separate else None,
        bias=torch.cat(biases),
    )
    return _centred(projection, inputs.content.dtype) if half else projection


def project_features(
    x: Tensor, norm: nn.Module, linears: Sequence[nn.Linear], spread: Tensor | None
) -> Projection:
    """Prepare concatenated linear maps of features that have no position, under any norm.

    Args:
        x: features, (B, M, C).
        norm: LayerNorm, RMSNorm or Identity over the channels.
        linears: the linear maps, with biases.
        spread: `feature_spread(x, norm)`.
    """
    if isinstance(norm, nn.LayerNorm):
        assert spread is not None
        return project(Inputs(x), norm, linears, ("both",) * len(linears), spread)
    weight = torch.cat([linear.weight for linear in linears])
    bias = torch.cat([linear.bias for linear in linears])
    if not isinstance(norm, nn.RMSNorm):
        scale = torch.ones_like(x[..., :1], dtype=_wide(x).dtype)
        return Projection(x, None, scale, weight, None, bias)
    assert spread is not None
    assert norm.eps is not None
    weight = (_wide(weight) * _wide(norm.weight)).to(weight.dtype)
    return Projection(x, None, (spread + norm.eps).rsqrt(), weight, None, bias)


def feature_spread(x: Tensor, norm: nn.Module) -> Tensor | None:
    """Compute what a norm divides features by, squared and without eps, (B, M, 1).

    Args:
        x: features, (B, M, C).
        norm: LayerNorm (the variance), RMSNorm (the mean square) or Identity (None).
    """
    if isinstance(norm, nn.LayerNorm):
        return element_variance(Inputs(x))
    return _wide(x).square().mean(dim=-1, keepdim=True) if isinstance(norm, nn.RMSNorm) else None


def in_half_precision(x: Tensor) -> bool:
    """Return whether matrix products with `x` are in half precision, by dtype or by autocast."""
    device = x.device.type
    autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return x.dtype.itemsize < 4 or (x.dtype == torch.float32 and autocast)


def without_autocast(x: Tensor) -> AbstractContextManager[Any]:
    """Return a context in which the products of tensors on the device of `x` keep their dtype."""
    device = x.device.type
    available = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if available else nullcontext()


def _centred(projection: Projection, dtype: torch.dtype) -> Projection:
    """Return an equal projection whose content and position each have mean zero, in `dtype`.

    Let a be the content and p the position, of means m and n. As all rows of W̃ sum to zero,
    W̃a·a + W̃p·p = W̃a·(a - m) + W̃p·(p - n) + (m - n)·W̃a·1: the last term is another channel.
    """
    content, mean = _without_mean(projection.content, dtype)
    position, weight = projection.position, projection.content_weight
    position_weight, bias = projection.position_weight, projection.bias.to(dtype)
    if position is None or position_weight is None:
        return projection._replace(content=content, content_weight=weight.to(dtype), bias=bias)
    if isinstance(position, AxialPosition):
        pairs = [_without_mean(table, table.dtype) for table in position.tables]
        position = AxialPosition(tuple(table for table, _ in pairs))
        position_mean = AxialPosition(tuple(mean for _, mean in pairs)).dense()
    else:
        position, position_mean = _without_mean(position, dtype)
    difference, total = (mean - position_mean).to(dtype), weight.sum(dim=1, keepdim=True)
    # Accelerators multiply widths that are multiples of 8 much faster than others.
    zeros = ALIGNMENT - 1 if content.device.type != "cpu" and not weight.shape[1] % ALIGNMENT else 0
    return projection._replace(
        content=F.pad(torch.cat([content, difference], dim=-1), (0, zeros)),
        position=position,
        content_weight=F.pad(torch.cat([weight, total], dim=1), (0, zeros)).to(dtype),
        position_weight=position_weight.to(dtype),
        bias=bias,
    )


def _without_mean(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return x minus its mean over the channels in `dtype`, and the mean in float32, (…, 1)."""
    mean = _wide(x).mean(dim=-1, keepdim=True)
    return (x - mean).to(dtype), mean


def _wide(x: Tensor) -> Tensor:
    """Return x in float32 if it is in half precision, else as it is."""
    return x.float() if x.dtype.itemsize < 4 else x


def _joined(inputs: Inputs) -> Tensor:
    """Return content and position combined, in float32 or float64, so that no sum is rounded."""
    return replace(inputs, content=_wide(inputs.content)).joined()


def element_variance(inputs: Inputs) -> Tensor:
    """Compute the variance of each element over its channels, (B, M, 1).

    The result is float32, or float64 for float64 inputs. For concatenated content and position it
    is the weighted sum of each part's variance and of the squared distance between the part's mean
    and the common mean. This avoids small differences of large sums.

    Args:
        inputs: M elements.
    """
    if inputs.position is None or inputs.fusion == "add":
        return _statistics(_joined(inputs))[0]
    position = inputs.position
    if inputs.content.dtype == torch.float64:
        position = position.to(torch.float64)
    position_statistics = (
        _axial_statistics(position)
        if isinstance(position, AxialPosition)
        else _statistics(position)
    )
    share = inputs.content.shape[-1] / inputs.dim
    shares = (share, 1 - share)
    variances, means = zip(_statistics(inputs.content), position_statistics, strict=True)
    mean = shares[0] * means[0] + shares[1] * means[1]
    parts = [
        share * (v + (m - mean).square())
        for share, v, m in zip(shares, variances, means, strict=True)
    ]
    return parts[0] + parts[1]


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return variance and mean over the channels, (B, M, 1) each, in float32 or float64."""
    x = x if x.dtype == torch.float64 else x.float()
    if not x.shape[1]:  # avoids torch's warning about a division by zero
        return x[..., :1], x[..., :1]
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return torch.var_mean(x, dim=-1, correction=0, keepdim=True)
    # torch.var_mean is slow on CPU; plain arithmetic on pieces that fit into the cache is faster.
    variances, means = [], []
    for piece in x.split(max(1, CACHE_NUMBERS // (len(x) * x.shape[-1])), dim=1):
        means.append(piece.mean(dim=-1, keepdim=True))
        variances.append((piece - means[-1]).square().mean(dim=-1, keepdim=True))
    return torch.cat(variances, dim=1), torch.cat(means, dim=1)


def _axial_statistics(position: AxialPosition) -> tuple[Tensor, Tensor]:
    """Return variance and mean over the channels, (1, M, 1) each, from rows and columns."""
    tables = [t if t.dtype == torch.float64 else t.float() for t in position.rows_and_columns()]
    means = [table.mean(dim=-1, keepdim=True) for table in tables]
    rows, columns = (table - mean for table, mean in zip(tables, means, strict=True))
    squares = [part.square().mean(dim=-1, keepdim=True) for part in (rows, columns)]
    both = torch.addmm(squares[1].mT, rows, columns.mT, alpha=2 / position.shape[-1]) + squares[0]
    return both.view(1, -1, 1), (means[0] + means[1].mT).view(1, -1, 1)


def _bias(linear: nn.Linear, norm: nn.LayerNorm) -> Tensor:
    """Return b̃ = b + Wβ."""
    bias = _wide(linear.weight) @ _wide(norm.bias)
    return bias if linear.bias is None else bias + linear.bias


def _weight(weight: Tensor, term: str, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Return the columns of W̃ for content and position, given Wγ; those not in `term` are zero.

    The mean of each row is subtracted from all columns, also from those not in `term`.
    """
    content_dim = inputs.content.shape[-1]
    if inputs.fusion == "add":
        weight = weight - weight.mean(dim=1, keepdim=True)
        zeros = torch.zeros_like(weight)
        return (
            zeros if term == "position" else weight,
            zeros if term == "content" else weight,
        )
    content, position = weight[:, :content_dim], weight[:, content_dim:]
    if term == "position":
        content = torch.zeros_like(content)
    elif term == "content":
        position = torch.zeros_like(position)
    mean = (content.sum(1, keepdim=True) + position.sum(1, keepdim=True)) / weight.shape[1]
    return content - mean, position - mean
