"""The adapter of texts that are continued: elements are ids, which the model embeds itself."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from typing_extensions import override

from ...core import Inputs
from ..adapter import Adapter, check_examples
from .decode import NUM_IDS, OFFSET, PAD

# B batch · S bytes


class TextStreamAdapter(Adapter):
    """Give the ids of bytes as elements without embeddings, for a model that continues texts.

    A raw batch holds ids (B, S), as `TextAdapter` takes them. Padding may stand before a text or
    behind it. The elements of each text are moved to the end, so that all texts end at the same
    place, and padding is masked.

    Args:
        max_length: maximum number of bytes of a text.
    """

    def __init__(self, *, max_length: int = 1024) -> None:
        super().__init__()
        if max_length < 2:
            raise ValueError(f"max_length={max_length}; expected at least 2 bytes")
        self.max_length = max_length

    @property
    @override
    def dim(self) -> int:
        """1: the content of an element is the value of its byte."""
        return 1

    @property
    @override
    def num_inputs(self) -> int:
        return self.max_length

    @override
    def elements(self, ids: Tensor) -> Inputs:
        """Return bytes as elements.

        Args:
            ids: ids (B, S), whole numbers, with S up to `max_length`.

        Returns:
            `Inputs` whose content (B, S, 1), int64, is the value of each byte (0 at padding).

        Raises:
            ValueError: another shape or dtype, too many bytes, ids that are no bytes, padding
                between bytes, or a text without a byte.
        """
        if ids.ndim != 2 or ids.is_floating_point() or not ids.numel():
            raise ValueError(
                f"text batch is {ids.dtype} of shape {tuple(ids.shape)}; expected int64 ids "
                "(batch, bytes), as perceivers.modalities.text.decode.encode returns them"
            )
        length = ids.shape[1]
        if length > self.max_length:
            raise ValueError(
                f"text batch is {length} bytes long; this model reads up to {self.max_length} at "
                "once: leave out the oldest"
            )
        real = ids != PAD
        behind = real.flip(1).int().argmax(dim=1, keepdim=True)  # padding behind each text
        places = (torch.arange(length, device=ids.device) - behind) % length
        ids, real = ids.gather(1, places), real.gather(1, places)
        if ids.device.type == "cpu" and not torch.compiler.is_compiling():
            _check(ids, real)
        content = torch.where(real, ids.long() - OFFSET, 0)
        return Inputs(content[..., None], mask=real)

    @override
    def elements_of_each(self, examples: Sequence[Tensor]) -> Inputs:
        """Return the bytes of texts of different lengths, (S,) each, padded to the longest."""
        check_examples(examples)
        if shape := next((tuple(ids.shape) for ids in examples if ids.ndim != 1), None):
            raise ValueError(f"a text in the list has shape {shape}; expected ids (bytes,)")
        return self.elements(pad_sequence(list(examples), batch_first=True, padding_value=PAD))


def _check(ids: Tensor, real: Tensor) -> None:
    """Raise a ValueError unless ids are bytes with nothing but padding before them."""
    bytes_ = ids[real]
    if bytes_.numel() and (int(bytes_.min()) < OFFSET or int(bytes_.max()) >= NUM_IDS):
        raise ValueError(
            f"text batch has ids from {int(bytes_.min())} to {int(bytes_.max())}; expected {PAD} "
            f"for padding and {OFFSET} to {NUM_IDS - 1} for bytes"
        )
    if not real[:, -1].all():
        raise ValueError("text batch has a text without a byte; expected at least one")
    if (real[:, :-1] & ~real[:, 1:]).any():
        raise ValueError(
            "text batch has padding between bytes; expected it before or behind a text"
        )
