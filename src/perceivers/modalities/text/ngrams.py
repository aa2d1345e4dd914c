"""Learned embeddings of the n-grams of bytes that end at each byte of a text."""

from collections.abc import Sequence

from torch import Tensor, nn
from typing_extensions import override

from ...core.init import trunc_normal
from .hashing import byte_ngrams

# B batch · L bytes · C channels


class NgramEmbedding(nn.Module):
    """Embed the n-grams that end at each byte of a text and add up those of all sizes n.

    There are too many different n-grams for each to have its own row of an embedding table. A hash
    assigns every n-gram to one of `rows` rows, so that some n-grams share a row (arXiv 2412.09871,
    §3.2.1, hash n-gram embeddings, there with 3 to 8 bytes). No n-gram ends at the first n - 1
    bytes of a text, and none contains padding.

    Args:
        sizes: the sizes n of the n-grams, in bytes; distinct and at least 2.
        rows: number of rows of the embedding table of each size.
        dim: C, number of channels of an embedding.
        std: standard deviation of the initial embeddings, which are drawn from a normal
            distribution truncated at two standard deviations.

    Raises:
        ValueError: a size below 2, a repeated size, or `rows` below 1.
    """

    def __init__(self, sizes: Sequence[int], *, rows: int, dim: int, std: float) -> None:
        super().__init__()
        if min(sizes, default=2) < 2 or len(set(sizes)) < len(sizes) or rows < 1:
            raise ValueError(
                f"ngrams={tuple(sizes)}, ngram_rows={rows}; expected distinct sizes of at least 2 "
                "bytes, and at least 1 row"
            )
        self.sizes, self.rows = tuple(sizes), rows
        self.table = nn.Embedding(len(self.sizes) * rows, dim)
        trunc_normal(self.table.weight, std)

    @override
    def forward(self, ids: Tensor) -> Tensor:
        """Return the sum of the embeddings of the n-grams that end at each byte.

        Args:
            ids: ids of bytes (B, L), integers.

        Returns:
            The sums (B, L, C); zero where no n-gram ends.
        """
        total = self.table.weight.new_zeros(*ids.shape, self.table.embedding_dim)
        for index, (code, present) in enumerate(byte_ngrams(ids, self.sizes)):
            embeddings = self.table(index * self.rows + code % self.rows)
            total = total + embeddings.masked_fill(~present[..., None], 0.0)
        return total
