"""Model configurations as plain data, saved with every model. Imports no torch."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Self

from typing_extensions import override

from ..data.config import EXAMPLE_TASKS, Task
from ..modalities import ImageConfig, InputConfig, OutputConfig
from ..modalities.config import Count, Proportion, Range
from .encoder_config import EncoderConfig, Layers, Order, task_of
from .perceiver_ar_config import PerceiverARConfig, PerceiverARForecastConfig
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

    num_heads: Count = 1
    """Attention heads."""
    qk_dim: Count | None = None
    """Total width of the queries and keys over all heads; none: latent_dim."""
    v_dim: Count | None = None
    """Total width of the values over all heads; none: the same as the queries."""
    widening_factor: Count = 1
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


DEFAULTS[EncoderConfig] = ModelConfig


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
    num_latents: Count = 256
    latent_dim: Count = 256
    cross_order: Order = (0, 0)
    block_order: Order = (0, 0)
    num_layers_per_block: Layers = 4
    self_qk_dim: Count | None = 2048
    attention_dropout: Proportion = 0.1
    dropout: Proportion = 0.2
    """Probability of dropping an output of a feed-forward layer, and a logit, in training."""
    latent_std: float = 0.05
    head_dim: Count = 256
    """Width of the hidden layer of the head."""
    attention_fans: Literal["dense", "convolution"] = "dense"
    """How the fans of the matrices of self-attends are counted when they are initialised: those of
    all heads together, as in Keras 3.15, or those of a convolution, as in Keras 2 to 3.3."""
