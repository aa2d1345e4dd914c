"""What a model costs: parameters and floating-point operations, counted by formula."""

from dataclasses import dataclass

from ..core.layers import attention_widths
from .build import build_on_meta
from .config import ModelConfig

# M inputs · C input_dim · N latents · D latent_dim. A multiply and an add count as two, as in the
# paper; norms, activations and softmax are left out, as there.


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass over one example."""

    num_inputs: int
    """M."""
    num_parameters: int
    """Learned numbers, shared ones counted once."""
    cross_flops: int
    """All cross-attends as run here: a shared one makes its keys and values once."""
    cross_flops_published: int
    """The same if keys and values are made anew at each step, as the paper counts."""
    latent_flops: int
    """All self-attends."""
    head_flops: int
    """The output projection."""

    @property
    def flops(self) -> int:
        """Total as run here."""
        return self.cross_flops + self.latent_flops + self.head_flops

    @property
    def flops_published(self) -> int:
        """Total as the paper counts."""
        return self.cross_flops_published + self.latent_flops + self.head_flops


def cost(config: ModelConfig, num_inputs: int | None = None) -> Cost:
    """Parameters and FLOPs of a configuration.

    Args:
        config: the model.
        num_inputs: M, elements of an example; None: what the configured input size gives.
    """
    model = build_on_meta(config)
    if num_inputs is None:
        num_inputs = model.adapter.num_inputs
    if num_inputs < 1:
        raise ValueError(f"inputs={num_inputs}; expected at least one element")
    n, d = config.num_latents, config.latent_dim
    feed_forward = 4 * n * d * d * config.widening_factor
    qk, v = attention_widths(min(d, model.adapter.dim), config.qk_dim, config.v_dim)
    keys_values = 2 * num_inputs * model.adapter.dim * (qk + v)
    other = 2 * n * (num_inputs + d) * (qk + v) + feed_forward
    steps = [index for index in config.cross_order if index is not None]
    self_attend = 8 * n * d * d + 4 * n * n * d + feed_forward
    blocks = sum(index is not None for index in config.block_order)
    return Cost(
        num_inputs=num_inputs,
        num_parameters=sum(p.numel() for p in model.parameters()),
        cross_flops=len(steps) * other + len(set(steps)) * keys_values,
        cross_flops_published=len(steps) * (other + keys_values),
        latent_flops=blocks * config.num_layers_per_block * self_attend,
        head_flops=2 * d * config.num_classes,
    )
