"""Embeddings of the n-grams that end at each byte."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.modalities.text.adapter import TextAdapter
from perceivers.modalities.text.decode import PAD, encode
from perceivers.modalities.text.hashing import BASE, PRIME, byte_ngrams
from perceivers.modalities.text.ngrams import NgramEmbedding

SIZES, ROWS = (2, 4), 64


def ngram_embedding():
    torch.manual_seed(0)
    return NgramEmbedding(SIZES, rows=ROWS, dim=3, std=1.0)


def row_of(ngram):
    """The row of an n-gram, from its last id to its first, in integers of any size."""
    code = 0
    for byte_id in reversed(ngram):
        code = (code * BASE + byte_id + 1) % PRIME
    return code % ROWS


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.binary(max_size=8), min_size=1, max_size=3), padding=st.integers(0, 3))
def test_each_byte_has_the_sum_of_the_ngrams_that_end_there(texts, padding):
    longest = max(map(len, texts)) + padding
    ids = torch.full((len(texts), longest), PAD)
    expected = torch.zeros(len(texts), longest, 3)
    embedding = ngram_embedding()
    for index, text in enumerate(texts):
        text_ids = [byte + 6 for byte in text]
        ids[index, : len(text_ids)] = torch.tensor(text_ids, dtype=torch.int64)
        for end in range(1, len(text_ids) + 1):
            for table, size in enumerate(SIZES):
                if end >= size:
                    row = table * ROWS + row_of(text_ids[end - size : end])
                    expected[index, end - 1] += embedding.table.weight[row]
    torch.testing.assert_close(embedding(ids), expected)


def test_rows_are_used_evenly():
    """A million different 4-grams are spread over the rows as if drawn at random."""
    ids = torch.cartesian_prod(*[torch.arange(100, 132)] * 4)
    [(codes, present)] = byte_ngrams(ids, (4,))
    assert present[:, -1].all()
    assert not present[:, :-1].any()
    counts = (codes[:, -1] % 1_000).bincount(minlength=1_000).double()
    assert counts.std() < 1.2 * counts.mean().sqrt()


def test_the_text_adapter_adds_ngrams_to_its_bytes():
    adapter = TextAdapter(max_length=8, embedding_dim=4, ngrams=(2, 3), ngram_rows=50)
    ids = encode(["film"], 8)
    expected = adapter.embedding(ids) + adapter.ngrams(ids)
    assert torch.equal(adapter(ids).content, expected)
    assert not torch.equal(expected, adapter.embedding(ids))


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    adapter = TextAdapter(max_length=64, embedding_dim=64, dropout=0.5)
    ids = encode(["a" * 64], 64)
    dropped = adapter(ids).content == 0
    assert 0.4 < dropped.float().mean() < 0.6
    assert not (adapter.eval()(ids).content == 0).any()


@pytest.mark.parametrize(("ngrams", "rows"), [((1,), 8), ((3, 3), 8), ((3,), 0)])
def test_invalid_ngrams_are_refused(ngrams, rows):
    with pytest.raises(ValueError, match="ngrams=.* expected distinct sizes"):
        TextAdapter(ngrams=ngrams, ngram_rows=rows)
