"""What a Perceiver AR has read: keys and values, to which those of later tokens are appended."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .rotary import Rotation

# B batch · P prefix · L keys · H heads · K head_dim

Maps = tuple[Tensor, Tensor | None]  # weight and bias of a linear map

MIN_ROOM = 64  # smallest number of keys that a buffer has room for beyond those that it holds


@dataclass
class _Buffer:
    """Memory for keys and values, of which the first `used` are written."""

    keys: Tensor
    values: Tensor
    used: int

    def has_room(self, start: int, end: int) -> bool:
        """Return whether keys `start` to `end` can be written without changing any others."""
        writable = self.keys.is_inference() == torch.is_inference_mode_enabled()
        return writable and start == self.used and end <= self.keys.shape[2]


@dataclass(frozen=True)
class KeysValues:
    """Keys and values of a layer, to which those of later positions are appended."""

    keys: Tensor
    """(B, H, L, K), already rotated."""
    values: Tensor
    """(B, H, L, K)."""
    buffer: _Buffer | None = None
    """The memory that both are the beginning of; None: they have no room for more."""
    maps: Maps | None = None
    """The weights of the layer that project to queries, keys and values, as one linear map; None:
    they have not been put together yet."""

    def extended(self, keys: Tensor, values: Tensor, maps: Maps | None = None) -> "KeysValues":
        """Return these keys and values and more of them, and the maps; these stay valid.

        Without gradients they are appended in place where the memory behind them is free, so that
        what was read before is not copied for each new position.
        """
        if torch.is_grad_enabled():
            return KeysValues(
                torch.cat([self.keys, keys], dim=2), torch.cat([self.values, values], dim=2)
            )
        start = self.keys.shape[2]
        end = start + keys.shape[2]
        buffer = self.buffer
        if buffer is None or not buffer.has_room(start, end):
            room = end + max(MIN_ROOM, end // 8)
            memory = [x.new_empty(*x.shape[:2], room, x.shape[3]) for x in (keys, values)]
            buffer = _Buffer(memory[0], memory[1], start)
            buffer.keys[:, :, :start], buffer.values[:, :, :start] = self.keys, self.values
        buffer.keys.narrow(2, start, end - start).copy_(keys)
        buffer.values.narrow(2, start, end - start).copy_(values)
        buffer.used = end
        all_keys, all_values = (x.narrow(2, 0, end) for x in (buffer.keys, buffer.values))
        return KeysValues(all_keys, all_values, buffer, maps)


@dataclass(frozen=True)
class ARCache:
    """Keys and values of the tokens that a `PerceiverAR` has read, to continue from there."""

    layers: tuple[KeysValues, ...]
    """Keys and values of each layer; the first layer's are those of the prefix too."""
    length: int
    """Number of tokens read."""
    prefix: int
    """P, number of tokens that are no latents; it stays the same."""
    padding: Tensor | None = None
    """Number of tokens at the beginning of each example that are padding, (B,)."""
    real: Tensor | None = None
    """Boolean (B, L), False where a key of the first layer is of padding; None: nowhere."""
    ahead: tuple[int, Rotation] | None = None
    """A place, and the rotary positions of it and of those after it, some of which are to come."""

    def rotation(self, count: int) -> Rotation | None:
        """Return the rotary positions of the next tokens, or None if they are not known."""
        if self.ahead is None:
            return None
        start, rotation = self.length - self.ahead[0], self.ahead[1]
        usable = torch.is_inference_mode_enabled() or not rotation.cos.is_inference()
        if not usable or start + count > rotation.cos.shape[-2]:
            return None
        return rotation.run(start, start + count)

    def repeated(self, count: int) -> "ARCache":
        """Return a cache of each example `count` times, one after the other, to continue apart."""

        def each(x: Tensor | None) -> Any:
            return None if x is None else x.repeat_interleave(count, dim=0)

        layers = tuple(
            KeysValues(each(layer.keys), each(layer.values), maps=layer.maps)
            for layer in self.layers
        )
        padding, real = each(self.padding), each(self.real)
        return replace(self, layers=layers, padding=padding, real=real, ahead=None)
