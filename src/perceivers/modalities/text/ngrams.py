"""Learned embeddings of the runs of bytes that end at each byte of a text."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.init import trunc_normal

# B batch · L bytes · C channels

# Ids are digits to a base above all of them; what is left of the number by a prime spreads it over
# the rows. Both products stay below 2^63.
BASE, PRIME = 1_000_003, 2_147_483_647


class NgramEmbedding(nn.Module):
    """Ids of bytes (B, L) → (B, L, C): for each byte, the sum over n of the embedding of the n
    bytes that end with it.

    There are too many n-grams for a row each: a hash chooses one of `rows` (arXiv 2412.09871,
    §3.2.1, hash n-gram embeddings, there of 3 to 8 bytes), so that some share theirs. At the
    beginning of a text, where n bytes are not there yet, there is no n-gram; nor is one across
    padding.

    Args:
        sizes: the different n.
        rows: of the table of each n.
        dim: C.
        pad: the id that is no byte.
        std: spread of the initial embeddings.

    Raises:
        ValueError: an n below 2 or given twice, or no rows.
    """

    def __init__(self, sizes: Sequence[int], *, rows: int, dim: int, pad: int, std: float) -> None:
        super().__init__()
        if min(sizes, default=2) < 2 or len(set(sizes)) < len(sizes) or rows < 1:
            raise ValueError(
                f"ngrams={tuple(sizes)}, ngram_rows={rows}; expected different lengths of 2 bytes "
                "or more, and at least 1 row"
            )
        self.sizes, self.rows, self.pad = tuple(sizes), rows, pad
        self.table = nn.Embedding(len(self.sizes) * rows, dim)
        trunc_normal(self.table.weight, std)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, L), integers → (B, L, C)."""
        total = self.table.weight.new_zeros(*ids.shape, self.table.embedding_dim)
        for index, (codes, there) in enumerate(self._ngrams(ids)):
            rows = self.table(index * self.rows + codes)
            total = total + rows.masked_fill(~there[..., None], 0.0)
        return total

    def _ngrams(self, ids: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For each n, the row of the n-gram that ends at each byte, and whether there is one."""
        code = torch.zeros_like(ids, dtype=torch.int64)
        there = torch.ones_like(ids, dtype=torch.bool)
        found = {}
        for back in range(max(self.sizes)):
            earlier = F.pad(ids, (back, 0), value=self.pad)[:, : ids.shape[1]]
            code = (code * BASE + earlier + 1) % PRIME
            there = there & (earlier != self.pad)
            found[back + 1] = code % self.rows, there
        return [found[size] for size in self.sizes]
