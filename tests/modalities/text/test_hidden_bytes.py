"""Which bytes of texts are hidden, and a language model whose queries are its inputs."""

import pytest
import torch

from perceivers.modalities import TextConfig, TextOutputConfig
from perceivers.modalities.text.decode import MASK, PAD, encode
from perceivers.modalities.text.masking import hide_bytes
from perceivers.models.build import build
from perceivers.models.config import DecoderConfig, PerceiverIOConfig

TEXTS = [f"{i} bottles of beer, {i * i} of wine" for i in range(200)]


@pytest.mark.parametrize("share", [0.15, 0.6])
def test_the_share_is_hidden_and_padding_is_not(share):
    ids = encode([*TEXTS, ""], 60)
    shown, hidden = hide_bytes(ids, share, seed=1)
    count = int((ids != PAD).sum())
    assert hidden.sum().item() / count == pytest.approx(share, abs=4 * (0.25 / count) ** 0.5)
    assert (shown[hidden] == MASK).all()
    assert torch.equal(shown[~hidden], ids[~hidden])
    assert not hidden[ids == PAD].any()
    places = hidden.float().mean(0)[:20]  # every place, and every text, has its own
    assert places.std() < 0.15
    assert len({tuple(row) for row in hidden[:200].tolist()}) > 150


def test_hidden_bytes_depend_on_the_text_and_the_seed_alone():
    alone, _ = hide_bytes(encode(TEXTS[5:6], 60), 0.3, seed=1)
    beside, _ = hide_bytes(encode(TEXTS[5:], 60), 0.3, seed=1)
    assert torch.equal(alone[0], beside[0, : alone.shape[1]])
    assert not torch.equal(alone, hide_bytes(encode(TEXTS[5:6], 60), 0.3, seed=2)[0])


@pytest.mark.parametrize("fusion", ["add", "concatenate"])
def test_queries_of_a_language_model_may_be_its_inputs(fusion):
    torch.manual_seed(0)
    model = build(
        PerceiverIOConfig(
            input=TextConfig(max_length=12, embedding_dim=8, fusion=fusion),
            num_latents=4,
            latent_dim=16,
            num_layers_per_block=1,
            num_self_heads=2,
            decoder=DecoderConfig(use_query_residual=True),
            output=TextOutputConfig(queries="elements"),
        )
    ).eval()
    ids = encode(["a film", "b"], 12)
    logits = model(ids)
    assert logits.shape == (2, 6, 262)
    # The query of a byte is the byte itself: other latents change all outputs, a query its own.
    inputs = model.elements(ids)
    queries = model.output.queries(inputs)
    torch.testing.assert_close(model.decode(model.perceiver(inputs), queries), logits)
    other = model.output.queries(model.elements(encode(["c film", "b"], 12)))
    changed = (model.decode(model.perceiver(inputs), other) - logits).abs().amax(-1) > 1e-6
    assert changed.tolist() == [[True] + [False] * 5, [False] * 6]
    with pytest.raises(ValueError, match="pass model.elements"):
        model.output.queries(None)
