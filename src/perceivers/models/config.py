"""Model configurations as plain data, saved with every model. Imports no torch."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

from typing_extensions import override

from ..data.config import EXAMPLE_TASKS, Task
from ..modalities import (
    ForecastConfig,
    ImageConfig,
    InputConfig,
    OutputConfig,
    SeriesTokensConfig,
    TextStreamConfig,
    modality_of,
)
from ..modalities.config import Range
from .plain import DEFAULTS, check, from_dict, to_dict, with_changes, with_value

__all__ = [
    "DecoderConfig",
    "EncoderConfig",
    "KerasExampleConfig",
    "ModelConfig",
    "PerceiverARConfig",
    "PerceiverARForecastConfig",
    "PerceiverIOClassifierConfig",
    "PerceiverIOConfig",
    "PerceiverVAEConfig",
    "check",
    "from_dict",
    "task_of",
    "to_dict",
    "with_changes",
    "with_value",
]

Layers = Annotated[int, Range(0, 1000)]  # layers are built one by one
Order = tuple[Layers | None, ...]
# Files saved by the first versions have no "kind": all their inputs were images.
DEFAULTS[InputConfig] = ImageConfig


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """An input adapter and a Perceiver: what the configurations of all models have in common."""

    kind: ClassVar[str]
    """Name of this kind of configuration, written to `config.json`."""

    input: InputConfig = field(default_factory=ImageConfig)
    """The input adapter."""
    num_latents: int = 512
    """Number of latents (N)."""
    latent_dim: int = 1024
    """Channels of each latent (D)."""
    cross_order: Order = (0, 1, 1, 1, 1, 1, 1, 1)
    """Index of the cross-attend applied at each step; a repeated index shares its weights; none:
    no cross-attend at this step. As long as block_order."""
    block_order: Order = (0, 0, 0, 0, 0, 0, 0, 0)
    """Index of the block of self-attends applied at each step, after the cross-attend; a repeated
    index shares its weights; none: no block at this step. As long as cross_order."""
    num_layers_per_block: Layers = 6
    """Number of self-attends in each block."""
    num_cross_heads: int = 1
    """Attention heads of each cross-attend."""
    num_self_heads: int = 8
    """Attention heads of each self-attend."""
    qk_dim: int | None = None
    """Total width of the queries and keys over all heads of a cross-attend; none: the smaller of
    latent_dim and the channels of an input element."""
    v_dim: int | None = None
    """Total width of the values over all heads of a cross-attend; none: the same as the queries."""
    self_qk_dim: int | None = None
    """Total width of the queries and keys over all heads of a self-attend; none: latent_dim."""
    self_v_dim: int | None = None
    """Total width of the values over all heads of a self-attend; none: the same as the queries."""
    qkv_bias: bool = True
    """Whether the linear maps to queries, keys and values have biases."""
    attention: Literal["content", "position", "both"] = "both"
    """Term of the attention logits that cross-attends use: the keys' content, their position, or
    the sum of both (the papers)."""
    attention_dropout: float = 0.0
    """Probability of dropping an attention weight in training (the papers: 0)."""
    widening_factor: int = 1
    """Hidden width of each feed-forward layer, as a multiple of latent_dim."""
    activation: Literal["gelu", "geglu"] = "gelu"
    """Activation of each feed-forward layer; geglu is gated: its first linear map is twice as
    wide."""
    dropout: float = 0.0
    """Probability of dropping an output of a feed-forward layer in training (the papers: 0)."""
    latent_std: float = 0.02
    """Standard deviation of the initial latents."""

    @property
    def task(self) -> Task | None:
        """The task that the model is trained for; None: none, it can only be run."""
        return None

    @property
    def num_classes(self) -> int:
        """Number of classes, labels or numbers in an output; 0: it has none."""
        return 0

    def for_labels(self, task: Task, count: int) -> Self:
        """Return the configuration of the same model for the labels of data.

        Args:
            task: the task that the labels are for.
            count: number of classes, labels or numbers.

        Raises:
            ValueError: the model is for another task.
        """
        if self.task != task:
            own = f"is for {self.task}" if self.task else "is for no task that can be trained"
            raise ValueError(
                f"a model of kind {self.kind!r} {own}, but the data is for {task}; give other data "
                "or choose another recipe"
            )
        return dataclasses.replace(self, input=self._input_for_labels(task, count))

    def _input_for_labels(self, task: Task, count: int) -> InputConfig:
        return modality_of(self.input).for_labels(self.input, task, count)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(EncoderConfig):
    """A Perceiver with an input adapter and a head that classifies or predicts numbers.

    Models saved before there were tasks are loaded as classification.
    """

    kind: ClassVar[str] = "perceiver"

    num_classes: int = 1000
    """Number of outputs: classes, labels, or numbers to predict; training takes it from the
    data."""
    task: Task = "classification"
    """Type of the outputs: logits of exclusive classes (classification), logits of independent
    labels (multilabel), or numbers (regression); training takes it from the data."""
    final_norm: bool = False
    """Whether a LayerNorm precedes the average over latents (the paper has none)."""
    pooled_norm: bool = False
    """Whether a LayerNorm follows the average over latents (perceiver-pytorch has one)."""

    @override
    def for_labels(self, task: Task, count: int) -> Self:
        if task not in EXAMPLE_TASKS:
            return super().for_labels(task, count)
        if self.task not in ("classification", task):
            raise ValueError(
                f"model.task={self.task}, but the labels are for {task}; omit it (it follows from "
                f"the data) or set --data.task {self.task}"
            )
        inputs = self._input_for_labels(task, count)
        return dataclasses.replace(self, input=inputs, num_classes=count, task=task)


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The cross-attend from queries to latents; see `perceivers.core.Decoder`."""

    num_heads: int = 1
    """Attention heads."""
    qk_dim: int | None = None
    """Total width of the queries and keys over all heads; none: latent_dim."""
    v_dim: int | None = None
    """Total width of the values over all heads; none: the same as the queries."""
    widening_factor: int = 1
    """Hidden width of the feed-forward layer, as a multiple of the channels of a query."""
    use_query_residual: bool = False
    """Whether a query is added to what it reads."""


@dataclass(frozen=True, kw_only=True)
class PerceiverIOClassifierConfig(ModelConfig):
    """A classifier or regressor with the decoder of Perceiver IO in place of the average.

    See `perceivers.models.perceiver_io.PerceiverIOClassifier`.
    """

    kind: ClassVar[str] = "perceiver-io-classifier"

    cross_order: Order = (0, None, None, None, None, None, None, None)
    decoder: DecoderConfig = field(default_factory=lambda: DecoderConfig(use_query_residual=True))
    """The decoder, which reads the latents with one learned query of latent_dim channels."""


@dataclass(frozen=True, kw_only=True)
class PerceiverIOConfig(EncoderConfig):
    """Perceiver IO with outputs of any modality, one for each query.

    See `perceivers.models.perceiver_io.PerceiverIOModel`.
    """

    kind: ClassVar[str] = "perceiver-io"

    cross_order: Order = (0,)
    block_order: Order = (0,)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    """The decoder, which reads the latents with the queries of the output."""
    output: OutputConfig
    """What is queried, and what the decoded vectors mean."""
    train_queries: int = 0
    """Number of queries of each part of a reconstruction, of pixels of a flow, or of places of a
    solid, that a training step decodes, drawn at random; 0: all. Evaluation decodes all of them, in
    chunks."""

    @property
    @override
    def task(self) -> Task | None:
        return self.output.task

    @property
    @override
    def num_classes(self) -> int:
        return self.output.num_labels

    @override
    def for_labels(self, task: Task, count: int) -> Self:
        fitting = super().for_labels(task, count)
        return dataclasses.replace(fitting, output=self.output.for_labels(count))


@dataclass(frozen=True, kw_only=True)
class PerceiverVAEConfig(PerceiverIOConfig):
    """A Perceiver IO with a bottleneck of normal distributions between encoder and decoder.

    See `perceivers.models.perceiver_vae.PerceiverVAE`.
    """

    kind: ClassVar[str] = "perceiver-vae"

    latents: Literal["learned", "sampled"] = "sampled"
    """What the latents begin with: learned vectors alone (learned), or with a linear map of an
    element added to each, which are spread evenly over the input (sampled)."""
    bottleneck_dim: Annotated[int, Range(1, 2**16)] = 16
    """Channels of the code of each latent, which has num_latents · bottleneck_dim numbers."""
    kl_weight: float = 1e-3
    """Weight in the loss of the Kullback-Leibler divergence of the codes from a standard normal
    distribution, averaged over the numbers of a code."""
    num_decoder_layers: Layers = 6
    """Number of self-attends after the bottleneck; their options are those of the encoder."""


@dataclass(frozen=True, kw_only=True)
class PerceiverARConfig(EncoderConfig):
    """A Perceiver AR that continues texts; see `perceivers.models.perceiver_ar.PerceiverARModel`.

    It has one cross-attend and one block, and heads as wide as all together are `latent_dim`: the
    options of other encoders that say otherwise do not exist.
    """

    kind: ClassVar[str] = "perceiver-ar"

    input: InputConfig = field(default_factory=TextStreamConfig)
    num_latents: int = 512
    """Number of latents (N): the last bytes of a text; those before them are the prefix."""
    latent_dim: int = 512
    """Channels of each latent (D)."""
    num_layers_per_block: Layers = 6
    """Number of self-attends after the cross-attend."""
    num_self_heads: int = 8
    """Attention heads of the cross-attend and of each self-attend."""
    widening_factor: int = 4
    """Hidden width of each feed-forward layer, as a multiple of latent_dim."""
    rotary_fraction: Annotated[float, Range(0, 1)] = 0.5
    """Share of the channels of a head that rotary positions turn."""
    output_norm: bool = True
    """Whether a LayerNorm precedes the logits."""
    prefix_dropout: Annotated[float, Range(0, 1)] = 0.0
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


DEFAULTS[EncoderConfig] = ModelConfig


def task_of(config: EncoderConfig) -> Task:
    """Return the task that a model is trained for.

    Raises:
        ValueError: there is none.
    """
    if config.task is None:
        raise ValueError(
            f"a model of kind {config.kind!r} with these outputs has no task that it could be "
            "trained for"
        )
    return config.task


@dataclass(frozen=True, kw_only=True)
class KerasExampleConfig(ModelConfig):
    """The Perceiver of the Keras example; see `perceivers.models.keras_example.KerasExample`."""

    kind: ClassVar[str] = "keras-example"

    num_classes: int = 100
    input: InputConfig = field(
        default_factory=lambda: ImageConfig(
            image_size=64,
            patch_size=2,
            projection_dim=256,
            position="learned",
            position_dim=256,
            fusion="add",
        )
    )
    num_latents: int = 256
    latent_dim: int = 256
    cross_order: Order = (0, 0)
    block_order: Order = (0, 0)
    num_layers_per_block: Layers = 4
    self_qk_dim: int | None = 2048
    attention_dropout: float = 0.1
    dropout: float = 0.2
    """Probability of dropping an output of a feed-forward layer, and a logit, in training."""
    latent_std: float = 0.05
    head_dim: int = 256
    """Width of the hidden layer of the head."""
