"""Perceiver IO against the real transformers: latents, outputs and all gradients."""

import pytest
import torch
from benchmarks.peers.transformers_encoder import CROSS, encoder_state
from transformers import PerceiverConfig, PerceiverModel
from transformers.models.perceiver.modeling_perceiver import PerceiverBasicDecoder

from perceivers import Decoder, Inputs, LayerOptions, Perceiver, PerceiverIO, Queries

C, N, D, F, OUTPUTS = 7, 5, 16, 12, 9

# Widths and options of the published models, made small.
CASES = {
    "image classifier": ({"num_blocks": 3}, {"use_query_residual": True}),
    "language": (
        {"qk_channels": 8, "v_channels": 16, "num_cross_attention_heads": 2},
        {"qk_channels": 8, "v_channels": F, "num_heads": 2, "final_project": False},
    ),
    "flow": ({"num_self_attends_per_block": 3}, {}),
    "multimodal": ({"d_latents": D}, {"num_heads": 4, "widening_factor": 2}),
    "encoder without query residual": (
        {"use_query_residual": False, "num_blocks": 2},
        {"widening_factor": 3, "qk_channels": 4},
    ),
}


def pair(changes, decoder_changes):
    """Return a model of theirs with random weights, and ours with the same weights."""
    config = PerceiverConfig(
        **{
            "num_latents": N,
            "d_latents": D,
            "d_model": C,
            "num_blocks": 1,
            "num_self_attends_per_block": 2,
            "num_self_attention_heads": 2,
            "num_cross_attention_heads": 1,
            "attention_probs_dropout_prob": 0.0,
            **changes,
        }
    )
    arguments = {
        "num_channels": F,
        "num_heads": 1,
        "widening_factor": 1,
        "use_query_residual": False,
        "qk_channels": None,
        "v_channels": None,
        "final_project": True,
        **decoder_changes,
    }
    decoder = PerceiverBasicDecoder(
        config,
        3,
        output_index_dims=OUTPUTS,
        trainable_position_encoding_kwargs={"num_channels": F, "index_dims": OUTPUTS},
        **arguments,
    )
    torch.manual_seed(0)
    theirs = PerceiverModel(config, decoder=decoder)
    for parameter in theirs.parameters():  # norms and biases that have an effect
        torch.nn.init.normal_(parameter, mean=0.5 * (parameter.ndim == 1), std=0.3)
    encoder = Perceiver(
        C,
        num_latents=N,
        latent_dim=D,
        cross_order=(0, *[None] * (config.num_blocks - 1)),
        block_order=(0,) * config.num_blocks,
        num_layers_per_block=config.num_self_attends_per_block,
        num_cross_heads=config.num_cross_attention_heads,
        num_self_heads=config.num_self_attention_heads,
        qk_dim=config.qk_channels or C,
        v_dim=config.v_channels,
        self_qk_dim=config.qk_channels,
        self_v_dim=config.v_channels,
        use_query_residual=config.use_query_residual,
    )
    options = LayerOptions(
        num_heads=arguments["num_heads"],
        qk_dim=arguments["qk_channels"],
        v_dim=arguments["v_channels"],
        widening_factor=arguments["widening_factor"],
    )
    ours = PerceiverIO(
        encoder,
        Decoder(
            D,
            F,
            3 if arguments["final_project"] else None,
            options,
            use_query_residual=arguments["use_query_residual"],
        ),
    )
    names = names_of_weights(ours)
    state = theirs.state_dict()
    ours.load_state_dict({name: state[other] for name, other in names.items()})
    return theirs, ours, names


def names_of_weights(ours):
    """Return the names of our weights and theirs."""
    # Numbers in the place of the weights show how the weights are renamed.
    own = [*ours.encoder.state_dict()]
    numbered = {name: torch.tensor(number) for number, name in enumerate(own)}
    names = {f"encoder.{own[int(n)]}": theirs for theirs, n in encoder_state(numbered).items()}
    for name in ours.decoder.state_dict():
        part, _, kind = name.removeprefix("cross_attend.").rpartition(".")
        place = "decoding_cross_attention." + CROSS[part] if part in CROSS else "final_layer"
        names[f"decoder.{name}"] = f"decoder.{place}.{kind}"
    return names


@pytest.mark.parametrize("masked", [False, True], ids=["all inputs", "masked"])
@pytest.mark.parametrize("chunk_size", [None, 4], ids=["whole", "chunks"])
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients(case, chunk_size, masked):
    theirs, ours, names = pair(*CASES[case])
    generator = torch.Generator().manual_seed(1)
    content = torch.randn(2, 11, C, generator=generator)
    mask = torch.arange(11) < torch.tensor([[11], [6]]) if masked else None
    positions = theirs.decoder.output_position_encodings.position_embeddings

    result = theirs(content, attention_mask=None if mask is None else mask.float())
    inputs, queries = Inputs(content, mask=mask), Queries(position=positions[None])
    latents = ours.encode(inputs)
    torch.testing.assert_close(latents, result.last_hidden_state, atol=1e-4, rtol=1e-4)
    out = ours.decode(latents, queries, chunk_size=chunk_size)
    torch.testing.assert_close(out, result.logits, atol=1e-4, rtol=1e-4)

    weights = torch.randn(out.shape, generator=generator)
    theirs_by_name = dict(theirs.named_parameters())
    expected = torch.autograd.grad(
        (result.logits * weights).sum(), [*(theirs_by_name[n] for n in names.values()), positions]
    )
    ours_by_name = dict(ours.named_parameters())
    got = torch.autograd.grad((out * weights).sum(), [*map(ours_by_name.get, names), positions])
    for name, a, b in zip([*names, "queries"], got, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


def test_their_decoder_ignores_a_query_mask_and_ours_does_not():
    theirs, ours, _ = pair(*CASES["flow"])
    latents, query = torch.randn(2, N, D), torch.randn(2, OUTPUTS, F)
    mask = torch.arange(OUTPUTS) < torch.tensor([[OUTPUTS], [4]])
    ignored = theirs.decoder(query, latents, query_mask=mask.float()).logits
    assert torch.equal(ignored, theirs.decoder(query, latents).logits)
    out = ours.decode(latents, Queries(query, mask=mask))
    assert not out[~mask].any()
    torch.testing.assert_close(out[mask], ignored[mask], atol=1e-4, rtol=1e-4)
