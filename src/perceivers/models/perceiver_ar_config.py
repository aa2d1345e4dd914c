"""Configurations of Perceiver AR, for texts and for time series. Imports no torch."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self

from typing_extensions import override

from ..data.config import Task
from ..modalities import ForecastConfig, InputConfig, SeriesTokensConfig, TextStreamConfig
from ..modalities.config import Count, Proportion, Range
from .encoder_config import EncoderConfig, Layers, Order


@dataclass(frozen=True, kw_only=True)
class PerceiverARConfig(EncoderConfig):
    """A Perceiver AR that continues texts; see `perceivers.models.perceiver_ar.PerceiverARModel`.

    It has one cross-attend and one block, and heads as wide as all together are `latent_dim`: the
    options of other encoders that say otherwise do not exist.
    """

    kind: ClassVar[str] = "perceiver-ar"

    input: InputConfig = field(default_factory=TextStreamConfig)
    num_latents: Count = 512
    """Number of latents (N): the last bytes of a text; those before them are the prefix."""
    latent_dim: Count = 512
    """Channels of each latent (D)."""
    num_layers_per_block: Layers = 6
    """Number of self-attends after the cross-attend."""
    num_self_heads: Count = 8
    """Attention heads of the cross-attend and of each self-attend."""
    widening_factor: Count = 4
    """Hidden width of each feed-forward layer, as a multiple of latent_dim."""
    rotary_fraction: Proportion = 0.5
    """Share of the channels of a head that rotary positions turn."""
    output_norm: bool = True
    """Whether a LayerNorm precedes the logits."""
    prefix_dropout: Proportion = 0.0
    """Share of the prefix that is left out in training, at random for each example."""

    cross_order: ClassVar[Order] = (0,)  # type: ignore[misc]
    block_order: ClassVar[Order] = (0,)  # type: ignore[misc]
    num_cross_heads: ClassVar[int]  # type: ignore[misc]
    qk_dim: ClassVar[int | None]  # type: ignore[misc]
    v_dim: ClassVar[int | None]  # type: ignore[misc]
    self_qk_dim: ClassVar[int | None]  # type: ignore[misc]
    self_v_dim: ClassVar[int | None]  # type: ignore[misc]
    qkv_bias: ClassVar[bool]  # type: ignore[misc]
    attention: ClassVar[Any]  # type: ignore[misc]
    attention_dropout: ClassVar[float]  # type: ignore[misc]
    latent_std: ClassVar[float]  # type: ignore[misc]

    @property
    @override
    def task(self) -> Task | None:
        return "language"


@dataclass(frozen=True, kw_only=True)
class PerceiverARForecastConfig(PerceiverARConfig):
    """A Perceiver AR that continues time series.

    See `perceivers.models.perceiver_ar_forecast.PerceiverARForecaster`.
    """

    kind: ClassVar[str] = "perceiver-ar-forecast"

    input: InputConfig = field(default_factory=SeriesTokensConfig)
    output: ForecastConfig = field(default_factory=ForecastConfig)
    """Which channels are forecast, and the season of the naive forecast that scores refer to."""
    paths: Annotated[int, Range(2, 2**14)] = 100
    """Number of continuations that are drawn for a forecast, which is their median."""
    path_seed: Annotated[int, Range(-(2**63), 2**63 - 1)] = 0
    """Random seed of the continuations, the same for each example."""

    @property
    @override
    def task(self) -> Task | None:
        return self.output.task

    @override
    def for_labels(self, task: Task, count: int) -> Self:
        fitting = super().for_labels(task, count)
        return dataclasses.replace(fitting, output=self.output.for_labels(count))
