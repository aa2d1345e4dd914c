"""Learned embeddings of the n-grams of bytes that end at each byte of a text."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from ...core.init import trunc_normal

# B batch · L bytes · C channels

# An n-gram is hashed as the number whose digits to the base BASE are its ids, modulo PRIME. BASE is
# larger than all ids, and no intermediate product exceeds 2^63.
BASE, PRIME = 1_000_003, 2_147_483_647


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
        pad: id of padding.
        std: standard deviation of the initial embeddings, which are drawn from a normal
            distribution truncated at two standard deviations.

    Raises:
        ValueError: a size below 2, a repeated size, or `rows` below 1.
    """

    def __init__(self, sizes: Sequence[int], *, rows: int, dim: int, pad: int, std: float) -> None:
        super().__init__()
        if min(sizes, default=2) < 2 or len(set(sizes)) < len(sizes) or rows < 1:
            raise ValueError(
                f"ngrams={tuple(sizes)}, ngram_rows={rows}; expected distinct sizes of at least 2 "
                "bytes, and at least 1 row"
            )
        self.sizes, self.rows, self.pad = tuple(sizes), rows, pad
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
        for index, (rows, present) in enumerate(self._ngram_rows(ids)):
            embeddings = self.table(index * self.rows + rows)
            total = total + embeddings.masked_fill(~present[..., None], 0.0)
        return total

    def _ngram_rows(self, ids: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return, for each size, the row of the n-gram that ends at each byte.

        Each row comes with a mask that is True where there is such an n-gram.
        """
        code = torch.zeros_like(ids, dtype=torch.int64)
        present = torch.ones_like(ids, dtype=torch.bool)
        by_size = {}
        for offset in range(max(self.sizes)):
            earlier = F.pad(ids, (offset, 0), value=self.pad)[:, : ids.shape[1]]
            code = (code * BASE + earlier + 1) % PRIME
            present = present & (earlier != self.pad)
            by_size[offset + 1] = code % self.rows, present
        return [by_size[size] for size in self.sizes]
