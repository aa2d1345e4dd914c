"""The text adapter: one element per byte, with learned embeddings and positions."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from typing_extensions import override

from ...core import Inputs, LearnedPosition
from ...core.dropout import Dropout
from ...core.init import trunc_normal
from ..adapter import Adapter, check_examples
from .decode import NUM_IDS, PAD
from .ngrams import NgramEmbedding
from .ratios import LogCountRatios
from .regression import NgramRegression

# B batch · L bytes of the longest text · C content channels · P position channels

EMBEDDING_STD = 0.02  # same as the positions
ID_TYPES = (torch.int64, torch.int32, torch.int16)


class TextAdapter(Adapter):
    """Embed the bytes of texts as `Inputs` with one element per byte.

    A raw batch holds the ids (B, L) that `encode` in `modalities.text.decode` returns. Each id has
    a learned embedding and each place in a text has a learned position. Padding (id 0) is masked:
    the output for a text does not depend on the other texts of its batch, and all elements of an
    empty text are masked. The ids and default sizes are those of Perceiver IO on bytes (arXiv
    2107.14795, §4.1; 262 ids, 2,048 positions and 768 channels in
    https://huggingface.co/deepmind/language-perceiver).

    A single byte carries little meaning, and a small model trained on few texts does not learn to
    combine bytes into words. With `ngrams`, embeddings of the n-grams that end at a byte are added
    to its own embedding; see `NgramEmbedding`.

    Args:
        max_length: maximum number of bytes of a text, which is the number of positions.
        embedding_dim: C, number of channels of the embedding of a byte.
        position_dim: P, number of channels of a position; None: `embedding_dim`.
        fusion: how embedding and position are combined; "add" (the paper) needs C = P.
        ngrams: sizes of the n-grams that have an embedding too, in bytes; empty: no n-grams.
        ngram_rows: number of rows of the embedding table of each n-gram size.
        ratio_ngrams: sizes in bytes of the n-grams whose log-count ratios are read too.
        ratio_words: sizes in words of the n-grams whose log-count ratios are read too.
        ratio_rows: number of rows of the counts of each of these kinds of n-grams; None: 262,144,
            or as many as 34 MB hold if there are many classes.
        ratio_classes: number of classes that are counted.
        linear: "logistic": a linear model of the same n-grams is read too; see `NgramRegression`.
        dropout: fraction of the channels of the embeddings that are dropped in training.

    Raises:
        ValueError: a size below 1, different C and P with fusion "add", invalid n-grams, or a
            linear model of none.
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
        ratio_ngrams: Sequence[int] = (),
        ratio_words: Sequence[int] = (),
        ratio_rows: int | None = None,
        ratio_classes: int = 2,
        linear: Literal["none", "logistic"] = "none",
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
                f"position_dim={position_dim} differs from embedding_dim={embedding_dim}, and "
                "fusion='add' needs them equal; leave position_dim out or use fusion='concatenate'"
            )
        self.max_length, self.fusion = max_length, fusion
        self.embedding = nn.Embedding(NUM_IDS, embedding_dim)
        trunc_normal(self.embedding.weight, EMBEDDING_STD)
        self.ngrams: NgramEmbedding | None = None
        if ngrams:
            self.ngrams = NgramEmbedding(
                ngrams, rows=ngram_rows, dim=embedding_dim, std=EMBEDDING_STD
            )
        self.ratios: LogCountRatios | None = None
        if ratio_ngrams or ratio_words:
            self.ratios = LogCountRatios(
                ratio_ngrams,
                ratio_words,
                rows=ratio_rows,
                num_classes=ratio_classes,
                dim=embedding_dim,
            )
        self.regression: NgramRegression | None = None
        if linear == "logistic":
            if self.ratios is None:
                raise ValueError(
                    "linear='logistic' is a model of the n-grams that ratio_ngrams and ratio_words "
                    "name, and both are empty"
                )
            self.regression = NgramRegression(
                ratio_ngrams, ratio_words, num_classes=ratio_classes, dim=embedding_dim
            )
        self.dropout = Dropout(dropout)
        self.position = LearnedPosition(max_length, position_dim)

    @property
    @override
    def dim(self) -> int:
        """Number of channels of an element: C with fusion "add", C + P with "concatenate"."""
        content_dim = self.embedding.embedding_dim
        return content_dim if self.fusion == "add" else content_dim + self.position.dim

    @property
    @override
    def position_dim(self) -> int:
        return self.position.dim

    @property
    @override
    def num_inputs(self) -> int:
        """Number of elements of the longest text: `max_length`."""
        return self.max_length

    @override
    def weights_from(self, other: Adapter) -> dict[str, Tensor]:
        """Return those of another adapter of texts; positions beyond its last start anew."""
        weights = super().weights_from(other)
        if not isinstance(other, TextAdapter):
            return weights
        if self.ngrams and other.ngrams and self.ngrams.sizes != other.ngrams.sizes:
            weights.pop("ngrams.table.weight", None)
        if self.ratios and other.ratios and self.ratios.kinds != other.ratios.kinds:
            weights.pop("ratios.projection.weight", None)
        if other.position.dim == self.position.dim:
            known = min(other.max_length, self.max_length)
            weight = self.position.weight.detach().clone()
            weight[:known] = other.position.weight.detach()[:known]
            weights["position.weight"] = weight
        return weights

    @override
    def count(self, batch: Tensor, targets: Tensor) -> None:
        if self.ratios is not None:
            self.ratios.count(batch, targets)
        if self.regression is not None:
            self.regression.count(batch, targets)

    @override
    def evidence(self, batch: Tensor | Sequence[Tensor]) -> Tensor | None:
        return None if self.regression is None else self.regression.evidence(_side_by_side(batch))

    @override
    def mask_elements(self, batch: Tensor | Sequence[Tensor], masks: Tensor) -> Inputs:
        """Return copies of a text, each with some of its bytes replaced by padding."""
        return self.elements(torch.where(masks, _side_by_side(batch), PAD))

    @override
    def set_normalisation(self, mean: Any, std: Any) -> None:
        """Raise a `ValueError`: ids are looked up in a table and need no normalisation."""
        raise ValueError("text has no normalising constants; do not set them")

    @override
    def elements(self, ids: Tensor) -> Inputs:
        """Embed texts side by side.

        Args:
            ids: ids (B, L), int64, int32 or int16, with L up to `max_length`.

        Returns:
            `Inputs` of L elements, with a mask that is False at padding.

        Raises:
            ValueError: another shape or dtype, more than `max_length` bytes, or ids out of range.
                Ids are only checked on CPU: on other devices the check would have to wait for the
                device.
        """
        self._check_ids(ids)
        ids = ids.int() if ids.dtype == torch.int16 else ids  # as readers give them
        content = self.embedding(ids)
        if self.ngrams is not None:
            content = content + self.ngrams(ids)
        if self.ratios is not None:
            content = content + self.ratios(ids)
        if self.regression is not None:
            content = content + self.regression(ids)
        position = self.position()[:, : ids.shape[1]]
        return Inputs(self.dropout(content), position, ids != PAD, fusion=self.fusion)

    @override
    def elements_of_each(self, examples: Sequence[Tensor]) -> Inputs:
        """Pad texts of different lengths to the longest and embed them side by side.

        Args:
            examples: the ids of each text, (L,).

        Raises:
            ValueError: an empty list, an entry that is not a tensor (L,), or as in `elements`.
        """
        check_examples(examples)
        if shape := next((tuple(ids.shape) for ids in examples if ids.ndim != 1), None):
            raise ValueError(f"a text in the list has shape {shape}; expected ids (bytes,)")
        return self.elements(_side_by_side(examples))

    def _check_ids(self, ids: Tensor) -> None:
        """Raise a `ValueError` unless `elements` can embed the ids."""
        if ids.ndim != 2 or ids.dtype not in ID_TYPES:
            raise ValueError(
                f"text batch is {ids.dtype} of shape {tuple(ids.shape)}; expected int64 ids "
                "(batch, bytes), as perceivers.modalities.text.decode.encode returns them"
            )
        length = ids.shape[1]
        if length > self.max_length:
            raise ValueError(
                f"text batch is {length} bytes long; this model reads up to {self.max_length}: cut "
                f"the texts, as encode(texts, max_length={self.max_length}) does"
            )
        if ids.device.type == "cpu" and not torch.compiler.is_compiling() and ids.numel():
            low, high = (int(x) for x in torch.aminmax(ids))
            if low < 0 or high >= NUM_IDS:
                raise ValueError(
                    f"text batch has ids from {low} to {high}; expected {PAD} to {NUM_IDS - 1}"
                )


def _side_by_side(texts: Tensor | Sequence[Tensor]) -> Tensor:
    """Return ids (B, L) of texts, padded to the longest if they are a list."""
    if isinstance(texts, Tensor):
        return texts
    return pad_sequence(list(texts), batch_first=True, padding_value=PAD)
