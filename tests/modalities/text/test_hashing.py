"""Hashes of the n-grams of words that end at each byte."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.modalities.text.decode import OFFSET, encode
from perceivers.modalities.text.hashing import BASE, PRIME, ngrams, spread, word_ngrams

WORD = re.compile(rb"[A-Za-z0-9'\-\x80-\xff]+")


def code_of(words):
    """The hash of an n-gram of words, in integers of any size."""
    code = 0
    for word in words:
        one = 0
        for byte in word.lower():
            one = (one * BASE + byte + OFFSET + 1) % PRIME
        code = (code * BASE + one) % PRIME
    return code


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text("aB'é9 .,-", max_size=30), min_size=1, max_size=3))
def test_each_last_byte_of_a_word_has_the_hashes_of_the_words_that_end_there(texts):
    ids = encode(texts, 200)
    for size, (codes, present) in zip((3, 1, 2), word_ngrams(ids, (3, 1, 2)), strict=True):
        for text, row, ends in zip(texts, codes, present, strict=True):
            matches = list(WORD.finditer(text.encode()))
            expected = {
                match.end() - 1: code_of(m[0] for m in matches[max(0, i - size + 1) : i + 1])
                for i, match in enumerate(matches)
            }
            assert {i: int(row[i]) for i in ends.nonzero().flatten().tolist()} == expected


@pytest.mark.parametrize("length", [1, 2, 64, 127, 128])
def test_words_of_up_to_128_bytes_are_hashed_whole(length):
    ids = encode([f"{letter}{'x' * (length - 1)} y" for letter in "ab"], 200)
    [(words, _), (pairs, _)] = word_ngrams(ids, (1, 2))
    assert words[0, length - 1] != words[1, length - 1]
    assert pairs[0, -1] != pairs[1, -1]
    assert words[0, -1] == words[1, -1]


def test_padding_and_other_texts_change_nothing():
    alone, together = encode(["not bad"], 20), encode(["not bad", "a longer text"], 20)
    for (code, present), (codes, ends) in zip(
        word_ngrams(alone, (1, 2)), word_ngrams(together, (1, 2)), strict=True
    ):
        torch.testing.assert_close(codes[0, :7], code[0])
        assert torch.equal(ends[0, :7], present[0])
        assert not ends[0, 7:].any()


@given(st.text("ab -é", max_size=30), st.sampled_from([((1, 3), ()), ((), (1, 2)), ((2,), (3, 1))]))
def test_values_are_divided_among_the_bytes_of_n_grams(text, kinds):
    ids = encode([text + "zz"], max_length=99)
    present = torch.stack([present for _, present in ngrams(ids, *kinds)], dim=-1)
    torch.manual_seed(0)
    values = torch.rand(*present.shape, 2, dtype=torch.float64) * present[..., None]
    expected = torch.zeros(ids.shape[1], 2, dtype=torch.float64)
    sizes, words = kinds
    raw = (text + "zz").encode()
    spans = [m.span() for m in re.finditer(rb"[a-z0-9'\x80-\xff-]+", raw)]
    for end in range(len(raw)):
        for kind, size in enumerate(sizes):
            if end + 1 >= size:
                expected[end + 1 - size : end + 1] += values[0, end, kind] / size
        for kind, size in enumerate(words, len(sizes)):
            before = [span for span in spans if span[1] <= end + 1]
            if before and before[-1][1] == end + 1:
                own = [place for span in before[-size:] for place in range(*span)]
                expected[own] += values[0, end, kind] / len(own)
    torch.testing.assert_close(spread(values, ids, *kinds)[0], expected)
