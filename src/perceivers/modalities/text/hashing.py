"""Hashes of the n-grams that end at each byte of a text, of bytes and of words, and of texts."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .decode import OFFSET, PAD

# B batch · L bytes

# An n-gram is hashed as the number whose digits to the base BASE are its ids, modulo PRIME. BASE is
# larger than all ids, and no intermediate product exceeds 2^63.
BASE, PRIME = 1_000_003, 2_147_483_647
REACH = 7  # words, and gaps between words, are followed over 2^REACH bytes

Hashes = list[tuple[Tensor, Tensor]]
"""For each kind of n-gram, a hash for each byte (B, L) and whether such an n-gram ends there."""


def byte_ngrams(ids: Tensor, sizes: Sequence[int]) -> Hashes:
    """Hash the n-grams of bytes that end at each byte.

    Args:
        ids: ids of bytes (B, L), integers; 0 is padding, which no n-gram contains.
        sizes: the sizes n, in bytes.

    Returns:
        For each size, hashes (B, L) int64 below `PRIME` and a mask (B, L).
    """
    code = torch.zeros_like(ids, dtype=torch.int64)
    present = torch.ones_like(ids, dtype=torch.bool)
    by_size = {}
    for offset in range(max(sizes, default=0)):
        earlier = _earlier(ids, offset)
        code = (code * BASE + earlier + 1) % PRIME
        present = present & (earlier != PAD)
        by_size[offset + 1] = code, present
    return [by_size[size] for size in sizes]


def word_ngrams(ids: Tensor, sizes: Sequence[int]) -> Hashes:
    """Hash the n-grams of words that end at each byte.

    A word is a run of ASCII letters, digits, apostrophes, hyphens, and the bytes of other
    characters. Upper and lower case of ASCII letters are the same. What stands between two words
    does not matter. The first words of a text have n-grams with fewer than n words.

    Args:
        ids: as in `byte_ngrams`.
        sizes: the sizes n, in words.

    Returns:
        For each size, hashes (B, L) int64 below `PRIME` and a mask (B, L), which is True at the
        last byte of each word.
    """
    in_word, letters = _letters(ids)
    ends = _ends(in_word)
    word = _hash_runs(letters, in_word)
    code, by_size = word, {1: (word, ends)}
    for size in range(2, max(sizes, default=0) + 1):
        before = _last_before(code, ends)
        code = (before * BASE + word) % PRIME
        by_size[size] = code, ends
    return [by_size[size] for size in sizes]


def ngrams(ids: Tensor, sizes: Sequence[int], words: Sequence[int]) -> Hashes:
    """Hash the n-grams of bytes, then those of words, that end at each byte.

    Args:
        ids: as in `byte_ngrams`.
        sizes: sizes of the n-grams of bytes.
        words: sizes of the n-grams of words.
    """
    return [*byte_ngrams(ids, sizes), *word_ngrams(ids, words)]


def spread(values: Tensor, ids: Tensor, sizes: Sequence[int], words: Sequence[int]) -> Tensor:
    """Divide a value of each n-gram evenly among its bytes, or among those of its words.

    Args:
        values: value of the n-gram of each kind that ends at a byte, 0 if there is none;
            (B, L, kinds, K), with the kinds in the order of `ngrams`.
        ids: as in `byte_ngrams`.
        sizes: sizes of the n-grams of bytes.
        words: sizes of the n-grams of words.

    Returns:
        The sum of its shares for each byte, (B, L, K).
    """
    of_bytes, of_words = values.split([len(sizes), len(words)], dim=2)
    total = torch.zeros_like(values[:, :, 0])
    for kind, size in enumerate(sizes):
        total += _over_the_last(of_bytes[:, :, kind] / size, size)
    in_word, _ = _letters(ids)
    ends = _ends(in_word)
    word = (ends.cumsum(1) - ends.long())[..., None]  # index of the word of each byte, or the next
    count = ids.shape[1] + 1
    lengths = values.new_zeros(len(ids), count, 1)
    lengths.scatter_add_(1, word, in_word[..., None].to(values.dtype))
    for kind, size in enumerate(words):
        of_word = values.new_zeros(len(ids), count, values.shape[3])
        of_word.scatter_add_(1, word.expand_as(total), of_words[:, :, kind])
        earlier = [F.pad(lengths, (0, 0, n, 0))[:, :count] for n in range(size)]
        shares = _over_the_last(of_word / torch.stack(earlier).sum(0).clamp(min=1), size)
        total += shares.gather(1, word.expand_as(total)) * in_word[..., None]
    return total


def _over_the_last(values: Tensor, count: int) -> Tensor:
    """Return for each place (B, L, K) the sum of the values there and at the count - 1 after it."""
    later = [F.pad(values, (0, 0, 0, n))[:, n:] for n in range(count)]
    return torch.stack(later).sum(0)


def text_folds(ids: Tensor, count: int) -> Tensor:
    """Return the fold of each text, (B,) below `count`, which depends on its bytes alone.

    Args:
        ids: as in `byte_ngrams`.
        count: number of folds.
    """
    weights = torch.arange(1, ids.shape[1] + 1, device=ids.device) * 7_919 % 10_007
    return (ids.long() * weights * (ids != PAD)).sum(dim=1) % count


def _letters(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return where bytes belong to words, and the ids with upper case replaced by lower case."""
    byte = ids.long() - OFFSET
    upper = (byte >= ord("A")) & (byte <= ord("Z"))
    byte = torch.where(upper, byte + ord("a") - ord("A"), byte)
    in_word = (byte >= ord("a")) & (byte <= ord("z")) | (byte >= ord("0")) & (byte <= ord("9"))
    in_word = in_word | (byte >= 128) | (byte == ord("'")) | (byte == ord("-"))
    return in_word, byte + OFFSET


def _ends(in_word: Tensor) -> Tensor:
    """Return where the words (B, L) end."""
    return in_word & ~F.pad(in_word, (0, 1))[:, 1:]


def _hash_runs(ids: Tensor, inside: Tensor) -> Tensor:
    """Return, for each byte, the hash of the run of bytes `inside` that ends at it.

    The hashes of two neighbouring spans give that of both, so that a run is hashed in `REACH`
    steps, each of which doubles the spans.
    """
    code = torch.where(inside, ids + 1, 0)
    power = torch.full_like(code, BASE)  # BASE to the power of the length of the span
    joined = inside & _earlier(inside, 1)  # with the span before
    for step in range(REACH):
        span = 2**step
        longer = (_earlier(code, span) * power + code) % PRIME
        code = torch.where(joined, longer, code)
        power = torch.where(joined, power * _earlier(power, span) % PRIME, power)
        joined = joined & _earlier(joined, span)
    return code


def _last_before(values: Tensor, present: Tensor) -> Tensor:
    """Return, for each byte, the value at the last byte before it that is `present`; else 0."""
    values, present = _earlier(values, 1), _earlier(present, 1)
    values = torch.where(present, values, 0)
    for step in range(REACH):
        span = 2**step
        values = torch.where(present, values, _earlier(values, span))
        present = present | _earlier(present, span)
    return values


def _earlier(x: Tensor, places: int) -> Tensor:
    """Return the values (B, L) that stand `places` bytes before each byte; 0 before the text."""
    return F.pad(x, (places, 0))[:, : x.shape[1]]
