"""What all models have in common: an adapter, and a Perceiver that encodes to latents."""

import dataclasses
import inspect
from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from ..core import Inputs, LayerOptions, Perceiver
from ..modalities import build_adapter
from ..modalities.adapter import Adapter
from .config import EncoderConfig

# Options of the core that a configuration has as fields of the same name.
CORE_OPTIONS = tuple(
    name
    for name in inspect.signature(Perceiver).parameters
    if name in EncoderConfig.__dataclass_fields__
)

# Options that all layers of a model have in common.
SHARED_OPTIONS = ("qkv_bias", "attention_dropout", "widening_factor", "activation", "dropout")


def layer_options(config: EncoderConfig, **own: Any) -> LayerOptions:
    """Return the options of a layer: those that it shares with the encoder, and its own.

    Args:
        config: configuration of the model.
        **own: heads and widths, and whatever else the layer does not share.
    """
    return LayerOptions(**({name: getattr(config, name) for name in SHARED_OPTIONS} | own))


class PerceiverModel(nn.Module, ABC):
    """An adapter and a Perceiver, with whatever a subclass makes of the latents.

    Args:
        config: configuration of the model; it is saved with the weights.
        labels: names of the outputs in their order; empty if outputs have no names.
        adapter: an adapter of your own in place of the one that `config.input` describes.

    Raises:
        ValueError: `adapter` is not an `Adapter`.
    """

    def __init__(
        self, config: EncoderConfig, labels: tuple[str, ...] = (), *, adapter: Adapter | None = None
    ) -> None:
        super().__init__()
        if adapter is not None and not isinstance(adapter, Adapter):
            raise ValueError(
                f"adapter is a {type(adapter).__name__}; expected an instance of a subclass of "
                "perceivers.Adapter"
            )
        self.config = config
        self.labels = labels
        self.adapter = adapter or build_adapter(config.input)
        self.perceiver: Any = self.build_perceiver()

    def build_perceiver(self) -> nn.Module:
        """Build the part of the core between the adapter and the outputs."""
        options: dict[str, Any] = {name: getattr(self.config, name) for name in CORE_OPTIONS}
        return Perceiver(self.adapter.dim, **options)

    def encode(self, x: Any, mask: Tensor | None = None) -> Tensor:
        """Encode a raw batch to latents (B, N, D), as the last block leaves them.

        Args:
            x: raw batch of the adapter's modality.
            mask: boolean (B, M), True = attend. None: every element. Elements that the adapter
                masks, such as those of a missing modality, stay masked.
        """
        return self.perceiver(self.elements(x, mask))

    @property
    def encoder(self) -> list[nn.Module]:
        """The modules that turn a raw batch into what the outputs are made of."""
        return [self.adapter, self.perceiver]

    @abstractmethod
    def respond(self, inputs: Inputs) -> Any:
        """Compute the outputs for elements; `forward` is this after `elements`."""

    def elements(self, x: Any, mask: Tensor | None = None) -> Inputs:
        """Turn a raw batch into elements; the arguments are those of `encode`."""
        inputs: Inputs = self.adapter(x)
        if mask is None:
            return inputs
        return dataclasses.replace(inputs, mask=mask if inputs.mask is None else mask & inputs.mask)
