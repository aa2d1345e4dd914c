"""Hide some bytes of texts, which a language model has to find."""

import torch
from torch import Tensor

from .decode import MASK, OFFSET

# Factors of the finaliser of MurmurHash3 (https://github.com/aappleby/smhasher), as signed numbers.
FACTORS = (-49064778989728563, -4265267296055464877)
POSITIVE = 2**63 - 1
BITS = 24  # of a hash that are compared with the share


def hide_bytes(ids: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Replace bytes of texts by the mask.

    Which ones depends on the text, the place and the seed alone, and not on the other texts of the
    batch: a score does not change with the size of the batches.

    Args:
        ids: ids of texts (B, L), int64; padding is never hidden.
        share: share of the bytes to hide.
        seed: another seed hides other bytes.

    Returns:
        The ids with masks, and a boolean (B, L), True where a byte is hidden.
    """
    places = torch.arange(1, ids.shape[1] + 1, device=ids.device)
    texts = (_hashed(places) * ids).sum(1, keepdim=True)  # the id of padding is 0
    drawn = _hashed(_hashed(texts + seed) + places) & (2**BITS - 1)
    hidden = (drawn < share * 2**BITS) & (ids >= OFFSET)
    return torch.where(hidden, MASK, ids), hidden


def _hashed(x: Tensor) -> Tensor:
    """Return integers that look random, int64."""
    for factor in FACTORS:
        x = (x ^ ((x & POSITIVE) >> 33)) * factor
    return x ^ ((x & POSITIVE) >> 33)
