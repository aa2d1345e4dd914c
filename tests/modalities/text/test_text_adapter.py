"""The text adapter: one element per byte of a text."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.core import Perceiver
from perceivers.modalities.text.adapter import TextAdapter
from perceivers.modalities.text.decode import NUM_IDS, PAD, encode

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)


def adapter_and_perceiver(fusion="add", ngrams=()):
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
def test_elements_are_embeddings_and_positions_of_bytes(texts):
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
def test_latents_of_a_text_are_the_same_alone_and_padded(fusion, ngrams, texts, padding):
    adapter, perceiver = adapter_and_perceiver(fusion, ngrams)
    with torch.no_grad():
        ids = torch.nn.functional.pad(encode(texts, 24), (0, padding), value=PAD)
        batch = perceiver(adapter(ids))
        alone = torch.cat([perceiver(adapter(encode([text], 24))) for text in texts])
    torch.testing.assert_close(batch, alone, atol=1e-5, rtol=1e-5)


def test_texts_and_orders_of_bytes_give_different_latents():
    adapter, perceiver = adapter_and_perceiver()
    with torch.no_grad():
        latents = perceiver(adapter(encode(["ab", "ba", "\0", ""], 24)))
    distances = torch.cdist(latents.flatten(1), latents.flatten(1)) + torch.eye(4)
    assert distances.min() > 1e-3


def test_an_empty_text_has_no_effect():
    """Latents are those of an input without elements; gradients are finite."""
    adapter, perceiver = adapter_and_perceiver()
    inputs = adapter(encode(["", "text"], 24))
    latents = perceiver(inputs)
    without_elements = perceiver(adapter(torch.empty(1, 0, dtype=torch.int64)))
    torch.testing.assert_close(latents[:1], without_elements)
    latents[0].square().sum().backward()
    parameters = [*adapter.parameters(), *perceiver.parameters()]
    assert all(p.grad is None or p.grad.isfinite().all() for p in parameters)
    assert not adapter.embedding.weight.grad.any()


def test_the_papers_sizes_on_bytes():
    """arXiv 2107.14795, §4.1: 2,048 bytes; embeddings and positions are added."""
    adapter = TextAdapter()
    assert adapter.embedding.weight.shape == (262, 768)
    assert adapter.position.weight.shape == (2048, 768)
    assert (adapter.num_inputs, adapter.dim, adapter.fusion) == (2048, 768, "add")
    assert adapter.embedding.weight.std().item() == pytest.approx(
        0.02 * 0.88, rel=0.02
    )  # truncated at 2σ


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.uint8), "torch.uint8 of shape .* expected int64 ids"),
        (torch.zeros(2, 3), "torch.float32"),
        (torch.zeros(3, dtype=torch.int64), r"shape \(3,\); expected int64 ids \(batch, bytes\)"),
        (torch.full((1, 2), NUM_IDS), "ids from 262 to 262; expected 0 to 261"),
        (torch.tensor([[-1, 5]]), "ids from -1 to 5"),
        (
            torch.zeros(1, 9, dtype=torch.int64),
            "is 9 bytes long; this model reads up to 8: cut the",
        ),
    ],
)
def test_batches_that_do_not_fit(ids, message):
    with pytest.raises(ValueError, match=message):
        TextAdapter(max_length=8, embedding_dim=4)(ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"position_dim": 3}, "position_dim=3 differs from embedding_dim=768"),
        ({"max_length": 0}, "max_length=0; expected at least 1"),
    ],
)
def test_impossible_sizes(options, message):
    with pytest.raises(ValueError, match=message):
        TextAdapter(**options)


def test_normalising_constants_are_refused():
    with pytest.raises(ValueError, match="text has no normalising constants"):
        TextAdapter(embedding_dim=4).set_normalisation(torch.zeros(1), torch.ones(1))
