"""Text to elements: one a byte, with learned positions."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ...core import Inputs, LearnedPosition
from ...core.init import trunc_normal
from ..adapter import Adapter, check_examples
from .decode import NUM_IDS, PAD
from .ngrams import NgramEmbedding

# B batch · L bytes of the longest text · C content channels · P position channels

EMBEDDING_STD = 0.02  # as the positions


class TextAdapter(Adapter):
    """Ids of bytes (B, L), as `data.text.encode` gives them → `Inputs` of one element a byte.

    An id has a learned embedding, a place in the text a learned position. Padding, id 0, is masked:
    a text reads the same in any batch, and an empty one is read as nothing. The ids and defaults
    are those of Perceiver IO on bytes (arXiv 2107.14795, §4.1; 262 ids, 2,048 positions and 768
    channels in https://huggingface.co/deepmind/language-perceiver).

    Bytes mean little by themselves, and a small model of few texts does not learn to spell: with
    `ngrams`, what ends at a byte is added to its embedding; see `NgramEmbedding`.

    Args:
        max_length: positions there are: bytes of a text at most.
        embedding_dim: C, channels of the embedding of a byte.
        position_dim: P; None: `embedding_dim`.
        fusion: how embedding and position go together; to "add" (the paper), both have equally many
            channels.
        ngrams: lengths of the runs of bytes that have an embedding too; none: bytes alone.
        ngram_rows: of the table of each length.
        dropout: share of the channels of an embedding that are dropped in training.

    Raises:
        ValueError: channels that cannot be added, or n-grams that are none; in `elements`, what are
            no ids, or longer texts.
    """

    def __init__(
        self,
        *,
        max_length: int = 2048,
        embedding_dim: int = 768,
        position_dim: int | None = None,
        fusion: Literal["concatenate", "add"] = "add",
        ngrams: Sequence[int] = (),
        ngram_rows: int = 32_768,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        position_dim = embedding_dim if position_dim is None else position_dim
        sizes = {"max_length": max_length, "embedding_dim": embedding_dim}
        for name, size in {**sizes, "position_dim": position_dim}.items():
            if size < 1:
                raise ValueError(f"{name}={size}; expected at least 1")
        if fusion == "add" and position_dim != embedding_dim:
            raise ValueError(
                f"fusion='add' adds positions of {position_dim} channels to embeddings of "
                f"{embedding_dim}; leave position_dim out or use fusion='concatenate'"
            )
        self.max_length, self.fusion = max_length, fusion
        self.embedding = nn.Embedding(NUM_IDS, embedding_dim)
        trunc_normal(self.embedding.weight, EMBEDDING_STD)
        self.ngrams: NgramEmbedding | None = None
        if ngrams:
            self.ngrams = NgramEmbedding(
                ngrams, rows=ngram_rows, dim=embedding_dim, pad=PAD, std=EMBEDDING_STD
            )
        self.dropout = nn.Dropout(dropout)
        self.position = LearnedPosition(max_length, position_dim)

    @property
    def dim(self) -> int:
        """C, or C + P side by side."""
        content_dim = self.embedding.embedding_dim
        return content_dim if self.fusion == "add" else content_dim + self.position.dim

    @property
    def num_inputs(self) -> int:
        """`max_length`."""
        return self.max_length

    def set_normalisation(self, mean: Any, std: Any) -> None:
        """ValueError: ids are looked up, there is nothing to normalise."""
        raise ValueError("text has no normalising constants; leave it out")

    def elements(self, ids: Tensor) -> Inputs:
        """Ids (B, L), int64 or int32, L up to `max_length` → L elements under a mask.

        Ids out of range are an error on CPU; elsewhere looking would keep the device waiting.
        """
        if ids.ndim != 2 or ids.dtype not in (torch.int64, torch.int32):
            raise ValueError(
                f"text batch is {ids.dtype} of shape {tuple(ids.shape)}; expected int64 ids "
                "(batch, bytes): make them of texts with perceivers.modalities.text.decode.encode"
            )
        length = ids.shape[1]
        if length > self.max_length:
            raise ValueError(
                f"text of {length} bytes; this model reads up to {self.max_length}: cut it, as "
                f"encode(texts, max_length={self.max_length}) does"
            )
        if ids.device.type == "cpu" and not torch.compiler.is_compiling() and ids.numel():
            low, high = (int(x) for x in torch.aminmax(ids))
            if low < 0 or high >= NUM_IDS:
                raise ValueError(
                    f"text batch has ids from {low} to {high}; expected {PAD} to {NUM_IDS - 1}"
                )
        content = self.embedding(ids)
        if self.ngrams is not None:
            content = content + self.ngrams(ids)
        position = self.position()[:, :length]
        return Inputs(self.dropout(content), position, ids != PAD, fusion=self.fusion)

    def elements_of_each(self, examples: Sequence[Tensor]) -> Inputs:
        """See `Adapter`: texts (L,), filled up with padding; they share the positions."""
        check_examples(examples)
        if odd := next((tuple(ids.shape) for ids in examples if ids.ndim != 1), None):
            raise ValueError(f"a text of a list has shape {odd}; expected ids (bytes,)")
        return self.elements(pad_sequence(list(examples), batch_first=True, padding_value=PAD))
