"""Perceiver AR on time series: a model that continues them, many times."""

from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from ..core import Inputs, PerceiverAR
from ..modalities.adapter import Adapter
from ..modalities.series.output import ForecastUnits
from ..modalities.series.tokens import SeriesTokens
from .base import PerceiverModel
from .config import PerceiverARForecastConfig
from .perceiver_ar import build_perceiver_ar

# B batch · T length · H horizon · C channels · K forecast channels · S = (T + H)·C tokens
# N latents · P paths · V tokens

PATHS_AT_ONCE = 512
SMOOTH = 0.06
INTERVAL = (0.1, 0.9)
"""Shares of the continuations below the two ends of the interval of a forecast."""


def interval_of(paths: Tensor, dim: int) -> Tensor:
    """Return the two ends of the interval of a forecast, (2, …).

    Args:
        paths: continuations.
        dim: their dimension, which the result lacks.
    """
    return paths.quantile(paths.new_tensor(INTERVAL), dim=dim)


@torch.no_grad()
def smooth_over_bins(weight: Tensor, bins: int) -> None:
    """Make rows of neighbouring bins alike in freshly initialised weights (V, D), as values are.

    Rows are averaged with their neighbours, with weights of a normal distribution whose standard
    deviation is `SMOOTH` of all bins, and then scaled to the size that they had.
    """
    places = torch.arange(bins, device=weight.device) / bins
    near = (-0.5 * ((places[:, None] - places) / SMOOTH).square()).exp()
    rows = weight[:bins]
    smoothed = near @ rows
    weight[:bins] = smoothed * (rows.std() / smoothed.std())


class PerceiverARForecaster(PerceiverModel):
    """Perceiver AR (arXiv 2202.07765) on windows of time series as tokens; see `SeriesTokens`.

    The model gives the probability of each token after those before it. In training the tokens of
    the horizon are read too, and each of the last N tokens but the first is predicted from what
    precedes it. A forecast draws P continuations of the window, value by value, and is their
    median. The draws come from `path_seed` and are the same for each example, so that a forecast
    depends on its window alone.

    Args:
        config: configuration of the model.
        labels: names of the channels that are forecast.
        adapter: not supported.

    Raises:
        ValueError: an option is invalid, or the input is no series of tokens.
    """

    config: PerceiverARForecastConfig
    adapter: SeriesTokens
    perceiver: PerceiverAR

    def __init__(
        self,
        config: PerceiverARForecastConfig,
        labels: tuple[str, ...] | None = None,
        *,
        adapter: Adapter | None = None,
    ) -> None:
        super().__init__(config, labels or (), adapter=adapter)
        if config.output.base != "naive":
            raise ValueError(
                f"output.base={config.output.base!r}, but continuations depart from no other "
                "forecast; leave it at 'naive'"
            )
        self.output = ForecastUnits(
            self.adapter, season=config.output.season, targets=config.output.targets
        )
        for weight in (self.perceiver.tokens.weight, self.perceiver.to_logits.weight):
            smooth_over_bins(weight, self.adapter.bins)

    @override
    def build_perceiver(self) -> PerceiverAR:
        config, adapter = self.config, self.adapter
        if not isinstance(adapter, SeriesTokens):
            raise ValueError(
                f"a model of kind {config.kind!r} reads inputs of kind 'series-tokens', not of "
                f"{config.input.kind!r}"
            )
        least = adapter.horizon * adapter.channels
        if config.num_latents < least:
            raise ValueError(
                f"num_latents={config.num_latents}; expected at least the {least} values to "
                "forecast (input.horizon · input.channels)"
            )
        # The last token of a window with its horizon is predicted and never read.
        return build_perceiver_ar(
            config, adapter.num_tokens, adapter.num_inputs - 1, "the tokens before the last"
        )

    @property
    def prefix(self) -> int:
        """Number of tokens before the latents."""
        return self.adapter.num_inputs - 1 - self.config.num_latents

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Forecast windows: the median of the continuations.

        Args:
            x: windows (B, T + H, 1 + C): the time of each step, then its channels, NaN where a
                value is missing. The values of the last H steps are not read.
            mask: not supported: missing values are NaN.

        Returns:
            (B, H, K), in the units of the series and the precision of the batch.

        Raises:
            ValueError: another shape or dtype, or a mask.
        """
        return self.sample(x, mask).quantile(0.5, dim=1)

    def sample(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Draw continuations of windows, (B, P, H, K); the arguments are those of `forward`."""
        if mask is not None:
            raise ValueError("mask is not supported; missing values are NaN")
        paths = self.paths(self.elements(x))
        return self.adapter.future(paths, x)[..., : self.output.targets]

    @override
    def respond(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return what is trained on and scored.

        Returns:
            "logits" (B, N, V) of the last N tokens, each after those that are given before it;
            outside of training also "paths" (B, P, H, C), see `paths`.
        """
        tokens = inputs.content[..., 0]
        outputs = {"logits": self.perceiver(tokens[:, :-1], self.prefix)}
        if not self.training:
            outputs["paths"] = self.paths(inputs)
        return outputs

    @override
    def encode(self, x: Any, mask: Tensor | None = None) -> Tensor:
        """Encode windows to the latents of their last tokens, (B, N, D)."""
        if mask is not None:
            raise ValueError("mask is not supported; missing values are NaN")
        return self.perceiver.encode(self.elements(x).content[:, :-1, 0], self.prefix)

    @torch.no_grad()
    def paths(self, inputs: Inputs) -> Tensor:
        """Draw continuations as levels, see `SeriesTokens`; (B, P, H, C) float64.

        Args:
            inputs: elements of windows, of which those of the horizon are not read.
        """
        adapter = self.adapter
        steps, channels = adapter.horizon, adapter.channels
        tokens = inputs.content[:, : -steps * channels, 0]
        draws = self._draws(steps * channels).to(tokens.device)
        size = max(1, PATHS_AT_ONCE // self.config.paths)
        levels = [self._continued(part, draws) for part in tokens.split(size)]
        return torch.cat(levels).unflatten(2, (steps, channels))

    def _draws(self, count: int) -> Tensor:
        """Return the draws of each token, float64 (count, P): evenly spread over [0, 1)."""
        generator = torch.Generator().manual_seed(self.config.path_seed)
        shape = (count, self.config.paths)
        order = torch.rand(shape, generator=generator).argsort(dim=1)
        within = torch.rand(shape, generator=generator, dtype=torch.float64)
        return (order + within) / self.config.paths

    def _continued(self, tokens: Tensor, draws: Tensor) -> Tensor:
        """Continue tokens (b, T·C) P times, and return the levels, (b, P, H·C)."""
        examples, paths = len(tokens), self.config.paths
        logits, cache = self.perceiver.read(tokens, self.prefix)
        logits, cache = logits[:, -1].repeat_interleave(paths, dim=0), cache.repeated(paths)
        token, level = self._drawn(logits, draws[0].repeat(examples))
        levels = [level]
        for draw in draws[1:]:
            logits, cache = self.perceiver.read(token, cache=cache)
            token, level = self._drawn(logits[:, 0], draw.repeat(examples))
            levels.append(level)
        return torch.stack(levels, dim=1).unflatten(0, (examples, paths))

    def _drawn(self, logits: Tensor, draw: Tensor) -> tuple[Tensor, Tensor]:
        """Draw a value after each row of logits (n, V) by inverting its distribution function.

        Inside a bin all levels are equally likely. A missing value is never drawn.

        Args:
            logits: about the next token.
            draw: number in [0, 1) of each row, (n,).

        Returns:
            Tokens (n, 1), and levels (n,).
        """
        bins, width = self.adapter.bins, self.adapter.width
        shares = logits[:, :bins].double().softmax(-1)
        until = shares.cumsum(-1)
        token = (until <= draw[:, None] * until[:, -1:]).sum(-1, keepdim=True).clamp(max=bins - 1)
        share, end = shares.gather(1, token), until.gather(1, token)
        inside = 1 - ((end - draw[:, None] * until[:, -1:]) / share).clamp(0, 1)
        return token, ((token + inside) * width - self.adapter.limit)[:, 0]
