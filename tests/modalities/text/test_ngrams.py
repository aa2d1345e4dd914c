"""Embeddings of the bytes that end at each byte."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.modalities.text.adapter import TextAdapter
from perceivers.modalities.text.decode import PAD, encode
from perceivers.modalities.text.ngrams import BASE, PRIME, NgramEmbedding

SIZES, ROWS = (2, 4), 64


def embedding():
    torch.manual_seed(0)
    return NgramEmbedding(SIZES, rows=ROWS, dim=3, pad=PAD, std=1.0)


def row(gram):
    """Of the last byte first, in whole numbers of any size."""
    code = 0
    for number in reversed(gram):
        code = (code * BASE + number + 1) % PRIME
    return code % ROWS


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.binary(max_size=8), min_size=1, max_size=3), padding=st.integers(0, 3))
def test_each_byte_has_the_sum_over_the_ngrams_that_end_there(texts, padding):
    longest = max(map(len, texts)) + padding
    ids = torch.full((len(texts), longest), PAD)
    expected = torch.zeros(len(texts), longest, 3)
    grams = embedding()
    for index, text in enumerate(texts):
        numbers = [byte + 6 for byte in text]
        ids[index, : len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
        for end in range(1, len(numbers) + 1):
            for table, size in enumerate(SIZES):
                if end >= size:
                    place = table * ROWS + row(numbers[end - size : end])
                    expected[index, end - 1] += grams.table.weight[place]
    torch.testing.assert_close(grams(ids), expected)


def test_rows_are_used_evenly():
    """A million different runs of four bytes fall on the rows as if drawn at random."""
    grams = NgramEmbedding((4,), rows=1_000, dim=1, pad=PAD, std=1.0)
    ids = torch.cartesian_prod(*[torch.arange(100, 132)] * 4)
    [(codes, there)] = grams._ngrams(ids)
    assert there[:, -1].all()
    assert not there[:, :-1].any()
    counts = codes[:, -1].bincount(minlength=1_000).double()
    assert counts.std() < 1.2 * counts.mean().sqrt()


def test_a_text_adapter_adds_them_to_its_bytes():
    adapter = TextAdapter(max_length=8, embedding_dim=4, ngrams=(2, 3), ngram_rows=50)
    ids = encode(["film"], 8)
    expected = adapter.embedding(ids) + adapter.ngrams(ids)
    assert torch.equal(adapter(ids).content, expected)
    assert not torch.equal(expected, adapter.embedding(ids))


def test_dropout_acts_in_training_alone():
    torch.manual_seed(0)
    adapter = TextAdapter(max_length=64, embedding_dim=64, dropout=0.5)
    ids = encode(["a" * 64], 64)
    dropped = adapter(ids).content == 0
    assert 0.4 < dropped.float().mean() < 0.6
    assert not (adapter.eval()(ids).content == 0).any()


@pytest.mark.parametrize(("ngrams", "rows"), [((1,), 8), ((3, 3), 8), ((3,), 0)])
def test_what_are_no_ngrams_is_refused(ngrams, rows):
    with pytest.raises(ValueError, match="ngrams="):
        TextAdapter(ngrams=ngrams, ngram_rows=rows)
