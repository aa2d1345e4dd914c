"""Masked text filled with the bytes that a language model finds most probable."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from ..exported import device_of
from ..modalities import TextConfig, TextOutputConfig
from ..modalities.files import PathOrBytes
from ..modalities.text.decode import MASK, NUM_IDS, OFFSET, decode, encode
from ..models.config import PerceiverIOConfig
from .answers import Answer, Answerer, Model
from .formatting import finite

# A mask in a text: one byte, or as many as the number says.
MASKS = re.compile(r"\[MASK(?::(\d+))?\]")


@dataclass(frozen=True)
class Filled:
    """A text whose masks were filled."""

    text: str
    """The whole text; bytes that are not UTF-8 are replaced by �."""
    spans: tuple[str, ...]
    """What stands in the place of each mask."""
    probabilities: tuple[float, ...]
    """Probability of the bytes of each mask, the product of those of its bytes."""


class FilledAnswerer(Answerer):
    """Fills the masks of texts; see `fill_masks`."""

    writes_files = False
    hint = "[MASK] stands for a byte to be found, [MASK:9] for nine."

    @property
    @override
    def takes_texts(self) -> bool:
        return True

    @override
    def check(self) -> None:
        if not isinstance(self.model.config.input, TextConfig):
            raise ValueError(
                f"the model reads inputs of kind {self.model.config.input.kind!r}, whose masks "
                "cannot be written; pass tensors: perceivers.load(…)(batch)"
            )

    @override
    def read(self, source: PathOrBytes) -> str:
        return decode(source)

    @override
    def answer(self, example: str) -> Answer:
        [filled] = fill_masks(self.model, [example])
        spans = zip(filled.spans, filled.probabilities, strict=True)
        lines = [filled.text, *(f"  {span!r} {probability:.1%}" for span, probability in spans)]
        return Answer("\n".join(lines), vars(filled))


@torch.inference_mode()
def fill_masks(model: Model, texts: Sequence[str]) -> list[Filled]:
    """Fill the masks of texts with the most probable bytes, all at once.

    Args:
        model: a language model, such as hf://deepmind/language-perceiver, or what it was
            exported to.
        texts: each with masks: "[MASK]" stands for one byte, "[MASK:9]" for nine. The published
            model does better if a mask begins with the space before a word.

    Raises:
        ValueError: the model has other outputs, a text has no mask, or it is too long.
    """
    config = model.config
    output = config.output if isinstance(config, PerceiverIOConfig) else None
    if not isinstance(output, TextOutputConfig) or not isinstance(config.input, TextConfig):
        raise ValueError(f"the model is of kind {config.kind!r}; expected a language model")
    if isinstance(texts, str):
        raise ValueError("got a single text; expected a list of texts, such as [text]")
    return [_fill(model, text, config.input.max_length) for text in texts]


def _fill(model: Model, text: str, max_length: int) -> Filled:
    ids, spans = masked_ids(text)
    if not spans:
        raise ValueError(f"{text[:40]!r} has no mask; write [MASK] for a byte, [MASK:9] for nine")
    if len(ids) > max_length:
        raise ValueError(
            f"{text[:40]!r}… has {len(ids):,} bytes; this model reads up to {max_length:,}: cut it"
        )
    batch = ids[None].to(device_of(model))
    # Of the ids, those of bytes alone can stand in a text.
    chances = finite(model(batch)[0, :, OFFSET:].float()).softmax(-1).cpu()
    best, found = chances.max(-1)
    filled = ids.clone()
    for start, stop in spans:
        filled[start:stop] = found[start:stop] + OFFSET
    return Filled(
        _text(filled),
        tuple(_text(filled[start:stop]) for start, stop in spans),
        tuple(best[start:stop].prod().item() for start, stop in spans),
    )


def masked_ids(text: str) -> tuple[Tensor, list[tuple[int, int]]]:
    """Return the ids of a text (L,), and the first and the last place, plus 1, of each mask."""
    parts: list[Tensor] = []
    spans, length, end = [], 0, 0
    for match in [*MASKS.finditer(text), None]:
        plain = text[end : match.start() if match else None]
        if plain:
            parts.append(encode([plain], max_length=4 * len(plain))[0])
            length += len(parts[-1])
        if match:
            count = int(match[1] or 1)
            parts.append(torch.full((count,), MASK))
            spans.append((length, length + count))
            length, end = length + count, match.end()
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64), spans


def _text(ids: Tensor) -> str:
    values = [value - OFFSET for value in ids.tolist() if OFFSET <= value < NUM_IDS]
    return bytes(values).decode(errors="replace")
