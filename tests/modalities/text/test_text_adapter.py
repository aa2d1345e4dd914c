"""Bytes of text to elements."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.core import Perceiver
from perceivers.modalities.text.adapter import TextAdapter
from perceivers.modalities.text.decode import NUM_IDS, PAD, encode

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)


def reader(fusion="add", ngrams=()):
    torch.manual_seed(0)
    adapter = TextAdapter(max_length=32, embedding_dim=8, fusion=fusion, ngrams=ngrams)
    torch.nn.init.normal_(adapter.embedding.weight)
    torch.nn.init.normal_(adapter.position.weight)
    perceiver = Perceiver(
        adapter.dim,
        num_latents=3,
        latent_dim=16,
        cross_order=(0, 1, 1),
        block_order=(0, 0, 0),
        num_layers_per_block=1,
        num_self_heads=2,
    )
    return adapter, perceiver.eval()


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4))
def test_elements_are_bytes_at_their_places(texts):
    adapter = TextAdapter(max_length=24, embedding_dim=5, position_dim=3, fusion="concatenate")
    got = adapter(encode(texts, 24))
    assert got.dim == adapter.dim == 8
    for index, raw in enumerate(text.encode() for text in texts):
        embeddings = adapter.embedding.weight[[byte + 6 for byte in raw]]
        expected = torch.cat([embeddings, adapter.position.weight[: len(raw)]], dim=1)
        assert torch.equal(got.joined()[index, got.mask[index]], expected)


@pytest.mark.parametrize("ngrams", [(), (2, 3)])
@pytest.mark.parametrize("fusion", ["add", "concatenate"])
@settings(max_examples=25, deadline=None)
@given(texts=st.lists(TEXT, min_size=2, max_size=4), padding=st.integers(0, 5))
def test_a_text_reads_the_same_alone_and_padded(fusion, ngrams, texts, padding):
    adapter, perceiver = reader(fusion, ngrams)
    with torch.no_grad():
        ids = torch.nn.functional.pad(encode(texts, 24), (0, padding), value=PAD)
        batch = perceiver(adapter(ids))
        alone = torch.cat([perceiver(adapter(encode([text], 24))) for text in texts])
    torch.testing.assert_close(batch, alone, atol=1e-5, rtol=1e-5)


def test_texts_and_orders_of_bytes_are_told_apart():
    adapter, perceiver = reader()
    with torch.no_grad():
        latents = perceiver(adapter(encode(["ab", "ba", "\0", ""], 24)))
    distances = torch.cdist(latents.flatten(1), latents.flatten(1)) + torch.eye(4)
    assert distances.min() > 1e-3


def test_an_empty_text_is_read_as_nothing():
    """As if there were no elements at all; finite, also backward."""
    adapter, perceiver = reader()
    inputs = adapter(encode(["", "text"], 24))
    latents = perceiver(inputs)
    none = perceiver(adapter(torch.empty(1, 0, dtype=torch.int64)))
    torch.testing.assert_close(latents[:1], none)
    latents[0].square().sum().backward()
    parameters = [*adapter.parameters(), *perceiver.parameters()]
    assert all(p.grad is None or p.grad.isfinite().all() for p in parameters)
    assert not adapter.embedding.weight.grad.any()


def test_the_papers_bytes():
    """arXiv 2107.14795, §4.1: 2,048 bytes; embeddings and positions are added."""
    adapter = TextAdapter()
    assert adapter.embedding.weight.shape == (262, 768)
    assert adapter.position.weight.shape == (2048, 768)
    assert (adapter.num_inputs, adapter.dim, adapter.fusion) == (2048, 768, "add")
    assert adapter.embedding.weight.std().item() == pytest.approx(
        0.02 * 0.88, rel=0.02
    )  # cut at 2σ


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.uint8), "torch.uint8 of shape .* expected int64 ids"),
        (torch.zeros(2, 3), "torch.float32"),
        (torch.zeros(3, dtype=torch.int64), r"shape \(3,\); expected int64 ids \(batch, bytes\)"),
        (torch.full((1, 2), NUM_IDS), "ids from 262 to 262; expected 0 to 261"),
        (torch.tensor([[-1, 5]]), "ids from -1 to 5"),
        (torch.zeros(1, 9, dtype=torch.int64), "text of 9 bytes; this model reads up to 8: cut it"),
    ],
)
def test_what_does_not_fit(ids, message):
    with pytest.raises(ValueError, match=message):
        TextAdapter(max_length=8, embedding_dim=4)(ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"position_dim": 3}, "positions of 3 channels to embeddings of 768"),
        ({"max_length": 0}, "max_length=0; expected at least 1"),
    ],
)
def test_sizes_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        TextAdapter(**options)


def test_there_is_nothing_to_normalise():
    with pytest.raises(ValueError, match="text has no normalising constants"):
        TextAdapter(embedding_dim=4).set_normalisation(torch.zeros(1), torch.ones(1))
