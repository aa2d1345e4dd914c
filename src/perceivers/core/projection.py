"""LayerNorm and linear maps of the inputs in one step, without copying shared positions.

A linear map of a LayerNorm, W(γ·(x - μ)/σ + β) + b, is linear in x up to the factor 1/σ: it is
(W̃x)/σ + b̃ with W̃ = Wγ less the mean of each row, and b̃ = b + Wβ. Of x = (content, position) each
part is mapped alone, positions that all examples share once for all of them; σ comes from sums over
the parts. This is exact, and of the norm only the small W̃ and b̃ take part in the backward pass.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .inputs import Inputs
from .positions import AxialPosition

# B batch · M inputs · C content channels · P position channels · O output width of all maps


CACHE_NUMBERS = 2**19  # numbers of an array that the second-level cache holds


class Projection(NamedTuple):
    """`linear(norm(inputs))` for several linear maps side by side, not yet computed."""

    content: Tensor
    """(B, M, C)."""
    position: Tensor | AxialPosition | None
    """(1 or B, M, P); None: there is none, or the content holds it."""
    scale: Tensor
    """1/σ, (B, M, 1)."""
    content_weight: Tensor
    """The columns of W̃ for the content, (O, C)."""
    position_weight: Tensor | None
    """Those for the position, (O, P)."""
    bias: Tensor
    """b̃, (O,)."""

    def __call__(self) -> Tensor:
        """(B, M, O)."""
        position = self.dense_position()
        if position is None or self.position_weight is None:
            y = F.linear(self.content, self.content_weight)
        else:
            batch = len(self.content)
            base = F.linear(position.to(self.content.dtype), self.position_weight)
            of_content = self.content_weight.mT.expand(batch, -1, -1)
            y = torch.baddbmm(base.expand(batch, -1, -1), self.content, of_content)
        # In place: on CPU the pages of another array this size cost more than the arithmetic.
        return y.mul_(self.scale.to(y.dtype)).add_(self.bias.to(y.dtype))

    def dense_position(self) -> Tensor | None:
        """The position as one vector for each element, (1 or B, M, P), however it is held."""
        return self.position.dense() if isinstance(self.position, AxialPosition) else self.position

    def chunks(self, size: int) -> Iterator["Projection"]:
        """The same, for at most `size` elements at a time."""
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
    """Linear maps of the normalised inputs, side by side.

    Args:
        inputs: M elements.
        norm: over the channels of content and position together.
        linears: the maps.
        terms: what each map sees of the normalised inputs: "content", "position" or "both". The
            two sum to the third but for the bias, which each of the three has.
        variance: of the inputs, as `element_variance(inputs)` gives it.

    Raises:
        ValueError: the position term of inputs without positions.
    """
    if inputs.position is None and "position" in terms:
        raise ValueError(
            "attention='position', but the inputs carry no position; use 'content' or 'both', or "
            "an adapter with positions"
        )
    biases = [_bias(linear, norm) for linear in linears]
    apart = inputs.position is not None and (
        inputs.fusion == "concatenate" or any(term != "both" for term in terms)
    )
    weights = [
        _weight(linear.weight * norm.weight, term, inputs)
        for linear, term in zip(linears, terms, strict=True)
    ]
    return Projection(
        content=inputs.content if apart else inputs.joined(),
        position=inputs.position if apart else None,
        scale=(variance + norm.eps).rsqrt(),
        content_weight=torch.cat([of_content for of_content, _ in weights]),
        position_weight=torch.cat([of_position for _, of_position in weights]) if apart else None,
        bias=torch.cat(biases),
    )


def element_variance(inputs: Inputs) -> Tensor:
    """σ² of each element over its channels, (B, M, 1), in float32 at least.

    Side by side, the parts' own variances and the distances of their means to the common mean: no
    small difference of large sums is taken.
    """
    if inputs.position is None or inputs.fusion == "add":
        return _statistics(inputs.joined())[0]
    of_position = (
        _axial_statistics(inputs.position)
        if isinstance(inputs.position, AxialPosition)
        else _statistics(inputs.position)
    )
    share = inputs.content.shape[-1] / inputs.dim
    shares = (share, 1 - share)
    variances, means = zip(_statistics(inputs.content), of_position, strict=True)
    mean = shares[0] * means[0] + shares[1] * means[1]
    spreads = [
        share * (v + (m - mean).square())
        for share, v, m in zip(shares, variances, means, strict=True)
    ]
    return spreads[0] + spreads[1]


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Variance and mean over channels, (B, M, 1) each, in float32 at least."""
    x = x if x.dtype == torch.float64 else x.float()
    if not x.shape[1]:  # no elements: torch would warn of its own dividing by nothing
        return x[..., :1], x[..., :1]
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return torch.var_mean(x, dim=-1, correction=0, keepdim=True)
    # torch's var_mean is slow on CPU; plain arithmetic is not, on pieces that stay in the cache.
    variances, means = [], []
    for piece in x.split(max(1, CACHE_NUMBERS // (len(x) * x.shape[-1])), dim=1):
        means.append(piece.mean(dim=-1, keepdim=True))
        variances.append((piece - means[-1]).square().mean(dim=-1, keepdim=True))
    return torch.cat(variances, dim=1), torch.cat(means, dim=1)


def _axial_statistics(position: AxialPosition) -> tuple[Tensor, Tensor]:
    """Variance and mean over channels, (1, M, 1) each, of sums over rows and columns."""
    tables = [t if t.dtype == torch.float64 else t.float() for t in position.rows_and_columns()]
    means = [table.mean(dim=-1, keepdim=True) for table in tables]
    rows, columns = (table - mean for table, mean in zip(tables, means, strict=True))
    squares = [part.square().mean(dim=-1, keepdim=True) for part in (rows, columns)]
    both = torch.addmm(squares[1].mT, rows, columns.mT, alpha=2 / position.shape[-1]) + squares[0]
    return both.view(1, -1, 1), (means[0] + means[1].mT).view(1, -1, 1)


def _bias(linear: nn.Linear, norm: nn.LayerNorm) -> Tensor:
    bias = linear.weight @ norm.bias
    return bias if linear.bias is None else bias + linear.bias


def _weight(weight: Tensor, term: str, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """W̃ for the content and for the position; of a term alone, the other part counts nothing."""
    content_dim = inputs.content.shape[-1]
    if inputs.fusion == "add":
        weight = weight - weight.mean(dim=1, keepdim=True)
        nothing = torch.zeros_like(weight)
        return (
            nothing if term == "position" else weight,
            nothing if term == "content" else weight,
        )
    of_content, of_position = weight[:, :content_dim], weight[:, content_dim:]
    if term == "position":
        of_content = torch.zeros_like(of_content)
    elif term == "content":
        of_position = torch.zeros_like(of_position)
    mean = (of_content.sum(1, keepdim=True) + of_position.sum(1, keepdim=True)) / weight.shape[1]
    return of_content - mean, of_position - mean
