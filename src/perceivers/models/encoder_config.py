"""What the configurations of all models have in common. Imports no torch."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Self

from ..data.config import Task
from ..modalities import ImageConfig, InputConfig, modality_of
from ..modalities.config import Count, Proportion, Range
from .plain import DEFAULTS

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
    num_latents: Count = 512
    """Number of latents (N)."""
    latent_dim: Count = 1024
    """Channels of each latent (D)."""
    cross_order: Order = (0, 1, 1, 1, 1, 1, 1, 1)
    """Index of the cross-attend applied at each step; a repeated index shares its weights; none:
    no cross-attend at this step. As long as block_order."""
    block_order: Order = (0, 0, 0, 0, 0, 0, 0, 0)
    """Index of the block of self-attends applied at each step, after the cross-attend; a repeated
    index shares its weights; none: no block at this step. As long as cross_order."""
    num_layers_per_block: Layers = 6
    """Number of self-attends in each block."""
    num_cross_heads: Count = 1
    """Attention heads of each cross-attend."""
    num_self_heads: Count = 8
    """Attention heads of each self-attend."""
    qk_dim: Count | None = None
    """Total width of the queries and keys over all heads of a cross-attend; none: the smaller of
    latent_dim and the channels of an input element."""
    v_dim: Count | None = None
    """Total width of the values over all heads of a cross-attend; none: the same as the queries."""
    self_qk_dim: Count | None = None
    """Total width of the queries and keys over all heads of a self-attend; none: latent_dim."""
    self_v_dim: Count | None = None
    """Total width of the values over all heads of a self-attend; none: the same as the queries."""
    qkv_bias: bool = True
    """Whether the linear maps to queries, keys and values have biases."""
    attention: Literal["content", "position", "both"] = "both"
    """Term of the attention logits that cross-attends use: the keys' content, their position, or
    the sum of both (the papers)."""
    attention_dropout: Proportion = 0.0
    """Probability of dropping an attention weight in training (the papers: 0)."""
    widening_factor: Count = 1
    """Hidden width of each feed-forward layer, as a multiple of latent_dim."""
    activation: Literal["gelu", "geglu"] = "gelu"
    """Activation of each feed-forward layer; geglu is gated: its first linear map is twice as
    wide."""
    dropout: Proportion = 0.0
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
